"""Convolutions with one kernel per channel, whose stock version is slow on CPUs."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.convolution import by_device, surround


def depthwise(x, kernel):
    """Each channel with its own kernel: (b, h, w, c), (k, k, 1, c) -> (b, h, w, c).

    Zeros around the picture, k odd.  XLA:CPU takes up to a hundred times as long as it
    needs for a convolution in groups, and for its gradients.
    """
    if kernel.shape[0] % 2 == 0 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"a kernel of {kernel.shape[:2]} pixels is not square and odd")
    form = "taps" if fusion.backend() == "cpu" else "plain"
    return FORMS[form](x, kernel)


def _plain(x, kernel):
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@jax.custom_vjp
def _taps(x, kernel):
    """A sum of shifted pictures, each times one tap per channel."""
    size, (height, width) = kernel.shape[0], x.shape[1:3]
    x = surround(x, size // 2)
    return sum(
        x[:, i : i + height, j : j + width] * kernel[i : i + 1, j : j + 1]
        for i in range(size)
        for j in range(size)
    )


def _taps_backward(saved, gradient):
    x, kernel = saved
    of_taps = by_device(functools.partial(_taps_gradient, len(kernel)), x, gradient)
    of_x = _taps(gradient, kernel[::-1, ::-1])
    return of_x, of_taps.reshape(kernel.shape)


def _taps_gradient(size, x, gradient):
    """One tap after the other: nine shifted pictures at once would need fresh memory.

    A few pictures are added up before the pixels are: XLA:CPU is quick at sums of
    arrays and slow at sums over an array's leading axes.
    """
    batch, *shape = x.shape
    parts = max(n for n in (1, 2, 3, 4) if batch % n == 0)
    padded = surround(x, size // 2)
    padded = padded.reshape(parts, batch // parts, *padded.shape[1:])
    slopes = gradient.reshape(parts, batch // parts, *shape)
    ones = jnp.ones((batch // parts * shape[0] * shape[1],), x.dtype)

    def of_tap(tap):
        start = 0, tap // size, tap % size, 0
        products = (
            lax.dynamic_slice(padded[n], start, slopes[n].shape) * slopes[n]
            for n in range(parts)
        )
        return ones @ sum(products).reshape(ones.size, -1)

    return lax.map(of_tap, jnp.arange(size**2))


_taps.defvjp(
    lambda x, kernel: (_taps(x, kernel), (x, kernel)),
    _taps_backward,
)
FORMS = {"plain": _plain, "taps": _taps}
