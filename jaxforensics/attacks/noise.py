"""Additive noise: what an attacker who knows nothing can do."""

from functools import partial

import jax

from jaxforensics.ops import degrade


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
