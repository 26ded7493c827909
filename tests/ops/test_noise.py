"""The noise is white, Gaussian, and as strong as asked for."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxforensics.ops import noise


def standardised(key, sigma, shape=(40, 31, 3)):
    """What was added, on the 0-255 scale, divided by what was asked for."""
    image = jnp.full(shape, 0.5)
    added = noise.add_gaussian(key, image, sigma=sigma) - image
    return 255 * np.float64(added) / sigma


@pytest.mark.parametrize("sigma", (5, 20.0))
def test_is_standard_normal_after_division(key, sigma):
    sample = standardised(key, sigma).ravel()
    assert scipy.stats.kstest(sample, "norm").pvalue > 1e-3
    assert abs(sample.mean()) < 5 / np.sqrt(sample.size)
    assert abs(sample.std() - 1) < 5 / np.sqrt(2 * sample.size)


def test_is_white(key):
    sample = standardised(key, 8.0)
    for axis in range(3):
        a, b = np.delete(sample, 0, axis), np.delete(sample, -1, axis)
        assert abs(np.mean(a * b)) < 5 / np.sqrt(a.size)


def test_sigma_per_image(key):
    image, sigmas = jnp.full((3, 40, 31, 3), 0.5), jnp.array([0.0, 5.0, 20.0])
    added = 255 * (noise.add_gaussian(key, image, sigma=sigmas) - image)
    np.testing.assert_array_equal(added[0], 0)
    np.testing.assert_allclose(added.std((1, 2, 3)), sigmas, rtol=0.06)


def test_does_not_clip(key):
    noisy = noise.add_gaussian(key, jnp.ones((20, 20, 3)), sigma=20)
    assert noisy.max() > 1


def test_follows_the_key(key):
    image = jnp.zeros((2, 5, 4, 3))
    first, again, other = (
        noise.add_gaussian(k, image, sigma=3) for k in (key, key, jax.random.key(1))
    )
    np.testing.assert_array_equal(first, again)
    assert jnp.abs(first - other).min() > 0
    assert jnp.abs(first[0] - first[1]).min() > 0


def test_equals_its_jit_and_its_vmap(key):
    image, keys = jnp.zeros((2, 5, 4, 3)), jax.random.split(key)

    def function(key, image):
        return noise.add_gaussian(key, image, sigma=3)

    want = jnp.stack([function(k, one) for k, one in zip(keys, image, strict=True)])
    for mapped in (jax.vmap(function), jax.jit(jax.vmap(function))):
        np.testing.assert_allclose(mapped(keys, image), want, rtol=0, atol=1e-7)


def test_bfloat16_in_bfloat16_out(key):
    image = jnp.full((6, 5, 3), 0.5, jnp.bfloat16)
    got = noise.add_gaussian(key, image, sigma=10)
    assert got.dtype == jnp.bfloat16
    want = noise.add_gaussian(key, image.astype("float32"), sigma=10)
    np.testing.assert_allclose(np.float32(got), want, rtol=2**-8)


def test_gradient_passes_to_the_image_and_to_sigma(key):
    image = jnp.zeros((4, 5, 3))
    gradients = jax.jit(
        jax.grad(
            lambda image, sigma: jnp.sum(noise.add_gaussian(key, image, sigma=sigma)),
            (0, 1),
        )
    )(image, 7.0)
    np.testing.assert_array_equal(gradients[0], 1)
    want = noise.add_gaussian(key, image, sigma=1).sum()
    np.testing.assert_allclose(gradients[1], want, rtol=1e-4, atol=1e-6)


def test_new_values_compile_nothing(key):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def add(key, image, sigma):
        return noise.add_gaussian(key, image, sigma=sigma)

    for sigma in (1.0, 2.0, 3.0):
        add(key, jnp.zeros((4, 5, 3)), sigma)
