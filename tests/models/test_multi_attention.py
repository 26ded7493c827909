"""Multi-attentional detection: all behind EfficientNet in float64, and its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate, zoom
from scipy.special import expit
from scipy.stats import binom
from variables import filled

from jaxforensics import models
from jaxforensics.models import multi_attention

random = np.random.default_rng(0)
SMALL = {"scale": "b0", "shrink": 0.25, "stem_stride": 1, "num_classes": 3, "width": 16}


def hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def convolved(x, kernel):
    """(h, w, c), (k, k, c, width) -> (h, w, width) by scipy, zeros around."""
    planes = [
        sum(
            correlate(x[..., i], kernel[:, :, i, o], mode="constant")
            for i in range(kernel.shape[2])
        )
        for o in range(kernel.shape[3])
    ]
    return np.stack(planes, -1)


def enlarged(x, shape):
    """Bilinear with corners on corners, by scipy."""
    factors = [n / m for n, m in zip(shape, x.shape, strict=False)]
    return zoom(x, (*factors, 1), order=1, grid_mode=False)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


class Reference:
    """One picture's way from the features of EfficientNet to logits."""

    def __init__(self, variables):
        self.variables = jax.tree.map(np.float64, variables)

    def at(self, *path):
        params, stats = self.variables["params"], self.variables["batch_stats"]
        for name in path:
            params, stats = params[name], stats.get(name, {})
        return {**params, **stats}

    def norm(self, x, *path):
        at = self.at(*path)
        return (x - at["mean"]) / np.sqrt(at["var"] + 1e-5) * at["scale"] + at["bias"]

    def conv(self, x, *path):
        at = self.at(*path)
        return convolved(x, at["kernel"]) + at.get("bias", 0)

    def grouped(self, x, *path):
        at = self.at(*path)
        kernels = np.split(at["kernel"], x.shape[2], axis=-1)
        groups = [convolved(x[:, :, i], kernel) for i, kernel in enumerate(kernels)]
        return np.stack(groups, 2) + at["bias"]

    def dense(self, x, name):
        at = self.at(name)
        return x @ at["kernel"] + at["bias"]

    def __call__(self, shallow, middle, last):
        x = np.maximum(self.norm(self.conv(middle, "map_1"), "map_1_norm"), 0)
        x = self.norm(self.conv(x, "map_2"), "map_2_norm")
        maps = np.where(x > 0, x, np.expm1(np.minimum(x, 0))) + 1
        inner = [np.abs((np.arange(n) + 0.5) / n - 0.5) < 10 / 24 for n in x.shape[:2]]
        maps = maps * (inner[0][:, None] & inner[1])[..., None]

        x = self.conv(shallow, "texture", "first")
        (h, w), (rows, columns) = x.shape[:2], maps.shape[:2]
        coarse = np.zeros((rows, columns, x.shape[2]))
        fine = np.zeros_like(x)
        for i in range(rows):
            for j in range(columns):
                down = slice(i * h // rows, -(-(i + 1) * h // rows))
                along = slice(j * w // columns, -(-(j + 1) * w // columns))
                coarse[i, j] = x[down, along].mean((0, 1))
        for i in range(h):
            for j in range(w):
                fine[i, j] = x[i, j] - coarse[i * rows // h, j * columns // w]
        large = enlarged(maps, (h, w))
        dense = self.grouped(
            fine[:, :, None] * np.tanh(large)[..., None], "texture", "conv_0"
        )
        for i in (1, 2, 3):
            y = np.maximum(self.norm(dense, "texture", f"norm_{i}"), 0)
            y = self.grouped(y, "texture", f"conv_{i}")
            dense = np.concatenate([dense, y], -1)
        y = np.maximum(self.norm(dense, "texture", "norm_4"), 0)
        y = self.grouped(y, "texture", "last")
        texture = np.maximum(self.norm(y, "texture", "last_norm"), 0)

        local = unit(np.einsum("hwmc,hwm->mc", texture, large)).ravel()
        local = hard_swish(self.dense(local, "local_1"))
        local = hard_swish(self.dense(local, "local_2"))
        weights = enlarged(maps.sum(-1, keepdims=True), last.shape[:2]) + 1e-8
        pooled = (last * weights).sum((0, 1)) / weights.sum((0, 1))
        both = np.concatenate([local, hard_swish(self.dense(pooled, "last"))])
        logits = self.dense(hard_swish(self.dense(both, "summary")), "logits")
        flat = (coarse - coarse.mean((0, 1))) / coarse.std((0, 1), ddof=1)
        return logits, maps, unit(np.einsum("hwc,hwm->mc", flat, maps))


def test_equals_float64_behind_the_features():
    module = models.build("multi_attention", **SMALL)
    image = random.random((2, 44, 37, 3), np.float32)
    variables = filled(random, module, image)
    del variables["batch_stats"]["centres"]
    variables["batch_stats"]["centres"] = random.normal(size=(4, 8)).astype("f4")

    @jax.jit
    def run(variables, image):
        return module.apply(
            variables,
            image,
            method="both",
            capture_intermediates=lambda module, name: (
                module.name in ("block_2_1", "block_5_2", "head_norm")
            ),
        )

    (logits, attended), state = run(variables, image)
    seen = {k: v["__call__"][0] for k, v in state["intermediates"].items()}
    head = np.float64(seen["head_norm"])
    features = seen["block_2_1"], seen["block_5_2"], head * expit(head)
    reference = Reference(variables)
    for i, one in enumerate(zip(*map(np.float64, features), strict=True)):
        expected, maps, pooled = reference(*one)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(logits[i], expected, atol=1e-3 * scale)
        np.testing.assert_allclose(attended.maps[i], maps, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(attended.features[i], pooled, atol=1e-3)
    np.testing.assert_array_equal(attended.centres, variables["batch_stats"]["centres"])


def test_the_border_is_two_of_24_pixels():
    inner = np.zeros((24, 24))
    inner[2:-2, 2:-2] = 1
    np.testing.assert_array_equal(multi_attention._inner((24, 24)), inner)
    np.testing.assert_array_equal(multi_attention._inner((4, 8))[:, 0], np.zeros(4))


def test_layers_of_the_features_are_those_of_efficientnet():
    """So that weights of one begin the other."""
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = [
        jax.eval_shape(models.build(name).init, jax.random.key(0), image)["params"]
        for name in ("multi_attention", "efficientnet_b4")
    ]
    kept = {name: leaf for name, leaf in shapes[1].items() if name != "logits"}
    assert {name: shapes[0][name] for name in kept} == kept


def pyramid(module, image, *, train):
    """Features of few layers in place of EfficientNet's, to compile faster."""
    del module, train
    return [jnp.tile(image[:, ::step, ::step], 2) for step in (1, 2, 2, 4, 4, 8, 8, 8)]


def test_maps_are_left_out_in_training_and_gradients_are_finite(monkeypatch):
    monkeypatch.setattr(multi_attention.efficientnet, "features", pyramid)
    module = models.build("multi_attention", **SMALL, attentions=2)
    image = random.random((2, 32, 32, 3), np.float32)
    variables = filled(random, module, image)

    @jax.jit
    def run(image, key):
        def loss(image):
            (logits, attended), _ = module.apply(
                variables,
                image,
                train=True,
                method="both",
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
            valid = jnp.ones(2)
            away, _ = multi_attention.independence_loss(attended, jnp.arange(2), valid)
            return jnp.sum(logits**2) + jnp.sum(away), logits

        return jax.value_and_grad(loss, has_aux=True)(image)

    results = [run(image, jax.random.key(seed)) for seed in (0, 1)]
    assert not np.allclose(results[0][0][1], results[1][0][1])
    assert np.isfinite(results[0][1]).all() and (results[0][1] != 0).any()
    # Flat pictures have no deviation, and centres may coincide.
    (loss, _), gradient = run(0 * image, jax.random.key(0))
    assert np.isfinite(loss) and np.isfinite(gradient).all()


def test_guided_pictures_are_degraded_where_one_map_is_high():
    image = random.random((300, 32, 32, 3), np.float32)
    maps = np.zeros((300, 8, 8, 2), np.float32)
    maps[:, :4, :, 0] = 3
    maps[:, 4:, :, 1] = 0.5
    guide = jax.jit(multi_attention.guided)
    result = np.asarray(guide(jax.random.key(0), image, maps))
    assert result.shape == image.shape and 0 <= result.min() <= result.max() <= 1
    upper = np.abs(result - image)[:, :12].mean((1, 2, 3))
    lower = np.abs(result - image)[:, 20:].mean((1, 2, 3))
    is_upper = upper > lower
    # Where the map that was not drawn lies alone nothing is changed.
    assert np.where(is_upper, lower, upper).max() < 1e-6
    assert np.where(is_upper, upper, lower).min() > 0.05
    weights = np.sqrt([3 * 32 + 1, 0.5 * 32 + 1])
    interval = binom.interval(1 - 1e-6, 300, weights[0] / weights.sum())
    assert interval[0] <= is_upper.sum() <= interval[1]


def test_independence_is_the_papers_equations():
    features = unit(random.normal(size=(5, 4, 6)))
    centres = 0.3 * random.normal(size=(4, 6))
    centres[1] = centres[0] + 0.01
    label = np.array([0, 1, 1, 0, 1])
    valid = np.array([1, 1, 1, 1, 0.0])
    attended = multi_attention.Attended(
        maps=None, features=jnp.float32(features), centres=jnp.float32(centres)
    )
    losses, moved = multi_attention.independence_loss(
        attended, jnp.array(label), jnp.float32(valid)
    )
    expected = centres - 0.05 * (centres - features[:4].mean(0))
    np.testing.assert_allclose(moved, expected, rtol=1e-5)
    apart = 0.0
    for i in range(4):
        for j in range(4):
            if i != j:
                apart += max(0.2 - np.linalg.norm(expected[i] - expected[j]), 0)
    assert apart > 0.1
    for loss, feature, one in zip(losses, features, label, strict=True):
        margin = 0.1 if one else 0.05
        away = [
            max(np.linalg.norm(feature[j] - expected[j]) - margin, 0) for j in range(4)
        ]
        np.testing.assert_allclose(loss, np.mean(away) + apart / 4, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (5, 5)])
def test_local_means_overlap_as_torchs(shape):
    x = random.normal(size=(1, 13, 10, 2)).astype(np.float32)
    found = multi_attention.local_means(x, shape)
    for i in range(shape[0]):
        for j in range(shape[1]):
            rows = slice(int(i * 13 / shape[0]), int(np.ceil((i + 1) * 13 / shape[0])))
            places = slice(
                int(j * 10 / shape[1]), int(np.ceil((j + 1) * 10 / shape[1]))
            )
            expected = np.float64(x)[:, rows, places].mean((1, 2))
            np.testing.assert_allclose(found[:, i, j], expected, atol=1e-6)
