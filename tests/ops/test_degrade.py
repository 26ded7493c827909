"""Degradations against scipy and Pillow, their draws against the promised ranges."""

import io

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy
from ml_collections import ConfigDict
from PIL import Image

from jaxforensics.ops import degrade

WEAK_DEFENCE = (
    {"name": "blur", "probability": 0.5, "sizes": (3, 5, 7, 9)},
    {"name": "crop", "probability": 0.5, "low": 0.05, "high": 0.2},
    {"name": "jpeg", "probability": 0.5, "low": 10, "high": 75},
    {"name": "noise", "probability": 0.5, "low": 5, "high": 20},
)
RANDOM = sorted(set(degrade.OPS) - {"flip", "quantize"})
SHAPE = (17, 22, 3)
FACTORS = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
FACTORS += (1.01, 1.03, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9)


@pytest.fixture(scope="module")
def images():
    """Twelve pictures of smooth colour with some texture."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.1, 0.9, (12, *SHAPE))
    smooth = scipy.ndimage.gaussian_filter(coarse, (0, 2, 2, 0)) * 0.8 + 0.2 * coarse
    return np.float32(smooth)


def every_result(results, candidates, atol=2e-6):
    """Which candidate each of the results equals."""
    error = np.abs(results[:, None] - candidates).max((-3, -2, -1))
    assert (error.min(1) <= atol).all(), error.min(1)
    return error.argmin(1)


def gaussian(image, size):
    """OpenCV's rule for sigma; the border reflects without its own pixel."""
    x = np.arange(size) - size // 2
    taps = np.exp(-(x**2) / (2 * (0.3 * ((size - 1) / 2 - 1) + 0.8) ** 2))
    for axis in (0, 1):
        image = scipy.ndimage.correlate1d(image, taps / taps.sum(), axis, mode="mirror")
    return image


def box(image, size):
    return scipy.ndimage.uniform_filter(image, (size, size, 1), mode="mirror")


def middle(image, size):
    return scipy.ndimage.median_filter(image, (size, size, 1), mode="mirror")


@pytest.mark.parametrize(
    "name, oracle", [("blur", gaussian), ("mean", box), ("median", middle)]
)
def test_window_filters_draw_one_of_the_sizes(name, oracle, images, key):
    sizes = (3, 5)
    results = jax.jit(degrade.OPS[name](sizes=sizes))(key, images)
    double = np.float64(images)
    candidates = np.stack([[oracle(image, size) for size in sizes] for image in double])
    assert set(every_result(results, candidates)) == {0, 1}


def test_blur_takes_a_sigma_for_all_sizes(images, key):
    x = np.arange(-4, 5)
    taps = np.exp(-(x**2) / (2 * 4.0**2))
    expected = np.float64(images)
    for axis in (1, 2):
        expected = scipy.ndimage.correlate1d(
            expected, taps / taps.sum(), axis, mode="mirror"
        )
    result = jax.jit(degrade.blur(sizes=(9,), sigma=4.0))(key, images)
    np.testing.assert_allclose(result, expected, atol=2e-6)


def test_blur_draws_a_variance_from_the_interval_for_each_image(key):
    """Of a step between black and white, whose middle says which one was drawn."""
    image = np.zeros((200, 1, 24, 3), np.float32)
    image[:, :, 12:] = 1
    blur = degrade.blur(sizes=(9,), variance=(0, 30))
    results = np.float64(jax.jit(blur)(key, image))
    # Denser where they are small: then a little more of it changes much.
    variances = np.linspace(0, 30**0.5, 3001)[1:] ** 2
    taps = np.exp(-0.5 * np.arange(-4, 5) ** 2 / variances[:, None])
    taps /= taps.sum(1, keepdims=True)
    # As many taps behind the step as the pixel is near it; at its foot half of them.
    edges = np.cumsum(taps[:, ::-1], axis=1)[:, :8]
    found = results[:, 0, 8:16, 0]
    error = np.abs(found[:, None] - edges).max(-1)
    assert error.min(1).max() < 1e-3
    drawn = variances[error.argmin(1)]
    assert scipy.stats.kstest(drawn, "uniform", args=(0, 30)).pvalue > 1e-4


@pytest.mark.parametrize("variance", [0.0, 0.7, 30.0])
def test_blur_of_one_variance_is_scipys(variance, images, key):
    x = np.arange(-4, 5)
    expected = np.float64(images)
    if variance > 0:
        taps = np.exp(-(x**2) / (2 * variance))
        for axis in (1, 2):
            expected = scipy.ndimage.correlate1d(
                expected, taps / taps.sum(), axis, mode="mirror"
            )
    blur = degrade.blur(sizes=(9,), variance=(variance, variance))
    result = jax.jit(blur)(key, images)
    np.testing.assert_allclose(result, expected, atol=2e-6)
    small = degrade.blur(sizes=(1,), variance=(variance, variance))
    np.testing.assert_allclose(small(key, images), images, atol=1e-7)


