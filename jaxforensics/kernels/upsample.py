"""Doubling the size of a feature map, in the ways that generators are told apart by.

Transposed and nearest-neighbour upsampling are computed as one 2x2 convolution per
phase of the result (even and odd rows and columns): the same numbers as the dilated or
repeated input would give, with a quarter of the products; the gradient of a strided
transposed convolution is slow on CPUs otherwise.
"""

import jax
import jax.numpy as jnp
import numpy as np

# Phase, tap of two, kernel index: which kernel entries a pixel of a phase sees.
_DECONV = np.float32([[[1, 0, 0, 0], [0, 0, 1, 0]], [[0, 1, 0, 0], [0, 0, 0, 1]]])
_NEAREST = np.float32([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
_AXES = ("NHWC", "HWIO", "NHWC")


def transposed_convolution(x, kernel):
    """A 4x4 transposed convolution with stride 2: lax.conv_transpose with "SAME".

    (b, h, w, c), (4, 4, c, d) -> (b, 2 h, 2 w, d).
    """
    return _by_phases(x, kernel, _DECONV)


def repeated_convolution(x, kernel):
    """Every pixel repeated as 2x2, and a 3x3 convolution with "SAME" borders.

    (b, h, w, c), (3, 3, c, d) -> (b, 2 h, 2 w, d).
    """
    return _by_phases(x, kernel, _NEAREST)


def pixel_shuffle(x):
    """Channels laid out as 2x2 pixels: (b, h, w, 4 c) -> (b, 2 h, 2 w, c)."""
    return _interleave(jnp.split(x, 4, axis=-1))


def _by_phases(x, kernel, taps):
    height, width, channels = x.shape[1:]
    kernels = jnp.einsum("pat,qbu,tuio->abipqo", taps, taps, kernel)
    kernels = kernels.reshape(2, 2, channels, -1)
    # Padded beforehand: the gradient of a padded 2x2 convolution is slow on CPUs.
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = jax.lax.conv_general_dilated(
        x, kernels, (1, 1), "VALID", dimension_numbers=_AXES
    )
    y = y.reshape(*y.shape[:3], 4, -1)
    return _interleave(
        [y[:, p : p + height, q : q + width, 2 * p + q] for p in (0, 1) for q in (0, 1)]
    )


def _interleave(parts):
    """Four (b, h, w, c), in the order of pixels of a 2x2 square -> (b, 2 h, 2 w, c)."""
    b, h, w, c = parts[0].shape
    y = jnp.stack(parts, axis=3).reshape(b, h, w, 2, 2, c)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, c)
