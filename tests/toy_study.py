"""A study that lives in its own file: a localiser in two stages, and who is fooled.

Its net first learns from clips of several frames to tell bright ones, then from
pictures with maps where they were changed.  Beside it a detector is attacked, by an
attack that follows its gradients and by one that does not.
"""

import traceback
from dataclasses import dataclass
from typing import NamedTuple

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxforensics.evaluation import localisation
from jaxforensics.experiments.common import claims, detectors
from jaxforensics.experiments.common.arena import Arena, Attack, Cell, Results, Victim
from jaxforensics.methods import classifier
from jaxforensics.reporting import figures
from jaxforensics.training.nets import (
    Method,
    Stage,
    State,
    descend,
    forward,
    masked_mean,
    new_net,
    new_state,
)
from jaxforensics.training.watch import Watch

TITLE = "A toy"
FRAMES = 3
LOCATOR = "locator"
STACK = []  # of the call that traces a step, innermost last


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the config says."""

    steps: int
    seeds: tuple


class Measured(NamedTuple):
    """What the report says."""

    maps: np.ndarray
    overlap: float
    constant: float  # of the constant map that covers everything
    accuracies: dict  # {attack: (before, after)}
    claims: list


class Maps(nn.Module):
    """A map, and one logit."""

    @nn.compact
    def __call__(self, image, *, train=False):
        mask = nn.Conv(1, (3, 3))(nn.relu(nn.Conv(4, (3, 3))(image)))[..., 0]
        return jax.nn.sigmoid(mask), mask.mean((1, 2))


class Clips:
    """Clips of random brightness; the bright ones are fakes."""

    batch_size = 4
    digest = "clips"

    def batches(self, start=0):
        """Endless batches (b, frames, h, w, 3)."""
        while True:
            yield self.batch(start)
            start += 1

    def validation(self):
        """Two batches with names of videos."""
        for step in (1000, 1001):
            names = np.asarray([f"clip {step} {i}" for i in range(4)])
            yield self.batch(step) | {"video": names, "group": names}

    def batch(self, step):
        """A batch as a function of its step."""
        draw = np.random.default_rng(step)
        label = draw.integers(0, 2, 4).astype(np.int32)
        image = draw.integers(0, 100, (4, FRAMES, 12, 12, 3))
        image = image + 100 * label[:, None, None, None, None]
        return {
            "image": image.astype(np.uint8),
            "label": label,
            "valid": np.ones(4, np.float32),
            "index": 4 * step + np.arange(4),
        }


def locator(*, steps):
    """The method of the localiser."""
    net = Maps()
    tx = optax.adam(1e-2)

    def init(key, batch):
        return new_state(maps=new_net(key, net, tx, batch["image"][:, 0]))

    def move(state, loss):
        nets, metrics = descend({"maps": tx}, state.nets, loss, "maps")
        return State(state.step + 1, nets), metrics

    def brighten(key, state, batch):
        STACK[:] = traceback.extract_stack()

        def loss(params):
            frames = einops.rearrange(batch["image"], "b f h w c -> (b f) h w c")
            (_, logits), stats = forward(net, params["maps"], {}, frames, train=True)
            logits = einops.reduce(logits, "(b f) -> b", "mean", f=FRAMES)
            losses = optax.sigmoid_binary_cross_entropy(logits, batch["label"])
            value = masked_mean(losses, batch["valid"])
            return value, ({"maps": stats}, {"loss": value})

        return move(state, loss)

    def locate(key, state, batch):
        def loss(params):
            (mask, _), stats = forward(
                net, params["maps"], {}, batch["image"], train=True
            )
            losses = jnp.square(mask - batch["mask"]).mean((1, 2))
            value = masked_mean(losses, batch["valid"])
            return value, ({"maps": stats}, {"loss": value})

        return move(state, loss)

    def predict(state, batch):
        image = batch["image"]
        if image.ndim == 5:
            image = image[:, 0]
        (mask, logits), _ = forward(net, state.nets["maps"].params, {}, image)
        return {"mask": mask, "score": jax.nn.sigmoid(logits)}

    stages = (
        Stage("brighten", steps, "clips", brighten),
        Stage("locate", steps, "pictures", locate),
    )
    return Method(init, stages, predict, {"steps": steps})


def overlap(outputs, batch):
    """How well maps fit, one value per example, on the device."""
    return {"iou": localisation.iou(outputs["mask"], batch["mask"])}


def bright(outputs, batch):
    """How sure the net is of bright clips."""
    sign = 2.0 * batch["label"] - 1
    return {"margin": sign * (outputs["score"] - 0.5)}


WATCH = {
    "brighten": Watch(outputs=(), measures=bright, select="margin"),
    "locate": Watch(outputs=(), measures=overlap, select="iou"),
}


def darken(predict, *, by):
    """An attack that asks nobody."""
    return lambda key, image, label: image * (1 - by)


def push(predict, *, step):
    """An attack that follows a detector: one step up the slope of its logit."""
    if predict is None:
        raise ValueError("it needs 'follows'")

    def attack(key, image, label):
        slope = jax.grad(lambda x: -predict(x).sum())(image)
        return jnp.clip(image + step * jnp.sign(slope), 0, 1)

    return attack


def arena(settings, data):
    """One victim, two attacks."""

    def method(operations):
        return classifier.make(
            model="patch_cnn",
            model_settings={"block": 1},
            steps=settings.steps,
            optimiser={"name": "adam", "rate": 1e-3},
            augment=operations,
        )

    return Arena(
        data=data,
        victims={"Toy": Victim(method, watch=detectors.WATCH)},
        attacks={
            "Darken": Attack("darken", darken, {"by": 0.5}),
            "Push": Attack("push", push, {"step": 0.1}, follows="Toy"),
        },
        networks={},
        operations={},
        knowledge={"": data.train},
    )


def cells(settings):
    """Both attacks, the second also on the victim that has seen it."""
    pairs = ("Darken", "none"), ("Push", "none"), ("Push", "strong")
    return [Cell("Toy", a, seed, d) for a, d in pairs for seed in settings.seeds]


def jobs(settings, data):
    """The localiser and its maps, the victims and what they say."""
    fakes = data.main.train.labelled(1)
    streams = {"clips": Clips(), "pictures": fakes}
    method = locator(steps=settings.steps)
    seed = settings.seeds[0]
    exam = data.main.test.labelled(1)
    return [
        detectors.training_job(LOCATOR, method, streams, seed=seed, watch=WATCH),
        detectors.prediction_job(
            f"{LOCATOR}/test", LOCATOR, exam.batches, exam.digest, outputs=("mask",)
        ),
        *arena(settings, data.main).jobs(cells(settings)),
    ]


def measure(made, settings, data):
    """Overlap of maps, accuracy after attacks."""
    maps = made[f"{LOCATOR}/test"]["mask"]
    batches = list(data.main.test.labelled(1).batches())
    valid = np.concatenate([batch["valid"] for batch in batches]) > 0
    truth = np.concatenate([batch["mask"] for batch in batches])[valid] / 255
    results = Results(made, arena(settings, data.main))
    accuracies = {
        (cell.attack, cell.defence): (
            results.clean(cell).fake,
            results.attacked_accuracy(cell),
        )
        for cell in cells(settings)
    }
    constant = localisation.iou(np.ones_like(maps), np.float32(truth)).mean()
    fit = localisation.iou(maps, np.float32(truth)).mean()
    decided = claims.decided("Maps fit better than everywhere: by", [fit - constant])
    return Measured(
        maps=maps,
        overlap=float(fit),
        constant=float(constant),
        accuracies=accuracies,
        claims=claims.unless_diverged([decided], made.workspace.diverged),
    )


def report(measured, settings, report):
    """One table, one figure."""
    report.findings(claims.findings(measured.claims))
    report.section("Attacks")
    rows = [
        {"victim": "Toy", "attack": attack, "defence": defence, "before": b, "after": a}
        for (attack, defence), (b, a) in measured.accuracies.items()
    ]
    report.table("attacks", rows, caption="Accuracy of fakes.")
    report.figure("maps", figures.pictures([list(measured.maps)]), caption="Maps.")
