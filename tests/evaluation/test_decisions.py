"""What scores say, at the thresholds themselves and for scores that say nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.evaluation.decisions import fakeness, taken_for_fake, verdicts


def test_a_score_at_the_threshold_is_fake():
    scores = np.float32([0.1, 0.5, 0.7])
    np.testing.assert_array_equal(taken_for_fake(scores, 0.5), [False, True, True])
    np.testing.assert_array_equal(taken_for_fake(scores, np.inf), [False] * 3)
    assert taken_for_fake(0.7, 0.5) and not taken_for_fake(0.2, 0.5)


def test_between_two_thresholds_nothing_is_said():
    scores = [0.0, 0.29, 0.3, 0.69, 0.7, 1.0]
    got = verdicts(scores, real_below=0.3, fake_from=0.7)
    between = ["inconclusive", "inconclusive"]
    assert got.tolist() == ["real", "real", *between, "fake", "fake"]
    same = verdicts(scores, real_below=0.3, fake_from=0.3)
    assert same.tolist() == ["real", "real", "fake", "fake", "fake", "fake"]


@pytest.mark.parametrize("decide", [taken_for_fake, verdicts])
def test_nan_says_nothing(decide):
    thresholds = {"threshold": 0.5}
    if decide is verdicts:
        thresholds = {"real_below": 0.3, "fake_from": 0.7}
    with pytest.raises(ValueError, match="2 of 3 scores are NaN, at rows 0, 2"):
        decide([np.nan, 0.5, np.nan], **thresholds)
    with pytest.raises(ValueError, match="1 of 1 scores"):
        decide(np.nan, **thresholds)


@pytest.mark.parametrize("pair", [(0.7, 0.3), (np.nan, 0.5), (0.5, np.nan)])
def test_thresholds_that_cross_are_refused(pair):
    with pytest.raises(ValueError, match="must not exceed"):
        verdicts([0.5], real_below=pair[0], fake_from=pair[1])


def test_fakeness_is_the_lead_of_the_likeliest_fake_class():
    logits = np.float32([[1, 2, 5, 3], [4, 3, 1, 2]])
    for compiled in (fakeness, jax.jit(fakeness, static_argnames="reals")):
        np.testing.assert_array_equal(compiled(logits, reals=(0, 1)), [3, -2])
        np.testing.assert_array_equal(compiled(logits), [4, -1])
        np.testing.assert_array_equal(compiled(logits[:, :1]), [1, 4])
    likeliest_is_fake = ~np.isin(jnp.argmax(logits, -1), (0, 1))
    np.testing.assert_array_equal(fakeness(logits, reals=(0, 1)) > 0, likeliest_is_fake)


@pytest.mark.parametrize("reals", [(), (0, 1), (7,)])
def test_fakeness_needs_classes_of_both_kinds(reals):
    with pytest.raises(ValueError, match="there must be both"):
        fakeness(np.zeros((1, 2)), reals=reals)
