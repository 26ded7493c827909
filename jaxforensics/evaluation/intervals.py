"""How sure a number is: over images or groups of them, and over seeds."""

import inspect
from typing import NamedTuple

import numpy as np
from scipy import special

_CELLS = 2**19  # weights per call of a metric: 4 MB stay in cache


class Interval(NamedTuple):
    """A value with the bounds of its interval."""

    point: float
    low: float
    high: float


def bootstrap(
    metric, *arrays, groups=None, valid=None, seed=0, samples=1000, level=0.95
):
    """`metric(*arrays)` with its percentile bootstrap interval (Efron, 1979).

    Rows are resampled by `groups` (videos, identities) where they are given, because
    frames of a video are not independent; otherwise one by one.  A metric with `valid=`
    gets multiplicities (samples, n) and returns (samples,), as all of
    `evaluation.metrics` do; any other is called on each resample.  Several arrays are
    resampled together, so a difference of detectors is paired:

        def gain(labels, a, b, *, valid):
            return auc(labels, a, valid=valid) - auc(labels, b, valid=valid)

        bootstrap(gain, labels, scores_a, scores_b, groups=videos)

    Resamples on which the metric is undefined (nan: one class only) are left out.  The
    bounds are nan if they are the majority or if there are fewer than two groups.
    """
    arrays = [np.asarray(array) for array in arrays]
    units, count, weights = _units(len(arrays[0]), groups, valid)
    evaluate = metric if _takes_weights(metric) else _one_by_one(metric)
    point = evaluate(*arrays, valid=weights[None])
    if count < 2:
        return Interval(float(point[0]), np.nan, np.nan)
    values = np.concatenate(
        [
            evaluate(*arrays, valid=drawn[:, units] * weights)
            for drawn in _resamples(seed, samples, count, max(1, _CELLS // len(units)))
        ]
    )
    if values.shape != (samples,):
        raise ValueError("the metric must return (samples,) for valid (samples, n)")
    return Interval(float(point[0]), *_percentiles(values, level))


def over_seeds(values, *, level=0.95):
    """Mean of one value per seed with its interval by Student's t.

    Nets of other seeds would have it in `level` of all cases, if values are normal; of
    a single seed the bounds are nan.
    """
    values = np.asarray(values, np.float64)
    count, mean = len(values), float(values.mean())
    if count < 2:
        return Interval(mean, np.nan, np.nan)
    quantile = special.stdtrit(count - 1, (1 + level) / 2)
    room = float(quantile * values.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - room, mean + room)


def _units(length, groups, valid):
    """The number of each row's group, how many groups count, and the weights."""
    groups = np.arange(length) if groups is None else np.asarray(groups)
    weights = np.ones(length) if valid is None else np.asarray(valid, np.float64)
    if {len(groups), len(weights)} != {length}:
        raise ValueError("arrays, groups and valid must have one row per image")
    keep = weights > 0
    names, numbers = np.unique(groups[keep], return_inverse=True)
    units = np.zeros(length, np.int64)
    units[keep] = numbers
    return units, len(names), weights


def _resamples(seed, samples, count, chunk):
    """How often each of `count` groups is drawn: (up to chunk, count) at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = rng.integers(count, size=(size, count))
        drawn += count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)


def _takes_weights(metric):
    try:
        return "valid" in inspect.signature(metric).parameters
    except ValueError:  # some builtins tell no signature
        return False


def _one_by_one(metric):
    """A metric without weights as one that takes whole multiplicities."""

    def evaluate(*arrays, valid):
        if (valid % 1).any():
            raise ValueError("a metric without valid= cannot take fractional weights")
        index = [np.repeat(np.arange(len(row)), row.astype(int)) for row in valid]
        return np.array([metric(*(array[i] for array in arrays)) for i in index])

    return evaluate


def _percentiles(values, level):
    """The outer order statistics, which also exist among infinities."""
    defined = values[~np.isnan(values)]
    if 2 * len(defined) <= len(values):
        return np.nan, np.nan
    low = np.quantile(defined, (1 - level) / 2, method="lower")
    high = np.quantile(defined, (1 + level) / 2, method="higher")
    return float(low), float(high)
