"""What would stop a run of AMTEN's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics import models
from jaxforensics.experiments.amten import sets
from jaxforensics.experiments.amten.networks import whole_steps
from jaxforensics.experiments.amten.settings import GROUPS, all_networks
from jaxforensics.experiments.common import checks
from jaxforensics.settings import choose


def check(settings, data):
    """An error says what cannot be done with these settings and `Sets`."""
    for title in (settings.base, *settings.optimisers):
        choose(settings.models, title, "network")
    for name in settings.longer:
        names = sets.OPERATIONS | dict(data.others)
        choose(names, name, "set to be trained longer on")
    for name in data.others:
        if name in sets.OPERATIONS | sets.MIXTURES:
            raise ValueError(f"others.{name}: the data make a set of that name already")
    for group in GROUPS:
        _check_group(settings, group, data.others)
    _check_traces(settings)

    corpora = _check_sets(settings, data)
    _check_sizes(settings, corpora)


def _check_group(settings, name, others):
    """Whether the networks and the sets that a group names are there."""
    group = getattr(settings, name)
    if group["models"] and group["seeds"] < 1:
        raise ValueError(f"{name} has networks and no seeds")
    for title in group["models"]:
        choose(settings.models, title, "network")

    trained_on = dict(sets.OPERATIONS)
    if name == "mixed":
        trained_on |= sets.MIXTURES
    if name not in ("mixed", "crossed"):  # these test on sets of the same classes
        trained_on |= dict(others)
    for set_name in group["sets"]:
        choose(trained_on, set_name, f"set for {name}")
    _check_exceptions(settings, name, trained_on)

    if name == "mixed":
        for set_name in (*group["tested_on"], *group["unseen"]):
            choose(sets.OPERATIONS, set_name, f"set of {sets.PLAIN}'s classes")


def _check_exceptions(settings, name, known_sets):
    """Whether the networks and sets that a group makes exceptions of are known.

    They need not be in the group: its networks may have been chosen anew.
    """
    group = getattr(settings, name)
    known = dict(settings.models) | known_sets
    for exception, count in group["fewer"].items():
        choose(known, exception, f"network or set for {name}.fewer")
        if count < 1:
            raise ValueError(f"{name}.fewer: {exception} needs a seed or more")
    for title, of_title in group["only"].items():
        choose(settings.models, title, f"network for {name}.only")
        for set_name in of_title:
            choose(known_sets, set_name, f"set for {name}.only")


def _check_traces(settings):
    """Whether there is AMTEN to look into, and a step to look after."""
    for title in settings.traces["models"]:
        if settings.models[title]["model"] != "amtennet":
            raise ValueError(f"traces are AMTEN's maps, and {title!r} has no AMTEN")
    for steps in settings.traces["after"]:
        if not 0 < steps <= settings.steps:
            raise ValueError(f"traces after {steps} of {settings.steps} steps")


def _check_sets(settings, data):
    """{name: Corpus} of the sets that are trained on, each with reals and fakes."""
    corpora = {}
    networks = all_networks(settings)
    for name in dict.fromkeys(network.trained_on for network in networks):
        steps = whole_steps(settings, name)
        if steps < 1:
            raise ValueError(f"longer.{name}: {steps} steps would train nothing")
        corpora[name] = sets.corpus(name, data)
        splits = dict(corpora[name].train.counts)
        if corpora[name].test is not None:  # a mixture is for training alone
            splits |= corpora[name].test.counts
        checks.have_both_labels(splits, of=name)
    return corpora


def _check_sizes(settings, corpora):
    """Whether pictures are as large as all networks need.

    Sets are alike in what a network's shapes depend on: each network is tried once.
    """
    shapes = {}
    for network in all_networks(settings):
        train = corpora[network.trained_on].train
        shapes[network.title, train.size, len(train.sources)] = None
    for title, size, classes in shapes:
        model = dict(settings.models[title])
        net = models.build(model.pop("model"), num_classes=classes, **model)
        image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        jax.eval_shape(net.init, jax.random.key(0), image)
