"""Against numpy.fft and scipy.fft in float64.

1e-5 is meant on the orthonormal scale, |F| / sqrt(h w), on which a picture and its
spectrum have the same norm; ring powers and logarithms are compared relatively.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.interpolate import make_interp_spline

from jaxforensics.ops import spectrum

SIZES = [(16, 16), (15, 15), (13, 22), (24, 9), (1, 8), (5, 1), (1, 1), (32, 32)]
LUMA = (0.299, 0.587, 0.114)
QUICK = settings(max_examples=15, deadline=None, derandomize=True)

CALLS = {
    "amplitude_phase": lambda image: spectrum.amplitude_phase(image[..., 0]),
    "log_amplitude": lambda image: spectrum.amplitude_phase(image[..., 0], log=True),
    "log_spectrum": spectrum.log_spectrum,
    "split_bands": lambda image: jnp.stack(
        spectrum.split_bands(image, sigma=2.5), axis=-1
    ),
    "azimuthal_power": spectrum.azimuthal_power,
    "azimuthal_log_power": lambda image: spectrum.azimuthal_power(
        image, bins=4, log=True, around_dc=False
    ),
    "high_power": lambda image: spectrum.azimuthal_power(image, high=2.5),
    "equalize_spectrum": lambda image: spectrum.equalize_spectrum(
        image, np.float32([20, 3, 2, 1])
    ),
    "dct2": spectrum.dct2,
    "idct2": spectrum.idct2,
    "log_dct": spectrum.log_dct,
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def luma(image):
    return image.astype(np.float64) @ LUMA


def rings(height, width, *, bins=None, around_dc=True):
    """Ring of each coefficient of the shifted spectrum, by the definition."""
    middle = (
        (height // 2, width // 2) if around_dc else ((height - 1) / 2, (width - 1) / 2)
    )
    rows, columns = np.indices((height, width))
    radius = np.hypot(rows - middle[0], columns - middle[1])
    radii = int(radius.max()) + 1
    return np.floor(radius * ((bins or radii) / radii)).astype(int)


def ring_means(spectrum, ring):
    return np.array([spectrum[ring == i].mean() for i in range(ring.max() + 1)])


def shifted_power(gray):
    return np.abs(np.fft.fftshift(np.fft.fft2(gray))) ** 2


@pytest.mark.parametrize("size", SIZES)
def test_amplitude_and_phase(size):
    gray = random(*size) - 0.5
    expected = np.fft.fft2(gray.astype(np.float64))
    amplitude, phase = np.moveaxis(jax.jit(spectrum.amplitude_phase)(gray), -1, 0)
    scale = np.sqrt(gray.size)
    np.testing.assert_allclose(amplitude / scale, abs(expected) / scale, atol=1e-6)
    both = amplitude * np.exp(1j * phase)
    np.testing.assert_allclose(both / scale, expected / scale, atol=1e-6)
    assert np.all((phase > -np.pi - 1e-6) & (phase <= np.pi + 1e-6))
    strong = abs(expected) > 0.1 * scale
    angle = np.angle(np.exp(1j * phase) / (expected / abs(expected)))
    np.testing.assert_allclose(angle[strong], 0, atol=1e-5)
    logarithm = jax.jit(partial(spectrum.amplitude_phase, log=True))(gray)[..., 0]
    np.testing.assert_allclose(
        logarithm[strong], np.log(abs(expected))[strong], atol=1e-5
    )


def test_phase_of_real_frequencies_is_zero_or_pi():
    phase = np.asarray(spectrum.amplitude_phase(random(50, 8, 6) - 0.5)[..., 1])
    own = phase[:, ::4, ::3]
    assert set(np.unique(own)) == {np.float32(0), np.float32(np.pi)}


def test_amplitude_and_phase_of_nothing_are_zero():
    np.testing.assert_array_equal(spectrum.amplitude_phase(np.zeros((6, 5), "f4")), 0)


@pytest.mark.parametrize("size", SIZES)
def test_log_spectrum(size):
    image = random(*size, 3)
    power = np.abs(np.fft.fft2(luma(image))) ** 2
    expected = np.log(power + 1e-8) / 2
    ours = spectrum.log_spectrum(image, center=False)
    strong = power > 0.01**2 * power.size
    assert strong.mean() > 0.99
    np.testing.assert_allclose(ours[strong], expected[strong], atol=1e-5)
    scale = np.sqrt(power.size)
    np.testing.assert_allclose(
        np.exp(ours) / scale, np.exp(expected) / scale, atol=1e-6
    )
    centred = spectrum.log_spectrum(image)
    np.testing.assert_array_equal(centred, np.fft.fftshift(ours))
    assert np.argmax(centred) == np.ravel_multi_index([n // 2 for n in size], size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.3, 3.0])
def test_split_bands(size, sigma):
    image = random(*size, 3)
    low, high = jax.jit(partial(spectrum.split_bands, sigma=sigma))(image)
    rows, columns = (np.fft.fftfreq(n, 1 / n) for n in size)
    squared = rows[:, None] ** 2 + columns**2
    gaussian = np.exp(-squared / (2 * sigma**2))[..., None]
    both = np.fft.fft2(image.astype(np.float64), axes=(0, 1))
    for ours, gain in ((low, gaussian), (high, 1 - gaussian)):
        expected = np.fft.ifft2(both * gain, axes=(0, 1)).real
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(low + high, image, atol=1e-7)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("around_dc", [True, False])
@pytest.mark.parametrize("bins", [None, 3])
def test_azimuthal_power(size, around_dc, bins):
    bins = None if bins is None else min(bins, max(size) // 2 or 1)
    image = random(*size, 3)
    power = shifted_power(luma(image))
    ring = rings(*size, bins=bins, around_dc=around_dc)
    ours = spectrum.azimuthal_power(image, bins=bins, around_dc=around_dc)
    np.testing.assert_allclose(ours, ring_means(power, ring), rtol=1e-5)
    ours = spectrum.azimuthal_power(image, bins=bins, log=True, around_dc=around_dc)
    expected = ring_means(np.log(power + 1e-8), ring)
    np.testing.assert_allclose(ours, expected, atol=2e-5)
    if bins is None and around_dc:
        assert ours.shape == (int(np.hypot(size[0] // 2, size[1] // 2)) + 1,)


@pytest.mark.parametrize("size", [(16, 16), (15, 15), (13, 22)])
@pytest.mark.parametrize("around_dc", [True, False])
def test_azimuthal_power_of_the_high_band(size, around_dc):
    image = random(*size, 3)
    ring, middle = rings(*size, around_dc=around_dc), np.array(size) // 2
    squared = ((np.moveaxis(np.indices(size), 0, -1) - middle) ** 2).sum(-1)
    gain = 1 - np.exp(-squared / (2 * 2.5**2))
    expected = ring_means(gain**2 * shifted_power(luma(image)), ring)
    ours = spectrum.azimuthal_power(image, around_dc=around_dc, high=2.5)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_azimuthal_power_of_a_grating_lies_in_its_ring():
    y, x = np.indices((32, 32))
    for u, v in ((0, 5), (3, 4), (-4, 3), (16, 0), (-16, 16)):
        grating = np.cos(2 * np.pi * (u * y + v * x) / 32).astype(np.float32)
        power = np.asarray(spectrum.azimuthal_power(grating[..., None]))
        assert power.argmax() == int(np.hypot(u, v))
        assert np.delete(power, power.argmax()).max() < 1e-6 * power.max()


def test_more_rings_than_radii_are_refused():
    with pytest.raises(ValueError, match="12 integer radii"):
        spectrum.azimuthal_power(random(16, 16, 3), bins=40)
    with pytest.raises(ValueError, match="0 rings"):
        spectrum.azimuthal_power(random(16, 16, 3), bins=0)


@pytest.mark.parametrize("size", [(16, 16), (15, 15), (13, 22)])
@pytest.mark.parametrize("bins", [None, 5])
def test_equalized_pictures_have_the_profile_and_their_phases(size, bins):
    image = random(2, *size, 3)
    measured = np.asarray(spectrum.azimuthal_power(image, bins=bins))
    profile = np.geomspace(50, 0.5, measured.shape[-1]).astype(np.float32)
    ours = jax.jit(spectrum.equalize_spectrum)(image, profile)
    power = spectrum.azimuthal_power(ours, bins=bins)
    np.testing.assert_allclose(power, np.stack([profile] * 2), rtol=1e-4)
    before, after = (
        np.fft.fft2(np.asarray(x, np.float64), axes=(1, 2)) for x in (image, ours)
    )
    gain = np.fft.ifftshift(
        np.sqrt(profile / measured)[:, rings(*size, bins=bins)], axes=(1, 2)
    )
    scale = np.sqrt(size[0] * size[1])
    np.testing.assert_allclose(
        after / scale, before * gain[..., None] / scale, atol=1e-5
    )


def test_equalizing_to_the_own_profile_changes_nothing():
    image = random(3, 9, 14, 3)
    ours = spectrum.equalize_spectrum(image, spectrum.azimuthal_power(image))
    np.testing.assert_allclose(ours, image, atol=1e-6)


def test_equalizing_leaves_empty_rings_empty():
    flat = np.full((16, 16, 3), 0.6, np.float32)
    profile = np.full(12, 1e4, np.float32)
    ours = spectrum.equalize_spectrum(flat, profile)
    np.testing.assert_allclose(ours, np.full_like(flat, 100 / 256), rtol=1e-4)
    silent = spectrum.equalize_spectrum(random(16, 16, 3), 0 * profile)
    np.testing.assert_allclose(silent, 0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_dct_equals_scipy(size):
    x = random(2, *size) - 0.5
    expected = scipy.fft.dctn(x.astype(np.float64), axes=(1, 2), norm="ortho")
    ours = spectrum.dct2(x)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(spectrum.idct2(ours), x, atol=1e-6)
    inverse = scipy.fft.idctn(x.astype(np.float64), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(spectrum.idct2(x), inverse, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_log_dct(size):
    image = random(*size, 3) - 0.3
    coefficients = scipy.fft.dctn(image.astype(np.float64), axes=(0, 1), norm="ortho")
    expected = np.log(abs(coefficients) + 1e-12)
    ours = jax.jit(spectrum.log_dct)(image)
    strong = abs(coefficients) > 0.1
    np.testing.assert_allclose(ours[strong], expected[strong], atol=1e-5)
    np.testing.assert_allclose(np.exp(ours), np.exp(expected), atol=1e-6)


def published_luma(path):
    """The decoder's own luma, as imread(path, 0): not a function of the colours."""
    picture = Image.open(path)
    picture.draft("L", picture.size)
    assert picture.mode == "L"
    return np.asarray(picture, np.float32)


