"""AMTENnet: maps of the paper's Table I, values against a float64 reading."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.lax import Precision
from scipy import ndimage
from variables import filled

from jaxforensics import models
from jaxforensics.models import amtennet
from jaxforensics.models.amtennet import AMTEN
from jaxforensics.models.front_ends import FRONT_ENDS
from jaxforensics.ops.residuals import SRM_KERNELS

random = np.random.default_rng(0)


def pooled(x, pool):
    """Every window that starts inside, cut off at the border, as Caffe counts them."""
    reduce = np.mean if pool == "average" else np.max
    rows, columns = (range(0, max(1, n - 1), 2) for n in x.shape[1:3])
    windows = [
        [reduce(x[:, i : i + 3, j : j + 3], axis=(1, 2)) for j in columns] for i in rows
    ]
    return np.moveaxis(np.array(windows), 2, 0)


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


def traces(x, layers, reuse=True):
    """Maps of AMTEN, or of an ablation whose missing layers are not in `layers`."""
    f_mt = convolved(x, layers["conv_1"]) - x if "conv_1" in layers else x
    f1 = convolved(f_mt, layers["conv_2"])
    f1 = convolved(f1, layers["conv_3"]) if "conv_3" in layers else f1
    reused = np.concatenate([f1, f_mt], -1) if reuse else f1
    f2 = convolved(reused, layers["conv_4"])
    f2 = convolved(f2, layers["conv_5"]) if "conv_5" in layers else f2
    return np.concatenate([f2, reused], -1)


def filtered(x, kernel, mode):
    """One kernel (k, k) on every plane of (b, h, w, c)."""
    return ndimage.correlate(x, np.float64(kernel)[None, :, :, None], mode=mode)


def front(x, name, params):
    """Maps of a front end, each residual a correlation with its printed kernel."""
    if name == "constrained":
        return convolved(x, params["constrained"])
    if name == "srm":
        total = x.sum(-1, keepdims=True)
        maps = [filtered(total, kernel, "constant") for kernel in SRM_KERNELS]
    else:
        row = np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]]) / 2
        both = np.outer([1, -2, 1], [1, -2, 1]) / 4
        maps = [filtered(x, kernel, "mirror") for kernel in (row, row.T, both)]
    return np.concatenate(maps, -1)


def reference(variables, image, *, reuse=True, pool="max", front_end=None):
    """Logits, and height and width after every convolution and pooling."""
    params, stats = variables["params"], variables["batch_stats"]["hfe"]
    x, sizes = 255 * np.float64(image), []
    if "amten" in params:
        x = traces(x, params["amten"], reuse)
    x = x if front_end is None else front(x, front_end, params)
    for number, cut in ((6, 0), (7, 1), (8, 1), (9, 0)):
        x = convolved(x, params["hfe"][f"conv_{number}"], cut)
        sizes.append(x.shape[1])
        x = np.maximum(pooled(x, pool), 0)
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


def assert_equal_to_the_reference(name, shape, settings, **reading):
    module = models.build(name, num_classes=3, **settings)
    variables = filled(random, module, shape)
    image = random.random(shape, np.float32)
    expected, _ = reference(variables, image, **reading)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize(
    "name, shape", [("amtennet", (2, 64, 64, 3)), ("model_base", (2, 45, 38, 3))]
)
def test_equals_the_released_definition(name, shape):
    assert_equal_to_the_reference(name, shape, {})


@pytest.mark.parametrize(
    "variant, reading",
    [("AMTEN_2", {"reuse": False}), ("AMTENnet_7", {"pool": "average"})]
    + [("AMTENnet_8", {})],
)
def test_variants_equal_a_float64_reading(variant, reading):
    settings = amtennet.VARIANTS[variant]
    assert_equal_to_the_reference("amtennet", (2, 21, 26, 3), settings, **reading)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_front_ends_equal_a_float64_reading(name):
    settings = {"front_end": name}
    assert_equal_to_the_reference("model_base", (2, 19, 24, 3), settings, **settings)


@pytest.mark.parametrize("variant", [f"AMTEN_{number}" for number in range(1, 7)])
def test_modules_of_traces_equal_a_float64_reading(variant):
    settings = amtennet.VARIANTS[variant]
    module = AMTEN(**settings)
    variables = filled(random, module, (2, 7, 10, 3))
    x = 255 * random.random((2, 7, 10, 3), np.float32)
    reuse = variant != "AMTEN_2"
    expected = traces(np.float64(x), variables["params"], reuse)
    maps = module.apply(variables, x)
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5 * np.ptp(expected))


def layers_of(variant):
    """Kernel shapes of AMTEN and of Conv9 in a variant of the net."""
    module = models.build("amtennet", **amtennet.VARIANTS.get(variant, {}))
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    layers = params["amten"] | {"conv_9": params["hfe"]["conv_9"]}
    return {name: layer["kernel"].shape for name, layer in layers.items()}


def test_variants_change_what_table_6_says():
    full = layers_of("AMTENnet")
    assert set(full) == {f"conv_{number}" for number in (1, 2, 3, 4, 5, 9)}
    removed = {"AMTEN_1": {"conv_1"}, "AMTEN_6": {"conv_3", "conv_5"}}
    changed = {
        "AMTEN_2": {"conv_4": (3, 3, 3, 6)},
        "AMTEN_3": {"conv_4": (3, 3, 6, 3), "conv_5": (3, 3, 3, 3)},
        "AMTEN_4": {"conv_4": (3, 3, 6, 12), "conv_5": (3, 3, 12, 12)},
        "AMTEN_5": {"conv_1": (5, 5, 3, 3)},
        "AMTENnet_7": {},
        "AMTENnet_8": {"conv_9": (3, 3, 64, 128)},
    }
    assert set(removed) | set(changed) == set(amtennet.VARIANTS)
    for variant in amtennet.VARIANTS:
        expected = full | changed.get(variant, {})
        for name in removed.get(variant, ()):
            del expected[name]
        assert layers_of(variant) == expected, variant


@pytest.mark.parametrize(
    "name, settings, message",
    [
        ("amtennet", {"pool": "mean"}, "'mean'"),
        ("amtennet", {"traces": "residuals"}, "did you mean 'residual'"),
        ("model_base", {"front_end": "highpass"}, "did you mean 'high_pass'"),
    ],
)
def test_a_wrong_switch_proposes_the_right_one(name, settings, message):
    module = models.build(name, **settings)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(module.init, jax.random.key(0), image)


def test_maps_are_as_large_as_in_table_1():
    module = models.build("model_base")
    variables = filled(random, module, (1, 128, 128, 3))
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


def precisions(function, *arguments):
    """What a function asks of each of its convolutions, in their order."""
    jaxpr = jax.make_jaxpr(function)(*arguments)
    equations = [e for e in jaxpr.eqns if e.primitive.name == "conv_general_dilated"]
    return [equation.params["precision"] for equation in equations]


def test_where_the_picture_is_cancelled_gpus_keep_every_digit(monkeypatch):
    """A program for GPUs: six convolutions of AMTENnet, one of model_base."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    exact = (Precision.HIGHEST, Precision.HIGHEST)
    for name, count in (("amtennet", 6), ("model_base", 1)):
        module = models.build(name)
        variables = filled(random, module, (1, 32, 32, 3))
        image = jnp.zeros((1, 32, 32, 3))
        expected = [exact] * count + [None] * 3
        assert precisions(module.apply, variables, image) == expected


@pytest.mark.parametrize("number", range(7))
def test_gradients_of_the_module_of_traces_are_as_exact(monkeypatch, number):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    module = AMTEN(**amtennet.VARIANTS.get(f"AMTEN_{number}", {}))
    x = jnp.zeros((1, 8, 8, 3))
    variables = filled(random, module, x)

    def total(variables, x):
        return module.apply(variables, x).sum()

    asked = precisions(jax.grad(total, argnums=(0, 1)), variables, x)
    # A layer is three products: the maps, and the gradients of picture and kernel.
    layers = len(variables["params"])
    assert asked == 3 * layers * [(Precision.HIGHEST, Precision.HIGHEST)]


def test_it_starts_uniform_within_the_fan_in(key):
    kernel = AMTEN().init(key, jnp.zeros((1, 8, 8, 3)))["params"]["conv_4"]["kernel"]
    bound = np.sqrt(3 / (9 * 6))
    assert 0.95 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
