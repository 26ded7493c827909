"""Settings of FakeLocator's study for its tests, and data of random pictures."""

import pytest
from tiny_set import opened, pictures, prepare_in

from configs import fakelocator as config
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.fakelocator import Settings
from jaxforensics.experiments.fakelocator.settings import GROUPS
from jaxforensics.settings import call

NOBODY = {"rows": (), "trained_on": (), "tests": (), "seeds": 1, "fewer": {}}
GROUP = {
    "rows": ("L1", "Dice", "L1, no branch"),
    "trained_on": ("A",),
    "tests": ("A", "B"),
    "seeds": 2,
}


@pytest.fixture(scope="session")
def settings_of():
    """(**changed) -> Settings of one group on the data of `tiny`, some changed."""
    chosen = dict(config.get_config("quick").experiment)
    del chosen["name"]
    sets = {
        "A": {"corpus": "edits", "fakes": ("began",)},
        "B": {"corpus": "edits", "fakes": ("pggan",)},
    }
    small = {
        "training_sets": sets,
        "tests": sets,
        "regions": {"began": (1,), "pggan": (1,)},
        "longer": {},
        "clusters": {"rows": (), "draws": 2, "ratios": (1,)},
        "looks": dict(chosen["looks"]) | {"rows": ()},
        "seeds": (0, 1),
        "steps": 4,
    }

    def settings(**changed):
        groups = dict.fromkeys(GROUPS, NOBODY) | {"losses": NOBODY | GROUP}
        return call(Settings, chosen | small | groups | changed)

    return settings


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sets of 35 random pictures, fakes with originals."""
    folder = tmp_path_factory.mktemp("locator")
    root = prepare_in(folder, pictures(folder, parts=True, side=32))
    return Sets(opened(root, size=32), {})
