"""PSNR and SSIM against scikit-image, in every shape and precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import metrics as sk

from jaxforensics.evaluation.metrics import psnr, ssim

SETTINGS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
METRICS = [psnr, ssim]


def sk_ssim(x, y, channel_axis=-1):
    x, y = np.float64(x), np.float64(y)
    return sk.structural_similarity(
        x, y, data_range=1, channel_axis=channel_axis, **SETTINGS
    )


def pairs(shape, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(shape, np.float32)
    return x, np.clip(x + noise * rng.standard_normal(shape, np.float32), 0, 1)


@pytest.mark.parametrize("shape", [(11, 11, 3), (11, 30, 3), (24, 13, 3), (31, 32, 3)])
def test_colour_equals_skimage(shape):
    x, y = pairs((2, *shape))
    want = [sk_ssim(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(ssim(x, y), want, rtol=0, atol=1e-5)
    want = [
        sk.peak_signal_noise_ratio(np.float64(a), np.float64(b), data_range=1)
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(psnr(x, y), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(11, 30, 3), (24, 13, 3)])
def test_borders_count_where_they_are_asked_for(shape):
    """Every position, by scikit-image on mirrored surroundings."""
    x, y = pairs(shape)
    wide = [np.pad(a, [(5, 5), (5, 5), (0, 0)], mode="reflect") for a in (x, y)]
    assert float(ssim(x, y, borders=True)) == pytest.approx(sk_ssim(*wide), abs=1e-5)
    spoilt = x.copy()
    spoilt[:4, :4] = 0
    assert float(ssim(spoilt, x, borders=True)) < 0.99
    assert float(ssim(spoilt, x)) > float(ssim(spoilt, x, borders=True))


def test_gray_equals_skimage():
    x, y = pairs((15, 18))
    assert float(ssim(x, y)) == pytest.approx(sk_ssim(x, y, None), abs=1e-5)
    want = sk.peak_signal_noise_ratio(np.float64(x), np.float64(y), data_range=1)
    assert float(psnr(x, y)) == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("shape", [(140, 20, 3), (12, 300, 1)])
def test_large_images_pass_the_seams_of_blocks(shape):
    x, y = pairs(shape)
    assert float(ssim(x, y)) == pytest.approx(sk_ssim(x, y), abs=1e-5)


@pytest.mark.parametrize("bright", [0.5, 0.7, 0.9, 0.97])
def test_flat_bright_images_keep_their_digits(bright):
    # Noise of opposite sign: E[(x + y)^2] - E[x + y]^2 in float32 would be off by 1e-4.
    noise = 0.02 * np.random.default_rng(0).standard_normal((32, 32, 3))
    x, y = np.float32(bright + noise), np.float32(bright - noise)
    assert float(ssim(x, y)) == pytest.approx(sk_ssim(x, y), abs=1e-5)


def test_real_pictures_equal_skimage(real_images):
    folder = real_images / "attribute_edits"
    edits = sorted(
        next(f for f in sorted(folder.iterdir()) if f.is_dir()).glob("*.png")
    )
    x, y = (
        np.float32(np.asarray(Image.open(f).convert("RGB"))) / 255 for f in edits[:2]
    )
    assert float(ssim(x, y)) == pytest.approx(sk_ssim(x, y), abs=1e-5)
    want = sk.peak_signal_noise_ratio(np.float64(x), np.float64(y), data_range=1)
    assert float(psnr(x, y)) == pytest.approx(want, abs=1e-4)


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_batch_axes_jit_and_vmap_agree(metric):
    x, y = pairs((2, 3, 16, 14, 3))
    got = metric(x, y)
    assert got.shape == (2, 3)
    np.testing.assert_allclose(jax.jit(metric)(x, y), got, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(jax.vmap(metric))(x, y), got, rtol=1e-6)
    np.testing.assert_allclose(metric(x[1, 2], y[1, 2]), got[1, 2], rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_bfloat16_is_measured_in_float32(metric):
    x, y = (jnp.asarray(z, jnp.bfloat16) for z in pairs((16, 16, 3)))
    got = metric(x, y)
    assert got.dtype == jnp.float32
    want = metric(x.astype(jnp.float32), y.astype(jnp.float32))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_gradient_equals_finite_differences(metric):
    x, y = pairs((12, 13, 3), noise=0.3)
    step = np.random.default_rng(1).standard_normal(x.shape)
    slope = np.sum(np.float64(jax.grad(metric)(x, y)) * step)
    oracle = {
        ssim: sk_ssim,
        psnr: lambda a, b: sk.peak_signal_noise_ratio(a, b, data_range=1),
    }[metric]
    x, y, size = np.float64(x), np.float64(y), 1e-5
    ends = [oracle(x + sign * size * step, y) for sign in (1, -1)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * size), rel=1e-3)


def test_equal_images():
    x, _ = pairs((2, 12, 12, 3))
    np.testing.assert_allclose(ssim(x, x), 1.0, atol=1e-6)
    np.testing.assert_array_equal(psnr(x, x), np.inf)
    black = np.zeros((12, 12, 3), np.float32)
    assert float(ssim(black, black)) == 1.0
    for metric in METRICS:
        assert np.isfinite(jax.grad(metric)(black, black)).all()


def test_known_psnr():
    x = np.zeros((4, 4, 3), np.float32)
    np.testing.assert_allclose(psnr(x, x + 0.1), 20.0, rtol=1e-6)
    np.testing.assert_allclose(psnr(x, x + 1.0), 0.0, atol=1e-6)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16), noise=st.floats(0.01, 0.5))
def test_symmetry_and_bounds(seed, noise):
    x, y = pairs((12, 12, 3), noise=noise, seed=seed)
    for metric in METRICS:
        np.testing.assert_allclose(metric(x, y), metric(y, x), rtol=1e-5, atol=1e-6)
    assert -1 <= float(ssim(x, y)) <= 1


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_images_that_do_not_belong_together_are_refused(metric):
    x, _ = pairs((12, 12, 3))
    with pytest.raises(ValueError, match="differ"):
        metric(x, x[None])
    with pytest.raises(ValueError, match="integers"):
        metric(np.uint8(255 * x), np.uint8(255 * x))


@pytest.mark.parametrize("shape", [(10, 32, 3), (32, 10, 3), (10, 32)])
def test_ssim_says_that_an_image_is_too_small(shape):
    x = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match=f"11x11 pixels, got {shape[0]}x{shape[1]}"):
        ssim(x, x)
