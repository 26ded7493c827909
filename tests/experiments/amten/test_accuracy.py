"""Accuracy of several classes, against scikit-learn."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from jaxforensics.experiments.amten import accuracy


def test_accuracy_is_the_mean_over_classes_that_occur():
    rng = np.random.default_rng(0)
    source = rng.choice([0, 2, 3], 200, p=[0.7, 0.2, 0.1])  # of classes 0 to 4
    logits = rng.normal(size=(200, 5)) + 1.5 * np.eye(5)[source]
    answers = {"source": source, "logits": logits}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are said and do not occur
        expected = balanced_accuracy_score(source, logits.argmax(1))
    assert accuracy.of_sources(answers) == pytest.approx(expected)
    shares = accuracy.confusion(answers)
    assert shares.shape == (3, 5)
    np.testing.assert_allclose(shares.sum(1), 1)


def test_resampled_accuracies_are_means_over_classes():
    """Whole multiplicities against scikit-learn on repeated rows; a class may lack."""
    rng = np.random.default_rng(1)
    classes, answers = rng.integers(0, 4, (2, 60))
    valid = rng.integers(0, 3, (5, 60))
    valid[4, classes == 2] = 0
    values = accuracy.mean_of_classes(classes, answers == classes, valid=valid)
    for value, counts in zip(values, valid, strict=True):
        true, predicted = np.repeat(classes, counts), np.repeat(answers, counts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert value == pytest.approx(balanced_accuracy_score(true, predicted))
