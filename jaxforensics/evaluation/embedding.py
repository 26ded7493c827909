"""Features in the plane and in clusters: t-SNE and k-means of (n, d) arrays."""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE

from jaxforensics.evaluation.rows import refuse_nan

_FEWEST = 4  # points of which t-SNE's neighbourhoods say anything


class Clusters(NamedTuple):
    """The cluster of each point, and the clusters' means."""

    labels: np.ndarray  # (n,), numbered in the order in which points first have them
    centres: np.ndarray  # (clusters, d)


def tsne(features, *, seed, perplexity=30):
    """Places in the plane where neighbours stay neighbours: (n, d) -> (n, 2).

    van der Maaten and Hinton (2008), begun at the principal components.  The
    perplexity, the number of neighbours that count, is at most a third of the other
    points.  Equal points all lie at the origin.
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
    embedding = TSNE(perplexity=perplexity, init="pca", random_state=seed)
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


def _checked(features):
    """Features as an array (n, d) of finite numbers."""
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features must be (n, d), got {features.shape}")
    refuse_nan(features, what="points")
    if not np.isfinite(features).all():
        raise ValueError("features hold infinite numbers")
    return features
