"""Accuracy of the likeliest class: the share of pictures, and the mean over classes.

The paper's accuracies are shares of pictures: its Table IV has 98.52 % of them on the
diagonal, and 97.85 % of each class on average.
"""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.intervals import mean


class Shares(NamedTuple):
    """Two accuracies of the same answers; they are equal where classes are as large."""

    pictures: float  # the share of pictures whose likeliest class is the right one
    classes: float  # the mean over classes of what is recognised of each


def of(answers, task, *, logits="logits"):
    """The `Shares` of predictions {task, logits, …}, a row per picture.

    `task` names the column of the right classes: 'source' or 'label'.
    """
    hits = likeliest(answers, task, logits=logits)
    all_once = np.ones((1, len(hits)))
    return Shares(
        pictures=float(mean(hits, valid=all_once)[0]),
        classes=float(mean_of_classes(answers[task], hits, valid=all_once)[0]),
    )


def likeliest(answers, task, *, logits="logits"):
    """Whether the likeliest class of each picture is the right one, (n,)."""
    return np.argmax(answers[logits], axis=-1) == answers[task]


def mean_of_classes(classes, hits, *, valid):
    """The mean over classes (n,) of the share of hits (n,), per resample: (samples,).

    Rows of `valid` (samples, n) say how often a resample holds each picture.  A class
    that a resample does not hold is left out of its mean.
    """
    is_member = classes[:, None] == np.unique(classes)  # (n, classes)
    counts = valid @ is_member
    hit_counts = valid @ (is_member * hits[:, None])
    # 0 / nan is nan: a class that is not there has no share.
    shares = hit_counts / np.where(counts, counts, np.nan)
    return np.nanmean(shares, axis=-1)


def confusion(answers):
    """Shares (true, said): rows are the classes that occur, columns all of them."""
    counts = np.asarray(metrics.confusion(answers["source"], answers["logits"]))
    totals = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(totals, 1)  # no division by 0; such rows go
    return shares[totals[:, 0] > 0]