def test_window_larger_than_the_image(images, key):
    result = jax.jit(degrade.blur(sizes=(3, 9)))(key, images[:, :3, :2])
    candidates = [
        [gaussian(np.float64(image[:3, :2]), size) for size in (3, 9)]
        for image in images
    ]
    every_result(result, np.stack(candidates))


def resized(image, width, height):
    """Pillow's bicubic on float channels."""
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    return np.clip(np.stack(channels, -1), 0, 1)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.45])
def test_crop_is_centred_and_resized_back(fraction, images, key):
    h, w = SHAPE[:2]
    top, left = int(fraction * h / 2), int(fraction * w / 2)
    result = jax.jit(degrade.crop(low=fraction, high=fraction))(key, images)
    for image, ours in zip(images, result, strict=True):
        expected = resized(image[top : h - top, left : w - left], w, h)
        np.testing.assert_allclose(ours, expected, atol=5e-6)


@pytest.mark.parametrize("factor", [0.55, 1.9])
def test_scale_goes_there_and_back(factor, images, key):
    h, w = SHAPE[:2]
    result = jax.jit(degrade.scale(low=factor, high=factor))(key, images)
    for image, ours in zip(images, result, strict=True):
        scaled = resized(image, round(w * factor), round(h * factor))
        np.testing.assert_allclose(ours, resized(scaled, w, h), atol=5e-6)


def test_jpeg_draws_every_quality_of_its_range(images, key):
    def pillow(image, quality):
        file = io.BytesIO()
        pixels = Image.fromarray(np.uint8(np.round(255 * image)))
        pixels.save(file, format="JPEG", quality=quality, subsampling=2)
        return np.float64(Image.open(file)) / 255

    candidates = [[pillow(image, q) for q in (30, 31, 32)] for image in images]
    results = degrade.jpeg(low=30, high=32)(key, images)
    assert set(every_result(results, np.stack(candidates))) == {0, 1, 2}


def test_equal_kinds_of_operations_differ_in_numbers_alone():
    structure = jax.tree.structure
    kinds = [
        lambda x: degrade.gamma(low=x, high=2),
        lambda x: degrade.jpeg(low=x + 1, high=9),
        lambda x: degrade.mean(sizes=(1 + 2 * x, 5)),
        lambda x: degrade.scale(low=0.2, high=1 + x / 2, room=2),
        lambda x: degrade.maybe(degrade.crop(low=x / 8), x / 2),
        lambda x: degrade.chain(degrade.noise(low=x), degrade.quantize()),
        lambda x: degrade.noise(variance=(x, 2)),
        lambda x: degrade.blur(variance=(x, 2)),
    ]
    for kind in kinds:
        assert structure(kind(0)) == structure(kind(1))
        assert jax.tree.leaves(kind(0))
    others = [degrade.median(sizes=(x,)) for x in (3, 5)]
    others += [degrade.jpeg(subsample=False), *(kind(0) for kind in kinds)]
    assert len({structure(operation) for operation in others}) == len(others)


def test_amten_is_its_table_ix():
    table = {name: (row.name, row.severities) for name, row in degrade.AMTEN.items()}
    sizes = (3, 5, 7)
    assert table.pop("SC") == ("scale", pytest.approx(FACTORS))
    assert table == {
        "ME": ("mean", sizes),
        "GB": ("blur", sizes),
        "MED": ("median", sizes),
        "GC": ("gamma", (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)),
        "JP": ("jpeg", (60, 70, 80, 90)),
        "JP2": ("jpeg2000", (2, 4, 6, 8)),
    }
    for row in degrade.AMTEN.values():
        low, high = min(row.severities), max(row.severities)
        assert (min(row.mixed), max(row.mixed)) == (low, high)
        assert len(set(row.mixed)) == len(row.mixed) >= len(row.severities)


