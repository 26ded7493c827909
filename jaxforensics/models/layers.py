"""Linen modules that several architectures share, computed by `kernels`."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.kernels.convolution import conv
from jaxforensics.kernels.depthwise import depthwise
from jaxforensics.kernels.dilated import dilated_conv
from jaxforensics.kernels.phases import pixel_shuffle
from jaxforensics.kernels.upsample import repeated_convolution, transposed_convolution
from jaxforensics.ops.resample import resize

# Caffe's "xavier".
XAVIER = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")
UPSAMPLINGS = ("deconv", "nearest", "bilinear", "shuffle")


def around_one(key, shape, dtype):
    """Scales of normalisations in networks that start as pix2pix does: N(1, 0.02)."""
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


class Conv(nn.Module):
    """`nn.Conv` with square kernels, formulated by `kernels.convolution.conv`.

    With a `dilation` the picture keeps its size: stride and padding are not asked for.
    """

    width: int
    size: int
    padding: str | int = "SAME"
    stride: int = 1
    use_bias: bool = True
    kernel_init: Any = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32
    precision: Any = None
    dilation: int = 1

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h', w', width)."""
        shape = self.size, self.size, x.shape[-1], self.width
        kernel = self.param("kernel", self.kernel_init, shape)
        x = x.astype(self.dtype)
        kernel = kernel.astype(self.dtype)
        if self.dilation > 1:
            x = dilated_conv(x, kernel, dilation=self.dilation)
        else:
            x = conv(
                x,
                kernel,
                padding=self.padding,
                stride=self.stride,
                precision=self.precision,
            )
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


class Upsample(nn.Module):
    """To twice the size, and `features` channels.

    'deconv' is a 4x4 transposed convolution with stride 2; 'nearest' and 'bilinear'
    interpolate and convolve 3x3; 'shuffle' convolves 3x3 to four times the channels and
    lays them out as 2x2 pixels.
    """

    features: int
    kind: str
    initial: Any = None  # of the kernel, if not random numbers

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, 2 h, 2 w, features)."""
        # Before the kernel: initial numbers depend on the order of parameters.
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.kind == "deconv":
            # Every pixel sees a quarter of a transposed kernel: four times He's scale.
            y = transposed_convolution(x, self._kernel(x, size=4, scale=8.0))
        elif self.kind == "nearest":
            y = repeated_convolution(x, self._kernel(x, size=3, scale=2.0))
        elif self.kind == "bilinear":
            y = resize(x, (2 * x.shape[1], 2 * x.shape[2]), method="bilinear")
            y = self._conv(self.features)(y)
        elif self.kind == "shuffle":
            y = pixel_shuffle(self._conv(4 * self.features)(x), 2)
        else:
            raise ValueError(
                f"no upsampling {self.kind!r}: choose one of {UPSAMPLINGS}"
            )
        return y + bias[None, None, None]

    def _kernel(self, x, *, size, scale):
        shape = (size, size, x.shape[-1], self.features)
        he_normal = nn.initializers.variance_scaling(scale, "fan_in", "normal")
        return self.param("kernel", self.initial or he_normal, shape)

    def _conv(self, features):
        kernel_init = self.initial or nn.initializers.he_normal()
        return nn.Conv(
            features, (3, 3), use_bias=False, kernel_init=kernel_init, name="conv"
        )
