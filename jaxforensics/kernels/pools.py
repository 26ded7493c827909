"""Pooling with the borders of several frameworks, by slices.

Every kernel equals its `plain_…` formula, one of lax's windowed reductions, which are
slow on CPUs, and whose gradients are slower still.  Here the first pixels of all
windows, their second ones and so on are slices of the picture, combined pixel by pixel.
With the kernels' gradients of `convolution`, that of these slices took AMTENnet's
training step (64 pictures at 128², two cores) from 1,965–2,170 to 1,629–1,717 ms.
"""

import functools

import einops
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def max_pool(x, size):
    """Non-overlapping maximum with "SAME" borders: `plain_max_pool`.

    (..., h, w, c) -> (..., ceil(h / size), ceil(w / size), c).  The gradient is safe
    too: that of `reshape` and `max` divides by the number of entries equal to the
    maximum, which is none, hence 0 / 0, where XLA computes them twice with different
    rounding.
    """
    missing = [-n % size for n in x.shape[-3:-1]]
    if any(missing):
        sides = [(n // 2, n - n // 2) for n in missing]
        padding = [(0, 0)] * (x.ndim - 3) + sides + [(0, 0)]
        x = jnp.pad(x, padding, constant_values=-jnp.inf)
    x = functools.reduce(jnp.maximum, [x[..., i::size, :, :] for i in range(size)])
    return functools.reduce(jnp.maximum, [x[..., i::size, :] for i in range(size)])


def plain_max_pool(x, size):
    """As flax's `max_pool` with "SAME" padding."""
    return _reduced(x, -jnp.inf, lax.max, size, size, "SAME")


def max_pool_places(x):
    """Maxima of whole 2x2 squares and where they were: `plain_max_pool_places`.

    (..., h, w, c) -> (..., h // 2, w // 2, c) and places (..., h // 2, w // 2, 4, c), a
    one where the maximum was, of equals the first, and zeros elsewhere; pixels in
    reading order.  Gradients pass through the maxima alone.
    """
    height, width = (n // 2 * 2 for n in x.shape[-3:-1])
    x = x[..., :height, :width, :]
    pixels = [x[..., i::2, j::2, :] for i in (0, 1) for j in (0, 1)]
    maxima = functools.reduce(jnp.maximum, pixels)
    is_placed = False
    places = []
    for pixel in pixels:
        is_here = (pixel == maxima) & ~jnp.asarray(is_placed)
        is_placed = is_here | is_placed
        places.append(is_here)
    places = lax.stop_gradient(jnp.stack(places, axis=-2).astype(x.dtype))
    return jnp.sum(jnp.stack(pixels, axis=-2) * places, axis=-2), places


def plain_max_pool_places(x):
    """An argmax over the four pixels of each square, as a one among four."""
    height, width = (n // 2 * 2 for n in x.shape[-3:-1])
    squares = einops.rearrange(
        x[..., :height, :width, :],
        "... (h row) (w column) c -> ... h w (row column) c",
        row=2,
        column=2,
    )
    chosen = jnp.argmax(squares, axis=-2)
    places = jax.nn.one_hot(chosen, 4, dtype=x.dtype, axis=-2)
    return jnp.sum(squares * places, axis=-2), places


def max_unpool(x, places, shape):
    """Every value back where the maximum was, zeros elsewhere, to (h, w) = `shape`.

    (..., h', w', c) and `places` of `max_pool_places` -> (..., h, w, c).  The pattern
    is the plain formula: no backend has another one.
    """
    squares = x[..., None, :] * places
    pattern = "... h w (row column) c -> ... (h row) (w column) c"
    y = einops.rearrange(squares, pattern, row=2, column=2)
    # What `max_pool_places` left out at the end of odd sides.
    missing = [(0, n - m) for n, m in zip(shape, y.shape[-3:-1], strict=True)]
    return jnp.pad(y, [(0, 0)] * (y.ndim - 3) + [*missing, (0, 0)])


def ceil_max_pool(x, *, size, stride):
    """Caffe's maximum: `plain_ceil_max_pool`.

    Windows start at the top left, the last may hang over:
    (..., h, w, c) -> (..., ceil((h - size) / stride) + 1, …, c).
    """
    return _windows(x, _maxima, -jnp.inf, size, stride, ceil=True)


def plain_ceil_max_pool(x, *, size, stride):
    """lax's windows over a picture with as much border as the last one needs."""
    return _reduced(x, -jnp.inf, lax.max, size, stride, _overhang(x, size, stride))


def ceil_mean_pool(x, *, size, stride):
    """Caffe's average: `plain_ceil_mean_pool`.

    Windows as in `ceil_max_pool`, means of what is in the picture.
    """
    inside = jnp.ones((*(1,) * (x.ndim - 3), *x.shape[-3:-1], 1), x.dtype)
    total, count = (
        _windows(values, _sums, 0, size, stride, ceil=True) for values in (x, inside)
    )
    return total / count


def plain_ceil_mean_pool(x, *, size, stride):
    """lax's sums over windows, by the number of their pixels in the picture."""
    sides = _overhang(x, size, stride)
    total = _reduced(x, 0.0, lax.add, size, stride, sides)
    return total / _reduced(jnp.ones_like(x), 0.0, lax.add, size, stride, sides)


def mean_pool(x, size):
    """Non-overlapping mean, only whole windows: `plain_mean_pool`.

    (..., h, w, c) -> (..., h // size, w // size, c).
    """
    return _windows(x, _sums, 0, size, size, ceil=False) / size**2


def plain_mean_pool(x, size):
    """As flax's `avg_pool` with "VALID" padding."""
    return _reduced(x, 0.0, lax.add, size, size, "VALID") / size**2


def floor_max_pool(x, *, size, stride, padding=0):
    """PyTorch's maximum: `plain_floor_max_pool`.

    `padding` on every side, only whole windows:
    (..., h, w, c) -> (..., floor((h + 2 padding - size) / stride) + 1, …, c).
    """
    return _windows(x, _maxima, -jnp.inf, size, stride, ceil=False, padding=padding)


def plain_floor_max_pool(x, *, size, stride, padding=0):
    """lax's windows over a picture with `padding` on every side."""
    sides = ((padding, padding),) * 2
    return _reduced(x, -jnp.inf, lax.max, size, stride, sides)


def _reduced(x, fill, combine, size, stride, padding):
    """lax.reduce_window of pictures; `padding` is its, or that of rows and columns."""
    batch = x.ndim - 3
    if not isinstance(padding, str):
        padding = ((0, 0),) * batch + tuple(padding) + ((0, 0),)
    window = (1,) * batch + (size, size, 1)
    strides = (1,) * batch + (stride, stride, 1)
    # A concrete number: of a traced one JAX would not see which reduction this is.
    start = np.asarray(fill, x.dtype)
    return lax.reduce_window(x, start, combine, window, strides, padding)


def _overhang(x, size, stride):
    """How far Caffe's last window hangs over the end of rows and of columns."""
    counts = [max(0, -(-(n - size) // stride)) + 1 for n in x.shape[-3:-1]]
    lengths = [(count - 1) * stride + size for count in counts]
    return [(0, m - n) for m, n in zip(lengths, x.shape[-3:-1], strict=True)]


def _windows(x, combine, fill, size, stride, *, ceil, padding=0):
    """Combine the pixels of each window, along columns and then along rows."""
    for axis in (x.ndim - 3, x.ndim - 2):
        room = x.shape[axis] + 2 * padding - size
        if ceil:
            steps = -(-room // stride)
        else:
            steps = room // stride
        length = max(0, steps) * stride + size
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


def _maxima_of_three_forward(x, axis):
    return _maxima_of_three(x, axis), x


def _maxima_of_three_backward(axis, x, slopes):
    first, second, third = _members(x, axis, 3, 2)
    is_first = (first >= second) & (first >= third)
    is_second = ~is_first & (second >= third)
    is_third = ~is_first & ~is_second

    def slopes_where(is_chosen, before, after):
        sides = [(0, 0)] * x.ndim
        sides[axis] = before, after
        return jnp.pad(jnp.where(is_chosen, slopes, 0), sides)

    # A window's third pixel is the next one's first: even pixels hear from both.
    even = slopes_where(is_first, 0, 1) + slopes_where(is_third, 1, 0)
    odd = slopes_where(is_second, 0, 1)
    pairs = jnp.stack([even, odd], axis=axis + 1)
    shape = *x.shape[:axis], x.shape[axis] + 1, *x.shape[axis + 1 :]
    return (lax.slice_in_dim(pairs.reshape(shape), 0, x.shape[axis], axis=axis),)


_maxima_of_three.defvjp(_maxima_of_three_forward, _maxima_of_three_backward)
