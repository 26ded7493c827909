"""How close an image is to its reference: one value per image, peak 1.

Images are `(..., h, w, 3)` or gray, `(..., h, w)`: a last axis of length 1 or 3 holds
colours.  Values are averaged over colours.  Differentiable; computed in float32 or
better, whatever the input.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2
_BLOCK = 128


def psnr(image, reference):
    """Peak signal-to-noise ratio in dB: (..., h, w, 3), same -> (...).

    Equals skimage.metrics.peak_signal_noise_ratio(data_range=1) image by image: inf,
    with gradient zero, where the two are equal.
    """
    image, reference = _pair(image, reference)
    error = jnp.mean(jnp.square(image - reference), axis=(-3, -2, -1))
    equal = error == 0
    return jnp.where(equal, jnp.inf, -10 * jnp.log10(jnp.where(equal, 1.0, error)))


def ssim(image, reference):
    """Structural similarity, Gaussian window 11, sigma 1.5: (..., h, w, 3) -> (...).

    Wang et al. (2004), means over the positions where the window lies within the
    image.  Equals skimage.metrics.structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1), which pads
    and then crops the border by 5.  ValueError for images smaller than the window.
    """
    x, y = _pair(image, reference)
    if min(x.shape[-3:-1]) <= 2 * _RADIUS:
        height, width = x.shape[-3:-1]
        raise ValueError(f"ssim needs at least 11x11 pixels, got {height}x{width}")
    # 4 E[x]E[y] = E[x + y]^2 - E[x - y]^2, and so for the other moments: sum and
    # difference need four filterings where x and y need five.
    mean_p, var_p = _moments(x + y)
    mean_m, var_m = _moments(x - y)
    mean_p, mean_m = jnp.square(mean_p), jnp.square(mean_m)
    luminance = (mean_p - mean_m + 2 * _C1) / (mean_p + mean_m + 2 * _C1)
    structure = (var_p - var_m + 2 * _C2) / (var_p + var_m + 2 * _C2)
    return jnp.mean(luminance * structure, axis=(-3, -2, -1))


def _pair(image, reference):
    """Both as (..., h, w, colours), in float32 or better."""
    image, reference = jnp.asarray(image), jnp.asarray(reference)
    if image.shape != reference.shape:
        raise ValueError(f"image {image.shape} and reference {reference.shape} differ")
    if not all(jnp.issubdtype(x.dtype, jnp.floating) for x in (image, reference)):
        raise ValueError("images must be floats with peak 1, got integers")
    if image.shape[-1] not in (1, 3):
        image, reference = image[..., None], reference[..., None]
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    return image.astype(dtype), reference.astype(dtype)


def _moments(image):
    """Gaussian means and variances: (..., h, w, c) -> (..., c, w - 10, h - 10) each."""
    # Around the image's own mean, of which the variance is free: in float32 the square
    # of a bright mean would swallow a small variance.
    centre = lax.stop_gradient(jnp.mean(image, axis=(-3, -2), keepdims=True))
    image = image - centre
    mean = _window(image)
    variance = _window(jnp.square(image)) - jnp.square(mean)
    return mean + jnp.swapaxes(centre, -1, -3), variance


def _window(image):
    """Gaussian means where the window fits, shaped as in `_moments`."""
    # Rows first, on w * c columns at once: wide matrix products, one small transpose.
    *lead, height, width, colours = image.shape
    image = _rows(image.reshape(*lead, height, width * colours))
    image = image.reshape(*lead, -1, width, colours)
    return _rows(jnp.swapaxes(image, -1, -3))


def _rows(x):
    """Correlate the last axis but one with the window, as products with its band."""
    # Blocks keep the band dense enough to pay off and the work linear in the height.
    length = x.shape[-2] - 2 * _RADIUS
    blocks = math.ceil(length / _BLOCK)
    starts = np.linspace(0, length, blocks + 1).astype(int)
    parts = [
        jnp.matmul(
            _band(stop - start, x.dtype),
            x[..., start : stop + 2 * _RADIUS, :],
            precision="highest",
        )
        for start, stop in zip(starts[:-1], starts[1:], strict=True)
    ]
    return jnp.concatenate(parts, axis=-2)


def _band(size, dtype):
    """The matrix (size, size + 10) whose rows hold the window, moved along."""
    taps = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    band = np.zeros((size, size + 2 * _RADIUS))
    for tap, weight in enumerate(taps / taps.sum()):
        band[np.arange(size), np.arange(size) + tap] = weight
    return jnp.asarray(band, dtype)
