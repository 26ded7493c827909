"""Accuracy of several classes: the mean over classes of what is recognised of each."""

import numpy as np

from jaxforensics.evaluation import metrics


def of_sources(answers, *, logits="logits"):
    """The accuracy of predictions {'source', logits, …}, a row per picture."""
    sources = answers["source"]
    all_once = np.ones((1, len(sources)))
    hits = likeliest(answers, logits=logits)
    return float(mean_of_classes(sources, hits, valid=all_once)[0])


def likeliest(answers, *, logits="logits"):
    """Whether the likeliest class of each picture is its source, (n,)."""
    return np.argmax(answers[logits], axis=-1) == answers["source"]


def mean_of_classes(classes, hits, *, valid):
    """Accuracy under weights: classes and hits (n,), valid (samples, n) -> (samples,).

    Rows of `valid` say how often a resample holds each picture, as `bootstrap` draws
    them.  A class that a resample does not hold is left out of its mean.
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
