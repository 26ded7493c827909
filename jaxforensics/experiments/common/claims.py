"""What a paper claims, decided by one number per seed."""

import numpy as np

from jaxforensics.evaluation.intervals import over_seeds
from jaxforensics.reporting import tables

CRITERION = """\
A claim is one number per seed, positive where it is true of that seed. It holds if the
95 % interval of their mean (Student's t over seeds) lies above zero, does not hold if
it lies below, and is open if zero is inside: few seeds decide large differences alone.
"""
DIVERGED = "says nothing: trainings diverged"


def gain(first, second):
    """What the first has over the second, for each seed that both have.

    All take the first seeds: these are as many as the shorter list has.
    """
    count = min(len(first), len(second))
    return np.asarray(first[:count]) - np.asarray(second[:count])


def decided(claim, values):
    """A row of a table of claims."""
    values = np.asarray(values, float)
    interval = over_seeds(values)
    verdict = "open"
    if interval.low > 0:
        verdict = "holds"
    elif interval.high < 0:
        verdict = "does not hold"
    return {
        "claim": claim,
        "measured": tables.spread(values),
        "seeds above zero": f"{(values > 0).sum()} of {len(values)}",
        "95 % interval": tuple(interval) if len(values) > 1 else None,
        "verdict": verdict,
    }


def unless_diverged(rows, diverged):
    """The rows of `decided`; if trainings diverged, without their verdicts."""
    if not diverged:
        return rows
    return [row | {"verdict": DIVERGED} for row in rows]


def findings(rows):
    """A line per claim for the head of a report: verdict, claim and number."""
    return [f"{row['verdict']}: {row['claim']} {row['measured']}" for row in rows]


def report(report, rows, *, caption=""):
    """Add a section with rows of `decided`, if there are any."""
    if rows:
        report.section("The paper's claims", CRITERION)
        report.table("claims", rows, caption=caption)
