"""The numbers of AMTEN's study, from finished networks and what they answered."""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation.intervals import bootstrap
from jaxforensics.experiments.amten import accuracy, grid, sets, traces
from jaxforensics.experiments.amten import claims as amten_claims
from jaxforensics.experiments.amten.settings import (
    LABEL,
    SOURCE,
    all_exams,
    cells_of,
    networks_of,
    over_seeds,
    tested_sets,
)
from jaxforensics.experiments.common import claims, detectors


class Accuracy(NamedTuple):
    """The accuracy of a network on the test split of the set that it was trained on."""

    per_seed: np.ndarray
    interval: tuple  # (point, low, high) of the first seed, bootstrapped over groups


class Confusion(NamedTuple):
    """Who is taken for whom."""

    shares: np.ndarray  # (sources, said to be), means over the seeds
    rows: list  # names of the sources that occur
    columns: list  # names of all sources


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per set, split and source
    chance: dict  # {set: the accuracy of guessing its sources}
    identification: dict  # {(title, trained on): Accuracy}
    by_source: dict  # {trained on: {title: per seed {source: (AUC, low, high)}}}
    confusions: dict  # {(title, trained on): Confusion}
    design: dict  # {(title, trained on): Accuracy}
    binary: dict  # {(title, trained on): Accuracy}
    crossed: dict  # {(title, trained on, tested on): accuracies per seed}
    mixed: dict  # the same
    grid: dict  # {trained on: {title: {column of the grid: accuracies per seed}}}
    traces: dict  # {(title, trained on): traces.Traces}
    claims: list  # rows of `claims.decided`


def measure(made, settings, data):
    """Every number and picture of the report."""
    corpora = sets.corpora(settings, data)
    answers = {
        (network, name): detectors.answers(made, network.answers_name(name))
        for network, name in all_exams(settings)
    }
    design = _accuracies(answers, settings, "design")
    mixed = _accuracies_per_set(answers, settings, "mixed")
    decided = _claims(settings, design, mixed)
    return Measured(
        counts=_counts(data),
        chance={
            name: 1 / len(corpus.test.sources)
            for name, corpus in corpora.items()
            if corpus.test is not None
        },
        identification=_accuracies(answers, settings, "identification"),
        by_source=_by_source(answers, settings, corpora),
        confusions=_confusions(answers, settings, corpora),
        design=design,
        binary=_accuracies(answers, settings, "binary"),
        crossed=_accuracies_per_set(answers, settings, "crossed"),
        mixed=mixed,
        grid=_grid(made, settings),
        traces=traces.measure(made, settings, corpora),
        claims=claims.unless_diverged(decided, made.workspace.diverged),
    )


def _counts(data):
    """Rows of how many pictures of each source the splits of all sets have."""
    corpora = {sets.PLAIN: data.main} | data.others
    return [
        {"set": name} | row
        for name, corpus in corpora.items()
        for row in detectors.counts(corpus)
    ]


def _accuracies(answers, settings, group):
    """{(title, trained on): Accuracy} of the networks of a group, by its name.

    `answers` {(network, name of a set): detectors.Answers} are those of all groups.
    """
    accuracies = {}
    for title, trained_on in cells_of(settings, group):
        networks = over_seeds(settings, group, title, trained_on)
        answered = [answers[network, trained_on] for network in networks]
        task = networks[0].task
        accuracies[title, trained_on] = Accuracy(
            per_seed=np.array([_accuracy(each, task) for each in answered]),
            interval=_interval(answered[0], task),
        )
    return accuracies


def _accuracies_per_set(answers, settings, group):
    """{(title, trained on, tested on): accuracies of sources per seed} of a group."""
    accuracies = {}
    for network in networks_of(settings, group):
        for name in tested_sets(settings, group, network):
            value = _accuracy(answers[network, name], SOURCE)
            cell = network.title, network.trained_on, name
            accuracies.setdefault(cell, []).append(value)
    return {cell: np.array(values) for cell, values in accuracies.items()}


def _accuracy(answered, task):
    """The accuracy of sources, or of real and fake at validation's threshold."""
    if task == LABEL:
        return detectors.balanced_accuracy(answered)
    return accuracy.of_sources(answered.test)


def _hits(answered, task):
    """Which test pictures a network gets right, (n,)."""
    if task == LABEL:
        return detectors.right(answered)
    return accuracy.likeliest(answered.test)


def _interval(answered, task):
    """An accuracy with its bootstrap interval over groups of pictures."""
    classes = answered.test[task]
    hits = _hits(answered, task)
    groups = answered.test["group"]
    return tuple(bootstrap(accuracy.mean_of_classes, classes, hits, groups=groups))


def _by_source(answers, settings, corpora):
    """AUC of all reals against one kind of fake, by the probability of all fakes."""
    tables = {}
    for network in networks_of(settings, "identification"):
        test = answers[network, network.trained_on].test
        names = corpora[network.trained_on].test.sources
        aucs = detectors.auc_by_source(test, names)
        table = tables.setdefault(network.trained_on, {})
        table.setdefault(network.title, []).append(aucs)
    return tables


def _confusions(answers, settings, corpora):
    """Tables III and IV."""
    confusions = {}
    for title, trained_on in cells_of(settings, "confusions"):
        names = list(corpora[trained_on].test.sources)
        tests = [
            answers[network, trained_on].test
            for network in over_seeds(settings, "confusions", title, trained_on)
        ]
        shares = np.mean([accuracy.confusion(test) for test in tests], axis=0)
        occurring = [names[number] for number in np.unique(tests[0]["source"])]
        confusions[title, trained_on] = Confusion(shares, occurring, names)
    return confusions


def _grid(made, settings):
    """Accuracies after every operation of Table IX."""
    accuracies = {}
    for title, trained_on in cells_of(settings, "grid"):
        networks = over_seeds(settings, "grid", title, trained_on)
        by_title = accuracies.setdefault(trained_on, {})
        by_title[title] = grid.accuracies(made, networks)
    return accuracies


def _claims(settings, design, mixed):
    """Rows of every claim that these groups can decide."""
    per_seed = {cell: each.per_seed for cell, each in design.items()}
    return [
        *amten_claims.of_design(per_seed, base=settings.base),
        *amten_claims.of_mixing(mixed, unseen=settings.mixed["unseen"]),
    ]
