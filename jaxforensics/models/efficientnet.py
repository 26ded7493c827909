"""EfficientNet, the detector that the adversarial game trains.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks",
ICML 2019, B0 to B7, and EfficientNet-Lite0 of its authors' repository: without
attention over channels, with ReLU6 for swish.  Pictures are in [-1, 1], as those of the
weights that were trained on adversarial examples (Xie et al., CVPR 2020), from which
detectors start.
"""

import functools
import math
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models.layers import Conv, DepthwiseConv
from jaxforensics.settings import choose

# Normal, of the variance of He by what leaves a layer, as its authors chose.
FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# The same of one kernel per channel: each output is one channel's.
FAN_OUT_OF_ONE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
STEM, HEAD = 32, 1280  # widths before and after the blocks
ATTENTION = 0.25  # width of the attention over channels, of that of a block's input
# ImageNet's standardisation, of torchvision's weights.
MEAN = 0.485, 0.456, 0.406
DEVIATION = 0.229, 0.224, 0.225


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    repeats: int
    size: int  # of the depthwise kernels
    stride: int
    expansion: int
    width: int


# Table 1, from the second stage to the eighth.
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# Factors to widths and to repeats.
SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
    "lite0": (1.0, 1.0),
}
LITE = ("lite0",)
PADDINGS = {"same": lambda size: "SAME", "symmetric": lambda size: size // 2}


class Common(NamedTuple):
    """What all layers of a network share."""

    lite: bool
    padding: str
    norm_momentum: float
    epsilon: float
    dtype: Any


class Block(nn.Module):
    """Wider by 1x1, one kernel per channel, attention over channels, narrower by 1x1.

    Where neither size nor width changes the input is added, and in training the branch
    is left out at random, for the share `drop` of the pictures.
    """

    stage: Stage
    stride: int
    drop: float
    common: Common

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, ceil(h / stride), ceil(w / stride), stage.width)."""
        common = self.common
        given = x
        if self.stage.expansion > 1:
            width = x.shape[-1] * self.stage.expansion
            x = _conv(common, width, 1, "expand")(x)
            x = _activate(common, _norm(common, "expand_norm", train)(x))
        x = _depthwise(common, self.stage.size, self.stride, "depthwise")(x)
        x = _activate(common, _norm(common, "depthwise_norm", train)(x))
        if not common.lite:
            attended = max(1, int(given.shape[-1] * ATTENTION))
            x = x * Attention(attended, common.dtype, name="attention")(x)
        x = _conv(common, self.stage.width, 1, "project")(x)
        x = _norm(common, "project_norm", train)(x)
        if x.shape != given.shape:
            return x
        if train and self.drop > 0:
            # One coin per picture; those that are kept make up for the others.
            kept = nn.Dropout(self.drop, broadcast_dims=(1, 2, 3), name="drop")
            x = kept(x, deterministic=False)
        return given + x


class Attention(nn.Module):
    """A factor in (0, 1) for each channel, from the means of all (Hu et al., 2018)."""

    width: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, 1, 1, c)."""
        # Means over thousands of pixels would lose digits in bfloat16.
        means = x.astype(jnp.float32).mean((1, 2), keepdims=True).astype(self.dtype)
        dense = functools.partial(nn.Dense, kernel_init=FAN_OUT, dtype=self.dtype)
        y = nn.swish(dense(self.width, name="reduce")(means))
        return nn.sigmoid(dense(x.shape[-1], name="expand")(y))


class EfficientNet(nn.Module):
    """Stem, seven stages of blocks, a wide 1x1 convolution, mean over the picture.

    `scale` is a name in SCALES, `shrink` a factor to all widths beside it.  The stem
    has the stride 2 for pictures as large as photographs, and may have 1 for small
    ones.  `padding` is 'same', TensorFlow's, or 'symmetric', PyTorch's, which differ
    where a stride is 2.  With `standardised` pictures are standardised as ImageNet's
    are, else in [-1, 1].  Dropout, of features before the logits, and of blocks, is
    that of training, with a key 'dropout'.
    """

    scale: str = "b0"
    num_classes: int = 1
    shrink: float = 1.0
    stem_stride: int = 2
    padding: str = "same"
    standardised: bool = False
    dropout: float = 0.0
    drop_connect: float = 0.0
    norm_momentum: float = 0.99
    epsilon: float = 1e-3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        x = features(self, image, train=train)[-1]
        x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        if self.dropout > 0:
            x = nn.Dropout(self.dropout, name="dropout")(x, deterministic=not train)
        return nn.Dense(self.num_classes, kernel_init=UNIFORM, name="logits")(x)


