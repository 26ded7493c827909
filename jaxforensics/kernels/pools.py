"""Pooling: the borders of several frameworks, by slices, whose gradients are quick.

Windowed reductions are slow on the CPU, and so are their gradients.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax


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


def max_pool_places(x):
    """Maxima of whole 2x2 squares and where they were, the first among equals.

    (..., h, w, c) -> (..., h // 2, w // 2, c) and places (..., h // 2, w // 2, 4, c), a
    one where the maximum was and zeros elsewhere, pixels in reading order.
    """
    height, width = (n // 2 * 2 for n in x.shape[-3:-1])
    x = x[..., :height, :width, :]
    pixels = [x[..., i::2, j::2, :] for i in (0, 1) for j in (0, 1)]
    pooled, places, found = functools.reduce(jnp.maximum, pixels), [], False
    for pixel in pixels:
        here = (pixel == pooled) & ~jnp.asarray(found)
        found = here | found
        places.append(here)
    places = lax.stop_gradient(jnp.stack(places, axis=-2).astype(x.dtype))
    return jnp.sum(jnp.stack(pixels, axis=-2) * places, axis=-2), places


def max_unpool(x, places, shape):
    """Every value back where the maximum was, zeros elsewhere, to (h, w) = `shape`.

    (..., h', w', c) and `places` of `max_pool_places` -> (..., h, w, c).
    """
    *batch, height, width, channels = x.shape
    y = (x[..., None, :] * places).reshape(*batch, height, width, 2, 2, channels)
    y = jnp.moveaxis(y, -3, -4).reshape(*batch, 2 * height, 2 * width, channels)
    missing = [(0, n - m) for n, m in zip(shape, y.shape[-3:-1], strict=True)]
    return jnp.pad(y, [(0, 0)] * len(batch) + [*missing, (0, 0)])


def ceil_max_pool(x, *, size, stride):
    """Caffe's maximum: windows start at the top left, the last may hang over.

    (..., h, w, c) -> (..., ceil((h - size) / stride) + 1, …, c).  Slices, as above.
    """
    return _windows(x, _maxima, -jnp.inf, size, stride, ceil=True)


def ceil_mean_pool(x, *, size, stride):
    """Caffe's average: windows as in `ceil_max_pool`, means of what is in the picture.

    (..., h, w, c) -> (..., ceil((h - size) / stride) + 1, …, c).
    """
    inside = jnp.ones((*(1,) * (x.ndim - 3), *x.shape[-3:-1], 1), x.dtype)
    total, count = (_windows(a, _sums, 0, size, stride, ceil=True) for a in (x, inside))
    return total / count


def mean_pool(x, size):
    """Non-overlapping mean, only whole windows.

    (..., h, w, c) -> (..., h // size, w // size, c).  Equal to flax's `avg_pool` with
    "VALID" padding.
    """
    return _windows(x, _sums, 0, size, size, ceil=False) / size**2


def floor_max_pool(x, *, size, stride, padding=0):
    """PyTorch's maximum: `padding` on every side, only whole windows.

    (..., h, w, c) -> (..., floor((h + 2 padding - size) / stride) + 1, …, c).
    """
    return _windows(x, _maxima, -jnp.inf, size, stride, ceil=False, padding=padding)


def _windows(x, combine, fill, size, stride, *, ceil, padding=0):
    """Combine the pixels of each window, along columns and then along rows."""
    for axis in (x.ndim - 3, x.ndim - 2):
        room = x.shape[axis] + 2 * padding - size
        count = max(0, -(-room // stride) if ceil else room // stride) + 1
        length = (count - 1) * stride + size
        sides = [(0, 0)] * x.ndim
        sides[axis] = (padding, max(0, length - padding - x.shape[axis]))
        x = jnp.pad(x, sides, constant_values=fill)
        x = lax.slice_in_dim(x, 0, length, axis=axis)
        x = combine(x, axis, size, stride)
    return x


def _sums(x, axis, size, stride):
    return sum(_members(x, axis, size, stride))


def _maxima(x, axis, size, stride):
    if (size, stride) == (3, 2):
        return _maxima_of_three(x, axis)
    return functools.reduce(jnp.maximum, _members(x, axis, size, stride))


def _members(x, axis, size, stride):
    """The first pixels of all windows, their second ones, …."""
    span = x.shape[axis] - size + 1
    return [lax.slice_in_dim(x, i, i + span, stride, axis=axis) for i in range(size)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _maxima_of_three(x, axis):
    """Every second one.  The gradient goes to the first maximum of a window.

    It is written as the even and the odd pixels side by side: what is derived from
    slices writes zeros between pixels, and takes up to three times as long on the CPU.
    """
    return functools.reduce(jnp.maximum, _members(x, axis, 3, 2))


def _maxima_of_three_backward(axis, x, gradient):
    first, second, third = _members(x, axis, 3, 2)
    is_first = (first >= second) & (first >= third)
    is_second = ~is_first & (second >= third)

    def where(chosen, before, after):
        sides = [(0, 0)] * x.ndim
        sides[axis] = before, after
        return jnp.pad(jnp.where(chosen, gradient, 0), sides)

    even = where(is_first, 0, 1) + where(~is_first & ~is_second, 1, 0)
    both = jnp.stack([even, where(is_second, 0, 1)], axis=axis + 1)
    shape = *x.shape[:axis], x.shape[axis] + 1, *x.shape[axis + 1 :]
    return (lax.slice_in_dim(both.reshape(shape), 0, x.shape[axis], axis=axis),)


_maxima_of_three.defvjp(
    lambda x, axis: (_maxima_of_three(x, axis), x), _maxima_of_three_backward
)