def test_amten_runs_on_the_device_but_for_jpeg_2000(images, key):
    grid = degrade.amten_grid()
    assert len(grid) == 3 * 3 + 8 + 4 + 23 and not any("JP2" in cell for cell in grid)
    mixes = [degrade.amten(name) for name in degrade.AMTEN if name != "JP2"]
    for operation in (*grid.values(), *mixes):
        result = jax.eval_shape(operation, key, images)
        assert (result.shape, result.dtype) == (images.shape, images.dtype)
    mixed = 255 * np.float64(jax.jit(degrade.amten("GC"))(key, images))
    np.testing.assert_allclose(mixed, np.round(mixed), atol=1e-4)
    powers = degrade.AMTEN["GC"].mixed
    candidates = np.stack([255 * images**power for power in powers], 1)
    assert len(set(every_result(mixed, candidates, atol=0.51))) > 3
    with pytest.raises(ValueError, match="no operation on the device 'jpeg2000'"):
        degrade.amten("JP2", 4)
    with pytest.raises(ValueError, match="did you mean 'MED'"):
        degrade.amten("ME D")


def test_gamma_raises_to_a_power_from_the_range(images, key):
    result = np.float64(degrade.gamma(low=0.6, high=2.0)(key, images))
    exponents = np.log(result) / np.log(np.float64(images))
    assert np.ptp(exponents, axis=(1, 2, 3)).max() < 1e-4  # one per image
    exponents = exponents.mean((1, 2, 3))
    assert 0.6 <= exponents.min() < 1 < exponents.max() <= 2.0


def test_noise_has_a_sigma_from_the_range_and_is_clipped(key):
    gray = jnp.full((40, 32, 32, 3), 0.5)
    result = 255 * np.float64(degrade.noise(low=5, high=20)(key, gray) - gray)
    sigma = result.std((1, 2, 3))
    spread = 4 * sigma / np.sqrt(2 * 32 * 32 * 3)
    assert (sigma > 5 - spread).all() and (sigma < 20 + spread).all()
    assert sigma.min() < 8 and sigma.max() > 17
    np.testing.assert_allclose(result.mean((1, 2, 3)), 0, atol=4 * 20 / np.sqrt(3072))
    dark = degrade.noise()(key, jnp.zeros((2, 8, 8, 3)))
    assert dark.min() == 0 and dark.max() > 0


def test_noise_draws_a_variance_from_the_interval(key):
    gray = jnp.full((300, 32, 32, 3), 0.5)
    noisy = jax.jit(degrade.noise(variance=(0, 30)))(key, gray)
    variances = (255 * np.float64(noisy - gray)).var((1, 2, 3))
    # Uniform in variance, so that a quarter of the sigmas lie below half the largest.
    assert scipy.stats.kstest(variances, "uniform", args=(0, 30)).pvalue > 1e-4
    still = degrade.noise(variance=(0, 0))(key, gray)
    np.testing.assert_array_equal(still, gray)


def test_traditional_augmentation_is_a_chain_of_three(images):
    """Of the adversarial game's Appendix E: an eighth is left, and sizes stay."""
    augmented = degrade.from_config(
        [
            {"name": "blur", "probability": 0.5, "sizes": (9,), "variance": (0, 30)},
            {"name": "noise", "probability": 0.5, "variance": (0, 30)},
            {"name": "jpeg", "probability": 0.5, "low": 60, "high": 100},
        ]
    )
    images = np.repeat(images, 16, 0)
    results = np.asarray(jax.jit(augmented)(jax.random.key(3), images))
    assert np.isfinite(results).all() and 0 <= results.min() <= results.max() <= 1
    untouched = (results == images).all((-3, -2, -1)).sum()
    low, high = scipy.stats.binom.interval(1 - 1e-6, len(images), 1 / 8)
    assert low <= untouched <= high


def test_quantize_rounds_to_8_bits_with_the_gradient_of_the_identity(key):
    image = jax.random.uniform(key, (5, 6, 3), minval=-0.2, maxval=1.2)
    quantize = degrade.quantize()
    expected = np.round(255 * np.clip(np.float64(image), 0, 1)) / 255
    np.testing.assert_allclose(quantize(key, image), expected, atol=1e-7)
    gradient = jax.jit(jax.grad(lambda x: quantize(key, x).sum()))(image)
    np.testing.assert_array_equal(gradient, np.ones_like(image))


def test_flip_mirrors_left_and_right(images, key):
    flipped = degrade.flip()(key, images)
    np.testing.assert_array_equal(flipped, np.flip(images, 2))


