"""What the config says of FakeLocator's study, and which networks its groups have."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxforensics.experiments.common.groups import seeds_of


class Network(NamedTuple):
    """One training: which row learns which set, with which seed."""

    row: str
    trained_on: str
    seed: int

    @property
    def name(self):
        """The name of its job, and of its folder."""
        return f"{self.row}/{self.trained_on}/seed{self.seed}"

    def looked_name(self, view, test):
        """The name of the job that measures its maps of a test, seen in some way."""
        return f"{self.name}/{view}/{test}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    Training sets and tests {name: {'corpus': its name, 'fakes': the sources that fakes
    are from}} also have all reals.  Groups, those of GROUPS, name the
    `rows`, the sets that each is `trained_on`, the `tests` it is asked about, and how
    many of the `seeds` it takes; `fewer` {row or set: seeds} says where fewer.
    """

    rows: dict  # {title: settings of `fakelocator.make` of its own}
    classifiers: dict  # {title: settings of `classifier.make`}: rows that only answer
    locator: dict  # settings of `fakelocator.make` that all rows share
    training_sets: dict
    tests: dict
    entire: tuple  # names of sources that are synthesised as a whole
    regions: dict  # {source: classes of a parsing that its edits may change}
    losses: dict  # groups: Table IV
    crossed: dict  # VI
    augmented: dict  # VII, VIII
    universal: dict  # IX
    attention: dict  # X
    types: dict  # I
    detection: dict  # III
    sets: dict  # V
    clusters: dict  # whose features name clusters: 'rows', 'draws', 'ratios'
    looks: dict  # who is asked whether it looks, see `looking_networks`
    pictures: int  # of each kind in figures
    steps: int
    longer: dict  # {training set or row: how many times as many steps}
    seeds: tuple


# In the order of the report.
GROUPS = (
    "losses",
    "crossed",
    "augmented",
    "universal",
    "attention",
    "types",
    "detection",
    "sets",
)
# Their tables are of answers alone, beside which no constant map says anything.
OF_ANSWERS = "types", "detection"
# Networks are asked about the set that they learned alone.
OF_OWN_SET = "detection", "sets"


def all_rows(settings):
    """{title: settings} of every row that a group may name."""
    return dict(settings.rows) | dict(settings.classifiers)


def cells_of(settings, group):
    """(row, trained on) of every network of a group, whatever its seed."""
    chosen = getattr(settings, group)
    return [(row, name) for name in chosen["trained_on"] for row in chosen["rows"]]


def tests_of(settings, group, trained_on):
    """Names of the tests that the networks of a group, of one set, are asked about."""
    tests = getattr(settings, group)["tests"]
    if group in OF_OWN_SET:
        return tuple(name for name in tests if name == trained_on)
    return tuple(tests)


def over_seeds(settings, group, row, trained_on):
    """The networks of a group that differ in their seed alone."""
    seeds = seeds_of(settings, group, row, trained_on)
    return [Network(row, trained_on, seed) for seed in seeds]


def networks_of(settings, group):
    """The networks of a group of experiments, by its name."""
    return [
        network
        for cell in cells_of(settings, group)
        for network in over_seeds(settings, group, *cell)
    ]


def looking_networks(settings):
    """The networks that are asked whether they look, seeds of the first row first.

    `looks` names the `rows`, the set that they are `trained_on`, the `test`, how many
    `seeds`, and the `degradations` that the first network is asked about.
    """
    chosen = settings.looks
    seeds = tuple(settings.seeds)[: chosen["seeds"]]
    return [
        Network(row, chosen["trained_on"], seed)
        for row in chosen["rows"]
        for seed in seeds
    ]


def all_networks(settings):
    """The networks of all groups, each once."""
    networks = [n for group in GROUPS for n in networks_of(settings, group)]
    return list(dict.fromkeys(networks + looking_networks(settings)))


def all_exams(settings, *, groups=GROUPS):
    """(network, name of the test that it is asked about) of groups, each once."""
    exams = [
        (network, test)
        for group in groups
        for network in networks_of(settings, group)
        for test in tests_of(settings, group, network.trained_on)
    ]
    exams += [(n, settings.looks["test"]) for n in looking_networks(settings)]
    return list(dict.fromkeys(exams))


def all_pairs(settings):
    """(training set, test) beside which constant maps stand, each once."""
    of_maps = [group for group in GROUPS if group not in OF_ANSWERS]
    pairs = [
        (network.trained_on, test)
        for network, test in all_exams(settings, groups=of_maps)
    ]
    return list(dict.fromkeys(pairs))
