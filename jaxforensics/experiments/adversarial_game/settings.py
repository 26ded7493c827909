"""What the config says of the game's study, and which detectors its groups ask for."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxforensics.experiments.common.groups import seeds_of

PLAIN = "none"  # the row that is trained without any adversary


class Network(NamedTuple):
    """One training: which detector, against what, on which set, with which seed."""

    detector: str
    row: str
    trained_on: str
    seed: int

    @property
    def name(self):
        """The name of its job, and of its folder."""
        return f"{self.detector}/{self.row}/{self.trained_on}/seed{self.seed}"

    @property
    def title(self):
        """What tables call it."""
        return self.row

    def answers_name(self, corpus):
        """The name of the jobs that ask it about the test split of a corpus."""
        return f"{self.name}/on {corpus}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    A training set is {'corpus': a name, 'fakes': the sources that fakes are from, None:
    all}; so is a test.  Groups (from `unseen` to `segments`) name `detectors`, `rows`,
    the sets that each is `trained_on`, the `tests` that it is asked about, and how many
    of the `seeds` it takes; `fewer` {row or detector: seeds} says where it takes fewer.
    """

    detectors: dict  # {title: {'model': its name in `models`, and its settings}}
    rows: dict  # {title: 'adversary', 'attack', 'generator', 'augment'}
    training_sets: dict
    tests: dict
    without_accuracy: tuple  # tests too unbalanced for it: an AUC alone
    unseen: dict  # groups: Tables I, IV, VIII, X
    qualities: dict  # II, V, IX, XI
    union: dict  # III
    families: dict  # VI
    kernels: dict  # XV, XVI
    segments: dict  # TSN, Section IV-A
    idle: dict  # whether adversaries do anything: 'detector', 'games', 'adversaries'
    attacks: dict  # VII, XII to XIV: 'victims', 'attacks', 'strengths', 'every'
    pictures: dict  # Figs. 1, 2 and 4
    game: dict  # settings of `adversarial_game.make` that all share
    own: dict  # {detector: settings of the game that it has of its own}
    steps: int
    longer: dict  # {detector or training set: how many times as many steps}
    seeds: tuple


# In the order of the report.
GROUPS = "unseen", "qualities", "union", "families", "kernels", "segments"


def cells_of(settings, group):
    """(detector, row, trained on) of every network of a group, whatever its seed."""
    chosen = getattr(settings, group)
    return [
        (detector, row, trained_on)
        for detector in chosen["detectors"]
        for trained_on in chosen["trained_on"]
        for row in chosen["rows"]
    ]


def over_seeds(settings, group, detector, row, trained_on):
    """The networks of a group that differ in their seed alone."""
    seeds = seeds_of(settings, group, detector, row, trained_on)
    return [Network(detector, row, trained_on, seed) for seed in seeds]


def networks_of(settings, group):
    """The networks of a group of experiments, by its name."""
    return [
        network
        for cell in cells_of(settings, group)
        for network in over_seeds(settings, group, *cell)
    ]


def victims_of(settings):
    """The networks that the tables of attacks attack: one for each victim."""
    chosen = settings.attacks
    seed = tuple(settings.seeds)[0]
    return [
        Network(detector, PLAIN, chosen["trained_on"], seed)
        for detector in chosen["victims"]
    ]


def idle_networks(settings):
    """The networks on which adversaries are tried: the plain one, and those of games.

    The plain one comes first; there are none where the settings name no detector.
    """
    chosen = settings.idle
    if not chosen["detector"]:
        return []
    seed = tuple(settings.seeds)[0]
    return [
        Network(chosen["detector"], row, chosen["trained_on"], seed)
        for row in (PLAIN, *chosen["games"])
    ]


def all_networks(settings):
    """The networks of all groups, of the attacks and of the idle table, each once."""
    networks = [n for group in GROUPS for n in networks_of(settings, group)]
    networks += victims_of(settings) + idle_networks(settings)
    return list(dict.fromkeys(networks))


def all_exams(settings):
    """(network, name of the corpus that it is asked about) of all groups, each once."""
    exams = [
        (network, settings.tests[test]["corpus"])
        for group in GROUPS
        for network in networks_of(settings, group)
        for test in getattr(settings, group)["tests"]
    ]
    return list(dict.fromkeys(exams))


def is_seen(settings, trained_on, test):
    """Whether a network was trained on the manipulations of a test, in its quality."""
    training = settings.training_sets[trained_on]
    tested = settings.tests[test]
    if training["corpus"] != tested["corpus"]:
        return False
    if training["fakes"] is None:
        return True
    return tested["fakes"] is not None and set(tested["fakes"]) <= set(
        training["fakes"]
    )
