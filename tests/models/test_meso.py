"""Meso-4 and MesoInception-4 against a float64 reading of the authors' Keras code."""

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from jaxforensics import models
from jaxforensics.kernels.pools import max_pool
from jaxforensics.models import meso, weights

NAMES = ["meso4", "mesoinception4"]
RELEASED = {
    "meso4": ("Meso4_DF.h5", meso.MESO4_KERAS),
    "mesoinception4": ("MesoInception_DF.h5", meso.MESOINCEPTION4_KERAS),
}


def convolve(x, layer, dilation=1):
    """'Same' convolution and ReLU by scipy, plane by plane."""
    size = dilation * (layer["kernel"].shape[0] - 1) + 1
    kernel = np.zeros((1, size, size, *layer["kernel"].shape[2:]))
    kernel[:, ::dilation, ::dilation] = layer["kernel"]
    planes = [
        sum(
            ndimage.correlate(x[..., i], kernel[..., i, o], mode="constant")
            for i in range(x.shape[-1])
        )
        for o in range(kernel.shape[-1])
    ]
    return np.maximum(np.stack(planes, -1) + layer["bias"], 0)


def convolve_block(x, layers):
    """A plain block's convolution, or an inception layer's four branches."""
    if "conv" in layers:
        return convolve(x, layers["conv"])
    points = [convolve(x, layers[f"point_{i}"]) for i in range(4)]
    wide = [convolve(points[i], layers[f"conv_{i}"], i) for i in (1, 2, 3)]
    return np.concatenate([points[0], *wide], -1)


def normalize_pool(x, layer, stats, pool):
    x = (x - stats["mean"]) / np.sqrt(np.float64(stats["var"]) + 1e-3)
    x = x * layer["scale"] + layer["bias"]
    rows, columns = (-n % pool for n in x.shape[1:3])
    sides = [(rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)]
    x = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (pool, pool), (1, 2))
    return windows[:, ::pool, ::pool].max((-2, -1))


def reference(variables, image):
    params, stats = variables["params"], variables["batch_stats"]
    x = np.asarray(image, np.float64)
    blocks = sorted(stats, key=lambda name: name[-1])
    for block, pool in zip(blocks, (2, 2, 2, 4), strict=True):
        x = convolve_block(x, params[block])
        x = normalize_pool(x, params[block]["norm"], stats[block]["norm"], pool)
    hidden, logits = params["head"]["hidden"], params["head"]["logits"]
    x = x.reshape(len(x), -1) @ hidden["kernel"] + hidden["bias"]
    return np.where(x > 0, x, 0.1 * x) @ logits["kernel"] + logits["bias"]


def filled(name, shape, **settings):
    """A module and random variables, without the compilation that `init` costs."""
    module = models.build(name, **settings)
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    template = jax.eval_shape(module.init, jax.random.key(0), image)
    random = np.random.default_rng(0)

    def fill(path, leaf):
        low = 0.1 if path[0].key == "batch_stats" else -0.4
        return random.uniform(low, 0.6, leaf.shape).astype(leaf.dtype)

    return module, jax.tree_util.tree_map_with_path(fill, template)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (1, 37, 21, 3)])
def test_equals_numpy(name, shape):
    module, variables = filled(name, shape, num_classes=3)
    image = np.random.default_rng(1).random(shape, np.float32)
    logits = jax.jit(module.apply)(variables, image)
    assert logits.shape == (shape[0], 3)
    np.testing.assert_allclose(
        logits, reference(variables, image), rtol=1e-5, atol=1e-4
    )


def test_no_batch_axis_and_bfloat16():
    module, variables = filled("meso4", (1, 32, 32, 3))
    image = np.random.default_rng(1).random((32, 32, 3), np.float32)
    expected = reference(variables, image[None])[0]
    np.testing.assert_allclose(module.apply(variables, image), expected, rtol=1e-4)
    half = models.build("meso4", dtype=jnp.bfloat16).apply(variables, image)
    np.testing.assert_allclose(half, expected, rtol=0.05)
    assert half.dtype == jnp.float32


