"""EfficientNet's weights of others: their names and shapes, and where each goes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import skimage
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxforensics import models
from jaxforensics.models import efficientnet, efficientnet_weights

# As the published files of B0 have them.
PUBLISHED = {
    "timm": {
        "conv_stem.weight": (32, 3, 3, 3),
        "bn1.running_var": (32,),
        "blocks.0.0.conv_dw.weight": (32, 1, 3, 3),
        "blocks.0.0.se.conv_reduce.weight": (8, 32, 1, 1),
        "blocks.0.0.conv_pw.weight": (16, 32, 1, 1),
        "blocks.0.0.bn2.bias": (16,),
        "blocks.1.1.conv_pwl.weight": (24, 144, 1, 1),
        "blocks.4.2.se.conv_expand.bias": (672,),
        "blocks.6.0.bn3.running_mean": (320,),
        "conv_head.weight": (1280, 320, 1, 1),
        "bn2.num_batches_tracked": (),
        "classifier.weight": (1000, 1280),
    },
    "torchvision": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.0.block.0.0.weight": (32, 1, 3, 3),
        "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
        "features.1.0.block.2.0.weight": (16, 32, 1, 1),
        "features.2.1.block.0.0.weight": (144, 24, 1, 1),
        "features.2.0.block.3.1.running_var": (24,),
        "features.4.2.block.1.0.weight": (480, 1, 3, 3),
        "features.7.0.block.2.fc2.bias": (1152,),
        "features.8.0.weight": (1280, 320, 1, 1),
        "classifier.1.bias": (1000,),
    },
    "lukemelas": {
        "_conv_stem.weight": (32, 3, 3, 3),
        "_bn0.weight": (32,),
        "_blocks.0._depthwise_conv.weight": (32, 1, 3, 3),
        "_blocks.2._se_reduce.weight": (6, 144, 1, 1),
        "_blocks.15._project_conv.weight": (320, 1152, 1, 1),
        "_blocks.15._bn2.num_batches_tracked": (),
        "_bn1.running_mean": (1280,),
        "_fc.weight": (1000, 1280),
    },
}
# Parameters with 1,000 classes, as published.
COUNTS = {"b0": 5_288_548, "b7": 66_347_960, "lite0": 4_652_008}


@cache
def template(scale, **settings):
    module = models.build(f"efficientnet_{scale}", **settings)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


def published(scale, publisher):
    """A publisher's file, {name: array}, and the variables that it stands for.

    Arrays are laid out as PyTorch's; the table says no more than which is which.
    """
    draw = np.random.default_rng(0)
    wanted = flatten_dict(template(scale, num_classes=1000), sep="/")
    variables, file = {}, {}
    for theirs, row in efficientnet_weights.table(scale, publisher).items():
        if row is None:
            file[theirs] = np.array(7)
            continue
        ours, _ = row
        value = draw.random(wanted[ours].shape, np.float32)
        assert ours not in variables
        variables[ours] = value
        if ours.endswith("kernel") and value.ndim == 4:
            value = np.moveaxis(value, (3, 2), (0, 1))
        elif ours.endswith("kernel"):
            value = value.T
            if "attention" in ours:
                value = value[:, :, None, None]
        file[theirs] = np.ascontiguousarray(value)
    return file, unflatten_dict(variables, sep="/")


@pytest.mark.parametrize("publisher", PUBLISHED)
def test_a_file_fills_every_array_once(tmp_path, publisher):
    file, variables = published("b0", publisher)
    shapes = {name: np.shape(file[name]) for name in PUBLISHED[publisher]}
    assert shapes == PUBLISHED[publisher]
    path = tmp_path / "b0.safetensors"
    safetensors.numpy.save_file(file, path)
    loaded = efficientnet_weights.load(path, scale="b0", publisher=publisher)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)


@pytest.mark.parametrize("publisher", PUBLISHED)
@pytest.mark.parametrize("scale", efficientnet.SCALES)
def test_tables_are_complete(publisher, scale):
    if publisher == "torchvision" and scale == "lite0":
        with pytest.raises(ValueError, match="torchvision has no EfficientNet-Lite"):
            efficientnet_weights.table(scale, publisher)
        return
    rows = efficientnet_weights.table(scale, publisher)
    targets = [row[0] for row in rows.values() if row is not None]
    wanted = flatten_dict(template(scale, num_classes=1000), sep="/")
    assert sorted(targets) == sorted(wanted)
    counts = [x.size for name, x in wanted.items() if name.startswith("params")]
    assert sum(counts) == COUNTS.get(scale, sum(counts))
    if (publisher, scale) == ("lukemelas", "lite0"):
        assert len(rows) == 296  # of the package's file


def test_what_does_not_fit_is_named(tmp_path):
    file, _ = published("lite0", "lukemelas")
    file["_blocks.3._se_reduce.weight"] = file.pop("_blocks.3._project_conv.weight")
    path = tmp_path / "lite0.safetensors"
    safetensors.numpy.save_file(file, path)
    with pytest.raises(ValueError) as error:
        efficientnet_weights.load(path, scale="lite0", publisher="lukemelas")
    text = str(error.value)
    assert "missing params/block_3_0/project/kernel, from _blocks.3._project" in text
    assert "unexpected _blocks.3._se_reduce.weight" in text
    with pytest.raises(ValueError, match="did you mean 'timm'"):
        efficientnet_weights.load(path, scale="lite0", publisher="tim")


@pytest.mark.parametrize(
    "model, settings",
    [
        ("efficientnet_lite0", {"num_classes": 2}),
        ("tsn", {"frame_model": "efficientnet_lite0", "num_classes": 2}),
        ("multi_attention", {"scale": "lite0"}),
    ],
)
def test_detectors_begin_with_all_but_the_logits(model, settings):
    _, loaded = published("lite0", "lukemelas")
    module = models.build(model, **settings)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), image)
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, np.float32), shapes)
    begun = efficientnet_weights.transferred(loaded, zeros)
    assert jax.tree.map(np.shape, begun) == jax.tree.map(np.shape, zeros)
    flat = flatten_dict(begun, sep="/")
    for name, value in flatten_dict(loaded, sep="/").items():
        if not name.startswith("params/logits"):
            np.testing.assert_array_equal(flat[name], value)
    assert not begun["params"]["logits"]["kernel"].any()


def test_another_detector_is_refused():
    _, loaded = published("lite0", "lukemelas")
    shapes = template("lite0", shrink=0.5)
    with pytest.raises(ValueError, match="params/stem is missing or of another shape"):
        efficientnet_weights.transferred(loaded, shapes)


def test_the_packages_weights_know_a_cup_of_coffee():
    """Without the extra there is an error that names it."""
    try:
        path = efficientnet_weights.lite0_file()
    except ImportError as error:
        assert "jaxforensics[imagenet]" in str(error)
        pytest.skip("without the extra [imagenet]")
    pytest.importorskip("torch")
    variables = efficientnet_weights.load(path, scale="lite0", publisher="lukemelas")
    photo = skimage.data.coffee()[:, 100:500]
    photo = skimage.transform.resize(photo, (224, 224), order=3, anti_aliasing=True)
    settings = efficientnet_weights.settings("lite0", "lukemelas")
    module = models.build("efficientnet_lite0", num_classes=1000, **settings)
    image = jnp.float32(photo.clip(0, 1))[None]
    logits = jax.jit(module.apply)(variables, image)
    assert logits[0].argmax() == 967  # espresso
