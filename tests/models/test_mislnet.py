"""MISLnet: maps of the paper's figure, values and one step against numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)


def constrained(module, shape):
    """Random variables that satisfy the constraint."""
    variables = filled(random, module, shape)
    return variables | {"params": models.project(variables["params"])}


def convolved(x, layer, padding, stride=1):
    """Products with every window of the padded picture."""
    kernel = np.float64(layer["kernel"])
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
    windows = windows[:, ::stride, ::stride]
    return np.tensordot(windows, kernel, ([3, 4, 5], [2, 0, 1])) + layer.get("bias", 0)


def pooled(x, reduce):
    """Every window that starts inside, cut off at the border, as Caffe counts them."""
    rows, columns = (range(0, max(1, n - 1), 2) for n in x.shape[1:3])
    windows = [
        [reduce(x[:, i : i + 3, j : j + 3], axis=(1, 2)) for j in columns] for i in rows
    ]
    return np.moveaxis(np.array(windows), 2, 0)


def reference(variables, image):
    params, stats = variables["params"], variables["batch_stats"]
    x = convolved(255 * np.float64(image), params["constrained"], 0)
    for number, padding, stride in ((2, 3, 2), (3, 2, 1), (4, 2, 1), (5, 0, 1)):
        x = convolved(x, params[f"conv_{number}"], padding, stride)
        norm, moved = params[f"norm_{number}"], stats[f"norm_{number}"]
        x = (x - moved["mean"]) / np.sqrt(np.float64(moved["var"]) + 1e-5)
        x = np.tanh(x * norm["scale"] + norm["bias"])
        x = pooled(x, np.mean if number == 5 else np.max)
    x = x.reshape(len(x), -1)
    for name in ("dense_1", "dense_2", "logits"):
        x = x @ np.float64(params[name]["kernel"]) + params[name]["bias"]
        x = x if name == "logits" else np.tanh(x)
    return x


@pytest.mark.parametrize("shape", [(2, 61, 52, 3), (1, 24, 33, 3)])
def test_equals_numpy(shape):
    module = models.build("mislnet", num_classes=3)
    variables = constrained(module, shape)
    image = random.random(shape, np.float32)
    expected = reference(variables, image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3 * np.ptp(expected))


def test_maps_are_as_large_as_in_the_paper():
    module = models.build("mislnet")
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    maps = jax.eval_shape(
        lambda v, x: module.apply(v, x, capture_intermediates=True)[1], variables, image
    )["intermediates"]
    names = ["constrained"] + [f"conv_{number}" for number in (2, 3, 4, 5)]
    shapes = [maps[name]["__call__"][0].shape[1:] for name in names]
    widths = [shape[-1] for shape in shapes]
    assert [shape[0] for shape in shapes] == [252, 126, 63, 31, 15]
    assert widths == [3, 96, 64, 64, 128]
    assert variables["params"]["dense_1"]["kernel"].shape == (7 * 7 * 128, 200)


def test_one_step_moves_everything_and_keeps_the_constraint():
    shape = (3, 20, 26, 3)
    module = models.build("mislnet", num_classes=2, norm_momentum=0.7)
    variables = constrained(module, shape)
    image = random.random(shape, np.float32)

    def loss(params):
        logits, moved = module.apply(
            variables | {"params": params}, image, train=True, mutable=["batch_stats"]
        )
        return jnp.mean(jnp.square(logits - 1)), moved["batch_stats"]

    @jax.jit
    def step(params):
        gradients, stats = jax.grad(loss, has_aux=True)(params)
        moved = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradients)
        return gradients, stats, models.project(moved)

    gradients, stats, params = step(variables["params"])
    # A shift before normalisation over the batch has no effect.
    idle = {f"conv_{number}/bias" for number in (2, 3, 4, 5)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        assert np.isfinite(leaf).all(), name
        assert (np.abs(leaf).max() > 1e-4) != (name in idle), name
    kernel = np.float64(params["constrained"]["kernel"])
    np.testing.assert_array_equal(kernel[2, 2], -1)
    np.testing.assert_allclose(kernel.sum((0, 1)), 0, atol=1e-5)
    assert np.abs(kernel - variables["params"]["constrained"]["kernel"]).max() > 1e-5

    x = convolved(255 * np.float64(image), variables["params"]["constrained"], 0)
    x = convolved(x, variables["params"]["conv_2"], 3, 2)
    before = variables["batch_stats"]["norm_2"]
    for name, batch in (("mean", x.mean((0, 1, 2))), ("var", x.var((0, 1, 2)))):
        expected = 0.7 * before[name] + 0.3 * batch
        np.testing.assert_allclose(stats["norm_2"][name], expected, rtol=1e-3)
