"""Xception, the detector of FaceForensics++.

Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, in
the PyTorch port that Rössler et al., "FaceForensics++", ICCV 2019, start from: pictures
in [-1, 1], a stem without borders, PyTorch's momentum and ε of normalisation.  Pictures
are 299 x 299 there, but any size from 7 x 7 does.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import floor_max_pool
from jaxforensics.models.layers import Conv, DepthwiseConv

# PyTorch's default, for training from scratch.
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
ONES = nn.initializers.ones

# Widths of the separable convolutions of each block; those of stride 2 have a pool.
ENTRY = ((128, 128), (256, 256), (728, 728))
MIDDLE = 8 * ((728, 728, 728),)
EXIT = ((728, 1024),)
BLOCKS = *ENTRY, *MIDDLE, *EXIT


class Separable(nn.Module):
    """One 3x3 kernel per channel, then 1x1 convolution, then normalisation."""

    width: int
    norm_momentum: float
    dtype: Any
    kernel_init: Any = UNIFORM
    scale_init: Any = ONES

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, h, w, width)."""
        depthwise = DepthwiseConv(3, self.kernel_init, self.dtype, name="depthwise")
        x = _conv(self, self.width, 1, "pointwise")(depthwise(x))
        return _norm(self, "norm", train)(x)


class Block(nn.Module):
    """ReLU and separable convolution in turn, around them a short cut.

    With `stride` 2 a 3x3 maximum ends the block and a 1x1 convolution, normalised, is
    the short cut; without `activate` the first ReLU is missing.
    """

    widths: tuple[int, ...]
    stride: int
    activate: bool
    norm_momentum: float
    dtype: Any
    kernel_init: Any = UNIFORM
    scale_init: Any = ONES

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, ceil(h / stride), ceil(w / stride), widths[-1])."""
        short = x
        if self.stride > 1:
            width = self.widths[-1]
            short = _conv(self, width, 1, "short", stride=self.stride)(x)
            short = _norm(self, "short_norm", train)(short)
        for i, width in enumerate(self.widths, 1):
            if i > 1 or self.activate:
                x = nn.relu(x)
            separable = Separable(width, *_common(self), name=f"separable_{i}")
            x = separable(x, train=train)
        if self.stride > 1:
            x = floor_max_pool(x, size=3, stride=self.stride, padding=1)
        return x + short


class Trunk(nn.Module):
    """Stem and the first `blocks` of the twelve blocks, for a detector to end."""

    blocks: int = len(BLOCKS)
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32
    kernel_init: Any = UNIFORM
    scale_init: Any = ONES

    @nn.compact
    def __call__(self, image, *, train):
        """(b, h, w, 3) in [0, 1] -> (b, h', w', c)."""
        chex.assert_shape(image, (None, None, None, 3))
        height, width = image.shape[1:3]
        if min(height, width) < 7:
            raise ValueError(f"{height}x{width} pixels: Xception needs 7x7 at least")
        x = stem(self, 2 * jnp.float32(image) - 1, train=train)
        return span(self, x, 1, self.blocks, train=train)


class Xception(nn.Module):
    """Stem, twelve blocks, two separable convolutions, mean over the picture."""

    num_classes: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        trunk = Trunk(len(BLOCKS), self.norm_momentum, self.dtype)
        # The trunk's layers are this module's: parameters have one name in all.
        nn.share_scope(self, trunk)
        x = tail(trunk, trunk(image, train=train), train=train)
        # Means over hundreds of pixels would lose digits in bfloat16.
        x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        return nn.Dense(self.num_classes, kernel_init=UNIFORM, name="logits")(x)


# The parts, for detectors that put them together in another way: their layers belong to
# the module that calls, as `module` sets them: norm_momentum, dtype, both initialisers.


def stem(module, x, *, train, stride=2):
    """Two 3x3 convolutions without borders, the first of stride `stride`.

    (b, h, w, c) -> (b, h', w', 64).
    """
    for i, width, step in ((1, 32, stride), (2, 64, 1)):
        conv = _conv(module, width, 3, f"conv_{i}", "VALID", step)
        x = nn.relu(_norm(module, f"norm_{i}", train)(conv(x)))
    return x


def span(module, x, first, last, *, train):
    """Blocks `first` to `last` of the twelve, counted from 1."""
    for i, widths in enumerate(BLOCKS[first - 1 : last], first):
        stride = 2
        if widths in MIDDLE:
            stride = 1
        # The stem ends with a ReLU: before the first block another would do nothing.
        block = Block(widths, stride, i > 1, *_common(module), name=f"block_{i}")
        x = block(x, train=train)
    return x


def tail(module, x, *, train):
    """What follows the blocks: (b, h, w, 1024) -> (b, h, w, 2048), after a ReLU."""
    for i, width in ((3, 1536), (4, 2048)):
        separable = Separable(width, *_common(module), name=f"separable_{i}")
        x = nn.relu(separable(x, train=train))
    return x


def _common(module):
    """What the layers of a module share, in the order of their fields."""
    return module.norm_momentum, module.dtype, module.kernel_init, module.scale_init


def _conv(module, width, size, name, padding="SAME", stride=1):
    return Conv(
        width,
        size,
        padding=padding,
        stride=stride,
        use_bias=False,
        kernel_init=module.kernel_init,
        dtype=module.dtype,
        name=name,
    )


def _norm(module, name, train):
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=module.norm_momentum,
        epsilon=1e-5,
        scale_init=module.scale_init,
        dtype=module.dtype,
        name=name,
    )
