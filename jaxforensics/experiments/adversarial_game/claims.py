"""What the paper of the game claims, decided on the data at hand.

Two rows are compared seed by seed: the gain is that of the seeds that both have.
"""

import numpy as np

from jaxforensics.experiments.adversarial_game.settings import PLAIN, is_seen
from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.claims import gain

CAPTION = "Each on these data, whatever it says; AUC of frames."
ADVERSARIES = (
    "Grad-AAT",
    "Grad-SAT",
    "Grad-BAT",
    "Gen-BAT",
    "Two-Gen-BAT",
    "Combined AT",
)
# What no adversary chooses: if a game does not beat these, it is augmentation.
CONTROLS = "Constant blur", "Random map"
TRADITIONAL = (
    "Gaussian Noise",
    "Gaussian Blur",
    "JPEG Compression",
    "Combined Traditional",
)
BEST = "Two-Gen-BAT"
COMBINED = "Combined AT"
JPEG = "JPEG Compression"
# Rows that the paper puts in an order, the better one first.
ORDERS = ((BEST, "Gen-BAT"), ("Gen-BAT", "Grad-BAT"))
STEPS = (("Grad-AAT", "Grad-AAT, 3 steps"), ("Grad-BAT", "Grad-BAT, 3 steps"))
SEEN_COST = 0.01  # of AUC, at most
TRADITIONAL_GAIN = 0.003


def decide(groups, settings):
    """Rows of `claims.decided`: of each detector and training set of the groups.

    `groups` {group: {(detector, row, trained on): {test: measure.Scores}}}.
    """
    rows = []
    for (detector, trained_on), aucs in _unseen_aucs(groups["unseen"], settings):
        where = f"{detector}, trained on {trained_on}, unseen manipulations"
        rows += _of_adversaries(aucs, where)
        rows += _of_orders(aucs, where)
    for (detector, trained_on), aucs in _seen_aucs(groups["unseen"], settings):
        rows += _of_seen(aucs, f"{detector}, trained on {trained_on}")
    for (detector, trained_on), aucs in _unseen_aucs(groups["qualities"], settings):
        where = f"{detector}, trained on {trained_on}, other qualities"
        rows += _of_qualities(aucs, where)
    rows += _of_kernels(groups["kernels"], settings)
    return rows


def mean_auc(scores, tests):
    """The mean AUC over some tests, a value per seed."""
    return np.mean([scores[test].auc for test in tests], axis=0)


def _unseen_aucs(cells, settings):
    """((detector, trained on), {row: mean AUC over what it has not seen}) of a group.

    What was seen are the manipulations and the quality that training had.
    """
    return _by_training(cells, settings, seen=False)


def _seen_aucs(cells, settings):
    return _by_training(cells, settings, seen=True)


def _by_training(cells, settings, *, seen):
    grouped = {}
    for (detector, row, trained_on), scores in cells.items():
        tests = [t for t in scores if is_seen(settings, trained_on, t) == seen]
        if tests:
            aucs = grouped.setdefault((detector, trained_on), {})
            aucs[row] = mean_auc(scores, tests)
    return grouped.items()


def _compared(aucs, pairs, text):
    """Rows for pairs (row, other) that were both trained."""
    return [
        claims.decided(text.format(row=row, other=other), gain(aucs[row], aucs[other]))
        for row, other in pairs
        if row in aucs and other in aucs
    ]


def _of_adversaries(aucs, where):
    """Whether adversaries help, and whether the game is what helps."""
    text = f"{where}: AUC that {{row}} gains over {{other}}"
    pairs = [(row, PLAIN) for row in (*ADVERSARIES, *CONTROLS)]
    pairs += [(row, c) for row in (BEST, COMBINED) for c in (*CONTROLS, JPEG)]
    pairs += [("Grad-BAT", control) for control in CONTROLS]
    rows = _compared(aucs, pairs, text)
    for row in TRADITIONAL:
        if row in aucs and PLAIN in aucs:
            claim = (
                f"{where}: {row} gains at most {TRADITIONAL_GAIN} of AUC: what is "
                "left to that"
            )
            left = TRADITIONAL_GAIN - gain(aucs[row], aucs[PLAIN])
            rows.append(claims.decided(claim, left))
    return rows


def _of_orders(aucs, where):
    """Which adversary is the better one, and whether more steps are worth it."""
    pairs = (*ORDERS, (COMBINED, BEST))
    rows = _compared(aucs, pairs, f"{where}: AUC that {{row}} gains over {{other}}")
    text = f"{where}: {{row}} does as well as {{other}}: AUC that it gains"
    return rows + _compared(aucs, STEPS, text)


def _of_seen(aucs, where):
    """What an adversary costs on what was trained on."""
    rows = []
    for row in (*ADVERSARIES, *CONTROLS):
        if row in aucs and PLAIN in aucs:
            claim = (
                f"{where}: {row} costs at most {SEEN_COST} of AUC on what was seen: "
                "what is left to that"
            )
            rows.append(claims.decided(claim, SEEN_COST + gain(aucs[row], aucs[PLAIN])))
    return rows


def _of_qualities(aucs, where):
    """Whether adversaries help on other qualities, and more than JPEG does."""
    text = f"{where}: AUC that {{row}} gains over {{other}}"
    pairs = [(row, PLAIN) for row in (*ADVERSARIES, *CONTROLS, *TRADITIONAL)]
    pairs += [(BEST, other) for other in (*CONTROLS, JPEG, COMBINED)]
    return _compared(aucs, pairs, text)


def _of_kernels(cells, settings):
    """Whether a larger kernel in training is the better one."""
    rows = []
    for (detector, trained_on), aucs in _unseen_aucs(cells, settings):
        if len(aucs) > 1:
            # Rows are in the order of their kernels.
            smallest, *_, largest = aucs
            claim = (
                f"{detector}, trained on {trained_on}, unseen: AUC that {largest} "
                f"gains over {smallest}"
            )
            rows.append(claims.decided(claim, gain(aucs[largest], aucs[smallest])))
    return rows
