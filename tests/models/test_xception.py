"""Xception: every layer of the PyTorch port read in float64, odd sizes, training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import filled

from jaxforensics import models
from jaxforensics.models import xception

random = np.random.default_rng(0)


def windows(x, size, padding, stride, fill=0.0):
    """(b, h, w, c) -> (b, h', w', c, size, size), whole windows only."""
    sides = (padding, padding)
    x = np.pad(x, [(0, 0), sides, sides, (0, 0)], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return view[:, ::stride, ::stride]


def convolve(x, layer, padding=0, stride=1):
    kernel = np.float64(layer["kernel"])
    view = windows(x, kernel.shape[0], padding, stride)
    return np.tensordot(view, kernel, ([3, 4, 5], [2, 0, 1]))


def normalize(x, layer, stats):
    x = (x - stats["mean"]) / np.sqrt(np.float64(stats["var"]) + 1e-5)
    return x * layer["scale"] + layer["bias"]


def separable(x, layers, stats):
    kernel = np.float64(layers["depthwise"]["kernel"])[:, :, 0]
    x = np.einsum("bhwcij,ijc->bhwc", windows(x, 3, 1, 1), kernel)
    return normalize(convolve(x, layers["pointwise"]), layers["norm"], stats["norm"])


def block(x, layers, stats, activate):
    short, stride = x, 1
    if "short" in layers:
        short, stride = convolve(x, layers["short"], stride=2), 2
        short = normalize(short, layers["short_norm"], stats["short_norm"])
    for i in range(1, sum(name.startswith("separable") for name in layers) + 1):
        x = np.maximum(x, 0) if i > 1 or activate else x
        x = separable(x, layers[f"separable_{i}"], stats[f"separable_{i}"])
    if stride == 2:
        x = windows(x, 3, 1, 2, -np.inf).max((4, 5))
    return x + short


def reference(variables, image):
    params, stats = variables["params"], variables["batch_stats"]
    x = (np.float64(image) - 0.5) / 0.5
    for i, stride in ((1, 2), (2, 1)):
        x = convolve(x, params[f"conv_{i}"], stride=stride)
        x = np.maximum(normalize(x, params[f"norm_{i}"], stats[f"norm_{i}"]), 0)
    for i in range(1, 13):
        x = block(x, params[f"block_{i}"], stats[f"block_{i}"], i > 1)
    for i in (3, 4):
        name = f"separable_{i}"
        x = np.maximum(separable(x, params[name], stats[name]), 0)
    logits = params["logits"]
    return x.mean((1, 2)) @ np.float64(logits["kernel"]) + logits["bias"]


def test_equals_numpy():
    module = models.build("xception", num_classes=3)
    image = random.random((2, 37, 46, 3), np.float32)
    variables = filled(random, module, image)
    expected = reference(variables, image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))


def test_layers_are_as_wide_as_in_the_paper():
    module = models.build("xception")
    image = jax.ShapeDtypeStruct((1, 7, 7, 3), jnp.float32)  # the smallest
    params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    widths = [
        layers["pointwise"]["kernel"].shape[-1]
        for number in range(1, 13)
        for name, layers in sorted(params[f"block_{number}"].items())
        if name.startswith("separable")
    ]
    assert widths == [128, 128, 256, 256, 728, 728] + 24 * [728] + [728, 1024]
    strided = [n for n in range(1, 13) if "short" in params[f"block_{n}"]]
    assert strided == [1, 2, 3, 12]
    assert params["logits"]["kernel"].shape == (2048, 1)


@pytest.mark.parametrize("stride, activate", [(2, False), (1, True)])
def test_a_block_in_training(stride, activate):
    """Statistics move by the batch's, and gradients reach every parameter."""
    x = random.normal(size=(3, 7, 6, 8)).astype(np.float32)
    module = xception.Block((8, 8), stride, activate, 0.8, jnp.float32)
    variables = filled(random, module, x, train=True)

    @jax.jit
    def train(params):
        def total(params):
            variables_of = variables | {"params": params}
            y, moved = module.apply(
                variables_of, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sum(jnp.square(y)), moved["batch_stats"]

        return jax.grad(total, has_aux=True)(params)

    gradients, moved = train(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 1e-3, path
    layers = variables["params"]["separable_1"]
    kernel = np.float64(layers["depthwise"]["kernel"])[:, :, 0]
    y = np.maximum(x, 0) if activate else x
    y = np.einsum("bhwcij,ijc->bhwc", windows(np.float64(y), 3, 1, 1), kernel)
    y = convolve(y, layers["pointwise"])
    before = variables["batch_stats"]["separable_1"]["norm"]
    after = moved["separable_1"]["norm"]
    for name, batch in (("mean", y.mean((0, 1, 2))), ("var", y.var((0, 1, 2)))):
        expected = 0.8 * before[name] + 0.2 * batch
        np.testing.assert_allclose(after[name], expected, atol=1e-4)
