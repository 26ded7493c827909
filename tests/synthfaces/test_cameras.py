"""Against published formulas in float64, scipy and Pillow, and the laws of noise."""

import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from PIL import Image
from scipy.ndimage import convolve

from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import correlation, fingerprint, noise_residual
from jaxforensics.synthfaces import cameras

DOMAINS = list(cameras.CAMERAS)
SHIFTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
SIZE = 64


def scene(seed=0, size=SIZE):
    """Linear light with a natural spectrum, (size, size, 3)."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot.outer(np.fft.fftfreq(size), np.fft.fftfreq(size)) + 1 / size
    spectrum = np.fft.fft2(rng.normal(size=(size, size, 3)), axes=(0, 1))
    light = np.fft.ifft2(spectrum / frequency[..., None] ** 1.5, axes=(0, 1)).real
    return np.float32(np.clip(0.3 + 0.1 * light / light.std(), 0, 1))


@functools.cache
def photographer(domain):
    """photograph() of many keys, images and cameras, compiled once."""
    return jax.jit(jax.vmap(functools.partial(cameras.photograph, domain=domain)))


def photographs(domain, images, numbers, *, seed=0):
    keys = random.split(random.key(seed), len(numbers))
    pictures = photographer(domain)(keys, jnp.asarray(images), jnp.asarray(numbers))
    return np.asarray(pictures)


def body(**fields):
    """A camera that changes nothing, but for `fields`."""
    plain = {"blur": 0.0, "vignetting": 0.0, "row": 0, "column": 0}
    plain |= {"shot": 0.0, "read": 0.0, "red": 1.0, "blue": 1.0}
    plain |= {"number": 0, "saturation": 1.0, "sharpening": 0.0}
    return cameras.Camera(**{k: jnp.asarray(v) for k, v in (plain | fields).items()})


def shot(**fields):
    plain = {"exposure": 1.0, "iso": 1.0, "red": 1.0, "blue": 1.0, "quality": 100}
    return cameras.Shot(**plain | fields)


def numpy_mosaic(image, row, column):
    """What the sensor sees, from the mosaic's 2 x 2 tile."""
    tile = np.roll([[0, 1], [1, 2]], (-row, -column), (0, 1))
    channel = np.tile(tile, (image.shape[0] // 2, image.shape[1] // 2))
    return np.take_along_axis(image, channel[..., None], -1)[..., 0], channel


def scipy_malvar(raw, channel):
    """The four 5 x 5 kernels of Malvar, He and Cutler (2004), figure 2."""
    green = [
        [0, 0, -1, 0, 0],
        [0, 0, 2, 0, 0],
        [-1, 2, 4, 2, -1],
        [0, 0, 2, 0, 0],
        [0, 0, -1, 0, 0],
    ]
    row = [
        [0, 0, 0.5, 0, 0],
        [0, -1, 0, -1, 0],
        [-1, 4, 5, 4, -1],
        [0, -1, 0, -1, 0],
        [0, 0, 0.5, 0, 0],
    ]
    opposite = [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ]
    green, along_row, along_column, opposite = (
        convolve(raw.astype(np.float64), np.array(kernel) / 8, mode="mirror")
        for kernel in (green, row, np.transpose(row), opposite)
    )
    result = np.stack([raw, np.where(channel == 1, raw, green), raw], -1)
    for k in (0, 2):
        own_row = (channel == k).any(1, keepdims=True)
        at_green = np.where(own_row, along_row, along_column)
        missing = np.where(channel == 1, at_green, opposite)
        result[..., k] = np.where(channel == k, raw, missing)
    return result


@pytest.mark.parametrize("shift", SHIFTS)
def test_mosaic_and_demosaic(shift):
    image = scene(size=16)
    raw, channel = numpy_mosaic(image, *shift)
    np.testing.assert_array_equal(cameras.mosaic(image, *shift), raw)
    ours = cameras.demosaic(jnp.asarray(raw), *shift)
    np.testing.assert_allclose(ours, scipy_malvar(raw, channel), atol=1e-6)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_constant_colour_survives_the_mosaic(shift):
    image = jnp.broadcast_to(jnp.float32([0.75, 0.5, 0.125]), (12, 14, 3))
    np.testing.assert_array_equal(
        cameras.demosaic(cameras.mosaic(image, *shift), *shift), image
    )


def test_gamma_is_that_of_srgb():
    light = np.concatenate([np.linspace(-0.1, 1.5, 5000), [0.0031308]])
    light = np.float32(light).astype(np.float64)
    with np.errstate(invalid="ignore"):
        curved = 1.055 * light ** (1 / 2.4) - 0.055
    expected = np.where(light > 0.0031308, curved, 12.92 * light)
    ours = cameras.encode_gamma(jnp.float32(light))
    np.testing.assert_allclose(ours, expected, atol=5e-7)


def test_noise_grows_with_the_signal_as_stated():
    camera, settings = body(shot=4e-4, read=1e-5, red=0.5, blue=0.7), shot(iso=2.0)
    light = np.float32([0.0, 0.1, 0.4, 0.8])
    flat = jnp.broadcast_to(light[:, None, None, None], (4, SIZE, SIZE, 3))

    def expose(key, image):
        ones = jnp.ones(image.shape[:2])
        return cameras.expose(key, image, camera, settings, ones)

    raw = np.asarray(jax.vmap(expose)(random.split(random.key(0), 4), flat))
    for sites, sensitivity in (
        (raw[:, ::2, ::2], 0.5),
        (raw[:, ::2, 1::2], 1.0),
        (raw[:, 1::2, ::2], 1.0),
        (raw[:, 1::2, 1::2], 0.7),
    ):
        signal = sensitivity * light.astype(np.float64)
        variance, count = 2 * (4e-4 * signal + 1e-5), sites[0].size
        error = np.sqrt(variance / count)
        assert np.all(np.abs(sites.mean((1, 2)) - signal) < 4 * error)
        ratio = sites.astype(np.float64).var((1, 2), ddof=1) / variance
        assert np.all(np.abs(ratio - 1) < 4 * np.sqrt(2 / count))


def test_noise_is_alike_in_neighbours_of_the_picture_not_of_the_sensor(key):
    camera, flat = body(shot=4e-4), jnp.full((128, 128, 3), 0.2)
    raw = cameras.expose(key, flat, camera, shot(), jnp.ones((128, 128)))
    gray = to_gray(cameras.develop(raw, camera, shot()))

    def neighbours(plane):
        plane = np.asarray(plane, np.float64)
        return np.corrcoef(plane[:, 1:].ravel(), plane[:, :-1].ravel())[0, 1]

    assert abs(neighbours(raw)) < 0.03
    assert 0.15 < neighbours(gray) < 0.7


def test_vignetting_darkens_towards_the_corners(key):
    flat, ones = jnp.full((SIZE, SIZE, 3), 0.5), jnp.ones((SIZE, SIZE))
    raw = cameras.expose(key, flat, body(vignetting=0.3), shot(), ones)
    centre = (SIZE - 1) / 2
    radius = np.hypot(*(np.indices(raw.shape) - centre)).ravel()
    light = np.asarray(raw).ravel()[np.argsort(radius, kind="stable")]
    assert np.all(np.diff(light) <= 1e-6)
    np.testing.assert_allclose(light[[0, -1]], [0.5, 0.5 * 0.7], atol=1e-3)


def test_light_beyond_the_sensor_is_white(key):
    camera = cameras.select(0, domain="studio")
    flat, ones = jnp.full((16, 16, 3), 4.0), jnp.ones((16, 16))
    raw = cameras.expose(key, flat, camera, shot(), ones)
    assert float(raw.max()) == 1.0
    assert float(cameras.develop(raw, camera, shot()).min()) == 1.0


@pytest.mark.parametrize("domain", DOMAINS)
def test_pictures_have_eight_bits_and_follow_from_the_key(domain):
    images = np.stack([scene(k) for k in range(5)])
    pictures = photographs(domain, images, range(5))
    assert pictures.dtype == np.float32 and pictures.shape == images.shape
    levels = 255 * pictures.astype(np.float64)
    np.testing.assert_allclose(levels, np.round(levels), rtol=2e-7)
    assert pictures.min() >= 0 and pictures.max() <= 1
    np.testing.assert_array_equal(pictures, photographs(domain, images, range(5)))
    assert not np.array_equal(pictures, photographs(domain, images, range(5), seed=1))


def test_a_change_stays_where_it_is():
    """What makes before/after pairs exact: noise and exposure ignore the image."""
    image = scene()
    changed = image.copy()
    changed[20:30, 30:40] += 0.2
    before, after = (photographs("studio", [x], [2], seed=3) for x in (image, changed))
    rows, columns = np.nonzero((before != after).any((0, -1)))
    reach = 2 + 2 + 1  # blur, demosaicing, sharpening
    assert rows.min() >= 20 - reach and rows.max() < 30 + reach
    assert columns.min() >= 30 - reach and columns.max() < 40 + reach


def test_street_ends_in_the_jpeg_of_pillow():
    image, domain = scene(), "street"
    keys, numbers = random.split(random.key(0), 5), jnp.arange(5)

    def before(key, camera):
        shot_key, noise_key = random.split(key)
        shot = cameras.draw(shot_key, domain=domain)
        camera_ = cameras.select(camera, domain=domain)
        pattern = jnp.asarray(cameras.patterns(domain)[:, :SIZE, :SIZE])[camera]
        raw = cameras.expose(noise_key, jnp.asarray(image), camera_, shot, pattern)
        return cameras.develop(raw, camera_, shot), shot.quality

    pictures, qualities = jax.vmap(before)(keys, numbers)
    coded = photographs(domain, [image] * 5, numbers)
    for picture, quality, ours in zip(pictures, qualities, coded, strict=True):
        assert 80 <= quality <= 95
        file, levels = io.BytesIO(), np.uint8(np.round(255 * np.asarray(picture)))
        Image.fromarray(levels).save(file, format="JPEG", quality=int(quality))
        np.testing.assert_array_equal(np.round(255 * ours), Image.open(file))


def test_shots_differ_as_the_domain_has_it():
    keys = random.split(random.key(0), 400)
    for domain in DOMAINS:
        draw = jax.vmap(functools.partial(cameras.draw, domain=domain))
        shots = jax.tree.map(np.asarray, draw(keys))
        habits = cameras.HABITS[domain]
        stops = np.log2(shots.exposure)
        assert abs(stops.std() / habits.exposure - 1) < 0.15
        assert abs(np.std(shots.red) / habits.balance - 1) < 0.15
        assert np.log2(shots.iso).min() >= 0
        assert np.log2(shots.iso).max() <= habits.iso
        assert abs(np.corrcoef(stops, shots.red)[0, 1]) < 0.2
    assert set(shots.quality) == set(range(80, 96))
    choose = jax.vmap(functools.partial(cameras.choose, domain="street"))
    assert np.bincount(choose(keys)).min() > 50


def test_patterns_are_fixed_independent_and_cropped():
    patterns = np.concatenate([cameras.patterns(d) for d in DOMAINS]).reshape(10, -1)
    assert np.all(np.abs(patterns.mean(1) - 1) < 1e-3)
    assert np.all(np.abs(patterns.std(1) - 0.015) < 1e-3)
    others = np.corrcoef(patterns) - np.eye(10)
    assert np.abs(others).max() < 0.02
    with pytest.raises(ValueError, match="larger than the sensor"):
        cameras.photograph(random.key(0), jnp.zeros((300, 300, 3)), 0, domain="studio")


def test_the_camera_can_be_told_from_its_pictures():
    """Residuals of one camera correlate with its pattern and its next picture."""
    count, known = 60, []

    def residuals(numbers, seed):
        images = np.stack([scene(100 * seed + k) for k in range(count)])
        pictures = photographs("studio", images, numbers, seed=seed)
        return noise_residual(to_gray(jnp.asarray(pictures)))

    for camera in (0, 1):
        known.append(fingerprint(residuals([camera] * count, camera)))
    numbers = np.arange(count) % 5
    fresh = residuals(numbers, 9)
    patterns = cameras.patterns("studio")[:, :SIZE, :SIZE]
    for camera in (0, 1):
        truth = np.asarray(correlation(known[camera], jnp.asarray(patterns)))
        assert truth[camera] > 0.3
        assert np.delete(np.abs(truth), camera).max() < 0.1
        score = np.asarray(correlation(known[camera], fresh))
        own, other = score[numbers == camera], score[numbers != camera]
        assert own.mean() > 0.05 and own.mean() > other.mean() + 3 * other.std()
