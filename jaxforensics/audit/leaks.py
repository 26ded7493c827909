"""Do features that say nothing about forgery tell fakes from reals?"""

import itertools
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from jaxforensics.audit.measure import FAMILIES
from jaxforensics.evaluation.classification import auc
from jaxforensics.evaluation.intervals import bootstrap

FOLDS = 5
MOST = 20_000  # pictures, drawn by seed where there are more
SAMPLES = 300  # of the bootstrap: enough for a warning, and there are many intervals


class Leak(NamedTuple):
    """How well a family of features separates the fakes of a source from all reals."""

    fakes: str  # 'all fakes' or a source
    family: str  # one of the families, or 'all together'
    auc: float
    low: float  # 95 % interval over groups
    high: float


def leaks(
    features, labels, sources, groups, *, families=FAMILIES, seed=0, progress=iter
):
    """Cross-validated AUC of every family of features, for all fakes and each source.

    features (n, k) in the order of `families`, labels (n,), sources (n,) and groups
    (n,); pictures of one group are never in two folds.  Sources with fewer than two
    groups on either side are left out.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:MOST])
    features, labels, sources, groups = (
        np.asarray(array)[rows] for array in (features, labels, sources, groups)
    )
    is_fake = labels == 1
    fakes_of = {"all fakes": is_fake}
    names = np.unique(sources[is_fake])
    if len(names) > 1:
        fakes_of |= {str(name): (sources == name) & is_fake for name in names}
    everything = [name for family in families.values() for name in family]
    families = families | {"all together": everything}

    measured = []
    pairs = list(itertools.product(fakes_of.items(), families.items()))
    for (fakes, chosen), (family, names) in progress(pairs):
        rows = chosen | ~is_fake  # these fakes against all reals
        columns = features[rows][:, [everything.index(name) for name in names]]
        scores = out_of_fold(columns, labels[rows], groups[rows], seed=seed)
        if scores is None:
            continue
        interval = bootstrap(
            auc, labels[rows], scores, groups=groups[rows], samples=SAMPLES
        )
        measured.append(Leak(fakes, family, *interval))
    return measured


def out_of_fold(features, labels, groups, *, seed=0):
    """Scores of all rows, each by boosted trees that have not seen the row's group.

    None where a class has fewer than two groups.
    """
    fewest = min(len(np.unique(groups[labels == label])) for label in (0, 1))
    if fewest < 2:
        return None
    if (features == features[0]).all():  # nothing to learn: no picture scores higher
        return np.zeros(len(labels))
    # Small trees that stop early: the question is whether there is a leak at all.
    model = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=8,
        min_samples_leaf=min(20, 1 + len(labels) // 10),
        early_stopping=False,
        random_state=seed,
    )
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    scores = np.full(len(labels), np.nan)
    for train, test in folds.split(features, labels, groups):
        if len(np.unique(labels[train])) < 2:  # a class is one large group
            return None
        with threadpool_limits(1):  # so small that threads only wait for each other
            fitted = model.fit(features[train], labels[train])
            scores[test] = fitted.predict_proba(features[test])[:, 1]
    return scores
