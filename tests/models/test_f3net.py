"""F3-Net: both views of the spectrum by scipy, cross-attention in numpy, Xception."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import fft, special
from variables import filled

from jaxforensics import models
from jaxforensics.models import f3net, xception
from jaxforensics.ops.resample import resize

random = np.random.default_rng(0)


@pytest.fixture
def short(monkeypatch):
    """Three narrow blocks instead of twelve: compilation is what takes time here."""
    monkeypatch.setattr(xception, "BLOCKS", ((8,), (8, 8), (16,)))
    monkeypatch.setattr(xception, "MIDDLE", ((8, 8),))
    monkeypatch.setattr(f3net, "MIXED", (2, 3))


def within_one(x):
    return 2 * special.expit(np.float64(x)) - 1


def band(size, low, high):
    mask = [[low <= i + j <= high for j in range(size)] for i in range(size)]
    return np.float64(mask)


@pytest.mark.parametrize("size", [13, 20])
def test_decomposition_is_scipys(size):
    image = random.random((2, size, size, 3), np.float32) * 2 - 1
    module = f3net.Decomposition()
    variables = filled(random, module, image)
    maps = within_one(variables["params"]["filters"])
    low, half = int(size / 2.82), size // 2
    bounds = (0, low), (low, half), (half, 2 * size), (0, 2 * size)
    expected = np.stack(
        [
            fft.idctn((band(size, *b) + m) * fft.dctn(x, norm="ortho"), norm="ortho")
            for x in np.moveaxis(np.float64(image), -1, 1).reshape(-1, size, size)
            for b, m in zip(bounds, maps, strict=True)
        ]
    )
    expected = expected.reshape(2, 3, 4, size, size)  # picture, colour, band
    expected = expected.transpose(0, 3, 4, 2, 1).reshape(2, size, size, 12)
    found = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("size", [10, 15])
def test_statistics_are_scipys_window_by_window(size):
    image = random.random((2, size, size, 3), np.float32)
    module = f3net.Statistics()
    variables = filled(random, module, image)
    maps = within_one(variables["params"]["filters"])
    gray = 255 * (np.float64(image) @ [0.299, 0.587, 0.114])
    gray = np.pad(gray, [(0, 0), (4, 4), (4, 4)])
    positions = range(0, size + 8 - 10 + 1, 2)
    edges = [20 * m / 6 for m in range(7)]
    masks = [band(10, low, high) for low, high in zip(edges, edges[1:], strict=False)]
    expected = np.zeros((2, len(positions), len(positions), 6))
    for place in np.ndindex(*expected.shape[:-1]):
        n, top, left = place[0], positions[place[1]], positions[place[2]]
        window = gray[n, top : top + 10, left : left + 10]
        logarithm = np.log10(np.abs(fft.dctn(window, norm="ortho")) + 1e-15)
        for m, (mask, learnt) in enumerate(zip(masks, maps, strict=True)):
            expected[*place, m] = logarithm[mask > 0].mean()  # and what lies beyond
            expected[*place, m] += (logarithm * learnt).sum() / mask.sum()
    found = jax.jit(module.apply)(variables, image)
    assert found.shape == (2, size // 2, size // 2, 6)
    # Float32 knows coefficients near zero less well than their logarithms demand.
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert np.median(np.abs(found - expected)) < 1e-5


def test_bands_by_their_sizes():
    """Sums of diagonals of 1, 2, 3, … coefficients."""
    sizes = f3net.picture_bands(299).sum((1, 2))
    low, high = 107 * 108 // 2, 299**2 - 149 * 150 // 2
    middle = 150 * 151 // 2 - 106 * 107 // 2
    np.testing.assert_array_equal(sizes, [low, middle, high, 299**2])
    sizes = f3net.window_bands().sum((1, 2))
    np.testing.assert_array_equal(
        sizes, [1 + 2 + 3 + 4, 5 + 6 + 7, 8 + 9 + 10 + 9, 9 + 8 + 7 + 6, 5 + 4 + 3, 3]
    )


def test_cross_attention_is_numpys():
    fad, lfs = np.float32(random.normal(size=(2, 3, 4, 4, 5)))
    module = f3net.Mix(0.9, jnp.float32)
    variables = filled(random, module, fad, lfs, train=False)
    params, stats = variables["params"], variables["batch_stats"]

    def dense(x, layer):
        return np.float64(x) @ np.float64(layer["kernel"])[0, 0] + layer["bias"]

    energy = 0
    for name, x in (("fad", fad), ("lfs", lfs)):
        query, key = (dense(x, params[f"{name}_{n}"]) for n in ("query", "key"))
        rows, keys = np.moveaxis(query, 3, 1), np.moveaxis(key, 3, 1)
        energy = energy + rows @ keys.swapaxes(2, 3)
    weights = np.moveaxis(special.softmax(energy, axis=-1), 1, 3)
    expected = []
    for name, own, other in (("fad", fad, lfs), ("lfs", lfs, fad)):
        x = other * weights * within_one(params[f"{name}_gate"])
        x = x * params[f"{name}_factor"]["kernel"] + params[f"{name}_offset"]
        norm, moments = params[f"{name}_norm"], stats[f"{name}_norm"]
        x = (x - moments["mean"]) / np.sqrt(np.float64(moments["var"]) + 1e-5)
        expected.append(own + x * norm["scale"] + norm["bias"])

    @jax.jit
    def mix(params):
        def total(params):
            mixed = module.apply(
                {"params": params, "batch_stats": stats}, fad, lfs, train=False
            )
            return sum(jnp.sum(x**2) for x in mixed), mixed

        return jax.grad(total, has_aux=True)(params)

    gradients, found = mix(params)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        # A softmax over keys does not see what all of them share.
        shared = path[0].key.endswith("_key") and path[-1].key == "bias"
        assert np.isfinite(leaf).all() and (np.abs(leaf).max() > 1e-3) != shared, path


def test_the_first_branch_is_xception_on_what_the_decomposition_gives(short):
    """With maps of zero the last band is the resized picture itself."""
    image = random.random((2, 41, 37, 3), np.float32)
    alone = models.build("xception", num_classes=3)
    small = resize(image, (33, 33), method="bicubic")
    whole = filled(random, alone, small)
    expected = jax.jit(alone.apply)(whole, small)
    module = models.build("f3net", num_classes=3, size=33)
    variables = filled(random, module, image)
    params = variables["params"]
    params["decomposition"]["filters"][:] = 0
    head, logits = whole["params"].pop("logits"), params["logits"]
    colours = np.pad(
        whole["params"]["conv_1"]["kernel"], [(0, 0)] * 2 + [(9, 0), (0, 0)]
    )
    whole["params"]["conv_1"]["kernel"] = colours
    shapes = jax.tree.map(np.shape, (params["fad"], whole["params"]))
    assert shapes[0] == shapes[1]
    params["fad"] = whole["params"]
    variables["batch_stats"]["fad"] = whole["batch_stats"]
    logits["kernel"][:2048], logits["kernel"][2048:] = head["kernel"], 0
    logits["bias"] = head["bias"]
    found = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.ptp(expected))
    half = models.build("f3net", num_classes=3, size=33, dtype=jnp.bfloat16)
    rough = jax.jit(half.apply)(variables, image)
    assert rough.dtype == jnp.float32 and (rough != found).all()
    np.testing.assert_allclose(rough, found, atol=0.2 * np.ptp(expected))


def test_training_reaches_every_kernel_and_filter(key, short):
    """Also statistics move, and dropout is drawn anew with each key."""
    image = random.random((4, 22, 22, 3), np.float32)
    module = models.build("f3net", mix=True)
    variables = filled(random, module, image)

    @jax.jit
    def train(key, params, stats):
        def loss(params):
            logits, moved = module.apply(
                {"params": params, "batch_stats": stats},
                image,
                train=True,
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
            return jnp.sum(logits**2), (logits, moved["batch_stats"])

        return jax.grad(loss, has_aux=True)(params)

    params, stats = variables["params"], variables["batch_stats"]
    gradients, (logits, moved) = train(key, params, stats)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        names = [step.key for step in path]
        assert np.isfinite(leaf).all(), names
        if names[-1] in ("kernel", "filters"):
            assert np.abs(leaf).max() > 1e-6, names
    changed = jax.tree.map(lambda a, b: (a != b).any(), moved, stats)
    assert all(jax.tree.leaves(changed))
    _, (again, _) = train(jax.random.fold_in(key, 1), params, stats)
    assert (again != logits).all()


def test_maps_start_small(key):
    image = jnp.zeros((1, 40, 40, 3))
    maps = f3net.Decomposition().init(key, image)["params"]["filters"]
    assert jnp.std(maps) == pytest.approx(0.1, rel=0.05)
    assert jnp.mean(maps) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "settings, shape, message",
    [
        ({}, (32, 40), "picture of 32x40: F3-Net needs a square"),
        ({}, (9, 9), "9x9 pixels: F3-Net needs 10x10"),
        ({"size": 8}, (32, 32), "8x8 pixels: F3-Net needs 10x10"),
        ({"mix": True}, (40, 40), "maps of 3x3 and 2x2 do not mix"),
    ],
)
def test_errors_name_the_size(settings, shape, message):
    image = jax.ShapeDtypeStruct((1, *shape, 3), jnp.float32)
    module = models.build("f3net", **settings)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(module.init, jax.random.key(0), image)
