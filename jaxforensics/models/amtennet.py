"""AMTENnet: a predictor whose errors are the traces, and a small network behind it.

Guo, Yang, Chen and Sun, "Fake face detection via adaptive manipulation traces
extraction network", CVIU 2021, as in the authors' Caffe definition: pooling comes
before ReLU and normalisation, no activation stands inside AMTEN or between the dense
layers.  The first dense layer binds a set of weights to one picture size.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models.layers import Conv, ceil_max_pool

# Caffe's "xavier".
XAVIER = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")


class AMTEN(nn.Module):
    """Adaptive manipulation traces: twelve maps [F2, F1, F_mt] of the picture."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, 3) -> (b, h, w, 12), in the unit of x."""
        # A small difference of large numbers: not for half precision.
        predicted = _convolve(3, jnp.float32, "conv_1", use_bias=False)(x)
        traces = (predicted - x).astype(self.dtype)
        first = _convolve(3, self.dtype, "conv_2")(traces)
        first = _convolve(3, self.dtype, "conv_3")(first)
        reused = jnp.concatenate([first, traces], axis=-1)
        second = _convolve(6, self.dtype, "conv_4")(reused)
        second = _convolve(6, self.dtype, "conv_5")(second)
        return jnp.concatenate([second, reused], axis=-1)


class HFE(nn.Module):
    """Hierarchical features: four convolutions, each with pooling behind it."""

    norm_momentum: float
    dtype: Any

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, h', w', 128); 128 x 128 becomes 7 x 7."""
        x = self._pool(_convolve(24, self.dtype, "conv_6")(x), "norm_6", train)
        x = _convolve(48, self.dtype, "conv_7", padding="VALID")(x)
        x = self._pool(x, "norm_7", train)
        x = _convolve(64, self.dtype, "conv_8", padding="VALID")(x)
        x = self._pool(x, "norm_8", train)
        x = _convolve(128, self.dtype, "conv_9", size=1)(x)
        return nn.relu(ceil_max_pool(x, size=3, stride=2))

    def _pool(self, x, name, train):
        x = nn.relu(ceil_max_pool(x, size=3, stride=2))
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            epsilon=1e-5,
            dtype=self.dtype,
            name=name,
        )(x)


class Head(nn.Module):
    """Three dense layers with nothing between them, as released."""

    num_classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, num_classes), float32 whatever the computation's type."""
        x = x.reshape(x.shape[0], -1)
        for width, name in (
            (300, "dense_1"),
            (300, "dense_2"),
            (self.num_classes, "logits"),
        ):
            x = nn.Dense(width, kernel_init=XAVIER, dtype=self.dtype, name=name)(x)
        return x.astype(jnp.float32)


class ModelBase(nn.Module):
    """HFE and head on the picture itself: what AMTEN has to improve on.

    The released running averages keep 0.999 and are corrected for their start; these
    are not corrected, and runs are shorter, hence 0.9.
    """

    num_classes: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        x = 255 * jnp.float32(image)
        x = HFE(self.norm_momentum, self.dtype, name="hfe")(x, train=train)
        return Head(self.num_classes, self.dtype, name="head")(x)


class AMTENnet(nn.Module):
    """AMTEN, HFE and head."""

    num_classes: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        x = AMTEN(self.dtype, name="amten")(255 * jnp.float32(image))
        x = HFE(self.norm_momentum, self.dtype, name="hfe")(x, train=train)
        return Head(self.num_classes, self.dtype, name="head")(x)


def _convolve(width, dtype, name, *, size=3, padding="SAME", use_bias=True):
    return Conv(
        width,
        size,
        padding=padding,
        use_bias=use_bias,
        kernel_init=XAVIER,
        dtype=dtype,
        name=name,
    )
