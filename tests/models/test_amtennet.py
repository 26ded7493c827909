"""AMTENnet: maps of the paper's Table I, values against a float64 reading."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxforensics import models
from jaxforensics.models.amtennet import AMTEN

random = np.random.default_rng(0)


def pooled(x):
    """Every window that starts inside, cut off at the border, as Caffe counts them."""
    count = [max(0, int(np.ceil((n - 3) / 2))) + 1 for n in x.shape[1:3]]
    rows = [x[:, 2 * i : 2 * i + 3].max(1) for i in range(count[0])]
    x = np.stack(rows, 1)
    return np.stack([x[:, :, 2 * j : 2 * j + 3].max(2) for j in range(count[1])], 2)


def convolved(x, layer, cut=0):
    """'Same' convolution by scipy, `cut` pixels narrower on each side."""
    kernel = np.float64(layer["kernel"])
    planes = [
        sum(
            ndimage.correlate(x[..., i], kernel[None, ..., i, o], mode="constant")
            for i in range(x.shape[-1])
        )
        for o in range(kernel.shape[-1])
    ]
    x = np.stack(planes, -1) + layer.get("bias", 0)
    return x[:, cut : x.shape[1] - cut, cut : x.shape[2] - cut]


def traces(x, layers):
    f_mt = convolved(x, layers["conv_1"]) - x
    f1 = convolved(convolved(f_mt, layers["conv_2"]), layers["conv_3"])
    reused = np.concatenate([f1, f_mt], -1)
    f2 = convolved(convolved(reused, layers["conv_4"]), layers["conv_5"])
    return np.concatenate([f2, reused], -1)


def reference(variables, image):
    """Logits, and height and width after every convolution and pooling."""
    params, stats = variables["params"], variables["batch_stats"]["hfe"]
    x, sizes = 255 * np.float64(image), []
    if "amten" in params:
        x = traces(x, params["amten"])
    for number, cut in ((6, 0), (7, 1), (8, 1), (9, 0)):
        x = convolved(x, params["hfe"][f"conv_{number}"], cut)
        sizes.append(x.shape[1])
        x = np.maximum(pooled(x), 0)
        sizes.append(x.shape[1])
        if number < 9:
            norm, moved = params["hfe"][f"norm_{number}"], stats[f"norm_{number}"]
            x = (x - moved["mean"]) / np.sqrt(np.float64(moved["var"]) + 1e-5)
            x = x * norm["scale"] + norm["bias"]
    x = x.reshape(len(x), -1)
    for layer in ("dense_1", "dense_2", "logits"):
        x = x @ np.float64(params["head"][layer]["kernel"])
        x = x + params["head"][layer]["bias"]
    return x, sizes


def filled(name, size):
    """A module and random variables, without the compilation that `init` costs."""
    module = models.build(name, num_classes=3)
    image = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    template = jax.eval_shape(module.init, jax.random.key(0), image)

    def fill(path, leaf):
        if path[-1].key in ("var", "scale"):
            return np.float32(random.uniform(0.5, 2, leaf.shape))
        spread = 1 / np.sqrt(leaf.size / leaf.shape[-1])
        return np.float32(spread * random.normal(size=leaf.shape))

    return module, jax.tree_util.tree_map_with_path(fill, template)


@pytest.mark.parametrize("name, size", [("amtennet", 64), ("model_base", 45)])
def test_equals_the_released_definition(name, size):
    module, variables = filled(name, size)
    image = random.random((2, size, size, 3), np.float32)
    expected, _ = reference(variables, image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))


def test_maps_are_as_large_as_in_table_1():
    module, variables = filled("model_base", 128)
    _, sizes = reference(variables, random.random((1, 128, 128, 3)))
    assert sizes == [128, 64, 62, 31, 29, 14, 14, 7]
    image = jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.float32)
    capture = jax.eval_shape(
        lambda v, x: module.apply(v, x, capture_intermediates=True)[1], variables, image
    )["intermediates"]["hfe"]
    names = [f"conv_{number}" for number in (6, 7, 8, 9)]
    assert [capture[n]["__call__"][0].shape[1] for n in names] == sizes[::2]
    names = [f"norm_{number}" for number in (6, 7, 8)] + ["__call__"]
    maps = [capture[n]["__call__"][0] for n in names[:-1]] + [capture["__call__"][0]]
    assert [m.shape[1] for m in maps] == sizes[1::2]


def test_the_module_of_traces_alone():
    image = jax.ShapeDtypeStruct((1, 20, 24, 3), jnp.float32)
    maps, variables = jax.eval_shape(AMTEN().init_with_output, jax.random.key(0), image)
    assert maps.shape == (1, 20, 24, 12)
    assert sum(x.size for x in jax.tree.leaves(variables)) == 909


def test_it_starts_uniform_within_the_fan_in(key):
    kernel = AMTEN().init(key, jnp.zeros((1, 8, 8, 3)))["params"]["conv_4"]["kernel"]
    bound = np.sqrt(3 / (9 * 6))
    assert 0.95 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
