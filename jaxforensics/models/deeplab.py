"""DeepLabv3: a map of the picture's size, from features seen at several distances.

Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017, with
ResNet-101 and an output stride of 8, as torchvision has it: here one value per pixel,
and no auxiliary head.  FakeLocator's encoder and decoder.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.models import weights
from jaxforensics.models.resnet import (
    Common,
    Trunk,
    convolution,
    layer_table,
    norm,
    trunk_table,
)
from jaxforensics.ops.resample import resize

UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Located(NamedTuple):
    """What an encoder and its decoder make of pictures, in float32."""

    logits: Any  # (b, h, w) or smaller, of the map: its sigmoid is in [0, 1]
    features: Any  # (b, h', w', c), the encoder's last, before attention
    attended: Any  # the same after attention
    answers: Any = None  # (b, 1), logits of real or fake, of models that say it


class PyramidPooling(nn.Module):
    """Features seen at several distances, and the mean of all of them: ASPP.

    A 3x3 kernel whose pixels lie `rate` apart is one of 1x1 where the map is no larger.
    """

    width: int
    rates: tuple[int, ...]
    dropout: float
    common: Common

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, h, w, width)."""
        common = self.common

        def layer(x, size, name, *, dilation=1):
            conv = convolution(common, self.width, size, name, dilation=dilation)
            return nn.relu(norm(common, f"{name}_norm", train)(conv(x)))

        seen = [layer(x, 1, "near")]
        for i, rate in enumerate(self.rates, 1):
            seen.append(layer(x, 3, f"far_{i}", dilation=rate))
        # Means over thousands of pixels would lose digits in bfloat16.
        mean = x.astype(jnp.float32).mean((1, 2), keepdims=True).astype(x.dtype)
        mean = layer(mean, 1, "mean")
        seen.append(jnp.broadcast_to(mean, (*x.shape[:3], self.width)))
        y = layer(jnp.concatenate(seen, axis=-1), 1, "joined")
        if self.dropout == 0:
            return y
        return nn.Dropout(self.dropout, name="dropout")(y, deterministic=not train)


class DeepLabV3(nn.Module):
    """Trunk, pyramid, a 3x3 convolution and one value per pixel, enlarged bilinearly.

    `stem`, `depth`, `width` and `dilated` are those of `resnet.Trunk`, `rates` the
    distances in pixels of its last map.  `first_logit` is what maps are before training
    about: below zero if little of a picture is changed, which shortens the training.
    """

    depth: int = 101
    width: int = 64
    stem: str = "photograph"
    dilated: tuple[bool, bool, bool] = (False, True, True)
    pyramid_width: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    dropout: float = 0.5
    attend_after: int = 4
    first_logit: float = 0.0
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, attention=None, train=False):
        """(b, h, w, 3) in [0, 1] -> `Located`; attention (b, h, w), None is white."""
        trunk = Trunk(
            depth=self.depth,
            width=self.width,
            stem=self.stem,
            dilated=self.dilated,
            attend_after=self.attend_after,
            norm_momentum=self.norm_momentum,
            dtype=self.dtype,
            name="trunk",
        )
        encoded = trunk(image, attention=attention, train=train)
        attended = encoded.stages[-1]
        common = Common(self.norm_momentum, self.dtype)
        pyramid = PyramidPooling(
            self.pyramid_width, self.rates, self.dropout, common, name="pyramid"
        )
        x = pyramid(attended, train=train)
        conv = convolution(common, self.pyramid_width, 3, "head")
        x = nn.relu(norm(common, "head_norm", train)(conv(x)))
        logits = map_logits(x, self.first_logit)
        logits = resize(logits, image.shape[1:3], method="bilinear", antialias=False)
        features = encoded.features.astype(jnp.float32)
        return Located(logits[..., 0], features, attended.astype(jnp.float32))


def map_logits(x, first_logit):
    """The last 1x1 convolution of a locator, in float32: (b, h, w, c) -> (b, h, w, 1).

    Its layer belongs to the module that calls.
    """
    bias = nn.initializers.constant(first_logit)
    dense = nn.Dense(1, kernel_init=UNIFORM, bias_init=bias, name="logits")
    return dense(x.astype(jnp.float32))


class SmallDeepLabV3(DeepLabV3):
    """DeepLabv3 for pictures of 64 to 128 pixels: ResNet-18's shape, narrow, stride 4.

    The widths are ours: the paper has pictures of 224 pixels only.
    """

    depth: int = 18
    width: int = 16
    stem: str = "halved"
    pyramid_width: int = 64
    rates: tuple[int, ...] = (3, 6, 9)
    dropout: float = 0.1


def load(path, *, depth=101):
    """Variables of a DeepLabV3 of the paper's widths, from torchvision's file.

    Its auxiliary head and its 21 classes are left out: `params` have no `logits`.
    """
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    template = jax.eval_shape(DeepLabV3(depth).init, jax.random.key(0), image)
    template["params"].pop("logits")
    return weights.load(path, template, table=_table(depth))


def _table(depth):
    """Where each array of torchvision's file goes; None: known, not used."""
    table = trunk_table(depth, prefix="backbone.", where="trunk/")
    branches = [
        ("convs.0.0", "convs.0.1", "near"),
        *((f"convs.{i}.0", f"convs.{i}.1", f"far_{i}") for i in (1, 2, 3)),
        ("convs.4.1", "convs.4.2", "mean"),
        ("project.0", "project.1", "joined"),
    ]
    for conv, batch_norm, ours in branches:
        table |= layer_table(
            f"classifier.0.{conv}",
            f"classifier.0.{batch_norm}",
            f"pyramid/{ours}",
            f"pyramid/{ours}_norm",
        )
    table |= layer_table("classifier.1", "classifier.2", "head", "head_norm")
    auxiliary = layer_table("aux_classifier.0", "aux_classifier.1", "", "")
    classes = [
        f"{head}.4.{what}"
        for head in ("classifier", "aux_classifier")
        for what in ("weight", "bias")
    ]
    return table | dict.fromkeys([*auxiliary, *classes])
