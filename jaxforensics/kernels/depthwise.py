"""Convolution with one kernel per channel, which XLA:CPU is slow at.

`depthwise` equals `plain_depthwise`, lax's convolution in as many groups as there are
channels, to round-off.  On CPUs that formula takes up to a hundred times as long as it
needs, and so do its gradients; there `depthwise` is a sum of shifted pictures.
"""

import functools

import chex
import einops
import jax
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.batches import by_device, surround


def depthwise(x, kernel):
    """Each channel with its own kernel, zeros around the picture: `plain_depthwise`.

    (b, h, w, c), (k, k, 1, c) -> (b, h, w, c), k odd.
    """
    chex.assert_rank((x, kernel), 4)
    if kernel.shape[0] % 2 == 0 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"a kernel of {kernel.shape[:2]} pixels is not square and odd")
    if fusion.backend() == "cpu":
        return sum_of_taps(x, kernel)
    return plain_depthwise(x, kernel)


def plain_depthwise(x, kernel):
    """lax's convolution with one group per channel, "SAME" borders."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@jax.custom_vjp
def sum_of_taps(x, kernel):
    """The form for CPUs: shifted pictures, each times one tap per channel."""
    size = kernel.shape[0]
    height, width = x.shape[1:3]
    x = surround(x, size // 2)
    return sum(
        x[:, i : i + height, j : j + width] * kernel[i : i + 1, j : j + 1]
        for i in range(size)
        for j in range(size)
    )


def _forward(x, kernel):
    return sum_of_taps(x, kernel), (x, kernel)


def _backward(saved, slopes):
    x, kernel = saved
    of_taps = by_device(functools.partial(_taps_gradient, len(kernel)), x, slopes)
    # The adjoint of a correlation with zero borders: the kernel is turned around.
    of_x = sum_of_taps(slopes, kernel[::-1, ::-1])
    return of_x, of_taps.reshape(kernel.shape)


def _taps_gradient(size, x, slopes):
    """The gradient of each tap: (b, h, w, c) twice -> (k², c).

    One tap after the other: nine shifted pictures at once would need fresh memory.
    """
    # A few pictures are added up before the pixels are: XLA:CPU is quick at sums of
    # arrays and slow at sums over an array's leading axes.
    parts = max(n for n in (1, 2, 3, 4) if len(x) % n == 0)
    padded = surround(x, size // 2)
    padded = einops.rearrange(padded, "(part b) h w c -> part b h w c", part=parts)
    slopes = einops.rearrange(slopes, "(part b) h w c -> part b h w c", part=parts)
    shape = slopes.shape[1:]
    # A product with ones is the quickest sum over pixels.
    ones = jnp.ones((shape[0] * shape[1] * shape[2],), x.dtype)

    def of_tap(tap):
        corner = 0, tap // size, tap % size, 0
        products = (
            lax.dynamic_slice(padded[part], corner, shape) * slopes[part]
            for part in range(parts)
        )
        return ones @ einops.rearrange(sum(products), "b h w c -> (b h w) c")

    return lax.map(of_tap, jnp.arange(size**2))


sum_of_taps.defvjp(_forward, _backward)
