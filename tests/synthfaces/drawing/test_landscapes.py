"""Landscapes: finite, reproducible, different, the same at every size."""

import functools

import jax
import numpy as np
import pytest
from jax import random

from jaxforensics.synthfaces.drawing import landscapes


@functools.cache
def pictures(size):
    """Linear light of 24 landscapes."""
    render = jax.jit(jax.vmap(functools.partial(landscapes.render, size=size)))
    return np.asarray(render(random.split(random.key(0), 24)))


def test_light_is_finite_and_in_range():
    light = pictures(64)
    assert light.shape == (24, 64, 64, 3) and light.dtype == np.float32
    assert light.min() >= 0 and light.max() < 2
    assert 0.1 < light.mean() < 0.6
    assert np.all(light.std((1, 2)) > 0.01)


def test_the_key_decides():
    again = jax.jit(functools.partial(landscapes.render, size=64))
    key = random.split(random.key(0), 24)[3]
    np.testing.assert_allclose(again(key), pictures(64)[3], atol=1e-5)
    small = pictures(64).reshape(24, 16, 4, 16, 4, 3).mean((2, 4)).reshape(24, -1)
    distance = np.linalg.norm(small[:, None] - small[None], axis=-1)
    assert np.min(distance + 99 * np.eye(24)) > 1


@pytest.mark.parametrize("size", [96])
def test_sizes_show_the_same_landscape(size):
    large, small = pictures(size), pictures(64)
    blocks = large.reshape(24, 32, size // 32, 32, size // 32, 3).mean((2, 4))
    halves = small.reshape(24, 32, 2, 32, 2, 3).mean((2, 4))
    for a, b in zip(blocks, halves, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_kinds_differ():
    """Among 24 landscapes some are of every kind, told by how they are laid out."""
    light = pictures(64)
    gray = light.mean(-1)
    mirrored = [
        max(
            np.corrcoef(p[h - 12 : h].ravel(), p[h : h + 12][::-1].ravel())[0, 1]
            for h in range(20, 48)
        )
        for p in gray
    ]
    assert 0 < np.mean(np.array(mirrored) > 0.6) < 1  # water
    blue = light[:, :8, :, 2].mean((1, 2)) / light[:, :8, :, 0].mean((1, 2))
    assert np.mean(blue > 1.5) > 0.2 and np.mean(blue < 1.5) > 0.2  # skies and walls
