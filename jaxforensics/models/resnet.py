"""ResNet, with strides or with dilations in its place.

He et al., "Deep residual learning for image recognition", CVPR 2016, as torchvision has
it: where a stage halves the picture, the 3x3 convolution of its first block has the
stride.  Wang et al., CVPR 2020, detect pictures of generators by ResNet-50; DeepLab
reads ResNet-101's features, whose last two stages are dilated (Yu et al., CVPR 2017).
"""

from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels.pools import floor_max_pool
from jaxforensics.models import weights
from jaxforensics.models.layers import Conv
from jaxforensics.models.vgg import DEVIATION, MEAN
from jaxforensics.ops.resample import resize
from jaxforensics.settings import choose

# Normal, of the variance of He by what leaves a layer, as torchvision starts.
FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# Blocks of each of the four stages, and whether a block has three convolutions.
DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
EXPANSION = 4  # how much wider a block of three convolutions is in the end


class Stem(NamedTuple):
    """What pictures enter by: a convolution, and perhaps a maximum of 3x3 pixels."""

    size: int
    stride: int
    pool: bool  # by two


# 'photograph' is the paper's; the others are for pictures of 128 and of 64 pixels.
STEMS = {
    "photograph": Stem(size=7, stride=2, pool=True),
    "halved": Stem(size=3, stride=2, pool=False),
    "whole": Stem(size=3, stride=1, pool=False),
}


class Common(NamedTuple):
    """What all layers of a network share."""

    norm_momentum: float
    dtype: Any


class Block(nn.Module):
    """Two or three convolutions around which the input is added.

    Of three the first and the last are 1x1.  The stride and the dilation are those of
    a 3x3 convolution, of two of them the stride is that of the first.
    """

    width: int
    stride: int
    dilation: int
    is_deep: bool  # of three convolutions
    common: Common

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, ceil(h / stride), ceil(w / stride), width in the end)."""
        if self.is_deep:
            plan = [(self.width, 1, 1), (self.width, 3, self.stride)]
            plan.append((EXPANSION * self.width, 1, 1))
        else:
            plan = [(self.width, 3, self.stride), (self.width, 3, 1)]
        y = x
        for i, (width, size, stride) in enumerate(plan, 1):
            dilation = self.dilation if size > 1 else 1
            conv = convolution(
                self.common, width, size, f"conv_{i}", stride=stride, dilation=dilation
            )
            y = norm(self.common, f"norm_{i}", train)(conv(y))
            if i < len(plan):
                y = nn.relu(y)
        if x.shape != y.shape:
            short = convolution(
                self.common, y.shape[-1], 1, "short", stride=self.stride
            )
            x = norm(self.common, "short_norm", train)(short(x))
        return nn.relu(x + y)


class Trunk(nn.Module):
    """Stem and four stages; `attention` may weigh the features after one of them.

    `dilated` says of the last three stages whether they keep the picture's size, as one
    with a stride would not, and dilate their kernels instead.
    """

    depth: int = 50
    width: int = 64
    stem: str = "photograph"
    dilated: tuple[bool, bool, bool] = (False, False, False)
    attend_after: int = 4
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, attention=None, train):
        """(b, h, w, 3) in [0, 1], (b, h, w) -> `Encoded`."""
        chex.assert_shape(image, (None, None, None, 3))
        blocks, is_deep = choose(DEPTHS, self.depth, "depth of ResNet")
        entrance = choose(STEMS, self.stem, "stem of ResNet")
        if self.attend_after not in range(1, 5):
            raise ValueError(
                f"attend_after is the stage behind which attention weighs features, 1 "
                f"to 4, not {self.attend_after}"
            )
        common = Common(self.norm_momentum, self.dtype)

        x = standardised(image).astype(self.dtype)
        conv = convolution(
            common, self.width, entrance.size, "stem", stride=entrance.stride
        )
        x = nn.relu(norm(common, "stem_norm", train)(conv(x)))
        if entrance.pool:
            x = floor_max_pool(x, size=3, stride=2, padding=1)

        dilation = 1
        stages = []
        for place, count in enumerate(blocks, 1):
            before = dilation
            stride = 2 if place > 1 else 1
            if place > 1 and self.dilated[place - 2]:
                stride = 1
                dilation = 2 * dilation
            for i in range(count):
                # The first block of a stage still sees what the one before it saw.
                block = Block(
                    width=self.width * 2 ** (place - 1),
                    stride=stride if i == 0 else 1,
                    dilation=before if i == 0 else dilation,
                    is_deep=is_deep,
                    common=common,
                    name=f"stage_{place}_{i}",
                )
                x = block(x, train=train)
            features = x
            if place == self.attend_after:
                x = attended(x, attention)
            stages.append(x)
        return Encoded(tuple(stages), features)


class Encoded(NamedTuple):
    """What a trunk makes of pictures."""

    stages: tuple  # four maps (b, h', w', c), after attention
    features: Any  # the last of them, before attention if that comes last


class ResNet(nn.Module):
    """A trunk, the mean over the picture, logits."""

    depth: int = 50
    num_classes: int = 1
    width: int = 64
    stem: str = "photograph"
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        trunk = Trunk(
            self.depth,
            self.width,
            self.stem,
            norm_momentum=self.norm_momentum,
            dtype=self.dtype,
        )
        # The trunk's layers are this module's: parameters have one name in all.
        nn.share_scope(self, trunk)
        x = trunk(image, train=train).features
        # Means over many pixels would lose digits in bfloat16.
        x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        normal = nn.initializers.normal(0.02)
        return nn.Dense(self.num_classes, kernel_init=normal, name="logits")(x)


def of_depth(depth):
    """The ResNet whose depth is this one unless another is given."""
    fields = {"depth": depth, "__annotations__": {"depth": int}, "__module__": __name__}
    return type(f"ResNet{depth}", (ResNet,), fields)


def standardised(image):
    """Pictures in [0, 1] as ImageNet's are standardised, in float32."""
    mean, deviation = (jnp.float32(x)[None, None, None] for x in (MEAN, DEVIATION))
    return (jnp.float32(image) - mean) / deviation


