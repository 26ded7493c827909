"""What a score means: temperature, reliability, and thresholds chosen on validation."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from jaxforensics.evaluation.classification import roc
from jaxforensics.evaluation.rows import (
    binary,
    classes_of,
    probability,
    ratio,
    select,
    total,
)

# Logits that separate the classes want 0, logits that say nothing want infinity.
_COLDEST = 1e-2
_HOTTEST = 1e2


class Reliability(NamedTuple):
    """Per bin of P(fake): mean score, share of fakes, weight; nan where it is empty."""

    score: np.ndarray
    fakes: np.ndarray
    weight: np.ndarray


class Threshold(NamedTuple):
    """`score >= value` is fake; where that value was chosen, and by which rule."""

    value: float
    rule: str
    source: str


FIXED = Threshold(0.5, "fixed", "convention")


def temperature(labels, logits, *, valid=None):
    """The T that makes `logits / T` likeliest; fit it on validation.

    Guo et al. (2017).  Logits (n,) are of P(fake), (n, classes) of a softmax.  A convex
    problem in 1 / T; T stays within 0.01, reached when the logits separate the classes,
    and 100, when they say nothing.
    """
    labels, logits, weights = select(labels, logits, valid=valid, classes=True)
    if logits.ndim == 1:
        # The logit of P(fake) is that of a softmax whose other logit is zero.
        logits = np.stack([np.zeros_like(logits), logits], axis=-1)
    labels = classes_of(labels, logits.shape[-1])
    true = np.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]

    def slope(inverse):
        """Derivative of the negative log-likelihood by the inverse temperature."""
        expected = (special.softmax(inverse * logits, axis=-1) * logits).sum(axis=-1)
        return np.sum(weights * (expected - true))

    # It rises in the inverse temperature: a root lies inside, or an end is likeliest.
    if slope(1 / _HOTTEST) >= 0:
        return _HOTTEST
    if slope(1 / _COLDEST) <= 0:
        return _COLDEST
    return 1 / optimize.brentq(slope, 1 / _HOTTEST, 1 / _COLDEST, xtol=1e-14)


def reliability(labels, scores, *, bins=15, valid=None):
    """Mean score and share of fakes in equal bins of P(fake), each (..., bins).

    Bin k is (k / bins, (k + 1) / bins], the first with its 0, as in
    sklearn.calibration.calibration_curve, which leaves empty bins out.
    """
    labels, scores, weights = select(labels, scores, valid=valid)
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]
    cells = np.searchsorted(inner_edges, probability(scores))
    weight = total(cells, weights, bins)
    sum_of_scores = total(cells, weights * scores, bins)
    sum_of_fakes = total(cells, weights * binary(labels), bins)
    return Reliability(
        score=ratio(sum_of_scores, weight),
        fakes=ratio(sum_of_fakes, weight),
        weight=weight,
    )


def expected_calibration_error(labels, scores, *, bins=15, valid=None):
    """Mean gap of P(fake) to the share of fakes over the bins of `reliability`.

    Of P(fake), not of the confidence in the class said; bins weigh by their images.
    Defined for one class too; nan without images.
    """
    score, fakes, weight = reliability(labels, scores, bins=bins, valid=valid)
    # An empty bin has no gap, and its nan must not meet a weight of zero.
    gaps = np.where(weight > 0, np.abs(score - fakes), 0.0)
    return ratio((weight * gaps).sum(axis=-1), weight.sum(axis=-1))


def choose_threshold(
    labels, scores, *, rule="eer", fpr=0.01, source="validation", valid=None
):
    """The threshold that `rule` picks on these scores, marked with their `source`.

    'eer': FPR and 1 - TPR as close as attainable; 'fpr': the most fakes found at
    FPR <= `fpr`; 'balanced_accuracy': the highest mean of TPR and 1 - FPR.  Of equals,
    the highest threshold.  It lies midway between the scores it divides, at inf if
    nothing is called fake.  ValueError when only one class is present.
    """
    curve = roc(labels, scores, valid=valid)
    if np.isnan(curve.fpr).any():
        raise ValueError("a threshold needs both real and fake images to be chosen on")
    # The merit of every threshold of the curve by each rule.
    merits = {
        "eer": -np.abs(curve.fpr + curve.tpr - 1),
        "fpr": np.where(curve.fpr > fpr, -1.0, curve.tpr),
        "balanced_accuracy": curve.tpr - curve.fpr,
    }
    if rule not in merits:
        raise ValueError(f"rule must be one of {', '.join(merits)}, got {rule!r}")
    best = int(np.argmax(merits[rule]))  # of equals the first, the highest threshold

    above = curve.thresholds[best]
    below = curve.thresholds[min(best + 1, len(curve.thresholds) - 1)]
    value = (above + below) / 2
    if value <= below:  # neighbouring floats have no middle
        value = above
    if rule == "fpr":
        rule = f"fpr <= {fpr:g}"
    return Threshold(float(value), rule, source)
