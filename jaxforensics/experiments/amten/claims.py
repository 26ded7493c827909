"""What AMTEN's paper claims, decided on the data at hand."""

import numpy as np
from scipy import stats

from jaxforensics.experiments.amten import paper
from jaxforensics.experiments.amten.sets import PLAIN
from jaxforensics.experiments.common import claims
from jaxforensics.models.amtennet import VARIANTS

WITHOUT_AMTEN = "model_base"
FEWEST_RANKED = 4  # ablations whose order says something
CAPTION = "Each on these data, whatever it says."


def of_design(accuracies, *, base):
    """Rows of what is claimed of AMTEN and of its parts.

    `accuracies` {(title, trained on): a value per seed}.
    """
    decided = []
    for title, trained_on in accuracies:
        if title == base and (WITHOUT_AMTEN, trained_on) in accuracies:
            gain = accuracies[base, trained_on] - accuracies[WITHOUT_AMTEN, trained_on]
            claim = f"{base} beats {WITHOUT_AMTEN} on {trained_on}: accuracy gained"
            decided.append(claims.decided(claim, gain))

    ranked = [
        title
        for title, trained_on in accuracies
        if title in VARIANTS and trained_on == PLAIN
    ]
    if len(ranked) >= FEWEST_RANKED:
        printed = [paper.MULTIPLE[title][PLAIN] for title in ranked]
        per_seed = np.transpose([accuracies[title, PLAIN] for title in ranked])
        orders = [stats.spearmanr(values, printed).statistic for values in per_seed]
        claim = "ablations order as in Table VI: rank correlation, which is positive"
        decided.append(claims.decided(claim, orders))
    return decided


def of_mixing(accuracies, *, unseen):
    """Rows of what mixed training is claimed to be worth after `unseen` operations.

    `accuracies` {(title, trained on, tested on): a value per seed}.
    """
    decided = []
    if not unseen:
        return decided

    def mean(title, trained_on):
        return np.mean([accuracies[title, trained_on, on] for on in unseen], axis=0)

    trainings = dict.fromkeys((title, name) for title, name, _ in accuracies)
    for title, name in trainings:
        if name != PLAIN and (title, PLAIN) in trainings:
            gain = mean(title, name) - mean(title, PLAIN)
            claim = f"{title} after unseen operations: accuracy gained by {name}"
            decided.append(claims.decided(claim, gain))
    return decided
