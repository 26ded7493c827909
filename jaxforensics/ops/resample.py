"""Resizing, cropping, warping and shuffling pictures.

A picture is (..., h, w, c) with any number of channels: a gray one enters as
`gray[..., None]`.  Nothing clips: bicubic and lanczos overshoot.
"""

import itertools
from functools import cache, partial

import chex
import einops
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels import fusion
from jaxforensics.ops.color import widened

_PICTURE = (..., None, None, None)


def resize(image, shape, *, method, antialias=True, align_corners=False):
    """Resize to (height, width), as Pillow's float mode does, borders included.

    `method` is nearest, box, bilinear, bicubic (a = -0.5) or lanczos (three lobes).
    Without `antialias` the kernel keeps its width when shrinking, as in
    jax.image.resize(antialias=False).  `align_corners` lays the centres of the corner
    pixels onto each other, as torch's interpolate (whose antialias is off by default).
    """
    chex.assert_shape(image, _PICTURE)
    _check(shape, method)
    if align_corners and method in ("nearest", "box"):
        raise ValueError(f"align_corners is for interpolation, not for {method!r}")
    sizes = list(zip(image.shape[-3:-1], shape, strict=True))
    if method == "nearest":
        # The pixel that holds the centre of each new one, in integers.
        rows, columns = ((2 * np.arange(n) + 1) * size // (2 * n) for size, n in sizes)
        return image[..., rows, :, :][..., columns, :]

    is_doubled = all(n == 2 * size for size, n in sizes)
    if is_doubled and method == "bilinear" and not align_corners:
        return _doubled(image)
    rows, columns = (
        weight_matrix(
            size, n, method=method, antialias=antialias, align_corners=align_corners
        )
        for size, n in sizes
    )
    return _apply(rows, columns, image)


def rescale(image, factor, *, method, antialias=True):
    """Resize by a static factor, sizes rounded to the nearest integer from 1 up."""
    chex.assert_shape(image, _PICTURE)
    shape = tuple(max(1, round(size * factor)) for size in image.shape[-3:-1])
    return resize(image, shape, method=method, antialias=antialias)


def crop_resize(image, box, shape, *, method, antialias=True):
    """Cut a box out of each picture and resize it: `resize` of the slice.

    `box` (..., 4) = (top, left, height, width) in pixels, one per picture or one for
    all; it may be traced.  If fractional, pixels that it cuts take part like the rest;
    where it reaches beyond the picture the result is black.
    """
    chex.assert_shape(image, _PICTURE)
    _check(shape, method)
    box = jnp.asarray(box, jnp.float32)
    # Each number (..., 1, 1), to stand beside matrices of weights.
    box = jnp.broadcast_to(box, (*image.shape[:-3], 4))[..., None, None]
    top, left, height, width = (box[..., i, :, :] for i in range(4))
    rows, columns = (
        _box_weights(size, n, start, extent, method, antialias)
        for size, n, start, extent in zip(
            image.shape[-3:-1], shape, (top, left), (height, width), strict=True
        )
    )
    return _apply(rows, columns, image)


def warp(image, flow):
    """Look each pixel up, bilinearly, where `flow` (..., h, w, 2) displaces it.

    result[i, j] = image[i + flow[i, j, 0], j + flow[i, j, 1]], in pixels.  The border
    reflects without repeating its pixel; equivalent to
    scipy.ndimage.map_coordinates(order=1, mode="mirror").
    """
    chex.assert_shape(image, _PICTURE)
    chex.assert_shape(flow, (..., None, None, 2))
    *batch, height, width, _ = image.shape
    flow = jnp.broadcast_to(flow, (*batch, height, width, 2))
    # Split before the grid is added: fractions stay exact in pictures of any size.
    whole = jnp.floor(flow)
    down, right = jnp.split(flow - whole, 2, axis=-1)
    grid = jnp.moveaxis(jnp.indices((height, width)), 0, -1)
    corner = jnp.broadcast_to(grid, flow.shape) + whole.astype(jnp.int32)

    # The four pixels around, mixed along rows and then along columns.
    rows = [_reflect(corner[..., 0] + i, height) for i in (0, 1)]
    columns = [_reflect(corner[..., 1] + j, width) for j in (0, 1)]
    above, below = (
        _pick(image, row, columns[0]) * (1 - right)
        + _pick(image, row, columns[1]) * right
        for row in rows
    )
    return (above * (1 - down) + below * down).astype(image.dtype)


def shuffle_quadrants(key, image, *, moved=False):
    """Permute the four quadrants of each picture at random.

    The middle row or column of an odd size belongs to no quadrant and stays.  With
    `moved` no picture keeps the order that it had, which one in 24 does otherwise.  A
    map (..., h, w, 1) with the key of its picture is permuted alike.
    """
    chex.assert_shape(image, _PICTURE)
    *batch, height, width, _ = image.shape
    h = height // 2
    w = width // 2
    places = [
        (slice(top, top + h), slice(start, start + w))
        for top in (0, height - h)
        for start in (0, width - w)
    ]
    quadrants = [image[..., rows, columns, :] for rows, columns in places]
    quadrants = jnp.stack(quadrants, axis=-4)

    if moved:
        others = np.array(list(itertools.permutations(range(4)))[1:])
        order = jnp.asarray(others)[jax.random.randint(key, batch, 0, len(others))]
    else:
        # Every order is equally likely: that of four random numbers.
        order = jnp.argsort(jax.random.uniform(key, (*batch, 4)), axis=-1)
    order = order[..., None, None, None]
    quadrants = jnp.take_along_axis(quadrants, order, axis=-4)

    shuffled = jnp.asarray(image)
    for i, (rows, columns) in enumerate(places):
        shuffled = shuffled.at[..., rows, columns, :].set(quadrants[..., i, :, :, :])
    return shuffled


def _box(x):
    return ((-0.5 < x) & (x <= 0.5)) * 1.0


def _triangle(x):
    return (1 - abs(x)) * (abs(x) < 1)


def _cubic(x):
    """Keys (1981) with a = -1/2: Pillow's and jax.image's; torch's has a = -3/4."""
    x = abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return inner * (x < 1) + outer * ((1 <= x) & (x < 2))


def _lanczos(x):
    sinc = x.__array_namespace__().sinc  # numpy's or jax's
    return sinc(x) * sinc(x / 3) * (abs(x) < 3)


_KERNELS = {
    "nearest": _box,
    "box": _box,
    "bilinear": _triangle,
    "bicubic": _cubic,
    "lanczos": _lanczos,
}


def _check(shape, method):
    if method not in _KERNELS:
        raise ValueError(f"no method {method!r}: choose one of {', '.join(_KERNELS)}")
    if min(shape) < 1:
        raise ValueError(f"cannot resize to {tuple(shape)}")


# Offsets between pixels and positions are held in units of 1/out of a pixel: with whole
# boxes they are integers or halves, so that ties are ties in float32 too.


@cache
def weight_matrix(size, out, *, method, antialias=True, align_corners=False):
    """(out, size) weights of `size` pixels in float64, which nobody may write to."""
    pixel = np.arange(size)[None]
    position = np.arange(out)[:, None]
    if not align_corners:  # centres of pixels lie on halves
        pixel = pixel + 0.5
        position = position + 0.5
    elif out > 1:  # the corners' centres lie on each other: one interval fewer
        size = size - 1
        out = out - 1
    else:  # a single pixel is the first one
        size = 0
    # Antialiasing widens the kernel to the distance of the new pixels.
    stretch = out
    if antialias:
        stretch = max(size, out)
    weights = _normalise(_KERNELS[method]((pixel * out - position * size) / stretch))
    weights.flags.writeable = False
    return weights


def _box_weights(size, out, start, extent, method, antialias):
    """(..., out, size) weights for `extent` pixels from `start`, both (..., 1, 1)."""
    batch = range(start.ndim - 2)
    pixel = jnp.expand_dims(jnp.arange(size, dtype=jnp.float32)[None], batch)
    position = jnp.expand_dims(jnp.arange(out, dtype=jnp.float32)[:, None], batch)
    centre = start * out + (position + 0.5) * extent
    stretch = out
    if antialias and method != "nearest":
        stretch = jnp.maximum(extent, out)
    offset = (pixel + 0.5) * out - centre
    if _KERNELS[method] is _box:  # compilers divide by multiplying, and ties move
        weight = ((-stretch < 2 * offset) & (2 * offset <= stretch)) * 1.0
    else:
        weight = _KERNELS[method](offset / stretch)
    # Pixels outside of the box take no part, as if it had been cut out first; where it
    # reaches beyond the picture nothing is seen.
    is_in_box = (pixel + 1 > start) & (pixel < start + extent)
    is_in_picture = (0 <= centre) & (centre <= size * out)
    return _normalise(weight * is_in_box) * is_in_picture


def _normalise(weight):
    total = weight.sum(-1, keepdims=True)
    return weight / (total + (total == 0))


def _doubled(image):
    """Bilinear, twice the size: quarters of the neighbours, where there are any.

    Equals the products with matrices of weights, which are zeros mostly; on CPUs six to
    eight times as fast.
    """
    wide = fusion.keep(_interpolated(widened(jnp.asarray(image)), axis=-2))
    # Rows as one axis, so that inner loops run over all of their values.
    rows = einops.rearrange(wide, "... h w c -> ... h (w c)")
    rows = _interpolated(rows, axis=-2)
    channels = image.shape[-1]
    doubled = einops.rearrange(rows, "... h (w c) -> ... h w c", c=channels)
    return doubled.astype(image.dtype)


def _interpolated(x, *, axis):
    """Twice as many along an axis, which is counted from the end."""
    size = x.shape[axis]
    axis = x.ndim + axis
    cut = partial(jax.lax.slice_in_dim, x, axis=axis)
    # The neighbours on both sides, at the border the pixel itself.
    before = jnp.concatenate([cut(0, 1), cut(0, size - 1)], axis)
    after = jnp.concatenate([cut(1, size), cut(size - 1, size)], axis)
    pairs = jnp.stack([x + (before - x) / 4, x + (after - x) / 4], axis + 1)
    return pairs.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])


def _apply(rows, columns, image):
    """rows @ channel @ columns.T, with the weights of (..., out, size)."""
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    operands = (jnp.asarray(x, dtype) for x in (rows, columns, image))
    exact = jax.lax.Precision.HIGHEST  # accelerators round to 8 or 11 bits otherwise
    resized = jnp.einsum("...yh,...xw,...hwc->...yxc", *operands, precision=exact)
    return resized.astype(image.dtype)


def _reflect(index, size):
    """Index of the pixel met after reflections at the first and the last one."""
    period = max(2 * size - 2, 1)  # forth and back, both ends met once
    index = index % period
    return jnp.minimum(index, period - index)


def _pick(image, rows, columns):
    """image[rows, columns] with indices (..., h, w) of each picture's own."""
    width = image.shape[-2]
    pixels = image.reshape(-1, image.shape[-3] * width, image.shape[-1])
    index = (rows * width + columns).reshape(pixels.shape[:2])
    look_up = jax.vmap(lambda pixels, i: pixels.at[i].get(mode="promise_in_bounds"))
    return look_up(pixels, index).reshape(image.shape)
