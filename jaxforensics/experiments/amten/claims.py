"""What AMTEN's paper claims, decided on the data at hand.

Two networks are compared seed by seed: the gain is that of the seeds that both have,
and as all take the first ones, these are as many as the shorter list has.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxforensics.experiments.amten import paper
from jaxforensics.experiments.amten.sets import PLAIN
from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.claims import gain
from jaxforensics.models.amtennet import VARIANTS

WITHOUT_AMTEN = "model_base"
FEWEST_RANKED = 4  # ablations whose order says something
CAPTION = "Each on these data, whatever it says."
COMPARISONS = "Each network that the paper's own beats in a table, by accuracy gained."
VERDICTS = "does not hold", "open", "holds"  # the least favourable first


class Claims(NamedTuple):
    """Rows of `claims.decided`."""

    main: list
    # Network by network and set by set: {'V', 'VI', 'VII', 'VIII', of the paper: rows}.
    comparisons: dict


def of_design(accuracies, *, base, commonest):
    """Rows of what is claimed of AMTEN and of its parts.

    `accuracies` {(title, trained on): a value per seed}, `commonest` {set: the accuracy
    of always naming its commonest source}.
    """
    decided = []
    for title, trained_on in accuracies:
        if title == base and (WITHOUT_AMTEN, trained_on) in accuracies:
            gained = gain(
                accuracies[base, trained_on], accuracies[WITHOUT_AMTEN, trained_on]
            )
            claim = f"{base} beats {WITHOUT_AMTEN} on {trained_on}: accuracy gained"
            decided.append(claims.decided(claim, gained))

    others = [title for title in paper.ABLATIONS if title != base]
    if all((title, PLAIN) in accuracies for title in (base, *others)):
        decided.append(_best(accuracies, others, base=base))
    return decided + _orders(accuracies, commonest)


def _best(accuracies, others, *, base):
    """A row that says whether the base is better than every other network of Table VI.

    It is the row of the least favourable comparison, base minus one other network,
    paired by seed.  The claim holds if all of them hold, and needs no correction for
    their number, as all have to.  It does not hold if one does not, which of nine one
    does by chance more easily than a single comparison would.  (The gain over the best
    of the others in each seed would be too small in every seed: the best of several is
    so by luck in part.)
    """
    rows = []
    for title in others:
        gained = gain(accuracies[base, PLAIN], accuracies[title, PLAIN])
        claim = (
            f"{base} is the best of Table VI: accuracy gained over {title}, the "
            "comparison that decides"
        )
        rows.append((claims.decided(claim, gained), gained.mean()))

    def favour(row_and_mean):
        row, mean = row_and_mean
        return VERDICTS.index(row["verdict"]), mean

    return min(rows, key=favour)[0]


def _orders(accuracies, commonest):
    """Rows of the rank correlation of ablations with the paper's.

    If some have not learned, they carry it alone: then a second row is without them.
    """
    ranked = [
        title
        for title, trained_on in accuracies
        if title in VARIANTS and trained_on == PLAIN
    ]
    decided = []
    if len(ranked) >= FEWEST_RANKED:
        claim = "ablations order as in Table VI: rank correlation, which is positive"
        decided.append(_order(claim, accuracies, ranked))

        failed = _failed(accuracies, ranked, commonest[PLAIN])
        learned = [title for title in ranked if title not in failed]
        if failed and len(learned) >= FEWEST_RANKED:
            claim = f"the same without {', '.join(failed)}, not learned"
            decided.append(_order(claim, accuracies, learned))
    return decided


def _order(claim, accuracies, titles):
    printed = [paper.ABLATIONS[title][PLAIN] for title in titles]
    seeds = min(len(accuracies[title, PLAIN]) for title in titles)
    per_seed = np.transpose([accuracies[title, PLAIN][:seeds] for title in titles])
    orders = [stats.spearmanr(values, printed).statistic for values in per_seed]
    return claims.decided(claim, orders)


def _failed(accuracies, titles, commonest):
    """Those that got less than half of the way from no answer at all to the best."""
    means = {title: accuracies[title, PLAIN].mean() for title in titles}
    halfway = (commonest + max(means.values())) / 2
    return [title for title, mean in means.items() if mean < halfway]


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
            gained = gain(mean(title, name), mean(title, PLAIN))
            claim = f"{title} after unseen operations: accuracy gained by {name}"
            decided.append(claims.decided(claim, gained))
    return decided


def comparisons(design, identification, binary, *, base):
    """{table of the paper: rows, one per other network and set that base beats there}.

    Each argument is {(title, trained on): a value per seed} of a group.
    """
    tables = {
        "V": (paper.FRONT_ENDS, design),
        "VI": (paper.ABLATIONS, design),
        "VII": (paper.BASELINES, identification),
        "VIII": (paper.BINARY, binary),
    }
    decided = {}
    for table, (printed, accuracies) in tables.items():
        rows = []
        for (title, trained_on), values in accuracies.items():
            of_base = accuracies.get((base, trained_on))
            share = printed.get(title, {}).get(trained_on)
            is_claimed = share is not None and share < printed[base][trained_on]
            if of_base is not None and is_claimed:
                claim = f"Table {table}, {trained_on}: {base} beats {title}"
                rows.append(claims.decided(claim, gain(of_base, values)))
        if rows:
            decided[table] = rows
    return decided


def findings(decided):
    """Lines for the head of a report: the main claims, and a count of the others."""
    lines = claims.findings(decided.main)
    counts = []
    for table, rows in decided.comparisons.items():
        verdicts = [row["verdict"] for row in rows]
        beaten, undecided, better = (verdicts.count(verdict) for verdict in VERDICTS)
        counts.append(f"{table}: {better}, {undecided}, {beaten}")
    if counts:
        lines.append(
            "Comparisons with single networks that hold, are open and do not hold, by "
            f"the paper's tables: {'; '.join(counts)}."
        )
    return lines
