"""Layers whose stock version is slow, or missing."""

import functools

import jax.numpy as jnp


def max_pool(x, size):
    """Non-overlapping maximum with 'same' borders: (..., h, w, c) -> ceil(h / size), ….

    Equal to flax's `max_pool` with "SAME" padding.  The gradient of these slices is
    much cheaper on the CPU than that of a windowed reduction, and it is safe: that of
    `reshape` and `max` divides by the number of entries equal to the maximum, which is
    none, hence 0 / 0, where XLA computes them twice with different rounding.
    """
    missing = [-n % size for n in x.shape[-3:-1]]
    if any(missing):
        sides = [(n // 2, n - n // 2) for n in missing]
        padding = [(0, 0)] * (x.ndim - 3) + sides + [(0, 0)]
        x = jnp.pad(x, padding, constant_values=-jnp.inf)
    x = functools.reduce(jnp.maximum, [x[..., i::size, :, :] for i in range(size)])
    return functools.reduce(jnp.maximum, [x[..., i::size, :] for i in range(size)])
