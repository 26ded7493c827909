"""Additive noise."""

import chex
import jax.numpy as jnp
from jax import random

from jaxforensics.ops.color import widened


def add_gaussian(key, image, *, sigma):
    """Add white Gaussian noise, `sigma` on the scale 0 to 255, one or one per image.

    (..., h, w, 3) -> (..., h, w, 3); the result is not clipped.
    """
    chex.assert_shape(image, (..., None, None, None))
    wide = widened(image)
    # From the scale of eight-bit codes, on which papers give it, to that of pictures.
    sigma = jnp.broadcast_to(sigma, image.shape[:-3])[..., None, None, None] / 255
    noise = sigma * random.normal(key, image.shape, wide.dtype)
    return (wide + noise).astype(image.dtype)
