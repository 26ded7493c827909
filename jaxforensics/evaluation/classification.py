"""How well scores tell fakes from reals: exact, in float64, on the host.

Every function takes `(labels, scores, *, valid=None)`: labels `(n,)` with 1 = fake,
scores `(n,)` that rise with P(fake), and weights.  A row of weight 0 (padding, a failed
image) is never looked at, whatever it holds.  Weights may carry leading axes,
`(..., n) -> (...)`: one sort serves a thousand bootstrap resamples.

Batches are merged by joining their rows (`protocols.gather`), never by averaging
results: the value does not depend on how the data were cut.
"""

import math
from typing import NamedTuple

import numpy as np


class Roc(NamedTuple):
    """Rates at every distinct threshold (`score >= threshold` is fake), highest first.

    The first point is (0, 0) at threshold inf.  Without both classes rates are nan.
    """

    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray


def select(labels, scores, *, valid=None, classes=False):
    """The rows that count: labels (m,), float64 scores (m,), weights (..., m).

    With `classes`, scores may also be (m, classes).  Raises ValueError
    for NaN scores and for arrays that do not belong together.
    """
    labels, scores = np.asarray(labels), np.asarray(scores).astype(np.float64)
    weights = np.ones(len(scores)) if valid is None else np.asarray(valid, np.float64)
    fits = labels.shape == scores.shape[:1] == weights.shape[-1:]
    if not fits or scores.ndim > 1 + classes:
        raise ValueError(
            f"labels {labels.shape}, scores {scores.shape} and valid {weights.shape} "
            f"must be (n,), (n,){' or (n, classes)' if classes else ''} and (..., n)"
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("valid holds weights that are negative or not finite")
    rows = np.flatnonzero(weights.any(axis=tuple(range(weights.ndim - 1))))
    labels, scores, weights = labels[rows], scores[rows], weights[..., rows]
    _refuse_nan(scores, rows)
    return labels, scores, weights


def roc(labels, scores, *, valid=None):
    """The ROC curve; equals sklearn.metrics.roc_curve(drop_intermediate=False)."""
    false, true, thresholds = _counts(labels, scores, valid)
    reals, fakes = false[..., -1:], true[..., -1:]
    both = (reals > 0) & (fakes > 0)
    return Roc(ratio(false, reals * both), ratio(true, fakes * both), thresholds)


def auc(labels, scores, *, valid=None):
    """Area under the ROC curve: P(fake scored above real), ties counting half.

    Equals sklearn.metrics.roc_auc_score; nan when only one class is present.
    """
    false, true, _ = _counts(labels, scores, valid)
    area = np.trapezoid(true, false, axis=-1)
    return ratio(area, true[..., -1] * false[..., -1])


def average_precision(labels, scores, *, valid=None):
    """Sum of precision times recall gained per distinct threshold, no interpolation.

    Equals sklearn.metrics.average_precision_score; nan when only one class is present.
    """
    false, true, _ = _counts(labels, scores, valid)
    gained = np.diff(true, axis=-1)
    precision = ratio(true, true + false, empty=0.0)[..., 1:]
    fakes, reals = true[..., -1], false[..., -1]
    return ratio((gained * precision).sum(-1), fakes * (reals > 0))


def eer(labels, scores, *, valid=None):
    """Equal error rate: where the ROC curve, joined by lines, has FPR = 1 - TPR.

    nan when only one class is present.
    """
    fpr, tpr, _ = roc(labels, scores, valid=valid)
    # The gap rises from -1 to 1; the last point at or below 0 starts the crossing line.
    gap = fpr + tpr - 1
    start = (gap <= 0).sum(axis=-1, keepdims=True) - 1
    gap_0, gap_1, fpr_0, fpr_1 = (
        np.take_along_axis(x, start + step, axis=-1)[..., 0]
        for x in (gap, fpr)
        for step in (0, 1)
    )
    return fpr_0 + (fpr_1 - fpr_0) * -gap_0 / (gap_1 - gap_0)


def tpr_at_fpr(labels, scores, *, fpr=0.01, valid=None):
    """The largest TPR of an attained threshold with FPR <= `fpr`, no interpolation.

    nan when only one class is present.
    """
    curve = roc(labels, scores, valid=valid)
    return np.where(curve.fpr > fpr, 0.0, curve.tpr).max(axis=-1)[()]


def accuracy(labels, scores, *, threshold=0.5, valid=None):
    """Share of right decisions, where `score >= threshold` says fake.

    Scores (n, classes), logits or probabilities, decide by their largest entry instead.
    Accuracy on fakes alone: `valid=labels`.  nan without images.
    """
    hits, weights = _hits(labels, scores, threshold, valid)
    return ratio((weights * hits).sum(-1), weights.sum(-1))


def relative_error_reduction(labels, scores, baseline, *, threshold=0.5, valid=None):
    """(E_baseline - E) / E_baseline, E = errors of `accuracy`'s decisions.

    Guo et al. (2021), AMTEN, "RER"; negative when the baseline errs less, nan when it
    does not err.
    """
    hits, weights = _hits(labels, scores, threshold, valid)
    before, _ = _hits(labels, baseline, threshold, valid)
    errors, most = ((weights * ~right).sum(-1) for right in (hits, before))
    return ratio(most - errors, most)


def confusion(labels, scores, *, threshold=0.5, valid=None):
    """Weighted counts (..., true, said): [[real, false alarm], [missed, found]].

    Decides as `accuracy`; scores (n, classes) give (..., classes, classes).  Equals
    sklearn.metrics.confusion_matrix.
    """
    labels, scores, weights = select(labels, scores, valid=valid, classes=True)
    said, classes = _decide(scores, threshold)
    cells = classes_of(labels, classes) * classes + said
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
    _, values, weights = select(np.zeros(len(values)), values, valid=valid)
    # An infinite PSNR must not meet a weight of zero.
    parts = np.multiply(weights, values, where=weights > 0, out=np.zeros(weights.shape))
    return ratio(parts.sum(-1), weights.sum(-1))


def binary(labels):
    """Labels as booleans; ValueError unless each is 0 or 1."""
    return classes_of(labels, 2).astype(bool)


def classes_of(labels, classes):
    """Labels as integers; ValueError unless each is a class."""
    wrong = labels[~np.isin(labels, np.arange(classes))]
    if wrong.size:
        raise ValueError(f"labels must be 0..{classes - 1}, got {wrong[0]}")
    return labels.astype(np.int64)


def probability(scores):
    """The scores, if each lies in [0, 1]; ValueError otherwise."""
    if scores.size and not (0 <= scores.min() and scores.max() <= 1):
        raise ValueError(
            f"scores must be P(fake) in [0, 1], got [{scores.min():g}, "
            f"{scores.max():g}]: logits?"
        )
    return scores


def ratio(part, whole, *, empty=np.nan):
    """`part / whole`, and `empty` where the whole is zero."""
    part, whole = np.broadcast_arrays(part, whole)
    out = np.full(part.shape, empty)
    return np.divide(part, whole, where=whole > 0, out=out)[()]


def total(cells, weights, size):
    """Sum of the weights (..., n) that fall in each of `size` cells: (..., size)."""
    flat = weights.reshape(math.prod(weights.shape[:-1]), weights.shape[-1])
    sums = np.stack([np.bincount(cells, row, minlength=size) for row in flat])
    return sums.reshape(*weights.shape[:-1], size)


def _counts(labels, scores, valid):
    """False and true positives (..., k + 1) from no alarm to all, and thresholds."""
    labels, scores, weights = select(labels, scores, valid=valid)
    fake = binary(labels)
    order = np.argsort(-scores, kind="stable")
    ranked, fake, weights = scores[order], fake[order], weights[..., order]
    # Images of one score cross a threshold together: count at the last of each tie.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])
    counts = [
        np.concatenate([np.zeros((*x.shape[:-1], 1)), x.cumsum(-1)[..., last]], -1)
        for x in (weights * ~fake, weights * fake)
    ]
    return *counts, np.append(np.inf, ranked[last])


def _hits(labels, scores, threshold, valid):
    labels, scores, weights = select(labels, scores, valid=valid, classes=True)
    said, classes = _decide(scores, threshold)
    return said == classes_of(labels, classes), weights


def _decide(scores, threshold):
    """The class each row of scores says, and how many classes there are."""
    if scores.ndim == 1:
        return (scores >= threshold).astype(np.int64), 2
    return scores.argmax(axis=-1), scores.shape[-1]


def _refuse_nan(scores, rows):
    bad = rows[np.isnan(scores).any(axis=tuple(range(1, scores.ndim)))]
    if bad.size:
        shown = ", ".join(map(str, bad[:20])) + (", ..." if bad.size > 20 else "")
        raise ValueError(f"{bad.size} of {len(rows)} scores are NaN, at rows {shown}")