def test_published_profiles(real_images):
    """457 profiles of Durall et al. (2020); the recipe is that of their code."""
    folder = real_images / "durall_spectra"
    published = np.load(folder / "fake_profiles.npz")
    gray = np.stack([published_luma(folder / "images" / n) for n in published["names"]])
    assert gray.shape == (457, 128, 128)
    power = spectrum.azimuthal_power(gray[..., None] / 255, log=True, around_dc=False)
    decibels = 10 * (np.asarray(power, np.float64) + 2 * np.log(255))
    profiles = decibels[:, 1:-1]
    old, new = (np.linspace(0, 1, n) for n in (profiles.shape[1], 80))
    profiles = make_interp_spline(old, profiles, k=3, axis=1)(new)
    profiles /= profiles[:, :1]
    np.testing.assert_allclose(profiles, published["profiles"], atol=1e-4)
    assert np.median(abs(profiles - published["profiles"])) < 1e-6


@pytest.mark.parametrize("name", CALLS)
def test_bfloat16(name):
    call, image = CALLS[name], jnp.asarray(random(2, 9, 10, 3), jnp.bfloat16)
    ours = call(image)
    assert ours.dtype == jnp.bfloat16
    expected = call(image.astype(jnp.float32))
    np.testing.assert_allclose(
        ours.astype(jnp.float32), expected, rtol=2**-8, atol=5e-3
    )


