"""Convolution by kernels whose pixels lie apart, in the form a backend is quick at."""

import einops
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.convolution import conv


def dilated_conv(x, kernel, *, dilation):
    """Convolution that reads every `dilation`-th pixel: `plain_dilated_conv`.

    Every `dilation`-th row and column is a small picture of its own: an ordinary
    convolution of `dilation`² such pictures is the whole result, and has `conv`'s quick
    gradients.  With them, 16 pictures of 16², 128 channels and dilation 2 take 23-30 ms
    on two cores, and 73-76 with the plain formula.
    """
    height, width = x.shape[1:3]
    if fusion.backend() != "cpu":
        return plain_dilated_conv(x, kernel, dilation=dilation)
    size = len(kernel)
    # Where no pixel but the middle one of a kernel ever lies within the picture.
    if dilation >= max(height, width):
        middle = size // 2
        return conv(x, kernel[middle : middle + 1, middle : middle + 1])
    # Where such pictures would be smaller than a kernel they are border mostly.
    if 3 * dilation > min(height, width):
        return plain_dilated_conv(x, kernel, dilation=dilation)

    # Zeros behind the last rows and columns are what lies beyond the border anyway.
    x = jnp.pad(x, ((0, 0), (0, -height % dilation), (0, -width % dilation), (0, 0)))
    phases = einops.rearrange(
        x, "b (h p) (w q) c -> (b p q) h w c", p=dilation, q=dilation
    )
    y = conv(phases, kernel)
    y = einops.rearrange(y, "(b p q) h w c -> b (h p) (w q) c", p=dilation, q=dilation)
    return y[:, :height, :width]


def plain_dilated_conv(x, kernel, *, dilation):
    """lax's, with the picture's size: (b, h, w, c), (k, k, c, d) -> (b, h, w, d).

    The pixels of a kernel, k odd, lie `dilation` apart; beyond the border are zeros.
    """
    border = dilation * (len(kernel) // 2)
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        ((border, border), (border, border)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
