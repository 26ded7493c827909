"""Noise is as strong as the paper's, with a standard deviation per image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from skimage.metrics import peak_signal_noise_ratio

from jaxforensics import attacks
from jaxforensics.evaluation.metrics import psnr


@pytest.fixture(scope="module")
def noisy():
    """256 gray pictures under the attack; 0.5 is far from being clipped."""
    attack = attacks.build("noise", None)
    return attack(jax.random.key(3), jnp.full((256, 24, 23, 3), 0.5), jnp.ones(256))


def test_standard_deviations_are_uniform_from_5_to_20(noisy):
    sigmas = 255 * np.float64(noisy - 0.5).std((1, 2, 3))
    assert scipy.stats.kstest(sigmas, "uniform", (5, 15)).pvalue > 1e-3
    assert 4.5 < sigmas.min() < 6 and 19 < sigmas.max() < 21


def test_psnr_is_that_of_the_papers_table_4(noisy):
    """26.86 ± 3.24 dB; read as variances, the numbers would give 37 dB."""
    values = psnr(noisy, jnp.full(noisy.shape, 0.5))
    assert abs(values.mean() - 26.86) < 0.7
    assert abs(values.std() - 3.24) < 0.5


def test_sigma_can_be_fixed(key):
    attack = attacks.build("noise", None, low=10.0, high=10.0)
    added = attack(key, jnp.full((3, 40, 41, 3), 0.5), jnp.ones(3)) - 0.5
    np.testing.assert_allclose(255 * added.std((1, 2, 3)), 10, rtol=0.05)


def as_saved(image):
    """8 bits of a picture, as a file would hold them."""
    return np.round(255 * np.float64(image)).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures():
    """Photograph-like pictures of 8 bits: gradients, black and white areas, texture."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:33, :30] / 30
    pictures = []
    for gain in (0.3, 0.6, 1.0, 1.8, 3.0, 5.0):
        plain = np.stack([rows, columns, (rows + columns) / 2], -1)
        texture = 0.05 * rng.normal(size=plain.shape)
        pictures.append(np.clip(0.5 + gain * (plain - 0.5) + texture, 0, 1))
    return np.float32(np.round(255 * np.array(pictures)) / 255)


@pytest.mark.parametrize("lowest", (12, 30, 45))
def test_noise_has_the_psnr_that_each_picture_is_given(pictures, lowest):
    """Of the saved file, by scikit-image, whatever clipping takes away."""
    given = lowest + np.arange(len(pictures), dtype=np.float32)
    attack = attacks.build("noise_of_psnr", None, psnr=given)
    noisy = attack(jax.random.key(0), pictures, jnp.ones(len(pictures)))
    assert 0 <= noisy.min() and noisy.max() <= 1
    for picture, changed, wanted in zip(pictures, noisy, given, strict=True):
        reached = peak_signal_noise_ratio(
            as_saved(picture), as_saved(changed), data_range=255
        )
        assert reached == pytest.approx(wanted, abs=0.05)


def test_noise_of_a_psnr_is_white_and_normal(key):
    image = np.full((1, 256, 256, 3), 128 / 255, np.float32)
    attack = attacks.build("noise_of_psnr", None, psnr=28.13)  # of a sigma of 10
    added = 255 * np.float64(attack(key, image, jnp.ones(1)) - image)[0]
    assert scipy.stats.kurtosis(added.ravel()) == pytest.approx(0, abs=0.05)
    assert added.std() == pytest.approx(10, rel=0.01)
    assert added.mean() == pytest.approx(0, abs=0.1)
    assert np.corrcoef(added[:, 1:].ravel(), added[:, :-1].ravel())[0, 1] < 0.01


def test_pictures_of_infinite_psnr_stay_as_they_are(pictures, key):
    given = np.full(len(pictures), np.inf)
    given[1] = 30
    attack = attacks.build("noise_of_psnr", None, psnr=given)
    noisy = attack(key, pictures, jnp.ones(len(pictures)))
    is_same = (noisy == pictures).all((1, 2, 3))
    assert is_same.tolist() == [True, False, True, True, True, True]


def test_psnr_that_no_file_has_comes_out_as_the_nearest(pictures, key):
    """Of one value changed by one step, of none changed, and of all at their end."""
    values = pictures[0].size
    one_step = 20 * np.log10(255) + 10 * np.log10(values)
    given = np.array([one_step, one_step + 1, one_step + 20, 200, 0, -10], np.float32)
    attack = attacks.build("noise_of_psnr", None, psnr=given)
    noisy = np.asarray(attack(key, pictures, jnp.ones(len(pictures))))
    assert np.isfinite(noisy).all()
    changed = (as_saved(noisy) != as_saved(pictures)).sum((1, 2, 3))
    assert changed[:4].tolist() == [1, 1, 0, 0]
    is_black_or_white = np.isin(as_saved(noisy), (0, 255)).mean((1, 2, 3))
    assert (is_black_or_white[4:] > 0.85).all()
