"""Augmentation of pictures together with their maps: where they lie, how they look.

FakeLocator's "partial augmentation" (Section IV-D) names no operations: these are ours,
each with probability one half for every picture.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxforensics.ops import degrade
from jaxforensics.ops.resample import warp

SHIFT = 0.1  # of a side, at most
SCALE = 0.1  # larger or smaller, at most
ANGLE = 10.0  # degrees, at most
LIGHT = 0.2  # brighter or darker, more or less contrast, at most


class Placement(NamedTuple):
    """Where each picture (...) is moved: one drawing serves it and its maps."""

    is_mirrored: jax.Array  # (...)
    shift: jax.Array  # (..., 2), rows and columns as shares of the sides
    scale: jax.Array  # (...), above 1 things become larger
    angle: jax.Array  # (...), in radians


def draw_placement(key, shape):
    """A `Placement` of pictures along the axes `shape`, each part at every second."""
    keys = jax.random.split(key, 4)
    coins = jax.random.bernoulli(keys[0], 0.5, (4, *shape))
    shift = SHIFT * jax.random.uniform(keys[1], (*shape, 2), minval=-1, maxval=1)
    scale = 1 + SCALE * jax.random.uniform(keys[2], shape, minval=-1, maxval=1)
    angle = jax.random.uniform(keys[3], shape, minval=-1, maxval=1)
    return Placement(
        is_mirrored=coins[0],
        shift=jnp.where(coins[1][..., None], shift, 0.0),
        scale=jnp.where(coins[2], scale, 1.0),
        angle=jnp.where(coins[3], jnp.deg2rad(ANGLE) * angle, 0.0),
    )


def draw_shift(key, shape, *, sides, limit):
    """A `Placement` that shifts pictures along the axes `shape` by whole pixels.

    Up to a share `limit` of their `sides` (rows, columns) each way.  Nothing is
    interpolated, so that a shift leaves no trace but the mirrored border.
    """
    sides = jnp.asarray(sides, jnp.float32).reshape(*(1,) * len(shape), 2)
    drawn = jax.random.uniform(key, (*shape, 2), minval=-limit, maxval=limit)
    return Placement(
        is_mirrored=jnp.zeros(shape, bool),
        shift=jnp.round(sides * drawn) / sides,
        scale=jnp.ones(shape),
        angle=jnp.zeros(shape),
    )


def place(image, placement):
    """Pictures or maps (..., h, w, c) where a `Placement` (...) moves them, bilinearly.

    Beyond its border a picture is mirrored.
    """
    chex.assert_shape(image, (..., None, None, None))
    height, width = image.shape[-3:-1]
    mirror, scale, angle = (
        jnp.asarray(part)[..., None, None]
        for part in (placement.is_mirrored, placement.scale, placement.angle)
    )
    # Offsets of pixels from the centre; where each is looked up is the inverse motion.
    down = (jnp.arange(height) - (height - 1) / 2).reshape(
        *(1,) * (mirror.ndim - 2), height, 1
    )
    right = (jnp.arange(width) - (width - 1) / 2).reshape(
        *(1,) * (mirror.ndim - 2), 1, width
    )
    cosine = jnp.cos(angle) / scale
    sine = jnp.sin(angle) / scale
    sign = jnp.where(mirror, -1.0, 1.0)
    # Differences from the pixel itself, so that what is not moved is met exactly.
    rows = (cosine - 1) * down - sine * right
    columns = (sign * cosine - 1) * right + sign * sine * down
    shift = placement.shift[..., None, None, :]
    flow = jnp.stack(
        [rows - height * shift[..., 0], columns - width * shift[..., 1]], axis=-1
    )
    return warp(image, flow)


def photometric(key, image):
    """Light, contrast, blur, noise and JPEG, each at every second picture.

    (..., h, w, 3) -> same, in [0, 1].
    """
    operations = (
        Partial(_brighter),
        Partial(_starker),
        degrade.blur(sizes=(3, 5, 7)),
        degrade.noise(low=0.0, high=10.0),
        degrade.jpeg(low=60, high=95),
    )
    chain = degrade.chain(*(degrade.maybe(each, 0.5) for each in operations))
    return chain(key, image)


def _brighter(key, image):
    """Times a factor around 1."""
    return jnp.clip(image * _factor(key, image), 0, 1)


def _starker(key, image):
    """Differences from the picture's mean times a factor around 1."""
    mean = image.mean((-3, -2, -1), keepdims=True)
    return jnp.clip(mean + (image - mean) * _factor(key, image), 0, 1)


def _factor(key, image):
    low, high = 1 - LIGHT, 1 + LIGHT
    drawn = jax.random.uniform(key, image.shape[:-3], minval=low, maxval=high)
    return drawn[..., None, None, None].astype(image.dtype)
