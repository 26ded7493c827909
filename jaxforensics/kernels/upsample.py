"""Doubling the size of a feature map, in the ways that generators are told apart by.

Each kernel equals its `plain_…` formula, which convolves a dilated or repeated map,
to round-off.  Here every phase of the result (even and odd rows and columns) is a 2x2
convolution of the small map, all four computed as one: on every backend a quarter of
the products, and on CPUs a gradient without a strided transposed convolution, which
XLA is slow at.
"""

import einops
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.kernels.phases import pixel_shuffle

# Which kernel entry a pixel of a phase sees through each of its two taps:
# (phase, tap, index in the kernel), the same along rows and along columns.
_DECONV = {
    4: np.float32([[[1, 0, 0, 0], [0, 0, 1, 0]], [[0, 1, 0, 0], [0, 0, 0, 1]]]),
    3: np.float32([[[0, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]]]),
}
_NEAREST = np.float32([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
_AXES = ("NHWC", "HWIO", "NHWC")


def transposed_convolution(x, kernel):
    """A transposed convolution with stride 2: `plain_transposed_convolution`.

    (b, h, w, c), (k, k, c, d) -> (b, 2 h, 2 w, d), k 4 or 3.
    """
    return _by_phases(x, kernel, _DECONV[len(kernel)])


def plain_transposed_convolution(x, kernel):
    """Zeros between the pixels, and a convolution; the borders make twice the size.

    Those of 4x4 are "SAME", those of 3x3 PyTorch's with padding 1, output padding 1.
    """
    sides = {4: (2, 2), 3: (1, 2)}[len(kernel)]
    return lax.conv_general_dilated(
        x, kernel, (1, 1), (sides, sides), lhs_dilation=(2, 2), dimension_numbers=_AXES
    )


def repeated_convolution(x, kernel):
    """A convolution of a map enlarged by repetition: `plain_repeated_convolution`.

    (b, h, w, c), (3, 3, c, d) -> (b, 2 h, 2 w, d).
    """
    return _by_phases(x, kernel, _NEAREST)


def plain_repeated_convolution(x, kernel):
    """Every pixel repeated as 2x2, and a 3x3 convolution with "SAME" borders."""
    repeated = einops.repeat(x, "b h w c -> b (h row) (w column) c", row=2, column=2)
    return lax.conv_general_dilated(
        repeated, kernel, (1, 1), "SAME", dimension_numbers=_AXES
    )


def _by_phases(x, kernel, taps):
    """All phases as channels of one 2x2 convolution, then laid out as pixels."""
    height, width = x.shape[1:3]
    # a and b count taps, p and q phases, t and u the kernel's rows and columns.
    kernels = jnp.einsum("pat,qbu,tuio->abipqo", taps, taps, kernel)
    kernels = kernels.astype(kernel.dtype)  # taps are in float32
    kernels = einops.rearrange(kernels, "a b i p q o -> a b i (p q o)")
    # Padded beforehand: the gradient of a padded 2x2 convolution is slow on CPUs.
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = lax.conv_general_dilated(x, kernels, (1, 1), "VALID", dimension_numbers=_AXES)
    y = einops.rearrange(y, "b h w (phase c) -> b h w phase c", phase=4)
    # The second phase of a pixel sees the next pixel, where the first sees the last.
    phases = [
        y[:, p : p + height, q : q + width, 2 * p + q] for p in (0, 1) for q in (0, 1)
    ]
    phases = einops.rearrange(
        jnp.stack(phases, axis=3), "b h w phase c -> b h w (phase c)"
    )
    return pixel_shuffle(phases, 2)
