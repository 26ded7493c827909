"""What would stop a run of AMTEN's experiments hours later, looked for before."""

import jax
import jax.numpy as jnp

from jaxforensics import models
from jaxforensics.data.items import is_real_source
from jaxforensics.experiments.amten_bench import MIXTURES, PLAIN, SETS
from jaxforensics.settings import choose


def check(bench, groups, *, base, optimisers, steps, others):
    """An error says what cannot be done in one of `groups` {name: settings}."""
    for title in (base, *optimisers):
        choose(bench.models, title, "network")
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
        _check_splits(name, data)
    for title, trained_on in used:
        train = bench.corpus(trained_on).train
        settings = dict(bench.models[title])
        net = models.build(
            settings.pop("model"), num_classes=len(train.sources), **settings
        )
        image = jax.ShapeDtypeStruct((1, train.size, train.size, 3), jnp.float32)
        jax.eval_shape(net.init, jax.random.key(0), image)


def _check_traces(bench, steps, traces):
    for title in traces["models"]:
        if bench.models[title]["model"] != "amtennet":
            raise ValueError(f"traces are AMTEN's maps, and {title!r} has no AMTEN")
    for count in traces["after"]:
        if not 0 < count <= steps:
            raise ValueError(f"traces after {count} of {steps} steps")


def _check_splits(name, data):
    splits = data.train.counts | (data.test.counts if data.test else {})
    for split, counts in splits.items():
        reals = sum(n for source, n in counts.items() if is_real_source(source))
        if not 0 < reals < sum(counts.values()):
            raise ValueError(
                f"split {split} of {name} needs reals and fakes: it has {counts}"
            )
