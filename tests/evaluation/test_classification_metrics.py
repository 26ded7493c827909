"""Scores against scikit-learn, ties, weights, padding, one class, NaN."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import calibration as sk_calibration
from sklearn import metrics as sk

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.protocols import gather

RANKING = (metrics.auc, metrics.average_precision, metrics.eer, metrics.tpr_at_fpr)
DECISIONS = (metrics.accuracy, metrics.brier, metrics.expected_calibration_error)


def draw(seed, size=200, decimals=2, weighted=False):
    """Labels, tied scores in [0, 1] and weights, some of them zero."""
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.integers(0, 2, size - 2))
    scores = np.round(rng.beta(2 + labels, 3 - labels), decimals)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], size) if weighted else np.ones(size)
    weights[:2] = 1
    return labels, scores, weights


def sk_ece(labels, scores, weights, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (scores > low) & (scores <= high) | (scores == low) * (low == 0)
        gap = np.sum((weights * (scores - labels))[inside])
        total += abs(gap)
    return total / weights.sum()


def sk_eer(labels, scores, weights):
    fpr, tpr, _ = sk.roc_curve(labels, scores, sample_weight=weights)
    # Points of equal FPR form a vertical edge: tilt it by nothing that matters.
    curve = interp1d(fpr + 1e-14 * np.arange(len(fpr)), tpr, fill_value="extrapolate")
    return brentq(lambda x: 1 - x - curve(x), 0, 1, xtol=1e-15)


def sk_tpr(labels, scores, weights):
    fpr, tpr, _ = sk.roc_curve(
        labels, scores, sample_weight=weights, drop_intermediate=False
    )
    return tpr[fpr <= 0.01].max()


ORACLES = {
    "auc": lambda y, s, w: sk.roc_auc_score(y, s, sample_weight=w),
    "average_precision": lambda y, s, w: sk.average_precision_score(
        y, s, sample_weight=w
    ),
    "eer": sk_eer,
    "tpr_at_fpr": sk_tpr,
    "accuracy": lambda y, s, w: sk.accuracy_score(y, s >= 0.5, sample_weight=w),
    "brier": lambda y, s, w: sk.brier_score_loss(y, s, sample_weight=w),
    "expected_calibration_error": sk_ece,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("metric", RANKING + DECISIONS, ids=lambda f: f.__name__)
def test_equals_its_oracle(metric, decimals, weighted):
    oracle = ORACLES[metric.__name__]
    tolerance = 1e-10 if metric is metrics.eer else 1e-12
    for seed in range(5):
        labels, scores, weights = draw(seed, decimals=decimals, weighted=weighted)
        want = oracle(labels, scores, weights)
        got = metric(labels, scores, valid=weights)
        assert isinstance(got, float)
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
def test_roc_equals_sklearn(weighted):
    labels, scores, weights = draw(0, weighted=weighted)
    want = sk.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    got = metrics.roc(labels, scores, valid=weights)
    # scikit-learn keeps thresholds that only rows of weight zero have.
    counted = np.isin(want[2], np.append(np.inf, scores[weights > 0]))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b[counted], rtol=0, atol=1e-12)


def test_hand_computed_values():
    labels, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
    assert metrics.auc(labels, scores) == 0.75
    assert metrics.eer(labels, scores) == 0.5
    assert metrics.tpr_at_fpr(labels, scores) == 0.5
    assert metrics.tpr_at_fpr(labels, scores, fpr=0.5) == 1.0
    assert metrics.accuracy(labels, scores) == 0.75
    assert metrics.accuracy(labels, scores, threshold=0.35) == 0.75
    assert metrics.accuracy(labels, scores, valid=labels) == 0.5
    # One line of the ROC from (0, 0.5) to (1, 1) crosses FPR = 1 - TPR at 1/3.
    assert metrics.eer([0, 0, 1, 1], [0.2, 0.2, 0.2, 0.9]) == pytest.approx(1 / 3)


def test_a_constant_score_is_chance():
    labels, scores = [0, 1, 1, 0], np.full(4, 0.3)
    assert metrics.auc(labels, scores) == 0.5
    assert metrics.eer(labels, scores) == 0.5
    assert metrics.average_precision(labels, scores) == 0.5
    assert metrics.tpr_at_fpr(labels, scores) == 0.0


@pytest.mark.parametrize("metric", RANKING, ids=lambda f: f.__name__)
@pytest.mark.parametrize("label", [0, 1])
def test_ranking_one_class_is_undefined(metric, label):
    labels, scores = np.full(3, label), [0.1, 0.6, 0.6]
    assert np.isnan(metric(labels, scores))
    assert np.isnan(metric([], []))
    curve = metrics.roc(labels, scores)
    assert np.isnan(curve.fpr).all() and np.isnan(curve.tpr).all()
    # Of several weightings only those with one class are undefined.
    weights = np.array([[1.0, 1, 0], [1, 1, 1]])
    got = metric([label, label, 1 - label], scores, valid=weights)
    np.testing.assert_array_equal(np.isnan(got), [True, False])


@pytest.mark.parametrize("metric", DECISIONS, ids=lambda f: f.__name__)
def test_decisions_need_images_but_not_both_classes(metric):
    assert np.isnan(metric([], []))
    assert metric([1, 1], [1.0, 1.0]) in (0.0, 1.0)


def test_infinite_logits_can_be_ranked():
    labels, scores = [0, 0, 1, 1], [-np.inf, -np.inf, np.inf, np.inf]
    assert metrics.auc(labels, scores) == 1.0
    assert len(metrics.roc(labels, scores).fpr) == 3


@pytest.mark.parametrize("metric", RANKING + DECISIONS, ids=lambda f: f.__name__)
def test_leading_axes_of_weights_are_separate_weightings(metric):
    labels, scores, _ = draw(1)
    weights = np.random.default_rng(1).poisson(1.0, (3, 2, len(labels)))
    got = metric(labels, scores, valid=weights)
    assert got.shape == (3, 2)
    for i in np.ndindex(3, 2):
        repeated = np.repeat(np.arange(len(labels)), weights[i])
        want = metric(labels[repeated], scores[repeated])
        np.testing.assert_allclose(got[i], want, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**16),
    cuts=st.lists(st.integers(0, 60), max_size=4).map(sorted),
    garbage=st.sampled_from([np.nan, np.inf, -7.0]),
)
def test_cutting_and_padding_change_nothing(seed, cuts, garbage):
    labels, scores, _ = draw(seed, size=60)
    batches = []
    for y, s in zip(np.split(labels, cuts), np.split(scores, cuts), strict=True):
        batches.append(
            {
                "label": np.append(y, [5, -1]),
                "score": np.append(s, [garbage, garbage]),
                "valid": np.append(np.ones(len(y)), [0, 0]),
            }
        )
    columns, failed = gather(batches)
    padded = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
    assert failed == 0
    for metric in RANKING + DECISIONS + (metrics.confusion,):
        whole = metric(labels, scores)
        np.testing.assert_array_equal(metric(columns["label"], columns["score"]), whole)
        masked = metric(padded["label"], padded["score"], valid=padded["valid"])
        np.testing.assert_array_equal(masked, whole)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16))
def test_ranking_sees_order_only(seed):
    labels, scores, _ = draw(seed, size=40)
    for metric in RANKING:
        squeezed = metric(labels, np.exp(3 * scores) - 8)
        assert metric(labels, scores) == squeezed
    flipped = metrics.auc(1 - labels, -scores)
    assert metrics.auc(labels, scores) == pytest.approx(flipped, abs=1e-15)
    assert metrics.auc(labels, -scores) == pytest.approx(1 - flipped, abs=1e-15)


@pytest.mark.parametrize("metric", RANKING + DECISIONS, ids=lambda f: f.__name__)
def test_nan_scores_are_refused_by_row(metric):
    scores = np.array([0.1, np.nan, 0.5, np.nan, np.nan])
    with pytest.raises(ValueError, match=r"2 of 4 scores are NaN, at rows 1, 4$"):
        metric([0, 1, 0, 1, 1], scores, valid=[1, 1, 1, 0, 1])


def test_many_nan_scores_make_a_short_message():
    with pytest.raises(ValueError, match=r"99 of 99 .* 18, 19, \.\.\.$"):
        metrics.auc(np.zeros(99), np.full(99, np.nan))


@pytest.mark.parametrize(
    ("labels", "scores", "valid", "message"),
    [
        ([0, 1], [0.1], None, "must be"),
        ([0, 1], [[0.1], [0.2]], None, "must be"),
        ([[0, 1]], [[0.1, 0.2]], None, "must be"),
        ([0, 1], [0.1, 0.2], [1], "must be"),
        ([0, 1], [0.1, 0.2], [1, -1], "negative"),
        ([0, 1], [0.1, 0.2], [1, np.nan], "not finite"),
        ([0, 2], [0.1, 0.2], None, "labels must be 0..1, got 2"),
        ([0.0, 0.5], [0.1, 0.2], None, "got 0.5"),
    ],
)
def test_nonsense_is_refused(labels, scores, valid, message):
    with pytest.raises(ValueError, match=message):
        metrics.auc(labels, scores, valid=valid)


@pytest.mark.parametrize(
    "metric",
    [metrics.brier, metrics.expected_calibration_error],
    ids=lambda f: f.__name__,
)
def test_logits_are_no_probabilities(metric):
    with pytest.raises(ValueError, match="logits"):
        metric([0, 1], [-2.0, 3.0])


def test_several_classes_decide_by_argmax():
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 4, 50), rng.normal(size=(50, 4))
    weights = rng.integers(0, 3, 50)
    said = logits.argmax(-1)
    got = metrics.accuracy(labels, logits, valid=weights)
    want = sk.accuracy_score(labels, said, sample_weight=weights)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    got = metrics.confusion(labels, logits, valid=weights)
    want = sk.confusion_matrix(labels, said, sample_weight=weights)
    np.testing.assert_array_equal(got, want)


def test_confusion_equals_sklearn_and_keeps_leading_axes():
    labels, scores, weights = draw(2, weighted=True)
    got = metrics.confusion(labels, scores, threshold=0.4, valid=weights)
    want = sk.confusion_matrix(labels, scores >= 0.4, sample_weight=weights)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    stacked = np.stack([weights, 2 * weights])
    both = metrics.confusion(labels, scores, threshold=0.4, valid=stacked)
    np.testing.assert_array_equal(both, [got, 2 * got])
    np.testing.assert_array_equal(metrics.confusion([], []), np.zeros((2, 2)))


def test_relative_error_reduction_reproduces_a_published_row():
    # AMTEN, Table VI: 98.52 % against 96.16 % without the predictor, RER 61.46 %.
    labels = np.ones(10000)
    ours, base = np.ones(10000), np.ones(10000)
    ours[:148], base[:384] = 0, 0
    rer = metrics.relative_error_reduction(labels, ours, base)
    assert round(100 * rer, 2) == 61.46
    assert metrics.relative_error_reduction(labels, base, ours) < 0
    assert np.isnan(metrics.relative_error_reduction(labels, ours, labels))


def test_calibration_error_equals_sklearn_bins():
    labels, scores, _ = draw(3, size=400)
    fakes, score = sk_calibration.calibration_curve(labels, scores, n_bins=10)
    edges = np.linspace(0, 1, 11)
    counts = np.bincount(np.searchsorted(edges[1:-1], scores), minlength=10)
    want = np.sum(np.abs(fakes - score) * counts[counts > 0]) / 400
    got = metrics.expected_calibration_error(labels, scores, bins=10)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_mean_counts_images_not_batches():
    values = np.array([1.0, 2.0, np.nan, 6.0])
    assert metrics.mean(values, valid=[1, 1, 0, 1]) == 3.0
    assert metrics.mean([1.0, np.inf], valid=[1, 0]) == 1.0
    weights = np.array([[1, 0], [1, 1], [0, 0]])
    got = metrics.mean([1.0, np.inf], valid=weights)
    np.testing.assert_array_equal(got, [1.0, np.inf, np.nan])
    with pytest.raises(ValueError, match="NaN"):
        metrics.mean(values)


def test_every_metric_says_its_convention():
    public = {n for n, f in vars(metrics).items() if inspect.isfunction(f)}
    assert public | {"CONVENTIONS"} == set(metrics.__all__)
    assert public == set(metrics.CONVENTIONS)


def test_optional_arguments_are_keyword_only():
    for name in metrics.CONVENTIONS:
        for parameter in inspect.signature(getattr(metrics, name)).parameters.values():
            optional = parameter.default is not parameter.empty
            assert optional == (parameter.kind is parameter.KEYWORD_ONLY), name


def test_no_warning_comes_out_of_rare_cases():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in RANKING + DECISIONS + (metrics.roc, metrics.confusion):
            metric([1], [0.5])
            metric([0, 1], [0.5, 0.5], valid=[[0, 0], [1, 0]])
