"""Layers whose stock version is slow, or missing."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

# Caffe's "xavier".
XAVIER = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")


class Conv(nn.Module):
    """`nn.Conv` with square kernels, formulated by `conv`."""

    width: int
    size: int
    padding: str | int = "SAME"
    stride: int = 1
    use_bias: bool = True
    kernel_init: Any = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h', w', width)."""
        shape = self.size, self.size, x.shape[-1], self.width
        kernel = self.param("kernel", self.kernel_init, shape)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        x = conv(x, kernel, padding=self.padding, stride=self.stride)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.width,))
            x = x + bias.astype(self.dtype).reshape(1, 1, 1, -1)
        return x


class DepthwiseConv(nn.Module):
    """`nn.Conv` with one square kernel per channel and no bias, by `depthwise`."""

    size: int = 3
    kernel_init: Any = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h, w, c)."""
        shape = self.size, self.size, 1, x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, shape)
        return depthwise(x.astype(self.dtype), kernel.astype(self.dtype))


def conv(x, kernel, *, padding="SAME", stride=1):
    """Convolution (b, h, w, c), (k, k, c, d) -> (b, h', w', d).

    `padding` is lax's, or the number of zeros on every side.  The formulation follows
    the backend and the kernel's shape; values are the same to round-off.  XLA:CPU
    multiplies matrices faster than it convolves with 1x1, and takes up to four times as
    long as it needs for the gradient of a wide layer's kernel.
    """
    size, _, *widths = kernel.shape
    if isinstance(padding, int):
        x, padding = _surround(x, padding), "VALID"
    if size == 1:  # sees no more than every `stride`-th pixel
        x, stride = x[:, ::stride, ::stride], 1
    if stride > 1:
        return _plain(x, kernel, padding, stride)
    if jax.default_backend() != "cpu":
        form = "plain"
    elif size == 1:
        form = "matmul"
    else:
        form = "taps" if min(widths) >= 12 else "plain"
    return CONV_FORMS[form](x, kernel, padding)


def _plain(x, kernel, padding, stride=1):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
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


def depthwise(x, kernel):
    """Each channel with its own kernel: (b, h, w, c), (k, k, 1, c) -> (b, h, w, c).

    Zeros around the picture, k odd.  XLA:CPU takes up to a hundred times as long as it
    needs for a convolution in groups, and for its gradients.
    """
    if kernel.shape[0] % 2 == 0 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"a kernel of {kernel.shape[:2]} pixels is not square and odd")
    form = "taps" if jax.default_backend() == "cpu" else "plain"
    return DEPTHWISE_FORMS[form](x, kernel)


def _depthwise_plain(x, kernel):
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@jax.custom_vjp
def _depthwise_taps(x, kernel):
    """A sum of shifted pictures, each times one tap per channel."""
    size, (height, width) = kernel.shape[0], x.shape[1:3]
    x = _surround(x, size // 2)
    return sum(
        x[:, i : i + height, j : j + width] * kernel[i : i + 1, j : j + 1]
        for i in range(size)
        for j in range(size)
    )


def _depthwise_taps_backward(saved, gradient):
    """One tap after the other: nine shifted pictures at once would need fresh memory.

    A few pictures are added up before the pixels are: XLA:CPU is quick at sums of
    arrays and slow at sums over an array's leading axes.
    """
    x, kernel = saved
    size, (batch, *shape) = kernel.shape[0], x.shape
    parts = max(n for n in (1, 2, 3, 4) if batch % n == 0)
    padded = _surround(x, size // 2)
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

    of_kernel = lax.map(of_tap, jnp.arange(size**2)).reshape(kernel.shape)
    return _depthwise_taps(gradient, kernel[::-1, ::-1]), of_kernel


def _surround(x, margin):
    sides = (margin, margin)
    return jnp.pad(x, [(0, 0), sides, sides, (0, 0)])


_depthwise_taps.defvjp(
    lambda x, kernel: (_depthwise_taps(x, kernel), (x, kernel)),
    _depthwise_taps_backward,
)
DEPTHWISE_FORMS = {"plain": _depthwise_plain, "taps": _depthwise_taps}


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
    return _windows(x, jnp.maximum, -jnp.inf, size, stride, ceil=True)


def ceil_mean_pool(x, *, size, stride):
    """Caffe's average: windows as in `ceil_max_pool`, means of what is in the picture.

    (..., h, w, c) -> (..., ceil((h - size) / stride) + 1, …, c).
    """
    inside = jnp.ones((*(1,) * (x.ndim - 3), *x.shape[-3:-1], 1), x.dtype)
    total, count = (
        _windows(a, jnp.add, 0, size, stride, ceil=True) for a in (x, inside)
    )
    return total / count


def floor_max_pool(x, *, size, stride, padding=0):
    """PyTorch's maximum: `padding` on every side, only whole windows.

    (..., h, w, c) -> (..., floor((h + 2 padding - size) / stride) + 1, …, c).
    """
    return _windows(x, jnp.maximum, -jnp.inf, size, stride, ceil=False, padding=padding)


def _windows(x, combine, fill, size, stride, *, ceil, padding=0):
    """Combine the pixels of each window, along columns and then along rows."""
    for axis in (-3, -2):
        room = x.shape[axis] + 2 * padding - size
        count = max(0, -(-room // stride) if ceil else room // stride) + 1
        stop = (count - 1) * stride + 1
        missing = stop - 1 + size - padding - x.shape[axis]
        sides = [(0, 0)] * x.ndim
        sides[axis] = (padding, max(0, missing))
        x = jnp.pad(x, sides, constant_values=fill)
        windows = (
            lax.slice_in_dim(x, i, i + stop, stride, axis=axis) for i in range(size)
        )
        x = functools.reduce(combine, windows)
    return x
