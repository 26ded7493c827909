"""Which scores are compared with which: gathering, groups, matrices, grids, summaries.

A predictor is `predict(image) -> score`: images (b, h, w, 3) float32 in [0, 1], scores
(b,), compiled by whoever owns its parameters.  Batches are dicts of arrays with one row
per image; rows whose `valid` is 0 are padding, rows whose `failed` is true are counted
and left out.  Intervals resample groups where batches name them.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.calibration import FIXED
from jaxforensics.evaluation.classification import binary, ratio, select, total
from jaxforensics.evaluation.intervals import bootstrap

_ABOUT = ("label", "source", "group", "name", "index", "valid", "failed")


class Gathered(NamedTuple):
    """Columns with one row per image that counts, and how many images failed."""

    columns: dict
    failed: int


class Scored(NamedTuple):
    """What batches said about the images, a column of scores each, and the failures."""

    about: dict
    scores: dict
    failed: int


class Grouped(NamedTuple):
    """One label and one mean score per group."""

    labels: np.ndarray
    scores: np.ndarray
    groups: np.ndarray


def gather(batches):
    """Join the rows of batches, dicts of arrays (b, ...), into columns (n, ...).

    A measure of the columns is the measure of the whole data, however it was cut.
    """
    kept, failed = [], 0
    for batch in batches:
        rows = {name: np.asarray(column) for name, column in batch.items()}
        length = len(next(iter(rows.values())))
        valid = rows.pop("valid", np.ones(length)) > 0
        lost = valid & rows.pop("failed", np.zeros(length)).astype(bool)
        failed += int(lost.sum())
        kept.append({name: column[valid & ~lost] for name, column in rows.items()})
    if not kept:
        raise ValueError("there are no batches to gather")
    columns = {name: np.concatenate([rows[name] for rows in kept]) for name in kept[0]}
    return Gathered(columns, failed)


def score(predictors, batches):
    """Scores of every predictor {name: predict}, in one pass over the batches.

    Keeps what the batches say of each image: label, source, group, name, index.
    """

    def rows():
        for batch in batches:
            about = {name: batch[name] for name in _ABOUT if name in batch}
            image = _floats(batch["image"])
            scores = {("score", name): f(image) for name, f in predictors.items()}
            yield about | scores

    columns, failed = gather(rows())
    scores = {name: columns.pop(("score", name)) for name in predictors}
    return Scored(columns, scores, failed)


def robustness(scored, measures, *, seed=0, samples=1000):
    """Rows of degradation curves: operation, severity, measures.

    `scored` holds {(operation, severity): scores}, those of undegraded pictures first.
    `<measure>_relative` is the value over theirs, FakeLocator's gamma; nan where that
    is 0.
    """
    labels, groups = scored.about["label"], scored.about.get("group")
    rows = []
    for (operation, severity), scores in scored.scores.items():
        row = measured(
            measures, labels, scores, groups=groups, seed=seed, samples=samples
        )
        clean = rows[0] if rows else row
        relative = {f"{m}_relative": float(ratio(row[m], clean[m])) for m in measures}
        rows.append({"operation": operation, "severity": severity, **row, **relative})
    return rows


def matrix(scored, measure, *, seed=0, samples=1000):
    """Rows train x test of one measure, from {test: Scored} with the same predictors.

    Each row is {'train': predictor, test: value, test_low: ..., test_high: ..., ...}.
    """
    names = list(next(iter(scored.values())).scores)
    rows = []
    for name in names:
        row = {"train": name}
        for test, (about, scores, _) in scored.items():
            row |= measured(
                {test: measure},
                about["label"],
                scores[name],
                groups=about.get("group"),
                seed=seed,
                samples=samples,
            )
        rows.append(row)
    return rows


def per_source(labels, scores, sources, measures, *, groups=None, seed=0, samples=1000):
    """Rows of measures of all reals against the fakes of one source at a time."""
    fake = binary(np.asarray(labels))
    sources = np.asarray(sources)
    rows = []
    for source in np.unique(sources[fake]).tolist():
        chosen = ~fake | (sources == source)
        row = measured(
            measures,
            labels,
            scores,
            groups=groups,
            valid=chosen,
            seed=seed,
            samples=samples,
        )
        rows.append({"source": source, "fakes": int((fake & chosen).sum()), **row})
    return rows


def leave_one_out(names):
    """Pairs (held out, the rest in order), one for each of the distinct names."""
    names = list(names)
    if len(set(names)) < len(names):
        raise ValueError(f"names must be distinct, got {names}")
    return [(name, [other for other in names if other != name]) for name in names]


def group_scores(labels, scores, groups, *, valid=None):
    """Mean score per group, e.g. per video, in the order of `numpy.unique`.

    A group's name must say data set, manipulation and video: a group with both labels
    is a ValueError that names it.
    """
    groups = np.asarray(groups)
    weights = np.ones(len(groups)) if valid is None else np.asarray(valid, np.float64)
    names, cells = np.unique(groups[weights > 0], return_inverse=True)
    labels, scores, weights = select(labels, scores, valid=weights)
    sums = partial(total, cells, size=len(names))
    share = ratio(sums(weights=weights * binary(labels)), sums(weights=weights))
    mixed = names[(share > 0) & (share < 1)]
    if mixed.size:
        raise ValueError(
            f"{mixed.size} groups hold real and fake images, first {mixed[0]!s}: name "
            "them by data set, manipulation and video"
        )
    means = ratio(sums(weights=weights * scores), sums(weights=weights))
    return Grouped(share.astype(np.int64), means, names)


def measured(
    measures, labels, scores, *, groups=None, valid=None, seed=0, samples=1000
):
    """{name, name_low, name_high} of every measure {name: metric}, as `bootstrap`."""
    values = {}
    for name, metric in measures.items():
        values[name], values[f"{name}_low"], values[f"{name}_high"] = bootstrap(
            metric,
            labels,
            scores,
            groups=groups,
            valid=valid,
            seed=seed,
            samples=samples,
        )
    return values


def summary(
    labels,
    scores,
    *,
    groups=None,
    valid=None,
    failed=0,
    threshold=FIXED,
    seed=0,
    samples=1000,
):
    """The headline numbers of scores P(fake), each with `_low` and `_high` bounds.

    `threshold` is a `calibration.Threshold`: its rule and source are stated beside it.
    What each name means stands in `metrics.CONVENTIONS`.
    """
    decided = partial(metrics.accuracy, threshold=threshold.value)
    measures = {
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "eer": metrics.eer,
        "tpr_at_fpr_0.01": metrics.tpr_at_fpr,
        "accuracy": decided,
        "real_accuracy": partial(_of_class, decided, 0),
        "fake_accuracy": partial(_of_class, decided, 1),
        "brier": metrics.brier,
        "expected_calibration_error": metrics.expected_calibration_error,
    }
    rows = np.ones(len(labels)) if valid is None else np.asarray(valid)
    units = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return {
        "images": int((rows > 0).sum()),
        "groups": len(np.unique(units[rows > 0])),
        "failed": failed,
        **measured(
            measures,
            labels,
            scores,
            groups=groups,
            valid=valid,
            seed=seed,
            samples=samples,
        ),
        "threshold": threshold.value,
        "threshold_rule": threshold.rule,
        "threshold_source": threshold.source,
        "interval": f"95 % bootstrap over {'images' if groups is None else 'groups'}",
    }


def _of_class(metric, label, labels, scores, *, valid):
    return metric(labels, scores, valid=valid * (labels == label))


def _floats(image):
    """Pictures as float32 in [0, 1], from bytes or as they are."""
    image = jnp.asarray(image)
    if jnp.issubdtype(image.dtype, jnp.integer):
        return image.astype(jnp.float32) / 255
    return image
