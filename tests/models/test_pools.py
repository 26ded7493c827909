"""Pooling windows of Caffe and of PyTorch, one by one in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.models import layers

random = np.random.default_rng(0)


def pooled(x, starts, size, reduce):
    """Reduce the part of every window that is in the picture."""
    result = np.empty((len(x), *map(len, starts), x.shape[-1]))
    for i, top in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            window = x[:, max(0, top) : top + size, max(0, left) : left + size]
            result[:, i, j] = reduce(window, axis=(1, 2))
    return result


@pytest.mark.parametrize("shape", [(14, 9), (7, 8), (2, 1)])
@pytest.mark.parametrize("size, stride", [(3, 2), (2, 2), (3, 3)])
def test_ceil_mean_pool(shape, size, stride):
    x = random.normal(size=(2, *shape, 3))
    starts = [range(0, max(1, n - size + stride), stride) for n in shape]
    expected = pooled(x, starts, size, np.mean)
    ours = layers.ceil_mean_pool(jnp.float32(x), size=size, stride=stride)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    same = layers.ceil_max_pool(jnp.float32(x), size=size, stride=stride)
    assert same.shape == ours.shape


def test_ceil_mean_pool_of_a_constant_is_constant_and_has_no_batch_axis():
    ones = layers.ceil_mean_pool(jnp.ones((6, 5, 2)), size=3, stride=2)
    assert ones.shape == (3, 2, 2)
    np.testing.assert_array_equal(ones, 1)


def test_ceil_mean_pool_gives_every_window_one_gradient():
    def total(x):
        return jnp.sum(layers.ceil_mean_pool(x, size=3, stride=2))

    gradient = jax.grad(total)(jnp.ones((1, 6, 7, 2)))
    assert jnp.all(gradient > 0)
    np.testing.assert_allclose(gradient.sum((1, 2)), [[9, 9]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 8), (3, 2), (1, 5)])
@pytest.mark.parametrize("size, stride, padding", [(3, 2, 1), (2, 2, 0), (3, 1, 1)])
def test_floor_max_pool(shape, size, stride, padding):
    shape = [max(n, size - 2 * padding) for n in shape]
    x = random.normal(size=(2, *shape, 3)).astype(np.float32)
    starts = [range(-padding, n + padding - size + 1, stride) for n in shape]
    expected = pooled(x, starts, size, np.max)
    ours = layers.floor_max_pool(x, size=size, stride=stride, padding=padding)
    np.testing.assert_array_equal(ours, expected)
