"""How sure a number is: over images or groups of them, and over seeds."""

import inspect
from typing import NamedTuple

import numpy as np
from scipy import special

from jaxforensics.evaluation.rows import refuse_nan, weights_of

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
    frames of a video are not independent; otherwise one by one.  Rows of one name are
    one group wherever they stand: three qualities of a clip, from three corpora whose
    arrays were joined, are drawn together.

    A metric with `valid=` gets multiplicities (samples, n) and returns (samples,), as
    all of `evaluation.metrics` do; any other is called on each resample.  Several
    arrays are resampled together, so a difference of detectors is paired:

        def gain(labels, a, b, *, valid):
            return auc(labels, a, valid=valid) - auc(labels, b, valid=valid)

        bootstrap(gain, labels, scores_a, scores_b, groups=videos)

    Resamples on which the metric is undefined (nan: one class only) are left out.  The
    bounds are nan if they are the majority, if the metric of all rows is undefined, or
    if there are fewer than two groups.  A class that a single group holds is the same
    in all resamples: its variation is in no interval.

    ValueError for NaN among the rows that count: a metric that skips them would
    describe other rows in each resample.
    """
    if samples < 1:
        raise ValueError(f"a bootstrap needs at least one resample, got {samples}")
    arrays = [np.asarray(array) for array in arrays]
    units, count, weights = _units(len(arrays[0]), groups, valid)
    counted = np.flatnonzero(weights)
    for array in arrays:
        if array.dtype.kind == "f":
            refuse_nan(array[counted], rows=counted)

    evaluate = metric
    if not _takes_weights(metric):
        evaluate = _one_by_one(metric)
    point = np.asarray(evaluate(*arrays, valid=weights[None]))
    if point.shape != (1,):
        raise ValueError("the metric must return (samples,) for valid (samples, n)")
    point = float(point[0])
    if count < 2 or np.isnan(point):
        return Interval(point, np.nan, np.nan)

    chunk = max(1, _CELLS // len(units))  # resamples at a time
    values = np.concatenate(
        [
            evaluate(*arrays, valid=multiplicities[:, units] * weights)
            for multiplicities in _resamples(seed, samples, count, chunk)
        ]
    )
    return Interval(point, *_percentiles(values, level))


def mean(values, *, valid):
    """A metric for `bootstrap`: the mean of values (n,) per resample, (samples,)."""
    return valid @ values / valid.sum(-1)


def over_seeds(values, *, level=0.95):
    """Mean of one value per seed with its interval by Student's t.

    Nets of other seeds would have it in `level` of all cases, if values are normal; of
    a single seed the bounds are nan.
    """
    values = np.asarray(values, np.float64)
    count = len(values)
    mean = float(values.mean())
    if count < 2:
        return Interval(mean, np.nan, np.nan)
    quantile = special.stdtrit(count - 1, (1 + level) / 2)
    half_width = float(quantile * values.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half_width, mean + half_width)


def _units(length, groups, valid):
    """The number of each row's group, how many groups count, and the weights."""
    if groups is None:
        groups = np.arange(length)
    groups = np.asarray(groups)
    weights = weights_of(length, valid)
    if {len(groups), len(weights)} != {length}:
        raise ValueError("arrays, groups and valid must have one row per image")
    counts = weights > 0
    # Padding has names too: it makes no group.
    names, numbers = np.unique(groups[counts], return_inverse=True)
    # Rows of weight 0 may go with any group: the product with their weight stays 0.
    units = np.zeros(length, np.int64)
    units[counts] = numbers
    return units, len(names), weights


def _resamples(seed, samples, count, chunk):
    """How often each of `count` groups is drawn: (up to chunk, count) at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = rng.integers(count, size=(size, count))
        # One histogram for all: resample i counts in the cells from i * count on.
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
        values = []
        for multiplicities in valid.astype(int):
            rows = np.repeat(np.arange(len(multiplicities)), multiplicities)
            values.append(metric(*(array[rows] for array in arrays)))
        return np.array(values)

    return evaluate


def _percentiles(values, level):
    """The outer order statistics, which also exist among infinities."""
    defined = values[~np.isnan(values)]
    if 2 * len(defined) <= len(values):
        return np.nan, np.nan
    # Between inf and a number an interpolation would be nan.
    low = np.quantile(defined, (1 - level) / 2, method="lower")
    high = np.quantile(defined, (1 + level) / 2, method="higher")
    return float(low), float(high)
