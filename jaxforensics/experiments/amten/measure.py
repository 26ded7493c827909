"""The numbers of AMTEN's study, from finished networks and what they answered."""

from typing import NamedTuple

import numpy as np

from jaxforensics.data.items import is_real_source
from jaxforensics.evaluation.intervals import bootstrap, mean
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
    """The accuracy of a network on a test split."""

    per_seed: np.ndarray  # shares of pictures
    class_means: np.ndarray  # means over classes, a value per seed too
    # (point, low, high) of the first seed's share of pictures, bootstrapped over
    # groups; None where a network is tested on other sets than its own.
    interval: tuple | None = None


class Confusion(NamedTuple):
    """Who is taken for whom."""

    shares: np.ndarray  # (sources, said to be), means over the seeds
    rows: list  # names of the sources that occur
    columns: list  # names of all sources


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per set, split and source
    commonest: dict  # {set: {task: accuracy of always naming the commonest class}}
    identification: dict  # {(title, trained on): Accuracy}
    by_source: dict  # {trained on: {title: per seed {source: (AUC, low, high)}}}
    confusions: dict  # {(title, trained on): Confusion}
    design: dict  # {(title, trained on): Accuracy}
    binary: dict  # {(title, trained on): Accuracy}
    crossed: dict  # {(title, trained on, tested on): Accuracy}
    mixed: dict  # the same
    grid: dict  # {trained on: {title: {column of the grid: accuracies per seed}}}
    traces: dict  # {(title, trained on): traces.Traces}
    claims: amten_claims.Claims


def measure(made, settings, data):
    """Every number and picture of the report."""
    corpora = sets.corpora(settings, data)
    answers = {
        (network, name): detectors.answers(made, network.answers_name(name)).test
        for network, name in all_exams(settings)
    }
    accuracies = {
        group: _accuracies(answers, settings, group)
        for group in ("identification", "design", "binary")
    }
    accuracies |= {
        group: _accuracies_per_set(answers, settings, group)
        for group in ("crossed", "mixed")
    }
    commonest = {
        name: _commonest(corpus.test)
        for name, corpus in corpora.items()
        if corpus.test is not None
    }
    return Measured(
        counts=_counts(data),
        commonest=commonest,
        by_source=_by_source(answers, settings, corpora),
        confusions=_confusions(answers, settings, corpora),
        grid=_grid(made, settings),
        traces=traces.measure(made, settings, corpora),
        claims=_claims(accuracies, commonest, settings, made.workspace.diverged),
        **accuracies,
    )


def _counts(data):
    """Rows of how many pictures of each source the splits of all sets have."""
    corpora = {sets.PLAIN: data.main} | data.others
    return [
        {"set": name} | row
        for name, corpus in corpora.items()
        for row in detectors.counts(corpus)
    ]


def _commonest(test):
    """{task: the share of its commonest class} of a test split."""
    (by_source,) = test.counts.values()
    reals = sum(n for source, n in by_source.items() if is_real_source(source))
    total = sum(by_source.values())
    return {
        SOURCE: max(by_source.values()) / total,
        LABEL: max(reals, total - reals) / total,
    }


def _accuracies(answers, settings, group):
    """{(title, trained on): Accuracy} of the networks of a group, by its name.

    `answers` {(network, name of a set): columns of predictions} are those of all
    groups.
    """
    accuracies = {}
    for title, trained_on in cells_of(settings, group):
        networks = over_seeds(settings, group, title, trained_on)
        per_seed = [answers[network, trained_on] for network in networks]
        task = networks[0].task
        interval = _interval(per_seed[0], task)
        accuracies[title, trained_on] = _over_seeds(per_seed, task, interval)
    return accuracies


def _accuracies_per_set(answers, settings, group):
    """{(title, trained on, tested on): Accuracy} of a group whose task are sources."""
    per_seed = {}
    for network in networks_of(settings, group):
        for name in tested_sets(settings, group, network):
            cell = network.title, network.trained_on, name
            per_seed.setdefault(cell, []).append(answers[network, name])
    return {cell: _over_seeds(each, SOURCE) for cell, each in per_seed.items()}


def _over_seeds(per_seed, task, interval=None):
    """The Accuracy of the answers of networks that differ in their seed."""
    shares = [accuracy.of(answers, task) for answers in per_seed]
    return Accuracy(
        per_seed=np.array([each.pictures for each in shares]),
        class_means=np.array([each.classes for each in shares]),
        interval=interval,
    )


def _interval(answers, task):
    """The share of right pictures with its bootstrap interval over groups of them."""
    hits = accuracy.likeliest(answers, task)
    groups = answers["group"]
    return tuple(bootstrap(mean, hits, groups=groups))


def _by_source(answers, settings, corpora):
    """AUC of all reals against one kind of fake, by the probability of all fakes."""
    tables = {}
    for network in networks_of(settings, "identification"):
        test = answers[network, network.trained_on]
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
            answers[network, trained_on]
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


def _claims(accuracies, commonest, settings, diverged):
    """The Claims that the accuracies of the groups {name: {cell: Accuracy}} decide."""
    base = settings.base
    per_seed = {
        group: {cell: each.per_seed for cell, each in by_cell.items()}
        for group, by_cell in accuracies.items()
    }
    sources = {name: by_task[SOURCE] for name, by_task in commonest.items()}
    main = [
        *amten_claims.of_design(per_seed["design"], base=base, commonest=sources),
        *amten_claims.of_mixing(per_seed["mixed"], unseen=settings.mixed["unseen"]),
    ]
    compared = amten_claims.comparisons(
        per_seed["design"], per_seed["identification"], per_seed["binary"], base=base
    )
    return amten_claims.Claims(
        main=claims.unless_diverged(main, diverged),
        comparisons={
            table: claims.unless_diverged(rows, diverged)
            for table, rows in compared.items()
        },
    )
