"""What would stop a run of AMTEN's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics import models
from jaxforensics.experiments import checks
from jaxforensics.experiments.amten_bench import MIXTURES, PLAIN, SETS
from jaxforensics.settings import choose


def check(bench, groups, *, base, optimisers, steps, longer, others):
    """An error says what cannot be done in one of `groups` {name: settings}."""
    for title in (base, *optimisers):
        choose(bench.models, title, "network")
    for name in longer:
        choose(SETS | dict(others), name, "set to be trained longer on")
    used = {}
    for name, group in groups.items():
        if group["models"] and group["seeds"] < 1:
            raise ValueError(f"{name} has networks and no seeds")
        mixtures = MIXTURES if name == "mixed" else {}
        alone = {} if name in ("mixed", "crossed") else dict(others)
        for title in group["models"]:
            choose(bench.models, title, "network")
            used |= {(title, trained_on): None for trained_on in group["sets"]}
        for trained_on in group["sets"]:
            choose(SETS | mixtures | alone, trained_on, f"set for {name}")
        for tested_on in (*group.get("tested_on", ()), *group.get("unseen", ())):
            choose(SETS, tested_on, f"set of {PLAIN}'s classes")
    _check_traces(bench, steps, groups["traces"])
    for name in dict.fromkeys(trained_on for _, trained_on in used):
        data = bench.corpus(name)
        tested = data.test.counts if data.test else {}
        checks.have_both_labels(data.train.counts | tested, of=name)
    shapes = {}  # sets are alike in these: each network is built once
    for title, trained_on in used:
        train = bench.corpus(trained_on).train
        shapes[title, train.size, len(train.sources)] = None
    for title, size, classes in shapes:
        settings = dict(bench.models[title])
        net = models.build(settings.pop("model"), num_classes=classes, **settings)
        image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
        jax.eval_shape(net.init, jax.random.key(0), image)


def _check_traces(bench, steps, traces):
    for title in traces["models"]:
        if bench.models[title]["model"] != "amtennet":
            raise ValueError(f"traces are AMTEN's maps, and {title!r} has no AMTEN")
    for count in traces["after"]:
        if not 0 < count <= steps:
            raise ValueError(f"traces after {count} of {steps} steps")
