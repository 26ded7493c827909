"""DCTA: spectra by scipy, statistics of all pictures at once, layers in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft, ndimage
from variables import filled

from jaxforensics import models
from jaxforensics.models.dcta import Standardize

random = np.random.default_rng(0)


def spectra(image):
    pixels = 255 * np.float64(image)
    coefficients = fft.dctn(pixels, type=2, axes=(1, 2), norm="ortho")
    return np.log(np.abs(coefficients) + 1e-12)


def convolve(x, layer):
    planes = [
        sum(
            ndimage.correlate(
                x[..., i], layer["kernel"][None, ..., i, o], mode="constant"
            )
            for i in range(x.shape[-1])
        )
        for o in range(layer["kernel"].shape[-1])
    ]
    return np.maximum(np.stack(planes, -1) + layer["bias"], 0)


def halve(x):
    height, width = (n // 2 for n in x.shape[1:3])
    x = x[:, : 2 * height, : 2 * width]
    return x.reshape(len(x), height, 2, width, 2, -1).mean((2, 4))


def reference(variables, image):
    params = variables["params"]
    stats = variables["batch_stats"]["standardize"]
    x = (spectra(image) - stats["mean"]) / np.sqrt(np.float64(stats["var"]))
    x = convolve(convolve(x, params["conv_1"]), params["conv_2"])
    x = convolve(halve(x), params["conv_3"])
    x = convolve(halve(x), params["conv_4"])
    logits = params["logits"]
    return x.reshape(len(x), -1) @ np.float64(logits["kernel"]) + logits["bias"]


@pytest.mark.parametrize("shape", [(2, 16, 24, 3), (1, 19, 14, 3)])
def test_equals_numpy(shape):
    module = models.build("dcta", num_classes=3)
    variables = filled(random, module, shape)
    image = random.random(shape, np.float32)
    expected = reference(variables, image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.ptp(expected))


def test_statistics_are_those_of_all_pictures_seen():
    module = models.build("dcta")
    batches = random.random((3, 4, 8, 6, 3), np.float32)
    variables = filled(random, module, batches.shape[1:])
    fresh = {"count": 0.0, "mean": np.zeros((8, 6, 3)), "var": np.ones((8, 6, 3))}
    stats = {"standardize": jax.tree.map(jnp.float32, fresh)}

    @jax.jit
    def train(stats, image):
        state = {"params": variables["params"], "batch_stats": stats}
        return module.apply(state, image, train=True, mutable=["batch_stats"])

    for image in batches:
        logits, moved = train(stats, image)
        stats = moved["batch_stats"]
        same = module.apply(variables | {"batch_stats": stats}, image)
        np.testing.assert_allclose(logits, same, atol=1e-5)  # the batch counts at once
    x = spectra(batches.reshape(12, 8, 6, 3))
    found = stats["standardize"]
    assert found["count"] == 12
    np.testing.assert_allclose(found["mean"], x.mean(0), atol=1e-3)
    np.testing.assert_allclose(found["var"], x.var(0), rtol=1e-3)


def test_a_long_merge_in_float32_equals_one_pass_in_float64():
    """Far from zero, in a drift, in batches of two sizes, under one compiled scan."""
    x = (
        1e3
        + 0.1 * random.normal(size=(500, 8, 5))
        + np.linspace(0, 1, 500)[:, None, None]
    )
    x = x.astype(np.float32)
    rest = 1e3 - random.random((3, 5)).astype(np.float32)
    module = Standardize()
    stats = module.init(jax.random.key(0), rest, train=False)

    def merge(stats, batch):
        return module.apply(stats, batch, train=True, mutable=["batch_stats"])[::-1]

    stats, _ = jax.jit(lambda stats: jax.lax.scan(merge, stats, x))(stats)
    found, standard = merge(stats, rest)
    found = found["batch_stats"]
    everything = np.concatenate([x.reshape(-1, 5), rest]).astype(np.float64)
    assert found["count"] == len(everything)
    np.testing.assert_allclose(found["mean"], everything.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["var"], everything.var(0), rtol=1e-3)
    expected = (rest - everything.mean(0)) / everything.std(0)
    np.testing.assert_allclose(standard, expected, atol=1e-2)


def test_before_any_picture_nothing_is_standardised(key):
    x = random.normal(size=(2, 4, 5, 3)).astype(np.float32)
    module = Standardize()
    for train in (False, True):
        stats = module.init(key, x, train=train)
        assert stats["batch_stats"]["count"] == 0
        np.testing.assert_allclose(module.apply(stats, x, train=False), x, rtol=1e-5)


def test_weights_start_as_keras_draws_them(key):
    init = jax.jit(models.build("dcta").init)
    params = init(key, jnp.zeros((1, 8, 8, 3)))["params"]
    kernel = params["conv_4"]["kernel"]
    limit = np.sqrt(6 / (9 * 16 + 9 * 32))
    assert 0.99 * limit < jnp.max(jnp.abs(kernel)) <= limit
    assert jnp.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize("train", [False, True])
def test_gradients_are_finite(train):
    """Of the parameters and, as attacks need it, of the picture; a flat one too."""
    module = models.build("dcta")
    image = random.random((3, 12, 9, 3), np.float32)
    image[0] = 0
    variables = filled(random, module, image.shape)

    def total(params, image):
        state = variables | {"params": params}
        logits, _ = module.apply(state, image, train=train, mutable=["batch_stats"])
        return jnp.sum(logits**2)

    gradients = jax.jit(jax.grad(total, (0, 1)))(variables["params"], image)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path


def test_bfloat16():
    image = random.random((2, 16, 16, 3), np.float32)
    variables = filled(random, models.build("dcta"), image.shape)
    exact, half = (
        jax.jit(models.build("dcta", dtype=dtype).apply)(variables, image)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, exact, atol=0.05 * np.abs(exact).max())
    assert (half != exact).all()


def test_a_picture_that_the_pools_use_up_is_refused():
    image = jax.ShapeDtypeStruct((1, 3, 16, 3), jnp.float32)
    with pytest.raises(ValueError, match="3x16 pixels: DCTA needs 4x4"):
        jax.eval_shape(models.build("dcta").init, jax.random.key(0), image)
