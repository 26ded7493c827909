"""Temperature, reliability and thresholds against scipy, scikit-learn, brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn import calibration as sk_calibration
from sklearn import metrics as sk

from jaxforensics.evaluation import calibration, metrics


def draw(seed=0, size=500):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=size)
    return (rng.random(size) < special.expit(logits)).astype(int), logits


def negative_log_likelihood(labels, logits, weights, temperature):
    if logits.ndim == 1:
        logits = np.stack([0 * logits, logits], axis=-1)
    chosen = special.log_softmax(logits / temperature, axis=-1)
    return -np.sum(weights * chosen[np.arange(len(labels)), labels])


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_temperature_is_the_likeliest(classes):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, max(classes, 2), 300)
    logits = (
        rng.normal(size=(300, max(classes, 2)))
        + 2 * np.eye(4)[labels, : max(classes, 2)]
    )
    logits = 3 * (logits[:, 1] - logits[:, 0] if classes == 1 else logits)
    weights = rng.choice([0.0, 1.0, 2.0], 300)
    got = calibration.temperature(labels, logits, valid=weights)
    want = optimize.minimize_scalar(
        lambda t: negative_log_likelihood(labels, logits, weights, t),
        bounds=(0.1, 50),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert got == pytest.approx(want.x, rel=1e-5)


def test_temperature_recovers_and_is_idempotent():
    labels, logits = draw(size=20000)
    got = calibration.temperature(labels, 5 * logits)
    assert got == pytest.approx(5, rel=0.05)
    assert calibration.temperature(labels, 5 * logits / got) == pytest.approx(1)


def test_temperature_lowers_the_calibration_error():
    labels, logits = draw(size=5000)
    scaled = 4 * logits / calibration.temperature(labels, 4 * logits)
    before, after = (
        metrics.expected_calibration_error(labels, special.expit(z))
        for z in (4 * logits, scaled)
    )
    assert after < 0.5 * before


def test_temperature_at_its_bounds():
    assert calibration.temperature([0, 1], [-1.0, 1.0]) == 1e-2
    assert calibration.temperature([0, 1], [1.0, -1.0]) == 1e2
    assert calibration.temperature([0, 1], [0.0, 0.0]) == 1e2
    with pytest.raises(ValueError, match="NaN"):
        calibration.temperature([0, 1], [0.0, np.nan])
    with pytest.raises(ValueError, match=r"labels must be 0\.\.1, got 2"):
        calibration.temperature([0, 2], [0.0, 1.0])


@pytest.mark.parametrize("decimals", [1, 12])
def test_reliability_equals_sklearn(decimals):
    labels, logits = draw()
    scores = np.round(special.expit(2 * logits), decimals)
    got = calibration.reliability(labels, scores, bins=12)
    fakes, score = sk_calibration.calibration_curve(labels, scores, n_bins=12)
    full = got.weight > 0
    np.testing.assert_allclose(got.score[full], score, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.fakes[full], fakes, rtol=0, atol=1e-12)
    assert got.weight.sum() == len(labels)
    assert np.isnan(got.score[~full]).all() and np.isnan(got.fakes[~full]).all()


def test_reliability_ignores_padding_and_takes_the_ends():
    got = calibration.reliability(
        [0, 1, 9, 1], [0.0, 1.0, np.nan, 0.5], bins=2, valid=[1, 1, 0, 1]
    )
    np.testing.assert_array_equal(got.weight, [2, 1])
    np.testing.assert_array_equal(got.score, [0.25, 1.0])
    np.testing.assert_array_equal(got.fakes, [0.5, 1.0])


def rates(labels, scores, value):
    said = scores >= value
    return np.mean(said[labels == 0]), np.mean(said[labels == 1])


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16), decimals=st.integers(1, 3))
def test_thresholds_are_the_best_of_all(seed, decimals):
    labels, logits = draw(seed, size=40)
    labels[:2] = 0, 1
    scores = np.round(special.expit(logits), decimals)
    every = [rates(labels, scores, t) for t in np.append(np.unique(scores), np.inf)]

    def best(merit):
        return max(merit(fpr, tpr) for fpr, tpr in every)

    def balanced(fpr, tpr):
        return tpr - fpr

    def equal(fpr, tpr):
        return -abs(fpr - (1 - tpr))

    def limited(fpr, tpr):
        return tpr if fpr <= 0.2 else -1

    rules = {"balanced_accuracy": balanced, "eer": equal, "fpr": limited}
    for rule, merit in rules.items():
        chosen = calibration.choose_threshold(labels, scores, rule=rule, fpr=0.2)
        got = merit(*rates(labels, scores, chosen.value))
        assert got == pytest.approx(best(merit), abs=1e-12)
    accuracy = metrics.accuracy(labels, scores, threshold=chosen.value)
    assert accuracy == sk.accuracy_score(labels, scores >= chosen.value)


def test_threshold_lies_between_and_says_where_it_comes_from():
    labels, scores = [0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]
    got = calibration.choose_threshold(labels, scores)
    assert got == (pytest.approx(0.4), "eer", "validation")
    got = calibration.choose_threshold(
        labels, scores, rule="fpr", fpr=0.05, source="dev split"
    )
    assert got == (pytest.approx(0.4), "fpr <= 0.05", "dev split")


def test_of_equal_thresholds_the_highest():
    labels, scores = [1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6]
    got = calibration.choose_threshold(labels, scores, rule="balanced_accuracy")
    assert got.value == pytest.approx(0.85)


def test_threshold_may_call_nothing_or_everything_fake():
    nothing = calibration.choose_threshold([1, 0], [0.1, 0.2], rule="fpr", fpr=0)
    assert nothing.value == np.inf
    everything = calibration.choose_threshold(
        [1, 0, 1], [0.1, 0.2, 0.3], fpr=1, rule="fpr"
    )
    assert everything.value == 0.1
    low, high = 0.5, np.nextafter(0.5, 1)
    assert calibration.choose_threshold([0, 1], [low, high]).value == high


def test_threshold_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="both real and fake"):
        calibration.choose_threshold([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="rule must be one of eer, fpr"):
        calibration.choose_threshold([0, 1], [0.1, 0.2], rule="youden")
