"""LF, learned fingerprints: which generator, or none, a picture comes from.

Yu, Davis and Fritz, "Attributing fake images to GANs: learning and analyzing GAN
fingerprints", ICCV 2019, as in the authors' code: a progressive GAN's discriminator
without its growing.  A stage at `side` pixels ends with 4096 / side maps, so at sizes
other than the authors' 128 x 128 the plan loses its first stages, or gains some before
them, and 4 x 4 pixels remain.
"""

import math
from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.convolution import conv
from jaxforensics.kernels.pools import mean_pool

MAPS = 2048  # maps times pixels of a side, in a stage's first convolution
SIDES = tuple(2**n for n in range(3, 11))


class Equalized(nn.Module):
    """A layer whose weights start as N(0, 1) and are scaled when they are used.

    By gain / sqrt(fan-in), He's constant: all layers learn at one rate (Karras et al.,
    "Progressive growing of GANs", ICLR 2018).  3x3 kernels mirror the border.  Not
    `equalized`, weights start with that constant as their deviation and are used as
    they are: the layer is the same at the start, and an optimiser's rate is that of the
    weights themselves.
    """

    width: int
    size: int | None = None  # of a convolution's kernel; without it the layer is dense
    gain: float = math.sqrt(2)
    equalized: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h, w, width), or (b, c) -> (b, width)."""
        shape = x.shape[-1], self.width
        if self.size is not None:
            shape = self.size, self.size, *shape
        scale = self.gain / math.sqrt(math.prod(shape[:-1]))
        deviation = 1.0 if self.equalized else scale
        kernel = self.param("kernel", nn.initializers.normal(deviation), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        if self.equalized:
            # Scaled here, not at the start: an optimiser that looks at a gradient's
            # size alone, as Adam does, then moves all layers equally far.
            kernel = kernel * scale
        x, kernel, bias = (a.astype(self.dtype) for a in (x, kernel, bias))
        if self.size is None:
            x = x @ kernel
        else:
            margin = self.size // 2
            sides = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
            x = conv(jnp.pad(x, sides, "reflect"), kernel, padding=0)
        return x + bias.reshape((1,) * (x.ndim - 1) + (-1,))


class LF(nn.Module):
    """Stages of two convolutions and a mean over 2 x 2, then one more, then dense.

    Its authors' weights are `equalized`; without it they start as He's.
    """

    num_classes: int = 1
    equalized: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, s, s, 3) in [0, 1], s = 8, 16, … 1024 -> logits, training or not."""
        chex.assert_shape(image, (None, None, None, 3))
        side = _side(image)
        x = 2 * jnp.float32(image) - 1  # a progressive GAN's pictures are in [-1, 1]
        while side > 4:
            x = self._layer(x, MAPS // side, 3, f"conv_{side}_1")
            x = self._layer(x, 2 * MAPS // side, 3, f"conv_{side}_2")
            x = mean_pool(x, 2)
            side = side // 2
        x = self._layer(x, 512, 3, "conv_4")
        x = self._layer(x.reshape(x.shape[0], -1), 512, None, "dense")
        # The last layer is scaled without the ReLU's factor of √2.
        logits = Equalized(
            self.num_classes, None, 1.0, self.equalized, self.dtype, name="logits"
        )
        return logits(x).astype(jnp.float32)

    def _layer(self, x, width, size, name):
        layer = Equalized(
            width, size, equalized=self.equalized, dtype=self.dtype, name=name
        )
        return nn.leaky_relu(layer(x), 0.2)


def _side(image):
    height, width = image.shape[1:3]
    if height != width or height not in SIDES:
        raise ValueError(
            f"a picture of {height}x{width}: LF halves a square to 4x4, its side is "
            f"one of {SIDES}"
        )
    return height