def attended(x, attention):
    """Features (b, h', w', c) times the mean attention over the pixels of each.

    `attention` is (b, h, w) in [0, 1]; None is white: nothing is weighed.
    """
    if attention is None:
        return x
    weights_of = resize(attention[..., None], x.shape[1:3], method="box")
    return x * weights_of.astype(x.dtype)


def convolution(common, width, size, name, *, stride=1, dilation=1):
    """A convolution without bias, borders as PyTorch's."""
    return Conv(
        width,
        size,
        padding=size // 2,
        stride=stride,
        use_bias=False,
        kernel_init=FAN_OUT,
        dtype=common.dtype,
        dilation=dilation,
        name=name,
    )


def norm(common, name, train):
    """PyTorch's normalisation over a batch."""
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=common.norm_momentum,
        epsilon=1e-5,
        dtype=common.dtype,
        name=name,
    )


def load(path, *, depth=50):
    """Variables of a ResNet of the paper's widths, from torchvision's file.

    The file's 1,000 classes are left out: `params` have no `logits`.
    """
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    template = jax.eval_shape(ResNet(depth).init, jax.random.key(0), image)
    template["params"].pop("logits")
    table = trunk_table(depth) | {"fc.weight": None, "fc.bias": None}
    return weights.load(path, template, table=table)


def trunk_table(depth, *, prefix="", where=""):
    """Where each array of torchvision's trunk goes, see `weights`.

    `prefix` is in front of its names, `where` in front of ours.
    """
    blocks, is_deep = choose(DEPTHS, depth, "depth of ResNet")
    table = layer_table(
        f"{prefix}conv1", f"{prefix}bn1", f"{where}stem", f"{where}stem_norm"
    )
    for place, count in enumerate(blocks, 1):
        for i in range(count):
            theirs = f"{prefix}layer{place}.{i}"
            ours = f"{where}stage_{place}_{i}"
            for layer in range(1, 4 if is_deep else 3):
                table |= layer_table(
                    f"{theirs}.conv{layer}",
                    f"{theirs}.bn{layer}",
                    f"{ours}/conv_{layer}",
                    f"{ours}/norm_{layer}",
                )
            # The first block of a stage changes width, but where it is 64 before.
            if i == 0 and (place > 1 or is_deep):
                table |= layer_table(
                    f"{theirs}.downsample.0",
                    f"{theirs}.downsample.1",
                    f"{ours}/short",
                    f"{ours}/short_norm",
                )
    return table


def layer_table(conv, norm, our_conv, our_norm):
    """Where the arrays of PyTorch's convolution and normalisation go."""
    return {
        f"{conv}.weight": (f"params/{our_conv}/kernel", kernel),
        f"{norm}.weight": (f"params/{our_norm}/scale", None),
        f"{norm}.bias": (f"params/{our_norm}/bias", None),
        f"{norm}.running_mean": (f"batch_stats/{our_norm}/mean", None),
        f"{norm}.running_var": (f"batch_stats/{our_norm}/var", None),
        f"{norm}.num_batches_tracked": None,
    }


def kernel(value):
    """PyTorch's (out, in, h, w) as flax's (h, w, in, out)."""
    return np.transpose(value, (2, 3, 1, 0))
