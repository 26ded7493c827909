"""What undefended victims say by their likeliest class, and by a threshold.

A victim that learns in so few steps may order pictures well and still call most fakes
real: the equal-error threshold of the validation split tells one from the other.
"""

from typing import NamedTuple

import numpy as np

from jaxforensics.experiments.common.arena import UNDEFENDED
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.claims import REMOVER
from jaxforensics.reporting import tables

SECTION = """\
What victims without defence say when their likeliest class decides, and when a
threshold does: that at which as many reals as fakes of the validation split are taken
for the other. Other tables have the rule that is marked. NF has no classes, it only
compares correlations.
"""


class Rule(NamedTuple):
    """What an undefended victim recognises by one rule: arrays of a value per seed."""

    victim: str
    rule: str  # LIKELIEST or THRESHOLD
    decides: bool  # whether it is the rule of all other tables
    real: np.ndarray
    fake: np.ndarray
    attacked: np.ndarray | None  # fakes after TR-Net, where it is among the attacks


def measure(results, settings):
    """A `Rule` for each rule by which each undefended victim can decide."""
    by_victim = {}
    for cell in rows.defence_cells(settings, UNDEFENDED):
        by_seed = by_victim.setdefault(cell.victim, {})
        # Without attack all cells of a victim and seed are the same.
        if cell.attack == REMOVER or cell.seed not in by_seed:
            by_seed[cell.seed] = cell
    return [
        _rule(results, victim, rule, list(by_seed.values()))
        for victim, by_seed in by_victim.items()
        for rule in results.arena.victims[victim].rules
    ]


def report(measured, report):
    """A table of all `Rule`s, if there are any."""
    if not measured:
        return
    report.section("By the likeliest class and by a threshold", SECTION)
    lines = []
    for row in measured:
        line = {
            "victim": row.victim,
            "decided by": row.rule,
            "in other tables": "yes" if row.decides else "",
            "real": tables.spread(row.real),
            "fake": tables.spread(row.fake),
        }
        if row.attacked is not None:
            line[f"after {REMOVER}"] = tables.spread(row.attacked)
        lines.append(line)
    caption = "Accuracy within a class, without defence."
    report.table("thresholds", lines, caption=caption)


def _rule(results, victim, rule, cells):
    """What a victim says by a rule; `cells` has one of each seed."""
    clean = [results.clean(cell, decides=rule) for cell in cells]
    attacked = None
    if all(cell.attack == REMOVER for cell in cells):
        shares = [results.attacked_accuracy(cell, decides=rule) for cell in cells]
        attacked = np.array(shares)
    return Rule(
        victim,
        rule,
        decides=results.arena.victims[victim].decides == rule,
        real=np.array([accuracy.real for accuracy in clean]),
        fake=np.array([accuracy.fake for accuracy in clean]),
        attacked=attacked,
    )
