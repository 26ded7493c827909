"""Layers whose stock version is slow, or missing."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax


class Conv(nn.Module):
    """`nn.Conv` with stride 1 and square kernels, formulated by `conv`."""

    width: int
    size: int
    padding: str = "SAME"
    use_bias: bool = True
    kernel_init: Any = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h', w', width)."""
        shape = self.size, self.size, x.shape[-1], self.width
        kernel = self.param("kernel", self.kernel_init, shape)
        x = conv(x.astype(self.dtype), kernel.astype(self.dtype), padding=self.padding)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.width,))
            x = x + bias.astype(self.dtype).reshape(1, 1, 1, -1)
        return x


def conv(x, kernel, *, padding="SAME"):
    """Stride-1 convolution (b, h, w, c), (k, k, c, d) -> (b, h', w', d).

    The formulation follows the backend and the kernel's shape; values are the same to
    round-off.  XLA:CPU multiplies matrices faster than it convolves with 1x1, and takes
    up to four times as long as it needs for the gradient of a wide layer's kernel.
    """
    size, _, *widths = kernel.shape
    if jax.default_backend() != "cpu":
        form = "plain"
    elif size == 1:
        form = "matmul"
    else:
        form = "taps" if min(widths) >= 12 else "plain"
    return CONV_FORMS[form](x, kernel, padding)


def _plain(x, kernel, padding):
    return lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _matmul(x, kernel, padding):
    return jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _taps(x, kernel, padding):
    """Plain, but the kernel's gradient is one product per tap and picture."""
    return _plain(x, kernel, padding)


def _taps_forward(x, kernel, padding):
    return _plain(x, kernel, padding), (x, kernel)


def _taps_backward(padding, saved, gradient):
    x, kernel = saved
    (of_x,) = jax.vjp(lambda x: _plain(x, kernel, padding), x)[1](gradient)
    size, (height, width) = kernel.shape[0], gradient.shape[1:3]
    if padding == "SAME":
        before, after = (size - 1) // 2, size // 2
        x = jnp.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])
    of_taps = [
        _product(x[:, i : i + height, j : j + width], gradient)
        for i in range(size)
        for j in range(size)
    ]
    return of_x, jnp.stack(of_taps).reshape(kernel.shape)


def _product(x, y):
    """(b, h, w, c), (b, h, w, d) -> (c, d): sums of products, picture by picture."""
    x, y = (a.reshape(a.shape[0], -1, a.shape[-1]) for a in (x, y))
    return jnp.sum(jnp.einsum("bpi,bpo->bio", x, y), axis=0)


_taps.defvjp(_taps_forward, _taps_backward)
CONV_FORMS = {"plain": _plain, "matmul": _matmul, "taps": _taps}


def max_pool(x, size):
    """Non-overlapping maximum with 'same' borders: (..., h, w, c) -> ceil(h / size), ….

    Equal to flax's `max_pool` with "SAME" padding.  The gradient of these slices is
    much cheaper on the CPU than that of a windowed reduction, and it is safe: that of
    `reshape` and `max` divides by the number of entries equal to the maximum, which is
    none, hence 0 / 0, where XLA computes them twice with different rounding.
    """
    missing = [-n % size for n in x.shape[-3:-1]]
    if any(missing):
        sides = [(n // 2, n - n // 2) for n in missing]
        padding = [(0, 0)] * (x.ndim - 3) + sides + [(0, 0)]
        x = jnp.pad(x, padding, constant_values=-jnp.inf)
    x = functools.reduce(jnp.maximum, [x[..., i::size, :, :] for i in range(size)])
    return functools.reduce(jnp.maximum, [x[..., i::size, :] for i in range(size)])


def ceil_max_pool(x, *, size, stride):
    """Caffe's maximum: windows start at the top left, the last may hang over.

    (..., h, w, c) -> (..., ceil((h - size) / stride) + 1, …, c).  Slices, as above.
    """
    for axis in (-3, -2):
        count = max(0, -(-(x.shape[axis] - size) // stride)) + 1
        missing = (count - 1) * stride + size - x.shape[axis]
        padding = [(0, 0)] * x.ndim
        padding[axis] = (0, missing)
        x = jnp.pad(x, padding, constant_values=-jnp.inf)
        stop = (count - 1) * stride + 1
        windows = (
            lax.slice_in_dim(x, i, i + stop, stride, axis=axis) for i in range(size)
        )
        x = functools.reduce(jnp.maximum, windows)
    return x
