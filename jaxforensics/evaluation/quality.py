"""How close an image is to its reference: one value per image, peak 1.

Images are `(..., h, w, 3)` or gray, `(..., h, w)`: a last axis of length 1 or 3 holds
colours.  Values are averaged over colours.  Differentiable; computed in float32 or
better, whatever the input.

Traceable: under jit they run on the device beside the network, so that a training may
measure each example of a batch against its original, `psnr(outputs["image"],
batch["real"])`, (b, h, w, 3), same -> (b,).  Shapes are checked while tracing.
"""

import functools

import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels.fusion import stage
from jaxforensics.ops.filters import gaussian_blur

# Wang et al. (2004): the window of 11 pixels, and what steadies the divisions.
_SIGMA = 1.5
_RADIUS = 5
_C1 = 0.01**2
_C2 = 0.03**2


def psnr(image, reference):
    """Peak signal-to-noise ratio in dB: (..., h, w, 3), same -> (...).

    Equals skimage.metrics.peak_signal_noise_ratio(data_range=1) image by image: inf,
    with gradient zero, where the two are equal.
    """
    image, reference = _both(image, reference)
    error = jnp.mean(jnp.square(image - reference), axis=(-3, -2, -1))
    equal = error == 0
    # The inner `where` keeps log10(0) out of the gradient, where inf * 0 would be nan.
    return jnp.where(equal, jnp.inf, -10 * jnp.log10(jnp.where(equal, 1.0, error)))


def ssim(image, reference, *, borders=False):
    """Structural similarity, Gaussian window 11, sigma 1.5: (..., h, w, 3) -> (...).

    Wang et al. (2004), means over the positions where the window lies within the
    image.  Equals skimage.metrics.structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1), which pads
    and then crops the border by 5.  With `borders`, means over all positions, pictures
    mirrored beyond their border.  ValueError for images smaller than the window.
    """
    similarity = _similarity(*_both(image, reference))
    if not borders:
        inside = slice(_RADIUS, -_RADIUS)  # the rest has met mirrored pixels
        similarity = similarity[..., inside, inside, :]
    # XLA:CPU is faster at the mean over columns first.
    return jnp.mean(jnp.mean(similarity, axis=-3), axis=(-2, -1))


def ssim_map(image, reference):
    """Structural similarity around each pixel: (..., h, w, 3), same -> (..., h, w).

    Means over colours; pictures are mirrored beyond their border, see `ssim`.
    """
    return jnp.mean(_similarity(*_both(image, reference)), axis=-1)


def _similarity(x, y):
    """Structural similarity at every position and colour, borders mirrored."""
    if min(x.shape[-3:-1]) <= 2 * _RADIUS:
        height, width = x.shape[-3:-1]
        raise ValueError(f"ssim needs at least 11x11 pixels, got {height}x{width}")
    # 4 E[x]E[y] = E[x + y]^2 - E[x - y]^2, and so for the other moments: sum and
    # difference need four filterings where x and y need five.
    mean_of_sum, var_of_sum = _moments(x + y)
    mean_of_gap, var_of_gap = _moments(x - y)
    square_of_sum = jnp.square(mean_of_sum)
    square_of_gap = jnp.square(mean_of_gap)
    # What is missing from 1, so that equal pictures have 1 whatever a division rounds.
    luminance = 1 - 2 * square_of_gap / (square_of_sum + square_of_gap + 2 * _C1)
    structure = 1 - 2 * var_of_gap / (var_of_sum + var_of_gap + 2 * _C2)
    return luminance * structure


def _both(image, reference):
    """Both as (..., h, w, colours), in float32 or better."""
    image = jnp.asarray(image)
    reference = jnp.asarray(reference)
    if image.shape != reference.shape:
        raise ValueError(f"image {image.shape} and reference {reference.shape} differ")
    if not all(jnp.issubdtype(x.dtype, jnp.floating) for x in (image, reference)):
        raise ValueError("images must be floats with peak 1, got integers")
    if image.shape[-1] not in (1, 3):  # gray, without an axis of colours
        image = image[..., None]
        reference = reference[..., None]
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    return image.astype(dtype), reference.astype(dtype)


def _moments(image):
    """Gaussian means and variances, shaped as the image."""
    # Around the image's own mean, of which the variance is free: in float32 the square
    # of a bright mean would swallow a small variance.  (XLA:CPU is faster at the mean
    # of a column, then of the row of those.)
    centre = jnp.mean(jnp.mean(image, axis=-3, keepdims=True), axis=-2, keepdims=True)
    image = image - lax.stop_gradient(centre)
    blur = stage(functools.partial(gaussian_blur, size=2 * _RADIUS + 1, sigma=_SIGMA))
    mean = blur(image)
    return mean + lax.stop_gradient(centre), blur(jnp.square(image)) - jnp.square(mean)
