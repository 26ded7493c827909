"""Whether adversaries do anything: their loss beside that of the plainest control.

A blur that moves its map by a thousandth is a constant blur, and a game against it is
augmentation.  So every adversary is tried on a trained detector, on the same training
pictures, beside a constant blur of the same root mean square, or, where it does not
blur, beside white noise of the same PSNR.
"""

import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics import attacks
from jaxforensics.attacks.blur import precisions
from jaxforensics.attacks.gradient import cross_entropy
from jaxforensics.evaluation.quality import psnr
from jaxforensics.experiments.adversarial_game import sets
from jaxforensics.experiments.adversarial_game.settings import idle_networks
from jaxforensics.ops.color import to_float
from jaxforensics.ops.filters import pixelwise_gaussian_blur
from jaxforensics.settings import plain

SIZE = 9  # of kernels, where nothing else is said
LEAST_RATIO = 1.1  # of the loss to that after the control
LEAST_DEVIATION = 0.1  # of a map, relative to its mean


class Trial(NamedTuple):
    """An adversary on a trained detector: mean losses, and what it did to pictures."""

    clean: float
    control: float
    adversary: float
    deviation: float | None  # of the map relative to its mean; None without a map
    psnr: float

    @property
    def ratio(self):
        """The loss after the adversary, as a multiple of that after its control."""
        return self.adversary / self.control

    @property
    def is_idle(self):
        """Whether the control does about as much."""
        is_flat = self.deviation is not None and self.deviation < LEAST_DEVIATION
        return self.ratio < LEAST_RATIO or is_flat


class Pictures(NamedTuple):
    """Some pictures as adversaries leave them, and the maps of those that blur."""

    changed: np.ndarray
    precision: np.ndarray | None


def measure(made, settings, data):
    """{adversary: Trial}: those that follow gradients, and those that are networks."""
    networks = idle_networks(settings)
    if not networks:
        return {}
    plain_network, *games = networks
    images, labels = _batch(plain_network, settings, data)
    trials = {}
    for title, row in settings.idle["adversaries"].items():
        stored = made.workspace.measure(
            f"idle/{title}",
            partial(_followed_trial, made[plain_network.name], row, images, labels),
            [made[plain_network.name].digest, plain(row), settings.idle["pictures"]],
        )
        trials[title] = Trial(*stored)
    for network in games:
        kernel = kernel_size(settings, network.row)
        stored = made.workspace.measure(
            f"idle/{network.row}",
            partial(_game_trial, made[network.name], kernel, images, labels),
            [made[network.name].digest, kernel, settings.idle["pictures"]],
        )
        trials[network.row] = Trial(*stored)
    return trials


def follow(predictor, row, images, labels):
    """`Pictures` after an adversary that follows a detector's gradients.

    `row` is {'attack': its name in `attacks`, and its settings}.
    """
    row = dict(row)
    name = row.pop("attack")
    logits = predictor.function("logits")
    key = jax.random.key(0)
    if name != "blur":
        attack = attacks.build(name, logits, **row)
        return Pictures(attack(key, images, labels), None)
    precision = precisions(logits, **row)(key, images, labels)
    size = row.get("size", SIZE)
    return Pictures(_blurred(images, precision, size=size), precision)


def play(predictor, images, labels):
    """`Pictures` after the generators of a trained game."""
    outputs = jax.jit(predictor)({"image": images, "label": labels})
    return Pictures(outputs["image"], outputs["precision"])


def _batch(network, settings, data):
    """Training pictures and their labels, the same for all adversaries."""
    train = sets.training(network.trained_on, settings, data)
    count = -(-settings.idle["pictures"] // train.batch_size)
    batches = list(itertools.islice(train.batches(), count))
    images = np.concatenate([batch["image"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    return to_float(jnp.asarray(images)), jnp.asarray(labels)


def _followed_trial(predictor, row, images, labels):
    pictures = follow(predictor, row, images, labels)
    size = dict(row).get("size", SIZE)
    return _trial(predictor, images, labels, pictures, size=size)


def _game_trial(predictor, size, images, labels):
    pictures = play(predictor, images, labels)
    return _trial(predictor, images, labels, pictures, size=size)


def _trial(predictor, images, labels, pictures, *, size):
    """A `Trial` as a list, as it is stored."""
    logits = predictor.function("logits")

    def loss(pictures):
        return float(jnp.mean(cross_entropy(logits(pictures), labels)))

    reached = psnr(pictures.changed, images)
    deviation = None
    if pictures.precision is None:
        noise = attacks.build("noise_of_psnr", None, psnr=reached)
        control = noise(jax.random.key(1), images, labels)
    else:
        square = jnp.mean(jnp.square(pictures.precision), axis=(-2, -1), keepdims=True)
        constant = jnp.broadcast_to(jnp.sqrt(square), pictures.precision.shape)
        control = _blurred(images, constant, size=size)
        spread = pictures.precision.std((1, 2)) / pictures.precision.mean((1, 2))
        deviation = float(spread.mean())
    trial = Trial(
        clean=loss(images),
        control=loss(control),
        adversary=loss(pictures.changed),
        deviation=deviation,
        psnr=float(jnp.mean(reached)),
    )
    return list(trial)


@partial(jax.jit, static_argnames="size")
def _blurred(images, precision, *, size):
    return pixelwise_gaussian_blur(images, precision, size=size)


def kernel_size(settings, row):
    """The kernel that the generators of a row blur with."""
    chosen = dict(settings.game["generator"]) | dict(settings.rows[row]["generator"])
    return chosen.get("size", SIZE)
