"""Luma, JPEG's YCbCr and gamma."""

import jax.numpy as jnp

_CHROMA_ZERO = 128 / 255  # JPEG centres chroma on the code 128, not on one half


def to_float(pixels):
    """Eight-bit pixels as float32 in [0, 1]; numpy stays numpy."""
    return pixels.astype(jnp.float32) / 255


def to_gray(image):
    """BT.601 luma 0.299 R + 0.587 G + 0.114 B, (..., h, w, 3) -> (..., h, w)."""
    red, green, blue = _channels(image)
    return (0.299 * red + 0.587 * green + 0.114 * blue).astype(image.dtype)


def rgb_to_ycbcr(image):
    """JPEG's full-range YCbCr (JFIF), all in [0, 1]; no chroma is 128/255."""
    red, green, blue = _channels(image)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luma) / 1.772, (red - luma) / 1.402
    ycbcr = jnp.stack([luma, cb + _CHROMA_ZERO, cr + _CHROMA_ZERO], axis=-1)
    return ycbcr.astype(image.dtype)


def ycbcr_to_rgb(image):
    """Inverse of `rgb_to_ycbcr`; colours outside the RGB cube leave [0, 1]."""
    luma, cb, cr = _channels(image)
    blue = luma + 1.772 * (cb - _CHROMA_ZERO)
    red = luma + 1.402 * (cr - _CHROMA_ZERO)
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return jnp.stack([red, green, blue], axis=-1).astype(image.dtype)


def adjust_gamma(image, gamma):
    """`image ** gamma` with one exponent, or one per image.

    Values at or below zero become zero, and so do their gradients.
    """
    gamma = jnp.broadcast_to(gamma, image.shape[:-3])[..., None, None, None]
    positive = image > 0
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    power = jnp.where(positive, wide, 1.0) ** gamma
    return jnp.where(positive, power, 0.0).astype(image.dtype)


def _channels(image):
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    return wide[..., 0], wide[..., 1], wide[..., 2]