@pytest.mark.parametrize("name", CALLS)
def test_gradients_are_finite(name):
    gradient = jax.jit(jax.grad(lambda image: jnp.sum(CALLS[name](image) ** 2)))
    step = np.zeros((9, 10, 3), np.float32)
    step[:, 5:] = 1
    for image in (
        random(9, 10, 3),
        np.zeros((9, 10, 3), "f4"),
        np.ones_like(step),
        step,
    ):
        assert np.isfinite(gradient(image)).all()
    assert np.any(gradient(random(9, 10, 3)))


def test_gradients_of_profile_and_sigma_are_finite():
    image, profile = random(8, 8, 3), np.float32([4, 2, 0, 1, 1, 1])
    equalized = jax.jit(
        jax.grad(lambda p: jnp.sum(spectrum.equalize_spectrum(image, p) ** 2))
    )
    assert np.isfinite(equalized(profile)).all()
    low = jax.jit(
        jax.grad(lambda s: jnp.sum(spectrum.split_bands(image, sigma=s)[0] ** 2))
    )
    assert low(1.5) > 0  # a wider low band holds more energy


def test_dct_gradient_is_its_inverse():
    x, weight = random(5, 6), random(5, 6, seed=1)
    gradient = jax.jit(jax.grad(lambda x: jnp.vdot(weight, spectrum.dct2(x))))(x)
    expected = scipy.fft.idctn(weight.astype(np.float64), norm="ortho")
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5, 2), (4, 5, 4)])
def test_two_or_four_channels_have_no_luma(shape):
    with pytest.raises(ValueError, match="channels"):
        spectrum.azimuthal_power(random(*shape))


