"""The rows that a metric counts: checked labels, scores and weights, and their sums.

Weights may carry leading axes, `(..., n)`: one row per resample of a bootstrap.
"""

import math

import numpy as np

_MOST_NAMED = 20  # rows that a message lists


def select(labels, scores, *, valid=None, classes=False):
    """The rows that count: labels (m,), float64 scores (m,), weights (..., m).

    With `classes`, scores may also be (m, classes).  Raises ValueError
    for NaN scores and for arrays that do not belong together.
    """
    labels = np.asarray(labels)
    scores = np.asarray(scores).astype(np.float64)
    weights = weights_of(len(scores), valid)

    same_length = labels.shape == scores.shape[:1] == weights.shape[-1:]
    if not same_length or scores.ndim > 1 + classes:
        expected = "(n,)"
        if classes:
            expected += " or (n, classes)"
        raise ValueError(
            f"labels {labels.shape}, scores {scores.shape} and valid {weights.shape} "
            f"must be (n,), {expected} and (..., n)"
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("valid holds weights that are negative or not finite")

    # A row is looked at if it has weight in any of the resamples.
    rows = np.flatnonzero(weights.any(axis=tuple(range(weights.ndim - 1))))
    refuse_nan(scores[rows], rows=rows)
    return labels[rows], scores[rows], weights[..., rows]


def weights_of(length, valid):
    """`valid` as float64 weights; without it every row counts once."""
    if valid is None:
        return np.ones(length)
    return np.asarray(valid, np.float64)


def refuse_nan(scores, *, rows=None, what="scores"):
    """ValueError that says how many scores are NaN and where, if any are.

    `scores` is (m,) or (m, ...); `rows` (m,) are their numbers in the caller's arrays.
    """
    scores = np.atleast_1d(scores)
    missing = np.isnan(scores).any(axis=tuple(range(1, scores.ndim)))
    if not missing.any():
        return
    if rows is None:
        rows = np.arange(len(missing))
    named = ", ".join(map(str, rows[missing][:_MOST_NAMED]))
    if missing.sum() > _MOST_NAMED:
        named += ", ..."
    raise ValueError(
        f"{missing.sum()} of {len(missing)} {what} are NaN, at rows {named}"
    )


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
