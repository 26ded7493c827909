"""Settings of the game's study for its tests, and data of 35 random pictures."""

import pytest
from tiny_set import opened, pictures, prepare_in

from configs import adversarial_game as config
from jaxforensics.experiments.adversarial_game import Settings
from jaxforensics.experiments.adversarial_game.settings import GROUPS
from jaxforensics.experiments.common.study import Sets
from jaxforensics.settings import call

NOBODY = {
    "detectors": (),
    "rows": (),
    "trained_on": (),
    "tests": (),
    "seeds": 1,
    "fewer": {},
}
GROUP = {
    "detectors": ("model_base",),
    "rows": ("none", "Two-Gen-BAT", "Constant blur", "JPEG Compression"),
    "trained_on": ("C23",),
    "tests": ("NT", "DF"),
    "seeds": 2,
}


@pytest.fixture(scope="session")
def settings_of():
    """(**changed) -> Settings of one group on the data of `tiny`, some changed."""
    chosen = dict(config.get_config("quick").experiment)
    del chosen["name"]
    small = {
        "detectors": config.SMALL,
        "training_sets": {"C23": {"corpus": "C23", "fakes": ("began",)}},
        "tests": {
            "NT": {"corpus": "C23", "fakes": ("began",)},
            "DF": {"corpus": "C23", "fakes": ("pggan",)},
        },
        "idle": dict(chosen["idle"]) | {"detector": "", "games": ()},
        "attacks": dict(chosen["attacks"]) | {"victims": ()},
        "pictures": {"count": 0, "adversaries": (), "kernels": ()},
        "seeds": (0, 1),
        "steps": 4,
    }

    def settings(**changed):
        groups = dict.fromkeys(GROUPS, NOBODY) | {"unseen": NOBODY | GROUP}
        return call(Settings, chosen | small | groups | changed)

    return settings


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sets of 35 random pictures."""
    folder = tmp_path_factory.mktemp("game")
    corpus = opened(prepare_in(folder, pictures(folder, side=64)), size=64)
    return Sets(corpus, {})
