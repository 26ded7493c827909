"""What the config says of AMTEN's study, and which networks its groups ask for."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxforensics.experiments.common.groups import seeds_of

SOURCE = "source"  # a network's task: to tell the sources of a set apart
LABEL = "label"  # or real from fake


class Network(NamedTuple):
    """One training of a network: which model learns what, from which set and seed."""

    title: str
    trained_on: str
    seed: int
    task: str = SOURCE
    after: int | None = None  # the step to stop at; None: the best state of them all

    @property
    def name(self):
        """The name of its job, and of its folder."""
        folder = f"{self.title}/{self.task}/{self.trained_on}"
        if self.after is not None:
            folder = f"{folder}/after {self.after}"
        return f"{folder}/seed{self.seed}"

    def answers_name(self, tested_on):
        """The name of the jobs that ask it about the pictures of a set."""
        return f"{self.name}/on {tested_on}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    Groups of experiments (from `identification` to `traces`) name their `models`, the
    `sets` to train each of them on, and how many of the `seeds` they take at most, from
    the first on: two trainings of different numbers of seeds share the first of them.
    `fewer` {network or set: number} says where they take fewer, `only` {network: sets}
    which networks are trained on some of the sets alone.
    """

    models: dict  # {title: {'model': its name in `models`, and its settings}}
    base: str  # the paper's own network, whose errors others are compared with
    identification: dict  # the groups, in the order of the report
    confusions: dict
    design: dict
    binary: dict
    crossed: dict
    mixed: dict  # also the sets to test on: `tested_on` and `unseen` in training
    grid: dict
    traces: dict  # also the steps to look `after`
    steps: int  # of a training; on a mixture in proportion to its pictures
    longer: dict  # {set: how many times as many steps}
    classifier: dict  # settings that all classifiers share
    optimisers: dict  # {title: settings} of networks with an optimiser of their own
    seeds: tuple


# In the order of the report.
GROUPS = (
    "identification",
    "confusions",
    "design",
    "binary",
    "crossed",
    "mixed",
    "grid",
    "traces",
)
# Groups that look into the networks, or ask them about pictures of their own making.
WITHOUT_EXAMS = "grid", "traces"


def cells_of(settings, group):
    """(title, trained on) of every network of a group, whatever its seed."""
    chosen = getattr(settings, group)
    only = dict(chosen["only"])
    return [
        (title, trained_on)
        for title in chosen["models"]
        for trained_on in chosen["sets"]
        if trained_on in only.get(title, chosen["sets"])
    ]


def over_seeds(settings, group, title, trained_on):
    """The networks of a group that differ in their seed alone."""
    task = SOURCE
    if group == "binary":
        task = LABEL
    seeds = seeds_of(settings, group, title, trained_on)
    return [Network(title, trained_on, seed, task) for seed in seeds]


def networks_of(settings, group):
    """The networks of a group of experiments, by its name."""
    return [
        network
        for title, trained_on in cells_of(settings, group)
        for network in over_seeds(settings, group, title, trained_on)
    ]


def tested_sets(settings, group, network):
    """The sets on whose test splits a group asks one of its networks."""
    if group == "crossed":
        return tuple(settings.crossed["sets"])
    if group == "mixed":
        return (*settings.mixed["tested_on"], *settings.mixed["unseen"])
    return (network.trained_on,)


def all_networks(settings):
    """The networks of all groups, each once."""
    networks = [n for group in GROUPS for n in networks_of(settings, group)]
    # Those that are looked into on the way are trained by themselves, up to there.
    networks += [
        network._replace(after=steps)
        for network in networks_of(settings, "traces")
        for steps in settings.traces["after"]
    ]
    return list(dict.fromkeys(networks))


def all_exams(settings):
    """(network, name of the set that it is asked about) of all groups, each once."""
    exams = [
        (network, name)
        for group in GROUPS
        if group not in WITHOUT_EXAMS
        for network in networks_of(settings, group)
        for name in tested_sets(settings, group, network)
    ]
    return list(dict.fromkeys(exams))