@pytest.mark.parametrize("name", NAMES)
def test_training_drops_units_and_moves_the_statistics(name, key):
    module, variables = filled(name, (4, 32, 32, 3))
    image = np.random.default_rng(1).random((4, 32, 32, 3), np.float32)

    @jax.jit
    def train(key):
        return module.apply(
            variables, image, train=True, rngs={"dropout": key}, mutable=["batch_stats"]
        )

    first, moved = train(key)
    np.testing.assert_array_equal(first, train(key)[0])
    assert np.abs(first - train(jax.random.key(1))[0]).max() > 1e-3

    block = "block_1" if name == "meso4" else "inception_1"
    before, after = (
        {k: np.asarray(v["batch_stats"][block]["norm"][k]) for k in ("mean", "var")}
        for v in (variables, moved)
    )
    x = convolve_block(np.float64(image), variables["params"][block])
    batch = {"mean": x.mean((0, 1, 2)), "var": x.var((0, 1, 2))}
    for k in ("mean", "var"):
        expected = 0.99 * before[k] + 0.01 * batch[k]
        np.testing.assert_allclose(after[k], expected, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite(name):
    module, variables = filled(name, (2, 20, 20, 3))
    image = np.random.default_rng(1).random((2, 20, 20, 3), np.float32)

    def total(params, image):
        return module.apply(variables | {"params": params}, image).sum()

    gradients = jax.jit(jax.grad(total, (0, 1)))(variables["params"], image)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize(
    "shape", [(2, 8, 12, 3), (2, 7, 9, 3), (5, 1, 2), (1, 2, 3, 4, 1)]
)
def test_max_pool_equals_flax(size, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    flat = x.reshape(-1, *shape[-3:])
    expected = flax.linen.max_pool(flat, (size, size), (size, size), "SAME")
    pooled = max_pool(x, size)
    assert pooled.shape == (*shape[:-3], *expected.shape[1:])
    np.testing.assert_array_equal(pooled.reshape(expected.shape), expected)


def test_max_pool_gradient_survives_fusion():
    """Affine maps before the maximum are computed twice, with other rounding."""
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 4)).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda x: max_pool(1.37 * (x - 0.123) + 0.21, 2).sum()))
    windows = np.pad(x, [(0, 0), (0, 1), (0, 0), (0, 0)], constant_values=-np.inf)
    windows = windows.reshape(2, 5, 2, 4, 2, 4)
    largest = windows == windows.max((2, 4), keepdims=True)
    expected = 1.37 * largest.reshape(2, 10, 8, 4)[:, :9]
    np.testing.assert_allclose(gradient(x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_path_has_a_source(name):
    """The Keras table and the architecture name the same arrays."""
    _, variables = filled(name, (1, 32, 32, 3))
    targets = [target for target, _ in RELEASED[name][1].values()]
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    assert sorted(targets) == sorted(flat)


def released(name, folder):
    module, template = filled(name, (1, 256, 256, 3))
    file, table = RELEASED[name]
    return module, weights.load(folder / "meso4" / file, template, table=table)


def faces(folder):
    """The four published faces by name, at 256 x 256 by nearest neighbour."""
    paths = sorted((folder / "meso4" / "images").glob("*/*.jpg"))
    pictures = [Image.open(path).resize((256, 256), Image.NEAREST) for path in paths]
    names = [path.stem for path in paths]
    return names, np.stack([np.float32(picture) / 255 for picture in pictures])


def test_released_meso4_prints_the_published_scores(real_images):
    module, variables = released("meso4", real_images)
    names, image = faces(real_images)
    fake = jax.nn.sigmoid(jax.jit(module.apply)(variables, image)[:, 0])
    real = dict(zip(names, 1 - np.asarray(fake), strict=True))
    published = {
        "df00204": 0.0414,
        "df01254": 0.0487,
        "real00240": 0.9897,
        "real00772": 0.9977,
    }
    assert real == pytest.approx(published, abs=1e-3)


def test_released_mesoinception4_equals_numpy(real_images):
    module, variables = released("mesoinception4", real_images)
    names, image = faces(real_images)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(
        logits, reference(variables, image), rtol=1e-3, atol=1e-3
    )
    for name, logit in zip(names, np.asarray(logits)[:, 0], strict=True):
        assert (logit > 0) == name.startswith("df"), name
