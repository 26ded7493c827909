"""How well scores tell fakes from reals: exact, in float64, on the host.

Every function takes `(labels, scores, *, valid=None)`: labels `(n,)` with 1 = fake,
scores `(n,)` that rise with P(fake), and weights.  A row of weight 0 (padding, a failed
image) is never looked at, whatever it holds.  Weights may carry leading axes,
`(..., n) -> (...)`: one sort serves a thousand bootstrap resamples.

Batches are merged by joining their rows (`protocols.gather`), never by averaging
results: the value does not depend on how the data were cut.
"""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation.decisions import taken_for_fake
from jaxforensics.evaluation.rows import (
    binary,
    classes_of,
    probability,
    ratio,
    select,
    total,
)


class Roc(NamedTuple):
    """Rates at every distinct threshold (`score >= threshold` is fake), highest first.

    The first point is (0, 0) at threshold inf.  Without both classes rates are nan.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


def roc(labels, scores, *, valid=None):
    """The ROC curve; equals sklearn.metrics.roc_curve(drop_intermediate=False)."""
    false_alarms, hits, thresholds = _counts(labels, scores, valid)
    reals = false_alarms[..., -1:]
    fakes = hits[..., -1:]
    # Of one class alone both rates are nan: dividing by zero images of both kinds.
    both = (reals > 0) & (fakes > 0)
    fpr = ratio(false_alarms, reals * both)
    tpr = ratio(hits, fakes * both)
    return Roc(fpr, tpr, thresholds)


def auc(labels, scores, *, valid=None):
    """Area under the ROC curve: P(fake scored above real), ties counting half.

    Equals sklearn.metrics.roc_auc_score; nan when only one class is present.
    """
    false_alarms, hits, _ = _counts(labels, scores, valid)
    # In counts: divided once, by all pairs of a fake and a real.
    area = np.trapezoid(hits, false_alarms, axis=-1)
    return ratio(area, hits[..., -1] * false_alarms[..., -1])


def average_precision(labels, scores, *, valid=None):
    """Sum of precision times recall gained per distinct threshold, no interpolation.

    Equals sklearn.metrics.average_precision_score; nan when only one class is present.
    """
    false_alarms, hits, _ = _counts(labels, scores, valid)
    gained = np.diff(hits, axis=-1)
    # Before the first alarm (and in a resample without weight) nothing is gained.
    precision = ratio(hits, hits + false_alarms, empty=0.0)[..., 1:]
    fakes = hits[..., -1]
    reals = false_alarms[..., -1]
    return ratio((gained * precision).sum(-1), fakes * (reals > 0))


def eer(labels, scores, *, valid=None):
    """Equal error rate: where the ROC curve, joined by lines, has FPR = 1 - TPR.

    nan when only one class is present.
    """
    fpr, tpr, _ = roc(labels, scores, valid=valid)
    # The gap rises from -1 to 1; the last point at or below 0 starts the crossing line.
    gap = fpr + tpr - 1
    start = (gap <= 0).sum(axis=-1, keepdims=True) - 1
    gap_before = np.take_along_axis(gap, start, axis=-1)[..., 0]
    gap_after = np.take_along_axis(gap, start + 1, axis=-1)[..., 0]
    fpr_before = np.take_along_axis(fpr, start, axis=-1)[..., 0]
    fpr_after = np.take_along_axis(fpr, start + 1, axis=-1)[..., 0]
    # On a line from a negative gap to a positive one: how far along the gap is zero.
    fpr_gained = fpr_after - fpr_before
    return fpr_before + fpr_gained * -gap_before / (gap_after - gap_before)


def tpr_at_fpr(labels, scores, *, fpr=0.01, valid=None):
    """The largest TPR of an attained threshold with FPR <= `fpr`, no interpolation.

    nan when only one class is present.
    """
    curve = roc(labels, scores, valid=valid)
    # Compared this way around, nan rates of one class stay nan.
    return np.where(curve.fpr > fpr, 0.0, curve.tpr).max(axis=-1)[()]


def accuracy(labels, scores, *, threshold=0.5, valid=None):
    """Share of right decisions, where `score >= threshold` says fake.

    Scores (n, classes), logits or probabilities, decide by their largest entry instead.
    Accuracy on fakes alone: `valid=labels`.  nan without images.
    """
    right, weights = _right(labels, scores, threshold, valid)
    return ratio((weights * right).sum(-1), weights.sum(-1))


def relative_error_reduction(labels, scores, baseline, *, threshold=0.5, valid=None):
    """(E_baseline - E) / E_baseline, E = errors of `accuracy`'s decisions.

    Guo et al. (2021), AMTEN, "RER"; negative when the baseline errs less, nan when it
    does not err.
    """
    right, weights = _right(labels, scores, threshold, valid)
    right_before, _ = _right(labels, baseline, threshold, valid)
    errors = (weights * ~right).sum(-1)
    errors_before = (weights * ~right_before).sum(-1)
    return ratio(errors_before - errors, errors_before)


def confusion(labels, scores, *, threshold=0.5, valid=None):
    """Weighted counts (..., true, decided): [[real, false alarm], [missed, hit]].

    Decides as `accuracy`; scores (n, classes) give (..., classes, classes).  Equals
    sklearn.metrics.confusion_matrix.
    """
    labels, scores, weights = select(labels, scores, valid=valid, classes=True)
    decisions, classes = _decide(scores, threshold)
    # A table as one axis: rows are true classes, columns the decisions.
    cells = classes_of(labels, classes) * classes + decisions
    return total(cells, weights, classes**2).reshape(*weights.shape[:-1], classes, -1)


def brier(labels, scores, *, valid=None):
    """Mean squared error of P(fake); equals sklearn.metrics.brier_score_loss.

    Defined for one class too; nan without images.
    """
    labels, scores, weights = select(labels, scores, valid=valid)
    errors = np.square(probability(scores) - classes_of(labels, 2))
    return ratio((weights * errors).sum(-1), weights.sum(-1))


def mean(values, *, valid=None):
    """Weighted mean of one value per image, e.g. of `ssim`; nan without images."""
    values = np.asarray(values)
    # Any labels serve: only values and weights are wanted.
    _, values, weights = select(np.zeros(len(values)), values, valid=valid)
    # An infinite PSNR must not meet a weight of zero.
    parts = np.multiply(weights, values, where=weights > 0, out=np.zeros(weights.shape))
    return ratio(parts.sum(-1), weights.sum(-1))


def _counts(labels, scores, valid):
    """False alarms and hits (..., k + 1) at k + 1 thresholds, from no alarm to all."""
    labels, scores, weights = select(labels, scores, valid=valid)
    is_fake = binary(labels)
    order = np.argsort(-scores, kind="stable")  # highest first
    ranked = scores[order]
    is_fake = is_fake[order]
    weights = weights[..., order]

    # Images of one score cross a threshold together: count at the last of each tie.
    ends_tie = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
    last = np.flatnonzero(ends_tie)
    false_alarms = _cumulated(weights * ~is_fake, last)
    hits = _cumulated(weights * is_fake, last)
    return false_alarms, hits, np.append(np.inf, ranked[last])


def _cumulated(weights, places):
    """Sums of the weights (..., n) up to and with each of k places: (..., k + 1)."""
    none = np.zeros((*weights.shape[:-1], 1))
    return np.concatenate([none, weights.cumsum(-1)[..., places]], axis=-1)


def _right(labels, scores, threshold, valid):
    """Which decisions are right, (m,), and the weights of the rows, (..., m)."""
    labels, scores, weights = select(labels, scores, valid=valid, classes=True)
    decisions, classes = _decide(scores, threshold)
    return decisions == classes_of(labels, classes), weights


def _decide(scores, threshold):
    """The class each row of scores says, and how many classes there are."""
    if scores.ndim == 1:
        return taken_for_fake(scores, threshold).astype(np.int64), 2
    return scores.argmax(axis=-1), scores.shape[-1]
