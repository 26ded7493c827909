"""Pooling windows of Caffe and of PyTorch, one by one in numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.kernels import pools

random = np.random.default_rng(0)


def pooled(x, starts, size, reduce):
    """Reduce the part of every window that is in the picture."""
    result = np.empty((len(x), *map(len, starts), x.shape[-1]))
    for i, top in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            window = x[:, max(0, top) : top + size, max(0, left) : left + size]
            result[:, i, j] = reduce(window, axis=(1, 2))
    return result


def ceil_starts(shape, size, stride):
    """Where Caffe's windows start: the last may hang over."""
    return [range(0, max(1, n - size + stride), stride) for n in shape]


@pytest.mark.parametrize("shape", [(128, 62), (29, 14), (7, 8), (3, 5), (2, 1)])
@pytest.mark.parametrize("size, stride", [(3, 2), (2, 2), (3, 3)])
def test_ceil_max_pool(shape, size, stride):
    x = random.normal(size=(2, *shape, 3)).astype(np.float32)
    expected = pooled(x, ceil_starts(shape, size, stride), size, np.max)
    ours = pools.ceil_max_pool(x, size=size, stride=stride)
    np.testing.assert_array_equal(ours, expected)


def test_ceil_max_pool_gives_every_window_one_gradient_among_equals():
    x = jnp.round(jax.random.uniform(jax.random.key(0), (2, 9, 12, 3)))

    def total(x):
        return jnp.sum(pools.ceil_max_pool(x, size=3, stride=2))

    gradient = jax.jit(jax.grad(total))(x)
    assert jnp.all(gradient >= 0) and jnp.all(jnp.isfinite(gradient))
    count = pools.ceil_max_pool(x, size=3, stride=2).size
    np.testing.assert_allclose(jnp.sum(gradient), count, rtol=1e-6)


@pytest.mark.parametrize("shape", [(14, 9), (7, 8), (3, 5)])
@pytest.mark.parametrize("size", [2, 3])
def test_mean_pool(shape, size):
    x = random.normal(size=(2, *shape, 3)).astype(np.float32)
    starts = [range(0, n - size + 1, size) for n in shape]
    ours = pools.mean_pool(x, size)
    np.testing.assert_allclose(ours, pooled(x, starts, size, np.mean), atol=1e-6)


@pytest.mark.parametrize("shape", [(14, 9), (7, 8), (2, 1)])
@pytest.mark.parametrize("size, stride", [(3, 2), (2, 2), (3, 3)])
def test_ceil_mean_pool(shape, size, stride):
    x = random.normal(size=(2, *shape, 3))
    expected = pooled(x, ceil_starts(shape, size, stride), size, np.mean)
    ours = pools.ceil_mean_pool(jnp.float32(x), size=size, stride=stride)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    same = pools.ceil_max_pool(jnp.float32(x), size=size, stride=stride)
    assert same.shape == ours.shape


def test_ceil_mean_pool_of_a_constant_is_constant_and_has_no_batch_axis():
    ones = pools.ceil_mean_pool(jnp.ones((6, 5, 2)), size=3, stride=2)
    assert ones.shape == (3, 2, 2)
    np.testing.assert_array_equal(ones, 1)


def test_ceil_mean_pool_gives_every_window_one_gradient():
    def total(x):
        return jnp.sum(pools.ceil_mean_pool(x, size=3, stride=2))

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
    ours = pools.floor_max_pool(x, size=size, stride=stride, padding=padding)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("shape", [(9, 12), (8, 7), (5, 1), (2, 2)])
@pytest.mark.parametrize("padding", [None, 1])
def test_a_window_hands_its_gradient_to_its_maximum(shape, padding):
    """Random pictures have no equals; float64, one window after the other."""
    if padding is None:  # Caffe's
        starts = ceil_starts(shape, 3, 2)
        pool = functools.partial(pools.ceil_max_pool, size=3, stride=2)
    else:
        starts = [range(-1, n - 1, 2) for n in shape]
        pool = functools.partial(pools.floor_max_pool, size=3, stride=2, padding=1)
    x = random.normal(size=(2, *shape, 3)).astype(np.float32)
    value, pull_back = jax.vjp(jax.jit(pool), x)
    slopes = random.normal(size=value.shape).astype(np.float32)
    expected = np.zeros(x.shape)
    for b, i, j, c in np.ndindex(value.shape):
        top, left = max(0, starts[0][i]), max(0, starts[1][j])
        window = x[b, top : starts[0][i] + 3, left : starts[1][j] + 3, c]
        at = np.unravel_index(np.argmax(window), window.shape)
        expected[b, top + at[0], left + at[1], c] += slopes[b, i, j, c]
    np.testing.assert_allclose(pull_back(slopes)[0], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 6), (7, 9), (2, 3)])
def test_maxima_go_back_where_they_were(shape):
    # Few values, so that maxima are often shared: the first one counts.
    x = np.float32(random.integers(3, size=(2, *shape, 5)))
    maxima, expected = np.zeros((2, shape[0] // 2, shape[1] // 2, 5)), np.zeros_like(x)
    for b, i, j, c in np.ndindex(maxima.shape):
        square = x[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        maxima[b, i, j, c] = square.max()
        row, column = np.unravel_index(square.argmax(), (2, 2))
        expected[b, 2 * i + row, 2 * j + column, c] = square.max()
    found, places = jax.jit(pools.max_pool_places)(x)
    np.testing.assert_array_equal(found, maxima)
    np.testing.assert_array_equal(pools.max_unpool(found, places, shape), expected)


def test_the_gradient_of_maxima_goes_to_the_first():
    x = jnp.round(3 * jax.random.uniform(jax.random.key(0), (2, 8, 6, 3)))
    weights = jax.random.normal(jax.random.key(1), (2, 4, 3, 3))
    _, places = pools.max_pool_places(x)
    slopes = jax.grad(lambda x: jnp.sum(pools.max_pool_places(x)[0] * weights))(x)
    np.testing.assert_array_equal(slopes, pools.max_unpool(weights, places, (8, 6)))
    np.testing.assert_allclose(slopes.sum(), weights.sum(), rtol=1e-5)
