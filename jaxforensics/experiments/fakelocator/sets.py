"""The data of FakeLocator's study: corpora by name, training sets and tests of them."""

from jaxforensics.experiments.fakelocator.settings import all_exams
from jaxforensics.settings import choose

MAIN = "edits"  # what the section `data` of a config is called


def corpus(name, data):
    """The Corpus of this name."""
    return choose(data.named(MAIN), name, "corpus")


def training(name, settings, data):
    """The fakes to learn from, TrainingData: each comes with its original."""
    return with_reals(name, settings, data).labelled(1)


def with_reals(name, settings, data):
    """The fakes to learn from and all reals, for what learns from both as they come."""
    chosen = choose(settings.training_sets, name, "training set")
    return corpus(chosen["corpus"], data).train.only(chosen["fakes"])


def test(name, settings, data):
    """The Examination of a test: its fakes and all reals."""
    chosen = choose(settings.tests, name, "test")
    return corpus(chosen["corpus"], data).test.only(chosen["fakes"])


def used_for_tests(settings):
    """Names of all tests that networks are asked about, each once."""
    return list(dict.fromkeys(name for _, name in all_exams(settings)))


def entire(settings, sources):
    """Numbers of the sources that are synthesised as a whole."""
    return tuple(n for n, name in enumerate(sources) if name in settings.entire)


def regions(settings, sources):
    """For each source the classes of a parsing that its edits may change."""
    return tuple(tuple(settings.regions.get(name, ())) for name in sources)
