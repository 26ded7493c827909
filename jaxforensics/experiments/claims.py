"""What a paper claims, decided by one number per seed."""

import numpy as np

from jaxforensics.evaluation.intervals import over_seeds
from jaxforensics.reporting import tables

CRITERION = """\
A claim is one number per seed, positive where it is true of that seed. It holds if the
95 % interval of their mean (Student's t over seeds) lies above zero, does not hold if
it lies below, and is open if zero is inside: few seeds decide large differences alone.
"""


def report(workspace, rows, *, caption=""):
    """A section with rows of `decided`; nothing is, if a training diverged."""
    if workspace.diverged:
        rows = [row | {"verdict": "says nothing: trainings diverged"} for row in rows]
    if rows:
        workspace.section("The paper's claims", CRITERION)
        workspace.table("claims", rows, caption=caption)


def decided(claim, values):
    """A row of a table of claims."""
    values = np.asarray(values, float)
    found = over_seeds(values)
    verdict = "open"
    if found.low > 0:
        verdict = "holds"
    elif found.high < 0:
        verdict = "does not hold"
    return {
        "claim": claim,
        "measured": tables.spread(values),
        "seeds above zero": f"{(values > 0).sum()} of {len(values)}",
        "95 % interval": tuple(found) if len(values) > 1 else None,
        "verdict": verdict,
    }
