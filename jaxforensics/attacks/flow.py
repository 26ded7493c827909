"""Spatial adversaries: every pixel looked up a little beside its place.

Xiao et al., "Spatially transformed adversarial examples", ICLR 2018 (stAdv), of which
the adversarial game takes one step (Grad-SAT).
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import lax, random
from jax.tree_util import Partial

from jaxforensics.attacks.gradient import cross_entropy, margin
from jaxforensics.ops.color import widened
from jaxforensics.ops.resample import warp

# Bilinear look-up has a kink where nothing is moved: flows begin beside it, in pixels.
BEGIN = 0.05


def flow(predict, *, norm=0.25, steps=1, rate=0.05, smoothness=0.05):
    """Displace pixels so that the detector is wrong.

    In one step, Grad-SAT: along the gradient of the cross-entropy, to a root mean
    square of `norm` pixels, rows and columns counted apart.  In more, stAdv: Adam's
    steps of `rate` pixels up the margin of the wrong classes, less `smoothness` times
    how far neighbours are moved apart; `norm` is without effect then.
    """
    if predict is None:
        raise ValueError("it needs 'follows': the victim whose gradients it follows")
    if steps < 1:
        raise ValueError(f"there is no attack in {steps} steps")
    detector = predict
    if not isinstance(predict, Partial):
        detector = Partial(predict)
    if steps == 1:
        return partial(_step_once, detector, norm)
    return partial(_ascend, detector, steps, rate, smoothness)


@jax.jit
def _step_once(predict, norm, key, image, label):
    predict, image = lax.stop_gradient((predict, image))
    wide = widened(image)

    def loss(displaced):
        return jnp.sum(cross_entropy(predict(warp(wide, displaced)), label))

    slope = jax.grad(loss)(_begin(key, wide))
    square = jnp.mean(jnp.square(slope), axis=(-3, -2, -1), keepdims=True)
    scale = jnp.sqrt(jnp.maximum(square, jnp.finfo(wide.dtype).tiny))
    return _moved(image, norm * slope / scale)


def _ascend(predict, steps, rate, smoothness, key, image, label):
    """A loop over a compiled step, as `gradient` has it."""
    displaced = _begin(key, widened(image))
    state = _ADAM.init(displaced)
    for _ in range(steps):
        displaced, state = _adam_step(
            predict, rate, smoothness, image, label, displaced, state
        )
    return _moved(image, displaced)


@jax.jit
def _adam_step(predict, rate, smoothness, image, label, displaced, state):
    predict, image = lax.stop_gradient((predict, image))
    wide = widened(image)

    def objective(displaced):
        margins = margin(predict(warp(wide, displaced)), label)
        return jnp.sum(margins) - smoothness * jnp.sum(_roughness(displaced))

    slope = jax.grad(objective)(displaced)
    update, state = _ADAM.update(slope, state)
    return displaced + rate * update, state


def _roughness(displaced):
    """How far neighbours are moved apart, (..., h, w, 2) -> (...): stAdv's Eq. 4."""
    total = 0.0
    for axis in (-3, -2):
        apart = jnp.sum(jnp.square(jnp.diff(displaced, axis=axis)), axis=-1)
        total += jnp.sum(jnp.sqrt(apart + 1e-8), axis=(-2, -1))
    return total


@jax.jit
def _begin(key, image):
    shape = (*image.shape[:-1], 2)
    return random.uniform(key, shape, image.dtype, -BEGIN, BEGIN)


@jax.jit
def _moved(image, displaced):
    # Between pixels lies what lies between their values, but for rounding.
    moved = jnp.clip(warp(widened(image), displaced), 0, 1)
    return moved.astype(image.dtype)


_ADAM = optax.scale_by_adam()
