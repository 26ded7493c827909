"""LF against a float64 reading in numpy: mirrored borders, scaled weights, stages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics import models
from jaxforensics.models import lf

random = np.random.default_rng(0)


def shapes(module, side):
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


def filled(module, side):
    """Weights of the scale they start with, biases that are not zero."""
    template = shapes(module, side)
    return jax.tree.map(
        lambda leaf: random.standard_normal(leaf.shape, np.float32), template
    )


def scaled(layer, gain):
    kernel = np.float64(layer["kernel"])
    return kernel * gain / np.sqrt(np.prod(kernel.shape[:-1]))


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def convolve(x, layer):
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    x = np.tensordot(view, scaled(layer, np.sqrt(2)), ([3, 4, 5], [2, 0, 1]))
    return leaky(x + layer["bias"])


def reference(params, image):
    x = 2 * np.float64(image) - 1
    while x.shape[1] > 4:
        side = x.shape[1]
        for i in (1, 2):
            x = convolve(x, params[f"conv_{side}_{i}"])
        x = x.reshape(len(x), side // 2, 2, side // 2, 2, -1).mean((2, 4))
    x = convolve(x, params["conv_4"]).reshape(len(x), -1)
    x = leaky(x @ scaled(params["dense"], np.sqrt(2)) + params["dense"]["bias"])
    return x @ scaled(params["logits"], 1) + params["logits"]["bias"]


def test_equals_numpy():
    module = models.build("lf", num_classes=3)
    variables = filled(module, 16)
    image = random.random((2, 16, 16, 3), np.float32)
    expected = reference(variables["params"], image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("side", [8, 64, 128, 256])
def test_stages_are_those_of_the_paper_from_the_picture_down(side):
    paper = {128: (16, 32), 64: (32, 64), 32: (64, 128), 16: (128, 256), 8: (256, 512)}
    plan = {256: (8, 16)} | paper
    params = shapes(models.build("lf"), side)["params"]
    widths = {name: layer["kernel"].shape[-2:] for name, layer in params.items()}
    expected = {"conv_4": (512, 512), "dense": (8192, 512), "logits": (512, 1)}
    maps = 3
    for at in (at for at in plan if at <= side):
        for i, width in enumerate(plan[at], 1):
            expected[f"conv_{at}_{i}"] = maps, width
            maps = width
    assert widths == expected


def test_weights_start_at_one_and_maps_stay_of_one_scale(key):
    """What the scaling at run time is for: layers neither swell nor fade."""
    module = models.build("lf", num_classes=64)
    image = jax.random.uniform(key, (4, 8, 8, 3))
    variables = jax.jit(module.init)(key, image)
    for layer in variables["params"].values():
        assert jnp.std(layer["kernel"]) == pytest.approx(1, rel=0.02)
        assert not layer["bias"].any()
    assert 0.1 < jnp.std(jax.jit(module.apply)(variables, image)) < 1.5


def test_weights_that_start_as_hes_make_the_same_layers(key):
    """He's deviation and no scaling: at the start the function is the same."""
    module = models.build("lf", num_classes=3, equalized=False)
    image = jax.random.uniform(key, (2, 8, 8, 3))
    variables = jax.jit(module.init)(key, image)
    params = variables["params"]
    for name, layer in params.items():
        gain = 1 if name == "logits" else np.sqrt(2)
        deviation = gain / np.sqrt(np.prod(layer["kernel"].shape[:-1]))
        assert jnp.std(layer["kernel"]) == pytest.approx(deviation, rel=0.03)
        assert not layer["bias"].any()

    def as_scaled(layer, gain):
        kernel = layer["kernel"] * np.sqrt(np.prod(layer["kernel"].shape[:-1])) / gain
        return layer | {"kernel": kernel}

    equalized = {
        name: as_scaled(layer, 1 if name == "logits" else np.sqrt(2))
        for name, layer in params.items()
    }
    expected = reference(jax.tree.map(np.asarray, equalized), image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("equalized", (True, False))
@pytest.mark.parametrize("size, shape", [(3, (4, 32, 32, 64)), (None, (256, 512))])
def test_activations_keep_their_variance(key, equalized, size, shape):
    """Twice that of the input before a leaky ReLU, of which (1 + 0.2²) / 2 are left."""
    layer = lf.Equalized(256, size, equalized=equalized)
    given = jax.random.normal(key, shape)
    before, _ = jax.jit(layer.init_with_output)(jax.random.key(1), given)
    assert np.var(before) == pytest.approx(2, rel=0.05)
    assert np.mean(np.square(leaky(before))) == pytest.approx(1.04, rel=0.05)


def test_gradients_are_finite():
    module = models.build("lf")
    variables = filled(module, 8)
    image = random.random((2, 8, 8, 3), np.float32)

    def total(params, image):
        return module.apply({"params": params}, image, train=True).sum()

    gradients = jax.jit(jax.grad(total, (0, 1)))(variables["params"], image)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path


def test_bfloat16():
    image = random.random((2, 8, 8, 3), np.float32)
    variables = filled(models.build("lf"), 8)
    exact, half = (
        jax.jit(models.build("lf", dtype=dtype).apply)(variables, image)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, exact, atol=0.05)
    assert (half != exact).all()


@pytest.mark.parametrize("shape", [(96, 96), (128, 64), (4, 4), (2048, 2048), (65, 65)])
def test_other_sizes_are_refused(shape):
    image = jax.ShapeDtypeStruct((1, *shape, 3), jnp.float32)
    with pytest.raises(ValueError, match=f"{shape[0]}x{shape[1]}: LF halves a square"):
        jax.eval_shape(models.build("lf").init, jax.random.key(0), image)
