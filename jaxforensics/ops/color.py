"""Luma, JPEG's YCbCr and gamma, and the types of pixels."""

import chex
import jax.numpy as jnp

_RGB = (..., None, None, 3)
_CHROMA_ZERO = 128 / 255  # JPEG centres chroma on the code 128, not on one half


def to_float(pixels):
    """Eight-bit pixels as float32 in [0, 1]; numpy stays numpy."""
    return pixels.astype(jnp.float32) / 255


def widened(x):
    """The array in float32, or in its type where that is wider; numpy stays numpy."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def to_gray(image):
    """BT.601 luma 0.299 R + 0.587 G + 0.114 B, (..., h, w, 3) -> (..., h, w)."""
    chex.assert_shape(image, _RGB)
    red, green, blue = _channels(image)
    return (0.299 * red + 0.587 * green + 0.114 * blue).astype(image.dtype)


def rgb_to_ycbcr(image):
    """JPEG's full-range YCbCr (JFIF), all in [0, 1]; no chroma is 128/255."""
    chex.assert_shape(image, _RGB)
    red, green, blue = _channels(image)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # 1.772 = 2 (1 - 0.114) and 1.402 = 2 (1 - 0.299): chroma spans one, as luma does.
    cb = (blue - luma) / 1.772
    cr = (red - luma) / 1.402
    ycbcr = jnp.stack([luma, cb + _CHROMA_ZERO, cr + _CHROMA_ZERO], axis=-1)
    return ycbcr.astype(image.dtype)


def ycbcr_to_rgb(image):
    """Inverse of `rgb_to_ycbcr`; colours outside the RGB cube leave [0, 1]."""
    chex.assert_shape(image, _RGB)
    luma, cb, cr = _channels(image)
    blue = luma + 1.772 * (cb - _CHROMA_ZERO)
    red = luma + 1.402 * (cr - _CHROMA_ZERO)
    # Luma's definition, solved for green.
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return jnp.stack([red, green, blue], axis=-1).astype(image.dtype)


def adjust_gamma(image, gamma):
    """`image ** gamma` with one exponent, or one per image.

    Values at or below zero become zero, and so do their gradients.
    """
    chex.assert_shape(image, (..., None, None, None))
    gamma = jnp.broadcast_to(gamma, image.shape[:-3])[..., None, None, None]
    is_positive = image > 0
    # A power that is taken of ones where it is not wanted: of zeros and of negative
    # numbers its gradient would be infinite or no number, and stay so behind `where`.
    power = jnp.where(is_positive, widened(image), 1.0) ** gamma
    return jnp.where(is_positive, power, 0.0).astype(image.dtype)


def _channels(image):
    """Red, green and blue, or luma and both chromas, wide enough to compute in."""
    wide = widened(image)
    return wide[..., 0], wide[..., 1], wide[..., 2]
