"""Single-sample clustering (Section IV-D): one labelled picture names two clusters.

Features of a network's encoder on a test of another type of manipulation are put in two
clusters; the label of one picture says which of them are fakes.
"""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation import embedding
from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.fakelocator import sets
from jaxforensics.experiments.fakelocator.settings import networks_of, tests_of

GROUP = "types"
FEATURES = "features"
FEWEST = 8  # pictures in which clusters are looked for


class Named(NamedTuple):
    """How well clusters tell fakes, one value per seed."""

    accuracies: np.ndarray  # means over draws
    better: np.ndarray  # under the better naming of the clusters


def exams(settings):
    """(network, name of the test) of Table I's cells whose features name clusters."""
    return [
        (network, test)
        for network in networks_of(settings, GROUP)
        if network.row in settings.clusters["rows"]
        for test in tests_of(settings, GROUP, network.trained_on)
        if test != network.trained_on
    ]


def jobs(settings, data):
    """What encoders say of the pictures of every such cell."""
    return [
        _job(network, sets.test(test, settings, data), test)
        for network, test in exams(settings)
    ]


def _job(network, exam, test):
    return detectors.prediction_job(
        network.looked_name(FEATURES, test),
        network.name,
        exam.batches,
        exam.digest,
        outputs=(FEATURES,),
        title=network.row,
    )


def measure(made, settings, data):
    """{(row, trained on): {test: {reals per fake: Named}}}."""
    accuracies = {}
    for network, test in exams(settings):
        cells = accuracies.setdefault((network.row, network.trained_on), {})
        by_ratio = cells.setdefault(test, {})
        for ratio in settings.clusters["ratios"]:
            named = _named(made, settings, data, network, test, ratio)
            by_ratio.setdefault(ratio, []).append(named)
    return {
        cell: {
            test: {ratio: _over_seeds(named) for ratio, named in by_ratio.items()}
            for test, by_ratio in tests.items()
        }
        for cell, tests in accuracies.items()
    }


def _over_seeds(named):
    accuracies, better = np.array(named).T
    return Named(accuracies, better)


def _named(made, settings, data, network, test, ratio):
    """(accuracy, that of the better naming) of one network and test."""
    name = network.looked_name(FEATURES, test)
    columns = made[name]
    draws = settings.clusters["draws"]

    def look():
        rows = chosen_rows(columns["label"], ratio)
        result = embedding.single_sample(
            columns[FEATURES][rows], columns["label"][rows], seed=0, draws=draws
        )
        return [result.accuracy, result.better]

    return made.workspace.measure(
        f"{name}/{ratio} reals per fake",
        look,
        made[network.name].digest,
        sets.test(test, settings, data).digest,
        draws,
    )


def chosen_rows(labels, reals_per_fake, *, where="clusters"):
    """Numbers of as many pictures as have this many reals for every fake, in order."""
    if reals_per_fake < 1:
        raise ValueError(
            f"clusters.ratios are reals per fake, 1 or more, not {reals_per_fake}"
        )
    labels = np.asarray(labels)
    fakes = np.flatnonzero(labels > 0)
    reals = np.flatnonzero(labels == 0)
    count = min(len(fakes), len(reals) // reals_per_fake)
    rows = np.concatenate([fakes[:count], reals[: count * reals_per_fake]])
    if len(rows) < FEWEST:
        raise ValueError(
            f"{where}: of {len(fakes)} fakes and {len(reals)} reals {len(rows)} are "
            f"left with {reals_per_fake} reals per fake: clusters need {FEWEST} or more"
        )
    return np.sort(rows)
