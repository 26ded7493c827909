"""ResNet: layers in float64, dilated stages, attention, torchvision's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from layers64 import Reference
from variables import filled

from jaxforensics import models
from jaxforensics.models import resnet

random = np.random.default_rng(0)


def standardised(image):
    mean = np.array([0.485, 0.456, 0.406])
    return (np.float64(image) - mean) / np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize("depth, shape", [(18, (2, 50, 37, 3)), (50, (1, 33, 64, 3))])
def test_equals_numpy(depth, shape):
    module = models.build(f"resnet{depth}", num_classes=3, width=4)
    image = random.random(shape, np.float32)
    variables = filled(random, module, image)
    reference = Reference(variables)
    x = reference.normed(standardised(image), "stem", "stem_norm", size=7, stride=2)
    x = np.maximum(x, 0)
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2]
    x = x.max((4, 5))
    for place in range(1, 5):
        x = reference.stage(x, place, stride=min(place, 2), dilations=(1, 1))
    logits = variables["params"]["logits"]
    expected = x.mean((1, 2)) @ np.float64(logits["kernel"]) + logits["bias"]
    found = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("side", [28, 16])
def test_dilated_stages_equal_numpy(side):
    """Stages 3 and 4 of DeepLab's trunk, from what enters them."""
    module = resnet.Trunk(depth=50, width=2, dilated=(False, True, True))
    image = random.random((1, 8 * side, 8 * side, 3), np.float32)
    variables = filled(random, module, image, train=False)
    encoded = jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, image)
    assert encoded.stages[1].shape == (1, side, side, 16)
    reference = Reference(variables)
    x = np.float64(encoded.stages[1])
    x = reference.stage(x, 3, stride=1, dilations=(1, 2))
    np.testing.assert_allclose(encoded.stages[2], x, rtol=0, atol=1e-5 * np.ptp(x))
    x = reference.stage(x, 4, stride=1, dilations=(2, 4))
    np.testing.assert_allclose(encoded.stages[3], x, rtol=0, atol=1e-5 * np.ptp(x))
    np.testing.assert_array_equal(encoded.features, encoded.stages[3])


@pytest.mark.parametrize("stage", [1, 4])
def test_attention_weighs_the_features_behind_a_stage(stage):
    """By the mean over the pixels of each; features are those before."""
    module = resnet.Trunk(depth=18, width=4, stem="halved", attend_after=stage)
    image = random.random((2, 32, 48, 3), np.float32)
    attention = random.random((2, 32, 48), np.float32)
    variables = filled(random, module, image, train=False)

    @jax.jit
    def run(attention):
        return module.apply(variables, image, attention=attention, train=False)

    white = run(None)
    seen = run(attention)
    features = np.asarray(white.stages[stage - 1])
    height, width = features.shape[1:3]
    cells = attention.reshape(2, height, 32 // height, width, 48 // width)
    expected = features * cells.mean((2, 4))[..., None]
    np.testing.assert_allclose(seen.stages[stage - 1], expected, atol=1e-5)
    if stage == 4:
        np.testing.assert_array_equal(seen.features, white.features)
    else:
        assert np.abs(seen.features - white.features).max() > 1e-3
    ones = run(np.ones_like(attention))
    np.testing.assert_allclose(ones.features, white.features, atol=1e-5)


def test_wrong_settings_name_the_right_ones():
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    for settings, message in [
        ({"depth": 19}, "no depth of ResNet 19"),
        ({"stem": "hole"}, "did you mean 'whole'"),
        ({"attend_after": 5}, "1 to 4, not 5"),
    ]:
        module = resnet.Trunk(**settings)
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(
                lambda key, module=module: module.init(key, image, train=False),
                jax.random.key(0),
            )


def test_torchvisions_file(tmp_path):
    """Written with its names and layout, a file gives the variables back."""
    module = models.build("resnet18", width=64)
    variables = filled(random, module, (1, 64, 64, 3))
    params, stats = variables["params"], variables["batch_stats"]
    del params["logits"]
    names = {("stem", "stem_norm"): ("conv1", "bn1")}
    for place in range(1, 5):
        for i in range(2):
            block = f"stage_{place}_{i}"
            for layer in (1, 2):
                names[block, f"conv_{layer}", f"norm_{layer}"] = (
                    f"layer{place}.{i}.conv{layer}",
                    f"layer{place}.{i}.bn{layer}",
                )
            if place > 1 and i == 0:
                theirs = f"layer{place}.0.downsample"
                names[block, "short", "short_norm"] = f"{theirs}.0", f"{theirs}.1"
    arrays = {
        "fc.weight": np.zeros((1000, 512), np.float32),
        "fc.bias": np.zeros(1000, np.float32),
    }
    for (*block, conv, norm), (their_conv, their_norm) in names.items():
        inner, inner_stats = params, stats
        for name in block:
            inner, inner_stats = inner[name], inner_stats[name]
        weight = np.moveaxis(inner[conv]["kernel"], (0, 1, 2, 3), (2, 3, 1, 0))
        arrays |= {
            f"{their_conv}.weight": np.ascontiguousarray(weight),
            f"{their_norm}.weight": inner[norm]["scale"],
            f"{their_norm}.bias": inner[norm]["bias"],
            f"{their_norm}.running_mean": inner_stats[norm]["mean"],
            f"{their_norm}.running_var": inner_stats[norm]["var"],
            f"{their_norm}.num_batches_tracked": np.array(7),
        }
    assert sum(a.size for n, a in arrays.items() if "running" not in n) == (
        11_689_512 + len(names)
    )
    path = tmp_path / "resnet18.safetensors"
    safetensors.numpy.save_file(arrays, path)
    loaded = resnet.load(path, depth=18)
    assert jax.tree.structure(loaded) == jax.tree.structure(variables)
    assert jax.tree.all(jax.tree.map(np.array_equal, loaded, variables))


def test_torchvisions_names_of_resnet50():
    table = resnet.trunk_table(50)
    assert len(table) == 320 - 2  # its file has two more, of the 1,000 classes
    template = jax.eval_shape(
        resnet.ResNet(50).init,
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32),
    )
    paths = {
        "/".join(entry.key for entry in path)
        for path, _ in jax.tree.leaves_with_path(template)
    }
    targets = {row[0] for row in table.values() if row}
    assert targets == {path for path in paths if "logits" not in path}