def test_a_gray_picture_enters_as_one_channel():
    gray = random(9, 8)
    colour = np.repeat(gray[..., None], 3, axis=-1)
    for call in (spectrum.log_spectrum, spectrum.azimuthal_power):
        np.testing.assert_allclose(call(gray[..., None]), call(colour), rtol=1e-5)


@QUICK
@given(st.sampled_from(SIZES), st.integers(0, 9))
def test_norms_are_kept(size, seed):
    image = random(*size, 3, seed=seed)
    energy = np.sum(luma(image) ** 2)
    amplitude = spectrum.amplitude_phase(np.float32(luma(image)))[..., 0]
    assert np.sum(np.float64(amplitude) ** 2) / amplitude.size == pytest.approx(energy)
    power = np.asarray(spectrum.azimuthal_power(image), np.float64)
    count = np.bincount(rings(*size).ravel())
    assert power @ count / count.sum() == pytest.approx(energy, rel=1e-5)
    coefficients = np.asarray(spectrum.dct2(np.float32(luma(image))), np.float64)
    assert np.sum(coefficients**2) == pytest.approx(energy, rel=1e-5)


@QUICK
@given(st.sampled_from(SIZES[:4]), st.integers(-9, 9), st.integers(-9, 9))
def test_ring_power_does_not_see_shifts_and_flips(size, down, right):
    image = random(*size, 3)
    moved = np.roll(image, (down, right), axis=(0, 1))[::-1]
    np.testing.assert_allclose(
        spectrum.azimuthal_power(moved), spectrum.azimuthal_power(image), rtol=1e-4
    )
