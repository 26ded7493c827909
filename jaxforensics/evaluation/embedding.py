"""Features in the plane and in clusters: t-SNE and k-means of (n, d) arrays."""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from jaxforensics.evaluation.rows import refuse_nan

_FEWEST = 4  # points of which t-SNE's neighbourhoods say anything


class Clusters(NamedTuple):
    """The cluster of each point, and the clusters' means."""

    labels: np.ndarray  # (n,), numbered in the order in which points first have them
    centres: np.ndarray  # (clusters, d)


class SingleSample(NamedTuple):
    """How well clusters tell classes when one sample has a label, over some draws."""

    accuracy: float  # the mean over draws, of all pictures but the sample
    better: float  # the mean of what the better naming of the clusters would give
    accuracies: np.ndarray  # (draws,)


def tsne(features, *, seed, perplexity=30, init="pca"):
    """Places in the plane where neighbours stay neighbours: (n, d) -> (n, 2).

    van der Maaten and Hinton (2008), begun at the principal components, or at random
    with `init` 'random'.  The perplexity, the number of neighbours that count, is at
    most a third of the other points.  Equal points all lie at the origin.
    """
    features = _checked(features)
    count, size = features.shape
    if count < _FEWEST:
        raise ValueError(f"t-SNE needs at least {_FEWEST} points, got {count}")
    if (features == features[0]).all():
        return np.zeros((count, 2), np.float32)
    if size < 2:
        # Two principal components exist of two numbers: the second one is zero.
        features = np.pad(features, [(0, 0), (0, 2 - size)])
    perplexity = min(perplexity, (count - 1) / 3)
    embedding = TSNE(perplexity=perplexity, init=init, random_state=seed)
    return embedding.fit_transform(features)


def k_means(features, clusters, *, seed, starts=10):
    """Points (n, d) in `clusters` groups around their means (Lloyd, 1982).

    The best of several starts by k-means++.
    """
    features = _checked(features)
    distinct = len(np.unique(features, axis=0))
    if not 1 <= clusters <= distinct:
        raise ValueError(
            f"{clusters} clusters of {len(features)} points, {distinct} of them "
            "distinct: there must be at least one cluster and a point for each"
        )
    fitted = KMeans(clusters, n_init=starts, random_state=seed).fit(features)
    # The library numbers clusters by chance: renumber them as points first have them.
    first_rows = np.full(clusters, len(features))
    present, rows = np.unique(fitted.labels_, return_index=True)
    first_rows[present] = rows
    order = np.argsort(first_rows)
    numbers = np.argsort(order)
    return Clusters(numbers[fitted.labels_], fitted.cluster_centers_[order])


def single_sample(features, labels, *, seed, draws=10):
    """Two clusters of features (n, d), named by the label of one sample: (n,) 0 or 1.

    Huang et al., "FakeLocator" (2022), Section IV-D: features are standardised, of 50
    principal components, in t-SNE's plane, in two groups by k-means; each draw has its
    own plane and its own sample.  The sets' share of fakes helps: it is transductive.
    Below 200 pictures planes are too coarse to compare.

    If a share a of pictures is in the cluster of its class, the mean over samples is
    a² + (1 - a)²: a separation that is poor reads as worse than it is.
    """
    features = _checked(features)
    labels = np.asarray(labels)
    count = len(features)
    if labels.shape != (count,) or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"labels are 0 or 1 for each of {count} features, not {labels.shape}"
        )
    deviation = features.std(0)
    centred = features - features.mean(0)
    standardised = centred / np.where(deviation > 0, deviation, 1)
    components = PCA(min(50, *features.shape), random_state=seed)
    reduced = components.fit_transform(standardised)

    random = np.random.default_rng(seed)
    accuracies = []
    best = []
    for draw in range(draws):
        perplexity = min(30, count / 4)
        places = tsne(reduced, seed=seed + draw, perplexity=perplexity, init="random")
        clusters = k_means(places, 2, seed=seed + draw).labels
        accuracies.append(named_accuracy(clusters, labels, random.integers(count)))
        share = np.mean(clusters == labels)
        best.append(max(share, 1 - share))
    return SingleSample(
        float(np.mean(accuracies)), float(np.mean(best)), np.array(accuracies)
    )


def named_accuracy(clusters, labels, sample):
    """Accuracy when the sample's cluster has its label and the other the other one.

    (n,), (n,) of 0 and 1, the number of the sample, which does not count.
    """
    said = np.where(clusters == clusters[sample], labels[sample], 1 - labels[sample])
    return float(np.mean(np.delete(said == labels, sample)))


def _checked(features):
    """Features as an array (n, d) of finite numbers."""
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features must be (n, d), got {features.shape}")
    refuse_nan(features, what="points")
    if not np.isfinite(features).all():
        raise ValueError("features hold infinite numbers")
    return features
