"""Additive noise."""

import jax.numpy as jnp
from jax import random


def add_gaussian(key, image, *, sigma):
    """Add white Gaussian noise, `sigma` on the scale 0 to 255, one or one per image.

    (..., h, w, 3) -> (..., h, w, 3); the result is not clipped.
    """
    dtype = jnp.promote_types(image.dtype, jnp.float32)
    sigma = jnp.broadcast_to(sigma, image.shape[:-3])[..., None, None, None] / 255
    noise = sigma * random.normal(key, image.shape, dtype)
    return (image + noise).astype(image.dtype)