def features(module, image, *, train):
    """The maps of all seven stages, and that of the head: a list of (b, h', w', c).

    Their layers belong to the module that calls, which has the fields of
    `EfficientNet` from `scale` to `dtype`, but for the logits'.
    """
    choose(PADDINGS, module.padding, "padding")
    stages, stem, head = widths(module.scale, shrink=module.shrink)
    common = Common(
        lite=module.scale in LITE,
        padding=module.padding,
        norm_momentum=module.norm_momentum,
        epsilon=module.epsilon,
        dtype=module.dtype,
    )
    x = 2 * jnp.float32(image) - 1
    if module.standardised:
        x = _standardised(image)
    x = x.astype(module.dtype)
    x = _conv(common, stem, 3, "stem", module.stem_stride)(x)
    x = _activate(common, _norm(common, "stem_norm", train)(x))
    maps = []
    done = 0
    for place, stage in enumerate(stages, 1):
        for i in range(stage.repeats):
            # Deeper blocks are left out more often.
            drop = module.drop_connect * done / sum(s.repeats for s in stages)
            stride = stage.stride if i == 0 else 1
            block = Block(stage, stride, drop, common, name=f"block_{place}_{i}")
            x = block(x, train=train)
            done += 1
        maps.append(x)
    x = _conv(common, head, 1, "head")(x)
    return [*maps, _activate(common, _norm(common, "head_norm", train)(x))]


def widths(scale, *, shrink=1.0):
    """(stages, width of the stem, width of the head) of a scale."""
    wider, deeper = choose(SCALES, scale, "scale of EfficientNet")
    stages = [
        stage._replace(
            width=_rounded(stage.width * wider * shrink),
            repeats=math.ceil(deeper * stage.repeats),
        )
        for stage in STAGES
    ]
    return stages, _rounded(STEM * wider * shrink), _rounded(HEAD * wider * shrink)


def of_scale(scale):
    """The EfficientNet whose scale is this one unless another is given."""

    fields = {"scale": scale, "__annotations__": {"scale": str}, "__module__": __name__}
    return type(f"EfficientNet{scale.title()}", (EfficientNet,), fields)


def _rounded(width):
    """The nearest multiple of 8 that is not more than a tenth narrower."""
    rounded = max(8, int(width + 4) // 8 * 8)
    if rounded < 0.9 * width:
        rounded += 8
    return rounded


def _standardised(image):
    mean, deviation = (jnp.float32(x)[None, None, None] for x in (MEAN, DEVIATION))
    return (jnp.float32(image) - mean) / deviation


def _activate(common, x):
    return nn.relu6(x) if common.lite else nn.swish(x)


def _conv(common, width, size, name, stride=1):
    return Conv(
        width,
        size,
        padding=PADDINGS[common.padding](size),
        stride=stride,
        use_bias=False,
        kernel_init=FAN_OUT,
        dtype=common.dtype,
        name=name,
    )


def _depthwise(common, size, stride, name):
    """One kernel per channel, at every pixel or at every second."""
    conv = DepthwiseConv(size, FAN_OUT_OF_ONE, common.dtype, name=name)
    if stride == 1:
        return conv

    def every_second(x):
        # TensorFlow pads sides of even length behind alone: pixels 1, 3, … remain.
        first = (0, 0)
        if common.padding == "same":
            first = tuple(1 - side % 2 for side in x.shape[1:3])
        return conv(x)[:, first[0] :: stride, first[1] :: stride]

    return every_second


def _norm(common, name, train):
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=common.norm_momentum,
        epsilon=common.epsilon,
        dtype=common.dtype,
        name=name,
    )
