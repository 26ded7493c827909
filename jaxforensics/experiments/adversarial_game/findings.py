"""What the game's study found, in a few lines for the head of its page."""

from jaxforensics.experiments.adversarial_game import attack_tables
from jaxforensics.experiments.adversarial_game.claims import (
    BEST,
    CONTROLS,
    JPEG,
    mean_auc,
)
from jaxforensics.experiments.adversarial_game.settings import PLAIN, is_seen
from jaxforensics.reporting import tables

HEADLINES = 8  # of the claims: the page has them all


def findings(measured, settings):
    """Means of the game beside its controls, verdicts of its claims, and attacks."""
    lines = []
    for what, group in (("unseen manipulations", "unseen"), ("qualities", "qualities")):
        lines += _means(measured.groups[group], settings, what)
    headlines = [row for row in measured.claims if _is_headline(row["claim"])]
    lines += [
        f"{row['verdict']}: {row['claim']} {row['measured']}"
        for row in headlines[:HEADLINES]
    ]
    return lines + attack_tables.findings(measured.idle, measured.attacks, settings)


def _is_headline(claim):
    """Whether a claim compares the game with no adversary, a control or JPEG."""
    others = (PLAIN, *CONTROLS, JPEG)
    return any(f"{BEST} gains over {other}" in claim for other in others)


def _means(cells, settings, what):
    """A line: mean AUCs on what was not trained on, of the game and its controls."""
    shown = (PLAIN, BEST, *CONTROLS, JPEG)
    means = {}
    for (detector, row, trained_on), scores in cells.items():
        tests = [test for test in scores if not is_seen(settings, trained_on, test)]
        if tests and row in shown:
            by_row = means.setdefault((detector, trained_on), {})
            by_row[row] = tables.spread(mean_auc(scores, tests))
    lines = []
    for (detector, trained_on), by_row in means.items():
        parts = [f"{row} {by_row[row]}" for row in shown if row in by_row]
        lines.append(
            f"AUC on {what} not trained on, {detector} on {trained_on}: "
            f"{'; '.join(parts)}."
        )
    return lines
