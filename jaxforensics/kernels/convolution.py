"""Convolution with square kernels, in the form that the backend is quick at.

`conv` equals `plain_conv`, lax's own convolution, to round-off, and so do its gradients
and their gradients.  Accelerators compute the plain formula.  XLA:CPU multiplies
matrices faster than it convolves with 1x1, and takes several times as long as it needs
without padding, with few channels, for a kernel's gradient and for the gradient of a
strided layer's gradient; `convolution_forms` has what it is quick at.  On two cores:

    a step of AMTENnet, 64 pictures at 128²              1,965–2,170 → 1,629–1,717 ms
    its narrow layers with gradients                           1,104 → 732–873 ms
    a kernel's gradient, 32 to 16 channels, 8 at 64²          9.7–11 → 6.6 ms
    the first layer of a discriminator, 32 pictures              2.5 → 1.1 ms
    TR-Net's game with gradient penalties, 16 pairs at 64²     2,038 → 1,468 ms
"""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.batches import by_device, surround
from jaxforensics.kernels.convolution_forms import (
    BLOCK_CHANNELS,
    bordered,
    kernel_gradient,
    matmul,
    neighbour_blocks,
    picture_gradient_by_phases,
    plain_conv,
)

SMALL = 5  # pixels per side of kernels that `in_pieces` and blocks are for
WIDE = 32  # channels of pictures from which on phases gain nothing


def conv(x, kernel, *, padding="SAME", stride=1, precision=None):
    """Convolution as networks understand it, a correlation: `plain_conv`.

    (b, h, w, c), (k, k, c, d) -> (b, h', w', d).  `padding` is lax's, or the number of
    zeros on every side.  With `precision` "highest" GPUs, too, keep every digit.
    """
    chex.assert_rank((x, kernel), 4)
    size = len(kernel)
    if size == 1:  # sees no more than every `stride`-th pixel
        if isinstance(padding, int):
            x = surround(x, padding)
            padding = "VALID"
        x = x[:, ::stride, ::stride]
        stride = 1
    sides = _sides(padding, size, stride, x.shape[1:3])

    if fusion.backend() != "cpu":
        return plain_conv(x, kernel, padding=sides, stride=stride, precision=precision)
    if stride > 1:
        return strided(x, kernel, sides, stride)
    if size == 1:
        return matmul(x, kernel)
    if max(*sides[0], *sides[1]) < size <= SMALL:
        return in_pieces(x, kernel, sides)
    return plain_conv(x, kernel, padding=sides)


def _sides(padding, size, stride, shape):
    """((above, below), (left, right)): zeros around the picture."""
    if isinstance(padding, int):
        return ((padding, padding),) * 2
    return tuple(lax.padtype_to_pads(shape, (size, size), (stride, stride), padding))


# With stride 1, a small kernel and a border narrower than it, each of the products that
# a convolution and its gradients are has a form of its own.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def in_pieces(x, kernel, sides):
    """Stride 1, each of the three products in the form that XLA:CPU is quick at.

    The products are the convolution, the picture's gradient, which is a convolution
    with the kernel turned around, and the kernel's gradient.
    """
    return bordered(x, kernel, sides)


def _in_pieces_forward(x, kernel, sides):
    return bordered(x, kernel, sides), (x, kernel)


def _in_pieces_backward(sides, saved, slopes):
    x, kernel = saved
    size = len(kernel)
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    rest = tuple(tuple(size - 1 - n for n in side) for side in sides)
    of_x = bordered(slopes, turned, rest)

    x = jnp.pad(x, ((0, 0), *sides, (0, 0)))
    of_kernel = by_device(functools.partial(kernel_gradient, size), x, slopes)
    return of_x, of_kernel.astype(kernel.dtype)


in_pieces.defvjp(_in_pieces_forward, _in_pieces_backward)


# With a stride: a convolution, whose gradients are two more functions, linear in both
# arguments; the gradients of these are the same three functions once more, so that all
# derivatives of any order have quick forms.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def strided(x, kernel, sides, stride):
    """A convolution with a stride whose gradients can be differentiated again.

    A gradient penalty asks for the kernel's gradient of the picture's gradient.  JAX
    takes it as a convolution that needs ten to twenty times as long on XLA:CPU as
    `_kernel_gradient`, which has the same numbers (25, 64, 58 and 22 ms against 1.5,
    3.0, 2.5 and 1.2 for the layers of a discriminator of width 16).
    """
    if x.shape[-1] <= BLOCK_CHANNELS and len(kernel) <= SMALL:
        return neighbour_blocks(x, kernel, sides, stride=stride)
    return plain_conv(x, kernel, padding=sides, stride=stride)


def _strided_forward(x, kernel, sides, stride):
    return strided(x, kernel, sides, stride), (x, kernel)


def _strided_backward(sides, stride, saved, slopes):
    x, kernel = saved
    of_x = _picture_gradient(slopes, kernel, sides, stride, x.shape)
    of_kernel = _kernel_gradient(x, slopes, kernel, sides, stride)
    return of_x, of_kernel


strided.defvjp(_strided_forward, _strided_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _picture_gradient(slopes, kernel, sides, stride, shape):
    """The gradient of a picture of `shape`: the strided convolution, transposed."""
    if len(kernel) % stride == 0 and kernel.shape[2] < WIDE:
        return picture_gradient_by_phases(slopes, kernel, sides, stride, shape)

    def convolved(x):
        return plain_conv(x, kernel, padding=sides, stride=stride)

    picture = jax.ShapeDtypeStruct(shape, slopes.dtype)
    return jax.linear_transpose(convolved, picture)(slopes)[0]


def _picture_gradient_forward(slopes, kernel, sides, stride, shape):
    gradient = _picture_gradient(slopes, kernel, sides, stride, shape)
    return gradient, (slopes, kernel)


def _picture_gradient_backward(sides, stride, shape, saved, cotangent):
    slopes, kernel = saved
    of_slopes = strided(cotangent, kernel, sides, stride)
    of_kernel = _kernel_gradient(cotangent, slopes, kernel, sides, stride)
    return of_slopes, of_kernel


_picture_gradient.defvjp(_picture_gradient_forward, _picture_gradient_backward)


def _kernel_gradient(x, slopes, kernel, sides, stride):
    """The gradient of a strided convolution's kernel, in lax's form."""

    def convolved(kernel):
        return plain_conv(x, kernel, padding=sides, stride=stride)

    return jax.linear_transpose(convolved, kernel)(slopes)[0]
