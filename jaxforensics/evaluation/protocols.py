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

from jaxforensics import settings
from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.calibration import FIXED
from jaxforensics.evaluation.intervals import bootstrap
from jaxforensics.evaluation.rows import binary, ratio, select, total, weights_of
from jaxforensics.ops.color import to_float

# Columns of a batch that say what an image is, and whether it counts.
_ABOUT = ("label", "source", "group", "video", "name", "index", "valid", "failed")


class Gathered(NamedTuple):
    """Columns with one row per image that counts, and how many images failed."""

    columns: dict
    failed: int


class Scored(NamedTuple):
    """The scores of images beside what their batches say about them."""

    about: dict  # {column: (n,)}: label, source, group and so on
    scores: dict  # {predictor: (n,)}
    failed: int  # images that could not be decoded, and have no row


class Videos(NamedTuple):
    """Columns with one row per video."""

    labels: np.ndarray  # 0 or 1
    scores: np.ndarray  # pooled over the frames
    groups: np.ndarray  # the units of intervals
    names: np.ndarray  # 'data set/source/video', of what was given


def gather(batches):
    """Join the rows of batches, dicts of arrays (b, ...), into columns (n, ...).

    A measure of the columns is the measure of the whole data, however it was cut.
    """
    parts = []
    failures = 0
    for batch in batches:
        rows = {name: np.asarray(column) for name, column in batch.items()}
        length = len(next(iter(rows.values())))
        valid = rows.pop("valid", np.ones(length)) > 0
        # A failed row of padding is padding, and no failure.
        failed = valid & rows.pop("failed", np.zeros(length)).astype(bool)
        failures += int(failed.sum())
        parts.append({name: column[valid & ~failed] for name, column in rows.items()})
    if not parts:
        raise ValueError("there are no batches to gather")
    columns = {
        name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]
    }
    return Gathered(columns, failures)


def score(predictors, batches):
    """Scores of every predictor {name: predict}, in one pass over the batches.

    Keeps what the batches say about each image: label, source, group, name, index.
    """

    def rows():
        for batch in batches:
            about = {name: batch[name] for name in _ABOUT if name in batch}
            image = jnp.asarray(batch["image"])
            if jnp.issubdtype(image.dtype, jnp.integer):
                image = to_float(image)
            # Pairs cannot be mistaken for columns of the batch, whatever the names.
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
    labels = scored.about["label"]
    groups = scored.about.get("group")
    rows = []
    for (operation, severity), scores in scored.scores.items():
        row = {"operation": operation, "severity": severity}
        row |= measured(
            measures, labels, scores, groups=groups, seed=seed, samples=samples
        )
        rows.append(row)

    # The first row is that of undegraded pictures.
    for row in rows:
        for name in measures:
            row[f"{name}_relative"] = float(ratio(row[name], rows[0][name]))
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
    is_fake = binary(np.asarray(labels))
    sources = np.asarray(sources)
    rows = []
    # Real pictures are no source of fakes, whatever number they have.
    for source in np.unique(sources[is_fake]).tolist():
        chosen = ~is_fake | (sources == source)
        row = measured(
            measures,
            labels,
            scores,
            groups=groups,
            valid=chosen,
            seed=seed,
            samples=samples,
        )
        fakes = int((is_fake & chosen).sum())
        rows.append({"source": source, "fakes": fakes, **row})
    return rows


def leave_one_out(names):
    """Pairs (held out, the rest in order), one for each of the distinct names."""
    names = list(names)
    if len(set(names)) < len(names):
        raise ValueError(f"names must be distinct, got {names}")
    return [(name, [other for other in names if other != name]) for name in names]


def pool_videos(
    scores,
    videos,
    *,
    labels,
    sources=None,
    data_sets=None,
    groups=None,
    valid=None,
    pool="mean",
):
    """One label, score and group per video from those of its frames, each (n,).

    A video is named by its data set (an array, or one name for all), its source and its
    own name, as far as they are given: two clips "012" of different forgers are two
    videos.  `pool` is 'mean', weighted by `valid`, or 'max'.  Without `groups` each
    video is its own.  Videos come in the order of their names.

    ValueError that names the first video whose frames differ in label or group, and
    for NaN scores.
    """
    pooled = settings.choose(_POOLS, pool, "way to pool scores")
    counts = weights_of(len(scores), valid) > 0
    names, cells = _named_videos(counts, data_sets, sources, videos)

    labels, scores, weights = select(labels, scores, valid=valid)
    label_of_video = _of_each(cells, binary(labels).astype(np.int64), names, "labels")
    group_of_video = names
    if groups is not None:
        group_of_video = _of_each(cells, np.asarray(groups)[counts], names, "groups")
    return Videos(
        labels=label_of_video,
        scores=pooled(cells, weights, scores, len(names)),
        groups=group_of_video,
        names=names,
    )


def _named_videos(counts, data_sets, sources, videos):
    """The names (videos,) of the rows that count, and the number of each row's video.

    Rows are told apart by all columns, not by their joined texts: "a/b", "c" is not
    "a", "b/c".
    """
    columns = []
    for column in (data_sets, sources, videos):
        if column is None:
            continue
        column = np.asarray(column)
        if column.ndim and column.shape != counts.shape:
            raise ValueError(
                f"videos are named by {column.shape} values for {counts.shape} scores"
            )
        columns.append(np.broadcast_to(column, counts.shape)[counts])
    # Numbers in each column's own order, so that rows of numbers sort as names do.
    numbers = [np.unique(column, return_inverse=True)[1] for column in columns]
    _, first_rows, cells = np.unique(
        np.stack(numbers, axis=-1), axis=0, return_index=True, return_inverse=True
    )
    cells = cells.reshape(-1)  # NumPy 2.0 gives a column, other versions a row
    if len(columns) == 1:
        return columns[0][first_rows], cells
    texts = ["/".join(map(str, parts)) for parts in zip(*columns, strict=True)]
    return np.array(texts)[first_rows], cells


def _of_each(cells, values, names, what):
    """The one value that all frames of each video have, (videos,)."""
    _, first_rows = np.unique(cells, return_index=True)
    value_of_video = values[first_rows]
    mixed = np.unique(cells[values != value_of_video[cells]])
    if mixed.size:
        raise ValueError(
            f"{mixed.size} videos hold frames of several {what}, first "
            f"{names[mixed[0]]!s}: name them by data set, manipulation and video"
        )
    return value_of_video


def _mean_of_each(cells, weights, scores, count):
    """Mean score of each of `count` videos, weighted as its frames."""
    sums = total(cells, weights * scores, count)
    return ratio(sums, total(cells, weights, count))


def _max_of_each(cells, weights, scores, count):
    """Highest score of each of `count` videos; every frame that counts is one."""
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, cells, scores)
    return highest


_POOLS = {"mean": _mean_of_each, "max": _max_of_each}


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
    counts = weights_of(len(labels), valid) > 0
    unit = "groups"
    units = groups
    if groups is None:  # each image is drawn by itself
        unit = "images"
        units = np.arange(len(labels))
    return {
        "images": int(counts.sum()),
        "groups": len(np.unique(np.asarray(units)[counts])),
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
        "interval": f"95 % bootstrap over {unit}",
    }


def _of_class(metric, label, labels, scores, *, valid):
    return metric(labels, scores, valid=valid * (labels == label))
