"""What would stop a run late, or make it worthless, looked for before it starts."""

import math

from jaxforensics.data.items import is_real_source
from jaxforensics.provenance import KINDS
from jaxforensics.settings import call, choose, plain
from jaxforensics.training import fit

# Least and greatest of settings, wherever in a config they stand, and of those that say
# how data are read: elsewhere a size may be that of a kernel.
LIMITS = {"steps": (1, 10**9)}
READING_LIMITS = {
    "batch_size": (1, 2**16),
    "crop": (8, 2**13),
    "size": (8, 2**13),
}


def check(config, settings):
    """The study's `Settings` of a config, whose every number has been looked at.

    The first thing that is wrong is an error that names it and how to write it right.
    """
    sections = plain(config)
    _check_numbers(sections, "")
    intervals = {k: v for k, v in sections["run"].items() if k in fit.Intervals._fields}
    fit.check(fit.Intervals(**intervals))
    chosen = dict(config.experiment)
    del chosen["name"]
    return call(settings, chosen, where="experiment")


def accepted(kinds):
    """The kinds of differences that `--accept` names."""
    for name in kinds:
        choose(dict.fromkeys(KINDS), name, "difference to accept")
    return tuple(kinds)


def check_group(group, name, tables):
    """Refuse a group of experiments that names what is not there.

    `tables` {key of the group: (its table, what it holds)}: the first of them says
    whether the group asks for anything.  `fewer` may name entries of all but the tests,
    with the seeds that they take.
    """
    first, *_ = tables
    if not group[first]:
        return
    if group["seeds"] < 1:
        raise ValueError(f"{name} has {first} and no seeds")
    if not group["tests"]:
        raise ValueError(f"{name} has {first} and no tests")
    known = {}
    kinds = []
    for key, (table, what) in tables.items():
        for title in group[key]:
            choose(table, title, f"{what} for {name}")
        if key != "tests":
            known |= dict(table)
            kinds.append(what)
    for exception, count in group["fewer"].items():
        choose(known, exception, f"{' or '.join(kinds)} for {name}.fewer")
        if count < 1:
            raise ValueError(f"{name}.fewer: {exception} needs a seed or more")


def fakes(counts):
    """Names of the kinds of fakes that {source: number of pictures} has."""
    return tuple(k for k, n in counts.items() if n and not is_real_source(k))


def have_both_labels(splits, *, of=""):
    """Refuse {split: {source: number of pictures}} without reals, or without fakes."""
    for split, counts in splits.items():
        reals = sum(n for source, n in counts.items() if is_real_source(source))
        if not 0 < reals < sum(counts.values()):
            where = f"split {split} of {of}" if of else f"split {split}"
            raise ValueError(
                f"{where} needs reals and fakes: it has {counts}; prepare.py shares "
                "pictures out with --fractions, and names splits with --rename"
            )


def _check_numbers(value, path):
    """Refuse numbers that are not finite or out of all reason, and empty seeds."""
    parents = path.split(".")[-2:]  # steps, or {title: steps}
    limits = dict(LIMITS)
    if path.startswith(("data.", "others.")):
        limits |= READING_LIMITS
    if isinstance(value, dict):
        for key, part in value.items():
            _check_numbers(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        if parents[-1] == "seeds":
            _check_seeds(value, path)
        for part in value:
            _check_numbers(part, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path}={value}: every number of a config is finite")
    elif isinstance(value, int | float):
        for low, high in (limits[name] for name in parents if name in limits):
            if not low <= value <= high:
                raise ValueError(f"{path}={value}: between {low} and {high}")


def _check_seeds(seeds, path):
    if not seeds:
        raise ValueError(f'{path} is empty: --config.{path}="(0,)" is one seed')
    for seed in seeds:
        if not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise ValueError(f"{path} has {seed}: seeds are whole numbers from 0 on")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{path}={tuple(seeds)}: a seed is named twice")
