"""Noise is as strong as the paper's, with a standard deviation per image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

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
