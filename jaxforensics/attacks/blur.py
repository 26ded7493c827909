"""Blurring adversaries: every pixel by its own Gaussian, against a detector.

The map of precisions s = 1 / sigma² of a picture moves up the gradient of the
cross-entropy of the true label (Grad-BAT, Eq. 6 of the adversarial game).  The paper
does not say on which scale: how far a map moves, and what is held, is an `update`.
Its controls follow no gradient: the same blur everywhere, and at random.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jax.tree_util import Partial

from jaxforensics.attacks.gradient import cross_entropy
from jaxforensics.ops.color import widened
from jaxforensics.ops.filters import pixelwise_gaussian_blur, to_precision
from jaxforensics.settings import choose

SMOOTH = 4  # pixels of a random map that change together
LEAST_SIGMA = 0.05  # blurs nothing, and still is a standard deviation


class Update(NamedTuple):
    """How a map moves; 'value' is s, or sigma where `parametrisation` says so."""

    parametrisation: str
    start: float  # the value of every pixel before the first step
    step: float
    # (value, gradient, step, start) -> value, of (b, h, w) and (b, 1, 1)
    move: object


def _normalised(value, gradient, step, start):
    """A step of so many root mean squares of the map, which keeps its own."""
    moved = value + step * start * gradient / _rms(gradient)
    return _rescaled(moved, start)


def _signed(value, gradient, step, start):
    return _rescaled(value + step * start * jnp.sign(gradient), start)


def _released(value, gradient, step, start):
    """The script's: the gradient is that of the batch's mean loss."""
    return _rescaled(value + step * gradient / len(value), start)


def _printed(value, gradient, step, start):
    """Eq. 6 as it is printed: sigma moves by the gradient, and nothing is held."""
    del start
    return jnp.maximum(value + step * gradient, LEAST_SIGMA)


UPDATES = {
    # Ours, of a strength that depends neither on the loss's scale nor on the size.
    "normalised": Update("precision", 0.39, 0.5, _normalised),
    "signed": Update("precision", 0.39, 0.5, _signed),
    # An L2 norm of 100 over 3 x 256² values.
    "released": Update("precision", 0.2255, 10.0, _released),
    "printed": Update("sigma", 1.0, 0.1, _printed),
}


def blur(predict, *, size=9, update="normalised", start=None, step=None, steps=1):
    """Grad-BAT: `steps` steps of the map, then the blur over size x size pixels.

    `update` is 'normalised', 'signed', 'released' or 'printed'; `start`, the value of
    every pixel before, and `step` are those of the update unless given: a precision,
    or for 'printed' a standard deviation.
    """
    maps = precisions(
        predict, size=size, update=update, start=start, step=step, steps=steps
    )
    return partial(_blurred, size, maps)


def precisions(predict, *, size=9, update="normalised", start=None, step=None, steps=1):
    """The maps of `blur`: (key, image, label) -> (b, h, w), 1 / sigma² of pixels."""
    if predict is None:
        raise ValueError("it needs 'follows': the victim whose gradients it follows")
    chosen = choose(UPDATES, update, "update of the map")
    if steps < 1:
        raise ValueError(f"there is no attack in {steps} steps: constant_blur is one")
    start = chosen.start if start is None else start
    if start <= 0:
        raise ValueError(f"start is the value of every pixel, above zero, not {start}")
    step = chosen.step if step is None else step
    detector = predict
    if not isinstance(predict, Partial):
        detector = Partial(predict)
    return partial(_ascend, detector, size, update, start, step, steps)


def constant_blur(predict, *, size=9, start=0.39):
    """The control that goes nowhere: the precision `start` at every pixel."""
    del predict
    return partial(_blurred, size, partial(_constant, start))


def random_blur(predict, *, size=9, start=0.39, step=0.5):
    """The control that goes anywhere: smooth noise for the gradient of 'normalised'.

    Maps have the same root mean square as those of `blur`, and vary as much.
    """
    del predict
    return partial(_blurred, size, partial(_wandered, start, step))


def _blurred(size, maps, key, image, label):
    return _apply(size, image, maps(key, image, label))


@partial(jax.jit, static_argnames="size")
def _apply(size, image, precision):
    # A mean of pixels lies in their range, but for rounding.
    return jnp.clip(pixelwise_gaussian_blur(image, precision, size=size), 0, 1)


def _ascend(predict, size, update, start, step, steps, key, image, label):
    """A loop over a compiled step, as `gradient` has it."""
    del key
    value = jnp.full(image.shape[:-1], start, widened(image).dtype)
    for _ in range(steps):
        value = _step(predict, size, update, start, step, image, label, value)
    return to_precision(value, UPDATES[update].parametrisation)


@partial(jax.jit, static_argnames=("size", "update"))
def _step(predict, size, update, start, step, image, label, value):
    predict, image, value = lax.stop_gradient((predict, image, value))
    chosen = UPDATES[update]

    # Summed, so that no picture's step depends on how many there are.
    def loss(value):
        precision = to_precision(value, chosen.parametrisation)
        blurred = pixelwise_gaussian_blur(widened(image), precision, size=size)
        return jnp.sum(cross_entropy(predict(blurred), label))

    return chosen.move(value, jax.grad(loss)(value), step, start)


def _constant(start, key, image, label):
    del key, label
    return jnp.full(image.shape[:-1], start, widened(image).dtype)


@jax.jit
def _wandered(start, step, key, image, label):
    del label
    *batch, height, width, _ = image.shape
    # A value every few pixels, and between them lines.
    coarse = (*batch, height // SMOOTH + 2, width // SMOOTH + 2)
    white = random.normal(key, coarse, widened(image).dtype)
    smooth = jax.image.resize(white, (*batch, height, width), method="bilinear")
    centred = smooth - smooth.mean((-2, -1), keepdims=True)
    flat = jnp.full(smooth.shape, start, smooth.dtype)
    return _normalised(flat, centred, step, start)


def _rescaled(value, start):
    """A map without negative precisions and with this root mean square."""
    value = jnp.maximum(value, 0)
    return start * value / _rms(value)


def _rms(value):
    square = jnp.mean(jnp.square(value), axis=(-2, -1), keepdims=True)
    return jnp.sqrt(jnp.maximum(square, jnp.finfo(value.dtype).tiny))
