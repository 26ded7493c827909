"""Settings of AMTEN's study for its tests, and data of 35 random pictures."""

import pytest
from tiny_set import opened, pictures, prepare_in

from configs import amten as config
from jaxforensics.experiments.amten import Settings
from jaxforensics.experiments.common.study import Sets
from jaxforensics.settings import call


@pytest.fixture(scope="session")
def settings_of():
    """(preset, **changed) -> Settings of a preset with some changed."""

    def settings(preset="default", **changed):
        experiment = dict(config.get_config(preset).experiment) | changed
        del experiment["name"]
        return call(Settings, experiment)

    return settings


@pytest.fixture(scope="session")
def no_groups():
    """{group: no networks at all}."""
    nobody = {"models": (), "sets": (), "seeds": 1, "fewer": {}, "only": {}}
    return {
        "identification": nobody,
        "confusions": nobody,
        "design": nobody,
        "binary": nobody,
        "crossed": nobody,
        "mixed": nobody | {"tested_on": (), "unseen": ()},
        "grid": nobody,
        "traces": nobody | {"after": ()},
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sets of 35 random pictures."""
    folder = tmp_path_factory.mktemp("amten")
    corpus = opened(prepare_in(folder, pictures(folder, side=64)), size=64)
    return Sets(corpus, {})