@pytest.mark.parametrize("name", sorted(degrade.OPS))
def test_every_operation_keeps_the_contract(name, images, key):
    """Any leading axes, jit, vmap, bfloat16, gradients; nothing but the key decides."""
    settings = {"sizes": (3,)} if name == "median" else {}  # larger compile for long
    operation = jax.jit(degrade.OPS[name](**settings))
    clips = images.reshape(3, 4, *SHAPE)
    result = operation(key, clips)
    assert result.shape == clips.shape and result.dtype == clips.dtype
    np.testing.assert_array_equal(result, operation(key, clips))
    keys = jax.random.split(key, len(images))
    singly = jax.vmap(operation)(keys, images)
    np.testing.assert_allclose(operation(keys[5], images[5]), singly[5], atol=1e-6)
    half = operation(key, jnp.asarray(clips, jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    gradient = jax.jit(jax.grad(lambda x: operation(key, x).sum()))(clips)
    assert np.isfinite(gradient).all() and (gradient != 0).any()


@pytest.mark.parametrize("name", RANDOM)
def test_every_image_and_every_key_draws_anew(name, images, key):
    operation = jax.jit(degrade.OPS[name]())
    same = np.broadcast_to(images[0], images.shape)
    first, second = (operation(k, same) for k in jax.random.split(key))
    assert len({image.tobytes() for image in np.asarray(first)}) > 1
    assert not np.array_equal(first, second)


def test_maybe_keeps_its_probability(key):
    image = np.broadcast_to(np.float32([0, 1])[:, None], (2000, 1, 2, 3))
    flipped = degrade.maybe(degrade.flip(), 0.3)(key, image)[:, 0, 0, 0]
    low, high = scipy.stats.binom.interval(1 - 1e-6, 2000, 0.3)
    assert low <= flipped.sum() <= high


@pytest.mark.parametrize("probability, applied", [(0.0, False), (1.0, True)])
def test_maybe_never_and_always(probability, applied, images, key):
    result = degrade.maybe(degrade.flip(), probability)(key, images)
    np.testing.assert_array_equal(result, images[:, :, ::-1] if applied else images)


def test_chain_applies_in_order_with_keys_of_their_own(key):
    image = jnp.ones((1, 1, 3))
    double, increment = lambda _, x: 2 * x, lambda _, x: x + 1
    assert (degrade.chain(double, increment)(key, image) == 3).all()
    assert (degrade.chain(increment, double)(key, image) == 4).all()
    assert (degrade.chain()(key, image) == image).all()
    drawn = degrade.chain(*[lambda key, x: x * 0 + jax.random.uniform(key)] * 2)
    first = degrade.chain(lambda key, x: x * 0 + jax.random.uniform(key))
    assert (drawn(key, image) != first(key, image)).all()


def test_weak_defence_compiles_once_and_leaves_one_image_in_sixteen(images):
    defence = degrade.from_config(WEAK_DEFENCE)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def defend(key, images):
        return defence(key, images)

    images = np.repeat(images, 16, 0)
    results = [defend(jax.random.key(seed), images) for seed in range(3)]
    results = np.stack(results)
    assert np.isfinite(results).all() and 0 <= results.min() <= results.max() <= 1
    untouched = (results == images).all((-3, -2, -1)).sum()
    low, high = scipy.stats.binom.interval(1 - 1e-6, 3 * len(images), 1 / 16)
    assert low <= untouched <= high


def test_from_config_reads_config_dicts_and_nothing(images, key):
    config = ConfigDict({"augment": [{"name": "flip"}]}).augment
    flipped = degrade.from_config(config)(key, images)
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])
    assert degrade.from_config(())(key, images) is images


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"name": "jpg"}, "no degradation 'jpg' .did you mean 'jpeg'"),
        ({"name": "jpeg", "lo": 10}, "'lo' .did you mean 'low'"),
        ({"name": "jpeg", "probabilty": 1}, "degradation 'jpeg' has no setting"),
        ({"low": 10}, "no degradation None"),
        ({"name": "jpeg", "probability": 1.5}, "1.5 is no probability"),
        ({"name": "jpeg", "low": 80}, "1 <= low <= high <= 100, not 80 and 75"),
        ({"name": "noise", "low": -1}, "not -1 and 20"),
        ({"name": "noise", "variance": 3}, "variance is an interval .*, not 3"),
        ({"name": "blur", "variance": (3, 1)}, "not 3 and 1"),
        ({"name": "blur", "variance": (0, 1), "sigma": 1}, "not both"),
        ({"name": "gamma", "values": (0.5, -1)}, "not -1 and 0.5"),
        ({"name": "scale", "room": 1.5}, "no room for a factor of 1.9 in 1.5"),
        ({"name": "blur", "sizes": (4,)}, "odd and positive"),
        ({"name": "mean", "sizes": ()}, "odd and positive"),
    ],
)
def test_mistakes_are_named(entry, message):
    with pytest.raises(ValueError, match=message):
        degrade.from_config([entry])
