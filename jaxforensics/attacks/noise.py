"""Additive noise: what an attacker who knows nothing can do."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.tree_util import Partial

from jaxforensics.ops import degrade
from jaxforensics.ops.color import widened

# Between these sigmas, on the scale [0, 1], lies all that noise can do to a file: the
# least rounds away, the greatest leaves hardly anything but black and white.
SIGMAS = 2.0**-12, 2.0**2
# Halvings of the interval: they fix sigma to a 100,000th of itself, 0.0001 dB.
HALVINGS = 20


def noise(predict, *, low=5.0, high=20.0):
    """White Gaussian noise, each image's sigma from [low, high] on the 0-255 scale.

    TR-Net (Liu et al., 2022) says variance, but its Table 4 reports a PSNR of 26.9 dB,
    that of a standard deviation.  `predict` is not asked.
    """
    # The degradation is a pytree of its numbers, which the compiled program takes.
    return partial(_apply, degrade.noise(low=low, high=high))


@jax.jit
def _apply(operation, key, image, label):
    return operation(key, image)


def noise_of_psnr(predict, *, psnr):
    """White Gaussian noise that is as strong as the PSNR of the saved file says, in dB.

    `psnr` is one for all or one per picture, (b,); of infinite PSNR is the picture as
    it is.  Sigma is found by halving, with one draw of noise per picture: what clipping
    and rounding to 8 bits do to it counts.  The result has 8 bits already.  A PSNR that
    no such file has, as it changes less than a value or more than all, comes out as the
    nearest that one has.  `predict` is not asked.
    """
    return Partial(_apply_of_psnr, psnr)


@jax.jit
def _apply_of_psnr(psnr, key, image, label):
    wide = widened(image)
    draw = random.normal(key, image.shape, wide.dtype)
    each = image.shape[:-3]
    psnr = jnp.broadcast_to(jnp.asarray(psnr, wide.dtype), each)
    target = 10 ** (-psnr / 10)

    def saved(log_sigma):
        noisy = wide + jnp.exp(log_sigma)[..., None, None, None] * draw
        return jnp.round(255 * jnp.clip(noisy, 0, 1)) / 255

    def error(log_sigma):
        return jnp.mean(jnp.square(saved(log_sigma) - wide), axis=(-3, -2, -1))

    def halve(_, interval):
        # The error rises with sigma, value by value: rounding keeps the order.
        low, high = interval
        middle = (low + high) / 2
        too_weak = error(middle) <= target
        return jnp.where(too_weak, middle, low), jnp.where(too_weak, high, middle)

    ends = tuple(jnp.full(each, math.log(end), wide.dtype) for end in SIGMAS)
    low, high = lax.fori_loop(0, HALVINGS, halve, ends)
    # Where a single value more changes the PSNR, the two ends lie on either side of it.
    low_is_nearer = target - error(low) <= error(high) - target
    noisy = saved(jnp.where(low_is_nearer, low, high))
    is_changed = jnp.isfinite(psnr)[..., None, None, None]
    return jnp.where(is_changed, noisy, wide).astype(image.dtype)
