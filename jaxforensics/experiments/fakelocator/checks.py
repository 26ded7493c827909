"""What would stop a run of FakeLocator's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.experiments.common import checks
from jaxforensics.experiments.fakelocator import clusters, degradations, sets
from jaxforensics.experiments.fakelocator.networks import method, whole_steps
from jaxforensics.experiments.fakelocator.settings import (
    GROUPS,
    OF_OWN_SET,
    all_networks,
    all_rows,
    looking_networks,
)
from jaxforensics.settings import choose


def check(settings, data):
    """An error says what cannot be done with these settings and `Sets`."""
    if sets.MAIN in data.others:
        raise ValueError(f"others.{sets.MAIN}: that is what `data` is called")
    tables = {
        "rows": (all_rows(settings), "row"),
        "trained_on": (settings.training_sets, "training set"),
        "tests": (settings.tests, "test"),
    }
    for group in GROUPS:
        chosen = getattr(settings, group)
        checks.check_group(chosen, group, tables)
        untested = set(chosen["trained_on"]) - set(chosen["tests"])
        if group in OF_OWN_SET and untested:
            raise ValueError(
                f"{group} asks networks about their own set: its tests lack "
                f"{', '.join(sorted(untested))}"
            )
    _check_looks(settings)
    _check_clusters(settings, data)
    twice = set(settings.rows) & set(settings.classifiers)
    if twice:
        raise ValueError(f"rows and classifiers both have {', '.join(sorted(twice))}")
    known = dict(settings.training_sets) | all_rows(settings)
    for name in settings.longer:
        choose(known, name, "set or row to be trained longer")
    for name in sets.used_for_tests(settings):
        exam = sets.test(name, settings, data)
        checks.have_both_labels(exam.counts, of=f"test {name}")
        _check_originals(exam, settings, f"test {name}")
    _check_networks(settings, data)


def _check_looks(settings):
    """Whether what is to be asked if it looks is there."""
    for network in looking_networks(settings):
        choose(settings.rows, network.row, "row for looks")
        choose(settings.training_sets, network.trained_on, "training set for looks")
        choose(settings.tests, settings.looks["test"], "test for looks")
    for name, severities in settings.looks["degradations"].items():
        choose(degradations.OPERATIONS, name, "degradation for looks")
        for severity in severities:
            _try(degradations.operation(name, severity))


def _check_clusters(settings, data):
    """Whether rows that name clusters are there, and enough pictures for clusters."""
    chosen = settings.clusters
    for row in chosen["rows"]:
        choose(dict.fromkeys(settings.types["rows"]), row, "row of types for clusters")
    if chosen["rows"] and chosen["draws"] < 1:
        raise ValueError("clusters.draws: one draw of a labelled picture at least")
    for _, test in clusters.exams(settings):
        (counts,) = sets.test(test, settings, data).counts.values()
        fakes = sum(counts[name] for name in checks.fakes(counts))
        labels = np.repeat([0, 1], [sum(counts.values()) - fakes, fakes])
        for ratio in chosen["ratios"]:
            clusters.chosen_rows(labels, ratio, where=f"test {test}")


def _try(operation):
    """Follow the shapes of an operation, which finds settings that it does not take."""
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    jax.eval_shape(operation, jax.random.key(0), image)


def _check_originals(stream, settings, where):
    """Whether fakes that are not synthesised as a whole have their originals."""
    (counts,) = stream.counts.values()
    made_from = [name for name in checks.fakes(counts) if name not in settings.entire]
    if made_from and "pair" not in stream.parts:
        raise ValueError(
            f"{where}: {', '.join(made_from)} have no originals to compare with; "
            "prepare.py pairs finds them, and `entire` names sources without any"
        )


def _check_networks(settings, data):
    """Whether every training can begin: its set, its steps, its settings, its size."""
    shapes = {}
    for network in all_networks(settings):
        train = sets.training(network.trained_on, settings, data)
        if not train.num_train:
            raise ValueError(f"training set {network.trained_on} has no fakes")
        if whole_steps(settings, network) < 1:
            raise ValueError(f"{network.name}: its steps would train nothing")
        made = method(network, settings, train.sources)
        shapes.setdefault((network.row, train.size), made)
        if network.row in settings.classifiers:
            both = sets.with_reals(network.trained_on, settings, data)
            checks.have_both_labels(both.counts, of=network.trained_on)
            continue
        if made.settings["attention"] != "white" and "parsing" not in train.parts:
            raise ValueError(
                f"{network.row} looks at parsings, and {network.trained_on} has none"
            )
    for (_, size), made in shapes.items():
        batch = {
            "image": jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32),
            "label": jax.ShapeDtypeStruct((2,), jnp.int32),
        }
        jax.eval_shape(made.init, jax.random.key(0), batch)
