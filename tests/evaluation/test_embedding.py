"""Planes and clusters: what is apart stays apart; degenerate features are no trap."""

import numpy as np
import pytest
from sklearn.manifold import TSNE

from jaxforensics.evaluation.embedding import (
    k_means,
    named_accuracy,
    single_sample,
    tsne,
)


def blobs(*, each=12, size=5):
    """Three blobs far apart, (3 * each, size), and which points belong to which."""
    rng = np.random.default_rng(0)
    member = np.repeat([0, 1, 2], each)
    centres = 20 * rng.normal(size=(3, size))
    return np.float32(centres[member] + rng.normal(size=(3 * each, size))), member


def test_neighbours_stay_neighbours():
    features, member = blobs(each=30)
    places = tsne(features, seed=0, perplexity=10)
    assert places.shape == (90, 2)
    gaps = np.linalg.norm(places[:, None] - places, axis=-1) + np.diag([np.inf] * 90)
    assert np.mean(member[gaps.argmin(axis=1)] == member) > 0.95


def test_it_is_the_librarys_with_a_perplexity_that_few_points_allow():
    features, _ = blobs(each=4)
    for perplexity, used in ((30, 11 / 3), (3, 3)):
        want = TSNE(perplexity=used, init="pca", random_state=2).fit_transform(features)
        got = tsne(features, seed=2, perplexity=perplexity)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "features",
    [
        np.random.default_rng(0).normal(size=(4, 3)),
        np.arange(12.0)[:, None],  # one number each
        np.repeat([[0.0, 1.0], [5.0, 5.0]], 6, axis=0),  # two points, six times
        np.arange(12)[:, None] * np.ones(4),  # on a line
    ],
)
def test_few_and_flat_points_have_finite_places(features):
    places = tsne(features, seed=0)
    assert places.shape == (len(features), 2)
    assert np.isfinite(places).all()


def test_equal_points_share_a_place():
    np.testing.assert_array_equal(tsne(np.full((9, 4), 0.3), seed=0), np.zeros((9, 2)))


def test_clusters_are_the_blobs():
    features, member = blobs()
    order = np.random.default_rng(1).permutation(36)
    got = k_means(features[order], 3, seed=0)
    names = dict(zip(member[order], got.labels, strict=True))
    np.testing.assert_array_equal(got.labels, [names[m] for m in member[order]])
    # Numbered as points first have them, whatever the seed.
    first_rows = [np.flatnonzero(got.labels == number)[0] for number in range(3)]
    assert first_rows == sorted(first_rows)
    np.testing.assert_array_equal(
        k_means(features[order], 3, seed=5).labels, got.labels
    )
    for number in range(3):
        mean = features[order][got.labels == number].mean(0)
        np.testing.assert_allclose(got.centres[number], mean, rtol=1e-5)


def test_as_many_clusters_as_points_at_most():
    twice = np.repeat([[0.0, 1.0], [5.0, 5.0]], 3, axis=0)
    np.testing.assert_array_equal(k_means(twice, 2, seed=0).labels, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(k_means(twice, 1, seed=0).labels, [0] * 6)
    for clusters in (0, 3):
        with pytest.raises(ValueError, match=f"{clusters} clusters of 6 points, 2 of"):
            k_means(twice, clusters, seed=0)


def test_features_that_are_none_are_refused():
    with pytest.raises(ValueError, match="at least 4 points, got 3"):
        tsne(np.eye(3), seed=0)
    broken = np.ones((5, 2))
    broken[[1, 3], 0] = np.nan
    for function in (tsne, lambda x, seed: k_means(x, 2, seed=seed)):
        with pytest.raises(ValueError, match="2 of 5 points are NaN, at rows 1, 3"):
            function(broken, seed=0)
        with pytest.raises(ValueError, match="infinite"):
            function(np.full((5, 2), np.inf), seed=0)
        with pytest.raises(ValueError, match=r"must be \(n, d\), got \(5,\)"):
            function(np.ones(5), seed=0)


def test_one_sample_names_two_clusters():
    """All right where classes lie apart, whichever the sample; also on other scales."""
    random = np.random.default_rng(0)
    labels = np.tile([0, 1, 1], 20)
    features = random.normal(size=(60, 80)) + 3 * labels[:, None]
    features = np.concatenate([1e3 * features, np.ones((60, 2))], axis=1)
    found = single_sample(features, labels, seed=0, draws=2)
    assert found.accuracy == found.better == 1.0
    np.testing.assert_array_equal(found.accuracies, [1.0, 1.0])


def test_the_mean_over_samples_is_what_purity_says():
    """Of each class nine in ten are in its cluster: 0.9² + 0.1² = 0.82."""
    labels = np.repeat([0, 1], 500)
    clusters = np.concatenate(
        [np.repeat([1, 0], [450, 50]), np.repeat([0, 1], [450, 50])]
    )
    accuracies = [named_accuracy(clusters, labels, sample) for sample in range(1000)]
    assert set(np.round(accuracies, 1)) == {0.1, 0.9}
    assert np.mean(accuracies) == pytest.approx(0.82, abs=2e-3)


def test_features_without_classes_are_at_chance():
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 6))
    found = single_sample(features, random.integers(0, 2, 120), seed=1, draws=3)
    assert 0.3 < found.accuracy < 0.7
    assert 0.5 <= found.better < 0.7
    with pytest.raises(ValueError, match="labels are 0 or 1 for each of 120"):
        single_sample(features, np.arange(120), seed=1)
