"""Accuracies of pictures and of classes, against scikit-learn and the paper."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from jaxforensics.evaluation.intervals import bootstrap, mean
from jaxforensics.experiments.amten import accuracy


def oracle(classes, said):
    """Both accuracies by scikit-learn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are said and do not occur
        of_classes = balanced_accuracy_score(classes, said)
    return accuracy_score(classes, said), of_classes


@pytest.mark.parametrize(
    ("task", "shares"),
    [("source", [0.7, 0, 0.2, 0.1, 0]), ("label", [0.1, 0.9])],
)
def test_accuracies_are_those_of_scikit_learn(task, shares):
    """Classes are of unequal size, and two of five sources do not occur."""
    rng = np.random.default_rng(0)
    classes = rng.choice(len(shares), 200, p=shares)
    logits = rng.normal(size=(200, len(shares))) + 1.5 * np.eye(len(shares))[classes]
    found = accuracy.of({task: classes, "logits": logits}, task)
    assert found == pytest.approx(oracle(classes, logits.argmax(1)))
    assert abs(found.pictures - found.classes) > 0.01


def test_shares_of_a_confusion_matrix():
    rng = np.random.default_rng(0)
    source = rng.choice([0, 2, 3], 200, p=[0.7, 0.2, 0.1])  # of classes 0 to 4
    shares = accuracy.confusion({"source": source, "logits": rng.normal(size=(200, 5))})
    assert shares.shape == (3, 5)
    np.testing.assert_allclose(shares.sum(1), 1)


def test_the_paper_s_accuracy_is_that_of_pictures():
    """Table IV's diagonal; test pictures are a fifth of those in Table II."""
    printed = {
        "CelebA": (5000, 99.56),
        "CelebA-HQ": (2000, 95.30),
        "YouTube-Frame": (5000, 97.68),
        "Glow": (5000, 99.92),
        "StarGAN": (5000, 99.66),
        "PGGAN": (2000, 91.45),
        "StyleGAN": (2000, 99.85),
        "Face2Face": (5000, 99.38),
    }
    sources = []
    said = []
    for number, (count, percentage) in enumerate(printed.values()):
        right = round(count * percentage / 100)
        wrong = (number + 1) % len(printed)
        sources += count * [number]
        said += right * [number] + (count - right) * [wrong]
    sources = np.array(sources)
    logits = np.eye(len(printed))[said]
    pictures, classes = accuracy.of({"source": sources, "logits": logits}, "source")
    assert (pictures, classes) == pytest.approx(oracle(sources, said))
    assert 100 * pictures == pytest.approx(98.52, abs=0.005)
    assert 100 * classes == pytest.approx(97.85, abs=0.005)


def test_resampled_accuracies_are_those_of_repeated_pictures():
    """Whole multiplicities against scikit-learn on repeated rows; a class may lack."""
    rng = np.random.default_rng(1)
    classes, said = rng.integers(0, 4, (2, 60))
    hits = classes == said
    valid = rng.integers(0, 3, (5, 60))
    valid[4, classes == 2] = 0
    of_pictures = mean(hits, valid=valid)
    of_classes = accuracy.mean_of_classes(classes, hits, valid=valid)
    for *values, counts in zip(of_pictures, of_classes, valid, strict=True):
        repeated = np.repeat(classes, counts), np.repeat(said, counts)
        assert values == pytest.approx(oracle(*repeated))


def test_the_interval_is_of_pictures():
    """By the bootstrap's slow path, which repeats rows, with scikit-learn."""
    rng = np.random.default_rng(2)
    classes, said = rng.integers(0, 3, (2, 40))
    groups = np.arange(40) // 2
    slow = bootstrap(accuracy_score, classes, said, groups=groups, samples=50)
    hits = classes == said
    quick = bootstrap(mean, hits, groups=groups, samples=50)
    assert quick == pytest.approx(slow)
