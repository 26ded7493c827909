"""The data of the game's study: corpora by name, training sets and tests of them."""

import numpy as np

from jaxforensics.experiments.adversarial_game.settings import all_exams, all_networks
from jaxforensics.settings import choose

MAIN = "C23"  # what the section `data` of a config is called


def corpus(name, data):
    """The Corpus of this name."""
    return choose(data.named(MAIN), name, "corpus")


def training(name, settings, data):
    """The TrainingData of a training set."""
    chosen = choose(settings.training_sets, name, "training set")
    return corpus(chosen["corpus"], data).train.only(chosen["fakes"])


def used_for_training(settings):
    """Names of all training sets that networks learn from, each once."""
    return list(dict.fromkeys(n.trained_on for n in all_networks(settings)))


def used_for_tests(settings):
    """Names of all corpora that networks are asked about, each once."""
    return list(dict.fromkeys(name for _, name in all_exams(settings)))


def rows_of_test(answers, test, sources):
    """Which of the answers about a corpus belong to a test: all reals and its fakes.

    `answers` are columns, `test` says of which sources fakes are, `sources` are the
    names that numbers in the column 'source' stand for.
    """
    is_real = answers["label"] == 0
    if test["fakes"] is None:
        return np.ones(len(is_real), bool)
    numbers = [sources.index(name) for name in test["fakes"]]
    return is_real | np.isin(answers["source"], numbers)
