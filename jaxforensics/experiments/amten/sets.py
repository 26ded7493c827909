"""The sets of AMTEN's study: the data after one operation or a mixture, and others."""

from jaxforensics.experiments.amten.settings import all_exams, all_networks
from jaxforensics.ops import degrade
from jaxforensics.settings import choose

PLAIN = "Raw"  # the data as they are
# What the pictures of a set have gone through: an operation of `data.host_degrade` and
# the values that each picture draws from.
OPERATIONS = {
    PLAIN: None,
    "JP60": ("jpeg", (60,)),
    "ME5": ("mean", (5,)),
} | {
    f"{name}-mix": (operation.name, operation.mixed)
    for name, operation in degrade.AMTEN.items()
}
# Sets to train on that mix the sets of MIXED in equal parts (Section IV.E), and how
# many pictures they have, as a multiple of those of one set.
MIXTURES = {"Small": 1, "Middle": 4 / 3, "Large": 3}
MIXED = PLAIN, "JP-mix", "ME-mix"


def used(settings):
    """Names of all sets that networks are trained or tested on, each once."""
    names = [network.trained_on for network in all_networks(settings)]
    names += [name for _, name in all_exams(settings)]
    return list(dict.fromkeys(names))


def corpora(settings, data):
    """{name: Corpus} of all sets that are used; `data` are the `Sets` of the run."""
    return {name: corpus(name, data) for name in used(settings)}


def corpus(name, data):
    """The Corpus of a set; a mixture has no test split."""
    if name in data.others:
        return data.others[name]
    if name in MIXTURES:
        alternatives = [OPERATIONS[part] for part in MIXED]
        train = data.main.train.degraded(*alternatives, copies=MIXTURES[name])
        return data.main._replace(train=train, test=None)
    operation = choose(OPERATIONS, name, "set")
    if operation is None:
        return data.main
    return data.main._replace(
        train=data.main.train.degraded(operation),
        test=data.main.test.degraded(operation),
    )
