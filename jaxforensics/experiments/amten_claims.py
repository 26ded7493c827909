"""What AMTEN's paper claims, decided on the data at hand."""

import numpy as np
from scipy import stats

from jaxforensics.experiments import amten_paper, claims
from jaxforensics.experiments.amten_bench import PLAIN
from jaxforensics.experiments.groups import of_group
from jaxforensics.models.amtennet import VARIANTS


def report(bench, base, design, mixed):
    """A section with every claim that the networks of these groups can decide."""
    few, settings = of_group(bench, design)
    found = [*_of_design(few, base=base, **settings)]
    few, settings = of_group(bench, mixed)
    found += _of_mixing(few, **settings)
    caption = "Each on these data, whatever it says."
    claims.report(bench.workspace, found, caption=caption)


def _of_design(bench, *, base, models, sets):
    for name in sets if {base, "model_base"} <= {*models} else ():
        gain = bench.accuracies(base, name) - bench.accuracies("model_base", name)
        claim = f"{base} beats model_base on {name}: accuracy gained"
        yield claims.decided(claim, gain)
    ranked = [t for t in models if t in VARIANTS]
    if len(ranked) > 3:
        ours = np.array([bench.accuracies(title, PLAIN) for title in ranked])
        paper = [amten_paper.MULTIPLE[title][PLAIN] for title in ranked]
        orders = [stats.spearmanr(column, paper).statistic for column in ours.T]
        claim = "ablations order as in Table VI: rank correlation, which is positive"
        yield claims.decided(claim, orders)


def _of_mixing(bench, *, models, sets, tested_on, unseen):
    for title in models if unseen else ():
        plain = np.mean([bench.accuracies(title, PLAIN, on=b) for b in unseen], axis=0)
        for name in sets:
            if name != PLAIN:
                mixed = [bench.accuracies(title, name, on=b) for b in unseen]
                claim = f"{title} after unseen operations: accuracy gained by {name}"
                yield claims.decided(claim, np.mean(mixed, axis=0) - plain)
