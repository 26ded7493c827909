"""DeepLabv3: the pyramid in float64, the whole by its parts, torchvision's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers64 import Reference
from variables import filled

from jaxforensics import models
from jaxforensics.models import deeplab, resnet

random = np.random.default_rng(0)
RATES = 12, 24, 36


def pooled(reference, x, rates):
    """The pyramid in numpy."""
    seen = [reference.normed(x, "near", "near_norm", size=1)]
    for i, rate in enumerate(rates, 1):
        name = f"far_{i}"
        seen.append(reference.normed(x, name, f"{name}_norm", size=3, dilation=rate))
    mean = x.mean((1, 2), keepdims=True)
    mean = reference.normed(mean, "mean", "mean_norm", size=1)
    seen.append(np.broadcast_to(mean, seen[0].shape))
    joined = np.maximum(np.concatenate(seen, -1), 0)
    return np.maximum(reference.normed(joined, "joined", "joined_norm", size=1), 0)


@pytest.mark.parametrize("shape", [(2, 28, 28, 24), (1, 16, 16, 24), (1, 25, 38, 24)])
def test_the_pyramid_equals_numpy(shape):
    """At 28 x 28 a rate of 36 is a 1x1 kernel, at 16 x 16 one of 24 is as well."""
    module = deeplab.PyramidPooling(16, RATES, 0.5, resnet.Common(0.9, jnp.float32))
    x = random.normal(size=shape).astype(np.float32)
    variables = filled(random, module, x, train=False)
    expected = pooled(Reference(variables), np.float64(x), RATES)
    found = jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_the_whole_equals_its_parts():
    """From the trunk's features on, and enlarged between centres of pixels."""
    module = models.build("deeplabv3_small", width=4, pyramid_width=8, rates=(2, 3))
    image = random.random((2, 40, 48, 3), np.float32)
    variables = filled(random, module, image)
    located = jax.jit(module.apply)(variables, image)
    reference = Reference(variables)
    x = np.float64(located.features)
    assert x.shape == (2, 10, 12, 32)
    x = pooled(reference.inside("pyramid"), x, (2, 3))
    x = np.maximum(reference.normed(x, "head", "head_norm", size=3), 0)
    logits = variables["params"]["logits"]
    x = (x @ np.float64(logits["kernel"]) + logits["bias"])[..., 0]

    def enlarged(x, size):
        """Along the last axis, linearly between centres, flat beyond the outer two."""
        old = (np.arange(size) + 0.5) * x.shape[-1] / size - 0.5
        return np.apply_along_axis(
            lambda row: np.interp(old, np.arange(len(row)), row), -1, x
        )

    expected = enlarged(enlarged(x, 48).swapaxes(1, 2), 40).swapaxes(1, 2)
    np.testing.assert_allclose(
        located.logits, expected, rtol=0, atol=1e-5 * np.ptp(expected)
    )


def test_torchvisions_names():
    """All of its file's, each of our arrays once."""
    table = deeplab._table(101)
    assert len(table) == 624 + 6 * 6 + 6 + 2 + 6 + 2
    template = jax.eval_shape(
        deeplab.DeepLabV3().init,
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32),
    )
    shapes = {
        "/".join(entry.key for entry in path): leaf.shape
        for path, leaf in jax.tree.leaves_with_path(template)
    }
    targets = [row[0] for row in table.values() if row]
    assert len(set(targets)) == len(targets)
    assert set(targets) == {name for name in shapes if "params/logits" not in name}
    # Names that torchvision's file has, and what must stand there.
    for name, shape in [
        ("backbone.layer3.22.conv2.weight", (3, 3, 256, 256)),
        ("backbone.layer4.0.downsample.0.weight", (1, 1, 1024, 2048)),
        ("classifier.0.convs.4.1.weight", (1, 1, 2048, 256)),
        ("classifier.0.convs.3.0.weight", (3, 3, 2048, 256)),
        ("classifier.0.project.0.weight", (1, 1, 1280, 256)),
        ("classifier.2.running_var", (256,)),
    ]:
        assert shapes[table[name][0]] == shape
    for name in (
        "classifier.4.bias",
        "aux_classifier.0.weight",
        "aux_classifier.4.bias",
    ):
        assert table[name] is None
