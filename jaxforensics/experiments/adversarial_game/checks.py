"""What would stop a run of the game's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics import attacks, models
from jaxforensics.experiments.adversarial_game import attacking, sets
from jaxforensics.experiments.adversarial_game.networks import method, whole_steps
from jaxforensics.experiments.adversarial_game.settings import (
    GROUPS,
    all_networks,
    idle_networks,
    victims_of,
)
from jaxforensics.experiments.common import checks
from jaxforensics.methods.adversarial_game import GENERATORS
from jaxforensics.settings import choose

ROW = "adversary", "attack", "generator", "augment"  # what a row says


def check(settings, data):
    """An error says what cannot be done with these settings and `Sets`."""
    if sets.MAIN in data.others:
        raise ValueError(f"others.{sets.MAIN}: that is what `data` is called")
    tables = {
        "detectors": (settings.detectors, "detector"),
        "rows": (settings.rows, "row"),
        "trained_on": (settings.training_sets, "training set"),
        "tests": (settings.tests, "test"),
    }
    for group in GROUPS:
        checks.check_group(getattr(settings, group), group, tables)
    _check_exceptions(settings)
    _check_rows(settings)
    _check_tests(settings, data)
    _check_idle(settings)
    _check_attacks(settings, data)
    _check_networks(settings, data)


def _check_exceptions(settings):
    """Whether what is an exception for all groups is known."""
    for title in settings.own:
        choose(settings.detectors, title, "detector with settings of its own")
    for name in settings.longer:
        known = {**settings.detectors, **settings.training_sets}
        choose(known, name, "detector or set to be trained longer on")
    for test in settings.without_accuracy:
        choose(settings.tests, test, "test without accuracy")


def _check_rows(settings):
    """Whether every row says what it has to and nothing else."""
    for title, row in settings.rows.items():
        for key in row:
            choose(dict.fromkeys(ROW), key, f"setting of row {title!r}")
        for key in ROW:
            if key not in row:
                raise ValueError(f"row {title!r} has no {key!r}")


def _check_tests(settings, data):
    """Whether tests have a corpus, and fakes that it knows, beside reals."""
    for name, test in settings.tests.items():
        exam = sets.corpus(test["corpus"], data).test
        checks.have_both_labels(exam.only(test["fakes"]).counts, of=f"test {name}")


def _check_idle(settings):
    """Whether adversaries to be tried are attacks, and games have generators."""
    for title, row in settings.idle["adversaries"].items():
        _build(title, row)
    for network in idle_networks(settings):
        choose(settings.rows, network.row, "row of idle.games")
        adversary = settings.rows[network.row]["adversary"]
        if network.row in settings.idle["games"] and adversary not in GENERATORS:
            raise ValueError(f"idle.games: {network.row!r} has no generators to try")
    for title in settings.pictures["adversaries"]:
        choose(settings.idle["adversaries"], title, "adversary to show")
    for title in settings.pictures["kernels"]:
        choose(settings.attacks["attacks"], title, "attack to show")


def _check_attacks(settings, data):
    """Whether attacks are known, and the test that is attacked."""
    if not victims_of(settings):
        return
    choose(settings.tests, settings.attacks["test"], "test to attack")
    if settings.attacks["every"] < 1:
        raise ValueError("attacks.every: every first batch is 1, all of them")
    for attack in attacking.rows(settings):
        if attack.name != attacking.UNATTACKED:
            _build(attack.title, {"attack": attack.name} | attack.settings)


def _build(title, row):
    """Make an attack on nothing, so that its settings are looked at."""
    row = dict(row)
    if "attack" not in row:
        raise ValueError(f"{title!r} names no attack")
    attacks.build(row.pop("attack"), lambda image: image, **row)


def _check_networks(settings, data):
    """Whether every training can begin: its set, its steps, its settings, its size."""
    shapes = {}
    for network in all_networks(settings):
        train = sets.training(network.trained_on, settings, data)
        checks.have_both_labels(train.counts, of=network.trained_on)
        if whole_steps(settings, network) < 1:
            raise ValueError(f"{network.name}: its steps would train nothing")
        method(network, settings)
        own = dict(settings.own.get(network.detector, {}))
        if "map" in own.get("side_losses", {}) and "mask" not in train.parts:
            raise ValueError(
                f"own.{network.detector}.side_losses: its map learns from masks, and "
                f"{network.trained_on} has none"
            )
        shapes[network.detector, train.size, train.frames] = None
    for title, size, frames in shapes:
        model = dict(choose(settings.detectors, title, "detector"))
        net = models.build(model.pop("model"), num_classes=1, **model)
        shape = (1, size, size, 3) if frames is None else (1, frames, size, size, 3)
        image = jax.ShapeDtypeStruct(shape, jnp.float32)
        jax.eval_shape(net.init, jax.random.key(0), image)
