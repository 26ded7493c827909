"""The bootstrap: against resampling by hand, scipy, and the truth it should cover."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.intervals import Interval, bootstrap, over_seeds


def draw(seed=0, size=60):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size)
    return labels, rng.beta(2 + labels, 3 - labels)


def test_equals_resampling_rows_by_hand():
    labels, scores = draw()
    weighted = bootstrap(metrics.auc, labels, scores, samples=200, seed=3)
    # The same draws, each resample written out and scored by scikit-learn.
    by_hand = bootstrap(roc_auc_score, labels, scores, samples=200, seed=3)
    np.testing.assert_allclose(weighted, by_hand, rtol=0, atol=1e-12)
    assert weighted.point == roc_auc_score(labels, scores)
    assert weighted.low < weighted.point < weighted.high


@pytest.mark.parametrize("clusters", [False, True])
def test_mean_agrees_with_theory(clusters):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(400), 5)
    shared = rng.normal(size=400)[groups]
    values = (shared if clusters else 0) + rng.normal(size=2000)
    got = bootstrap(
        metrics.mean, values, groups=groups if clusters else None, samples=4000
    )
    means = values.reshape(400, 5).mean(axis=1) if clusters else values
    error = stats.sem(means)
    want = np.mean(means) + np.array([-1, 1]) * stats.norm.ppf(0.975) * error
    np.testing.assert_allclose(got[1:], want, rtol=0, atol=0.12 * error)


def test_agrees_with_scipy():
    values = np.random.default_rng(1).exponential(size=300)
    got = bootstrap(metrics.mean, values, samples=5000, level=0.9)
    want = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=5000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    error = want.standard_error
    np.testing.assert_allclose(
        got[1:], want.confidence_interval, rtol=0, atol=0.12 * error
    )


def test_groups_move_together():
    # Two groups of opposite value: a resample is all of one or half of each.
    values = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    groups = np.array(["a", "a", "a", "b", "b", "b"])
    seen = []

    def spy(values, *, valid):
        seen.append(metrics.mean(values, valid=valid))
        return seen[-1]

    got = bootstrap(spy, values, groups=groups, samples=100)
    assert got == Interval(0.5, 0.0, 1.0)
    np.testing.assert_array_equal(np.unique(np.concatenate(seen)), [0.0, 0.5, 1.0])


def test_a_group_in_several_corpora_is_one():
    """Three qualities of a clip: joined arrays in which its name stands three times."""
    rng = np.random.default_rng(4)
    clips = np.repeat([f"clip{i}" for i in range(12)], 2)  # two frames of each
    labels = np.arange(24) // 2 % 2
    corpora = [labels + noise * rng.normal(size=24) for noise in (0.5, 1, 2)]
    labels = np.tile(labels, 3)
    scores = np.concatenate(corpora)
    groups = np.tile(clips, 3)
    got = bootstrap(metrics.auc, labels, scores, groups=groups, samples=60, seed=9)

    # By hand: whole clips are drawn, each with its frames of every corpus.
    names = np.unique(groups)
    drawn_clips = np.random.default_rng(9).integers(len(names), size=(60, len(names)))
    values = []
    for drawn in drawn_clips:
        rows = [np.flatnonzero(groups == names[number]) for number in drawn]
        rows = np.concatenate(rows)
        values.append(roc_auc_score(labels[rows], scores[rows]))
    low = np.quantile(values, 0.025, method="lower")
    high = np.quantile(values, 0.975, method="higher")
    want = roc_auc_score(labels, scores), low, high
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    # Taken for three groups each, the clips would seem to be three times as many.
    apart = [f"{group}/{number // 24}" for number, group in enumerate(groups)]
    narrow = bootstrap(metrics.auc, labels, scores, groups=apart, samples=60, seed=9)
    assert narrow.high - narrow.low < got.high - got.low


def test_deterministic_in_the_seed():
    labels, scores = draw()
    run = partial(bootstrap, metrics.auc, labels, scores, samples=100)
    assert run(seed=5) == run(seed=5)
    assert run(seed=5) != run(seed=6)


def test_size_of_chunks_does_not_show(monkeypatch):
    labels, scores = draw()
    whole = bootstrap(metrics.auc, labels, scores, samples=64)
    monkeypatch.setattr("jaxforensics.evaluation.intervals._CELLS", 16 * len(labels))
    parts = bootstrap(metrics.auc, labels, scores, samples=64)
    assert whole == parts


def test_padding_is_never_drawn():
    labels, scores = draw()
    padded = np.append(labels, [7, 7]), np.append(scores, [np.nan, np.nan])
    valid = np.append(np.ones(len(labels)), [0, 0])
    groups = np.append(np.arange(len(labels)), [-1, 10**6])
    want = bootstrap(metrics.auc, labels, scores, samples=100)
    assert bootstrap(metrics.auc, *padded, valid=valid, samples=100) == want
    got = bootstrap(metrics.auc, *padded, valid=valid, groups=groups, samples=100)
    assert got == want
    by_hand = bootstrap(roc_auc_score, *padded, valid=valid, samples=100)
    np.testing.assert_allclose(by_hand, want, rtol=0, atol=1e-12)


def test_nan_scores_are_refused_by_their_row():
    with pytest.raises(ValueError, match="1 of 3 scores are NaN, at rows 3"):
        bootstrap(
            metrics.auc, [0, 0, 1, 1], [0.1, 0.2, 0.3, np.nan], valid=[0, 1, 1, 1]
        )


def test_nan_is_refused_whatever_the_metric_does_with_it():
    """A metric that skips NaN would describe other rows in each resample."""
    values = [0.1, np.nan, 0.3, np.nan, np.nan]
    for metric in (np.nanmean, np.mean, metrics.mean):
        with pytest.raises(ValueError, match="2 of 4 scores are NaN, at rows 1, 4"):
            bootstrap(metric, values, valid=[1, 1, 1, 0, 1], samples=20)


def test_undefined_resamples_are_left_out():
    # One fake in eight: a third of the resamples miss it.
    labels, scores = np.eye(8, dtype=int)[0], np.arange(8.0)
    got = bootstrap(metrics.auc, labels, scores, samples=300)
    assert got == Interval(0.0, 0.0, 0.0)
    values = bootstrap(metrics.auc, labels, -scores, samples=300)
    assert values == Interval(1.0, 1.0, 1.0)


def test_no_interval_where_there_is_none():
    one_class = bootstrap(metrics.auc, [1, 1, 1], [0.1, 0.2, 0.3], samples=20)
    np.testing.assert_array_equal(one_class, [np.nan] * 3)
    one_group = bootstrap(
        metrics.auc, [0, 1, 1], [0.1, 0.2, 0.3], groups=["v"] * 3, samples=20
    )
    np.testing.assert_array_equal(one_group, [1.0, np.nan, np.nan])


def test_no_interval_around_an_undefined_value():
    def two_or_more(values, *, valid):
        return np.where((valid > 1).any(-1), 1.0, np.nan)  # of most resamples

    got = bootstrap(two_or_more, np.zeros(20), samples=100)
    np.testing.assert_array_equal(got, [np.nan] * 3)


def test_a_metric_that_is_mostly_undefined_has_no_interval():
    def rare(values, *, valid):
        return np.where(valid[:, 0] > 1, 1.0, np.nan)  # a quarter of the resamples

    got = bootstrap(rare, np.zeros(20), samples=200)
    assert np.isnan(got.low) and np.isnan(got.high)


def test_infinite_values_do_not_turn_into_nan():
    values = np.append(np.full(50, np.inf), np.zeros(2))
    got = bootstrap(metrics.mean, values, samples=100)
    assert got == Interval(np.inf, np.inf, np.inf)


def test_differences_are_paired():
    labels, scores = draw(size=400)
    noise = np.random.default_rng(2).normal(size=400)

    def gain(labels, a, b, *, valid):
        return metrics.auc(labels, a, valid=valid) - metrics.auc(labels, b, valid=valid)

    paired = bootstrap(gain, labels, scores, scores + 0.02 * noise, samples=400)
    alone = bootstrap(metrics.auc, labels, scores, samples=400)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="one row per image"):
        bootstrap(metrics.auc, [0, 1], [0.1, 0.2], groups=[1])
    with pytest.raises(ValueError, match=r"\(samples,\)"):
        bootstrap(metrics.confusion, [0, 1], [0.1, 0.2], samples=10)
    with pytest.raises(ValueError, match="at least one resample, got 0"):
        bootstrap(metrics.auc, [0, 1], [0.1, 0.2], samples=0)
    with pytest.raises(ValueError, match="fractional"):
        bootstrap(roc_auc_score, [0, 1], [0.1, 0.2], valid=[0.5, 1])


def covered(simulate, truth, runs, **settings):
    hits = 0
    for seed in range(runs):
        arrays, groups = simulate(np.random.default_rng(seed))
        interval = bootstrap(metrics.auc, *arrays, groups=groups, **settings)
        hits += interval.low <= truth <= interval.high
    return hits / runs


@pytest.mark.slow
def test_intervals_cover_the_true_auc():
    truth, runs = stats.norm.cdf(1 / np.sqrt(2)), 600
    labels = np.repeat([0, 1], 150)

    def simulate(rng):
        return (labels, labels + rng.normal(size=300)), None

    bounds = stats.binom.interval(0.999, runs, 0.95)
    got = covered(simulate, truth, runs, samples=500)
    assert bounds[0] <= got * runs <= bounds[1], got


@pytest.mark.slow
def test_grouped_intervals_cover_where_ungrouped_do_not():
    # 120 videos of 8 frames with a shared component: the frames are not independent.
    spread, runs = 1.5, 400
    truth = stats.norm.cdf(2 / np.sqrt(2 * (1 + spread**2)))
    groups = np.repeat(np.arange(120), 8)
    labels = groups % 2

    def simulate(rng, grouped):
        scores = 2 * labels + spread * rng.normal(size=120)[groups]
        scores = scores + rng.normal(size=len(groups))
        return (labels, scores), groups if grouped else None

    bounds = stats.binom.interval(0.999, runs, 0.95)
    got = covered(partial(simulate, grouped=True), truth, runs, samples=500)
    assert bounds[0] <= got * runs <= bounds[1], got
    naive = covered(partial(simulate, grouped=False), truth, runs, samples=500)
    assert naive < 0.75, naive


@pytest.mark.parametrize("count", [2, 3, 10])
def test_over_seeds_is_students_interval(count):
    values = np.random.default_rng(count).normal(0.7, 0.1, count)
    oracle = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = over_seeds(values, level=0.9)
    np.testing.assert_allclose(found, (values.mean(), *oracle), rtol=1e-12)


def test_one_seed_has_no_interval():
    np.testing.assert_equal(over_seeds([0.5]), (0.5, np.nan, np.nan))
