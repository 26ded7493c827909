"""Noise residuals: what is left of a picture without its content."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.ops.color import widened
from jaxforensics.ops.filters import wiener
from jaxforensics.ops.resample import resize

# Three kernels of the spatial rich model, as deepfake detectors use them: second order
# square 3x3, "KV" 5x5 and second order along the row (Fridrich & Kodovsky, 2012; Zhou
# et al., 2018).
SRM_KERNELS = np.zeros((3, 5, 5), np.float32)
SRM_KERNELS[0, 1:4, 1:4] = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
SRM_KERNELS[1] = (
    np.array(
        [
            [-1, 2, -2, 2, -1],
            [2, -6, 8, -6, 2],
            [-2, 8, -12, 8, -2],
            [2, -6, 8, -6, 2],
            [-1, 2, -2, 2, -1],
        ]
    )
    / 12
)
SRM_KERNELS[2, 2, 1:4] = np.array([1, -2, 1]) / 2
SRM_KERNELS.setflags(write=False)


@functools.partial(jax.jit, static_argnames="clip")
def srm(image, *, clip=None):
    """Each of `SRM_KERNELS` on the sum of R, G and B, zeros around the picture.

    (..., h, w, 3) -> (..., h, w, 3), values clipped to [-clip, clip] where it is given.
    """
    chex.assert_shape(image, (..., None, None, None))
    wide = widened(image)
    total = sum(wide[..., channel] for channel in range(image.shape[-1]))
    padded = jnp.pad(total, [(0, 0)] * (total.ndim - 2) + [(2, 2), (2, 2)])
    # With D = [1, -2, 1] along rows times the same along columns, the 3x3 kernel is
    # -D/4, and KV is -D * (2 in the middle, 1 on the four diagonals)/12.
    cross = _second_difference(_second_difference(padded, -1), -2)
    middle = cross[..., 1:-1, 1:-1]
    diagonals = sum(
        cross[..., row, column]
        for row in (slice(None, -2), slice(2, None))
        for column in (slice(None, -2), slice(2, None))
    )
    along_row = _second_difference(padded[..., 2:-2, 1:-1], -1)
    maps = [-middle / 4, -(2 * middle + diagonals) / 12, along_row / 2]
    residuals = jnp.stack(maps, axis=-1)
    if clip is not None:
        residuals = jnp.clip(residuals, -clip, clip)
    return residuals.astype(image.dtype)


@jax.jit
def high_pass(image):
    """Errors of three fixed linear predictors, for hand-crafted residual front ends.

    (..., h, w, c) -> (..., h, w, 3c): all channels by the mean of the two neighbours in
    the row, then of the two in the column, then by both (the cross difference / 4),
    prediction minus pixel.  Mirrored at the border.  Mo et al. (2018) print no kernels;
    these, the lowest even orders in each direction, are ours.
    """
    chex.assert_shape(image, (..., None, None, None))
    wide = widened(image)
    width = [(0, 0)] * (image.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
    padded = jnp.pad(wide, width, mode="reflect")
    # A predictor's error is half of a second difference: (before + after) / 2 - here.
    along_row = _second_difference(padded, -2) / 2
    along_column = _second_difference(padded[..., 1:-1, :], -3) / 2
    both = _second_difference(along_row, -3) / 2
    maps = [along_row[..., 1:-1, :, :], along_column, both]
    return jnp.concatenate(maps, axis=-1).astype(image.dtype)


def enlargement_residual(image, *, factor=4):
    """What an enlargement lacks: the image, less it shrunk and enlarged again.

    Shrunk by means over squares of `factor` pixels, enlarged by bicubic interpolation;
    (…, h, w, c) with sides of any length.
    """
    chex.assert_shape(image, (..., None, None, None))
    height, width = image.shape[-3:-1]
    small = max(height // factor, 1), max(width // factor, 1)
    shrunk = resize(image, small, method="box")
    return image - resize(shrunk, (height, width), method="bicubic")


def noise_residual(gray):
    """`gray` minus its 3x3 Wiener filtering, (..., h, w) -> (..., h, w).

    Mirrored at the border: the step to zeros would be in every residual, and in the
    estimate of the noise.
    """
    chex.assert_shape(gray, (..., None, None))
    return gray - wiener(gray, mirrored=True)


def fingerprint(residuals):
    """The mean of `residuals` over their leading axis; Marra et al. (2019)."""
    return jnp.mean(widened(residuals), axis=0).astype(residuals.dtype)


def correlation(fingerprint, residuals):
    """Zero-mean normalised cross-correlation of every residual with the fingerprint.

    (h, w), (..., h, w) -> (...) in [-1, 1]; more axes of `fingerprint` (channels) are
    taken together.  Zero where either is constant.
    """
    chex.assert_shape(residuals, (..., *fingerprint.shape))
    axes = tuple(range(-fingerprint.ndim, 0))
    pattern = jnp.broadcast_to(_standardize(fingerprint, axes), residuals.shape)
    products = pattern * _standardize(residuals, axes)
    return jnp.sum(products, axes).astype(residuals.dtype)


def constrain(kernel):
    """Make a kernel (kh, kw, in, out) predict: centre -1, the others' sum 1.

    To be applied after every update; Bayar & Stamm (2018).  The others are divided by
    their sum; where it nearly vanishes (1e-3 of their absolute sum, or less), all are
    shifted alike instead.
    """
    chex.assert_rank(kernel, 4)
    height, width = kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0 or height * width == 1:
        raise ValueError(f"a {height}x{width} kernel has no centre and surroundings")
    centre = np.zeros((height, width, 1, 1), bool)
    centre[height // 2, width // 2] = True
    others = jnp.where(centre, 0.0, widened(kernel))
    total = others.sum((0, 1), keepdims=True)
    absolute = jnp.abs(others).sum((0, 1), keepdims=True)
    is_vanishing = jnp.abs(total) <= 1e-3 * absolute
    # Nothing is divided by what vanishes, not even where the quotient is left aside.
    divided = others / jnp.where(is_vanishing, 1.0, total)
    shifted = others + (1 - total) / (height * width - 1)
    others = jnp.where(is_vanishing, shifted, divided)
    return jnp.where(centre, -1.0, others).astype(kernel.dtype)


def _standardize(x, axes):
    """Mean zero and norm one over `axes`; a constant becomes zero."""
    x = widened(x)
    # Exactly zero for a constant, which less its mean would be zero to round-off only.
    x = x - jax.lax.stop_gradient(x.max(axes, keepdims=True))
    x = x - x.mean(axes, keepdims=True)
    energy = jnp.sum(x**2, axes, keepdims=True)
    return x / jnp.sqrt(jnp.where(energy > 0, energy, 1.0))


def _second_difference(x, axis):
    """x[i-1] - 2 x[i] + x[i+1], two entries shorter."""
    size = x.shape[axis]
    before, here, after = (
        jax.lax.slice_in_dim(x, start, size - 2 + start, axis=axis)
        for start in range(3)
    )
    return before - 2 * here + after
