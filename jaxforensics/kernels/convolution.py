"""Convolution, in the form that the backend is quick at."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion

SMALL = 5  # pixels per side of kernels that `_pieces` and `_blocks` are for
PIXELS = 2**10  # whose neighbourhoods are laid out at a time for a kernel's gradient
NARROW = 36  # at most as many pairs are worth a product of planes each
FEW = 4  # channels of pictures at most that `_blocks` is for
WIDE = 32  # channels of pictures from which on `_phases` gains nothing
FLOAT = {"preferred_element_type": jnp.float32}


def conv(x, kernel, *, padding="SAME", stride=1, precision=None):
    """Convolution (b, h, w, c), (k, k, c, d) -> (b, h', w', d).

    `padding` is lax's, or the number of zeros on every side.  The formulation follows
    the backend and the kernel's shape; values are the same to round-off, with
    `precision` "highest" also on GPUs, which drop digits otherwise.  XLA:CPU
    multiplies matrices faster than it convolves with 1x1, and takes several times as
    long as it needs without padding, with few channels, and for a kernel's gradient.
    """
    size = len(kernel)
    if size == 1:  # sees no more than every `stride`-th pixel
        if isinstance(padding, int):
            x, padding = surround(x, padding), "VALID"
        x, stride = x[:, ::stride, ::stride], 1
    sides = _sides(padding, size, stride, x.shape[1:3])
    if fusion.backend() != "cpu":
        return _plain(x, kernel, sides, stride, precision)
    if stride > 1:
        return _strided(x, kernel, sides, stride)
    small = max(*sides[0], *sides[1]) < size <= SMALL
    form = "matmul" if size == 1 else "pieces" if small else "plain"
    return CONV_FORMS[form](x, kernel, sides)


def _sides(padding, size, stride, shape):
    """((above, below), (left, right)): zeros around the picture."""
    if isinstance(padding, int):
        return ((padding, padding),) * 2
    return tuple(lax.padtype_to_pads(shape, (size, size), (stride, stride), padding))


def _plain(x, kernel, sides, stride=1, precision=None):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        sides,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _strided(x, kernel, sides, stride):
    """A convolution with a stride, whose gradients' gradients are such ones too.

    JAX takes the kernel's gradient of the picture's gradient, which gradient penalties
    ask for, as a convolution that takes XLA:CPU ten times as long as it needs.
    """
    few = x.shape[-1] <= FEW and len(kernel) <= SMALL
    return (_blocks if few else _plain)(x, kernel, sides, stride)


def _strided_forward(x, kernel, sides, stride):
    return _strided(x, kernel, sides, stride), (x, kernel)


def _strided_backward(sides, stride, saved, gradient):
    x, kernel = saved
    of_x = _picture_gradient(gradient, kernel, sides, stride, x.shape)
    return of_x, _of_kernel(x, gradient, kernel, sides, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _picture_gradient(gradient, kernel, sides, stride, shape):
    """Linear in both: what convolves a picture of `shape`, transposed."""
    if len(kernel) % stride == 0 and kernel.shape[2] < WIDE:
        return _phases(gradient, kernel, sides, stride, shape)
    picture = jax.ShapeDtypeStruct(shape, gradient.dtype)
    back = jax.linear_transpose(lambda x: _plain(x, kernel, sides, stride), picture)
    return back(gradient)[0]


def _picture_gradient_backward(sides, stride, shape, saved, cotangent):
    gradient, kernel = saved
    of_gradient = _strided(cotangent, kernel, sides, stride)
    return of_gradient, _of_kernel(cotangent, gradient, kernel, sides, stride)


def _of_kernel(x, gradient, kernel, sides, stride):
    back = jax.linear_transpose(lambda k: _plain(x, k, sides, stride), kernel)
    return back(gradient)[0]


_strided.defvjp(_strided_forward, _strided_backward)
_picture_gradient.defvjp(
    lambda gradient, kernel, *fixed: (
        _picture_gradient(gradient, kernel, *fixed),
        (gradient, kernel),
    ),
    _picture_gradient_backward,
)


def _phases(gradient, kernel, sides, stride, shape):
    """A picture's gradient; the stride divides the kernel.

    Without zeros between the gradient's pixels: the channels of one convolution hold
    every phase of rows and columns, which are then laid out as pixels.
    """
    channels, depth = kernel.shape[2:]
    taps = len(kernel) // stride
    kernel = kernel.reshape(taps, stride, taps, stride, channels, depth)
    kernel = kernel[::-1, :, ::-1].transpose(0, 2, 5, 1, 3, 4)
    full = ((taps - 1, taps - 1),) * 2
    x = _plain(gradient, kernel.reshape(taps, taps, depth, -1), full)
    height, width = x.shape[1:3]
    x = x.reshape(-1, height, width, stride, stride * channels).swapaxes(2, 3)
    x = x.reshape(-1, height * stride, width * stride, channels)
    starts = [first for first, _ in sides]
    missing = (
        max(0, first + size - found)
        for first, size, found in zip(starts, shape[1:3], x.shape[1:3], strict=True)
    )
    x = jnp.pad(x, [(0, 0), *((0, n) for n in missing), (0, 0)])
    (top, left), (height, width) = starts, shape[1:3]
    return x[:, top : top + height, left : left + width]


def _blocks(x, kernel, sides, stride=1):
    """Few channels: one product of neighbourhoods, whose rows are cut as blocks.

    A block of columns is as wide as the stride, or two without one; then a product has
    the values of two pixels.
    """
    size, _, channels, depth = kernel.shape
    wide = max(2, stride)
    pixels = wide // stride  # of the result, in a block
    shape = [n + sum(side) - size for n, side in zip(x.shape[1:3], sides, strict=True)]
    height, width = (n // stride + 1 for n in shape)
    blocks, more = -(-width // pixels), -(-((pixels - 1) * stride + size) // wide)
    spare = (blocks + more - 1) * wide - x.shape[2] - sides[1][0]
    x = jnp.pad(x, ((0, 0), sides[0], (sides[1][0], max(0, spare)), (0, 0)))
    x = x[:, :, : (blocks + more - 1) * wide]
    x = fusion.keep(x.reshape(*x.shape[:2], -1, wide * channels))
    rows = (x[:, i : i + stride * (height - 1) + 1 : stride] for i in range(size))
    near = [row[:, :, j : j + blocks] for row in rows for j in range(more)]
    spread = jnp.zeros((size, more * wide, channels, pixels, depth), kernel.dtype)
    for i in range(pixels):
        spread = spread.at[:, i * stride : i * stride + size, :, i].set(kernel)
    near = fusion.keep(jnp.concatenate(near, axis=-1))
    y = jnp.einsum("bhni,io->bhno", near, spread.reshape(near.shape[-1], -1))
    return y.reshape(*y.shape[:2], blocks * pixels, depth)[:, :, :width]


def _matmul(x, kernel, sides):
    return jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _pieces(x, kernel, sides):
    """Each of the three products of a convolution in the form that XLA:CPU is quick at.

    For the gradient of the picture the kernel is turned around; for that of the kernel
    see `_kernel_gradient`.
    """
    return _padded(x, kernel, sides)


def _pieces_backward(sides, saved, gradient):
    x, kernel = saved
    size = len(kernel)
    rest = tuple(tuple(size - 1 - n for n in side) for side in sides)
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    x = jnp.pad(x, ((0, 0), *sides, (0, 0)))
    of_kernel = by_device(functools.partial(_kernel_gradient, size), x, gradient)
    return _padded(gradient, turned, rest), of_kernel.astype(kernel.dtype)


def _padded(x, kernel, sides):
    """Plain with a border: the path without any is up to six times slower.

    Planes in bfloat16 would take 20 times as long to compile, and longer to run.
    """
    narrow = kernel.shape[2] * kernel.shape[3] <= NARROW
    if narrow and x.dtype == jnp.float32:
        return _planes(jnp.pad(x, ((0, 0), *sides, (0, 0))), kernel)
    if x.shape[-1] <= FEW:
        return _blocks(x, kernel, sides)
    more = [[0 if before or after else 1] * 2 for before, after in sides]
    wide = [(m + a, n + b) for (m, n), (a, b) in zip(sides, more, strict=True)]
    (top, bottom), (left, right) = more
    y = _plain(x, kernel, wide)
    return y[:, top : y.shape[1] - bottom, left : y.shape[2] - right]


def _planes(x, kernel):
    """Few channels: a sum of shifted planes, each times one number."""
    planes = fusion.keep(jnp.moveaxis(x, -1, 0))
    return jnp.moveaxis(_sum_of_planes(planes, kernel), 0, -1)


@fusion.stage
def _sum_of_planes(planes, kernel):
    size, _, *widths = kernel.shape
    height, width = (n - size + 1 for n in planes.shape[2:])
    return jnp.stack(
        [
            sum(
                planes[c, :, i : i + height, j : j + width] * kernel[i, j, c, d]
                for i in range(size)
                for j in range(size)
                for c in range(widths[0])
            )
            for d in range(widths[1])
        ]
    )


def by_device(sums, *batches):
    """A function's sums over a batch, from every device's own pictures.

    Cut out of the whole batch, as a loop over it does, they would be sent around.
    """
    lanes = math.gcd(len(batches[0]), jax.device_count())
    split = (a.reshape(lanes, len(a) // lanes, *a.shape[1:]) for a in batches)
    return jax.vmap(sums)(*split).sum(0)


def _kernel_gradient(size, x, gradient):
    """(b, h + k - 1, w + k - 1, c), (b, h, w, d) -> (k, k, c, d) in float32.

    A band of a picture or a few pictures at a time, so that what is laid out for them
    stays in the cache.  Neighbourhoods are the second factor, as XLA:CPU would copy a
    first one to contract its rows; that the sum is turned around behind the loop alone
    keeps XLA's simplifier from swapping the two.
    """
    batch, height, width, depth = gradient.shape
    rows = -(-height // -(-height * width // PIXELS))
    bands = -(-height // rows)
    spare = [(0, 0), (0, bands * rows - height), (0, 0), (0, 0)]
    x, gradient = jnp.pad(x, spare), jnp.pad(gradient, spare)
    fits = range(min(batch, max(1, PIXELS // (rows * width))), 0, -1)
    share = next(n for n in fits if batch % n == 0)

    def add(total, part):
        start = part // bands * share, part % bands * rows, 0, 0
        near = lax.dynamic_slice(x, start, (share, rows + size - 1, *x.shape[2:]))
        slopes = lax.dynamic_slice(gradient, start, (share, rows, width, depth))
        shifted = [
            near[:, i : i + rows, j : j + width]
            for i in range(size)
            for j in range(size)
        ]
        near = jnp.concatenate(shifted, axis=-1)
        return total + jnp.einsum("bhwq,bhwp->qp", slopes, near, **FLOAT), None

    start = jnp.zeros((depth, size**2 * x.shape[-1]), jnp.float32)
    total, _ = lax.scan(add, start, jnp.arange(batch // share * bands))
    return total.T.reshape(size, size, x.shape[-1], depth)


def surround(x, margin):
    """Zeros on every side of the picture."""
    sides = (margin, margin)
    return jnp.pad(x, [(0, 0), sides, sides, (0, 0)])


_pieces.defvjp(
    lambda x, kernel, sides: (_padded(x, kernel, sides), (x, kernel)), _pieces_backward
)
CONV_FORMS = {"plain": _plain, "matmul": _matmul, "pieces": _pieces}
