"""Sums over batches and borders, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.kernels.batches import by_device, surround


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_sums_by_device_are_sums_over_the_batch(batch):
    draw = np.random.default_rng(batch)
    x, slopes = (draw.normal(size=(batch, 5, 3)).astype(np.float32) for _ in range(2))

    def sums(x, slopes):
        return jnp.einsum("bhc,bhd->cd", x, slopes, precision="highest")

    expected = np.einsum("bhc,bhd->cd", np.float64(x), np.float64(slopes))
    np.testing.assert_allclose(by_device(sums, x, slopes), expected, atol=1e-5)
    gradient = jax.grad(lambda x: by_device(sums, x, slopes).sum())(x)
    np.testing.assert_allclose(
        gradient, np.broadcast_to(slopes.sum(-1, keepdims=True), x.shape), atol=1e-5
    )


def test_a_picture_is_surrounded_by_zeros():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 1)).astype(np.float32)
    expected = np.zeros((2, 7, 8, 1), np.float32)
    expected[:, 2:5, 2:6] = x
    np.testing.assert_array_equal(surround(x, 2), expected)
