"""AMTEN's jobs: what is checked before, what is trained, what is asked of whom."""

import pytest

from configs import amten as config
from jaxforensics.experiments.amten import jobs, networks, sets
from jaxforensics.experiments.amten.checks import check
from jaxforensics.experiments.amten.settings import (
    GROUPS,
    Network,
    cells_of,
    networks_of,
    over_seeds,
)
from jaxforensics.experiments.common.jobs import in_order

MESO = {"models": ("Meso-4",), "sets": ("Raw",), "seeds": 1, "fewer": {}, "only": {}}


@pytest.fixture
def changed(settings_of, no_groups):
    """(**changed) -> Settings of one group with Meso-4, some of it changed."""

    def settings(
        *, optimisers=("Meso-4",), longer=None, base="AMTENnet", seeds=(0,), **groups
    ):
        rows = no_groups | {"identification": MESO}
        return settings_of(
            base=base,
            seeds=seeds,
            steps=6,
            longer=longer or {},
            optimisers={title: {"name": "adam", "rate": 1e-3} for title in optimisers},
            **{name: row | groups.get(name, {}) for name, row in rows.items()},
        )

    return settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base": "AMTENet"}, "did you mean 'AMTENnet'"),
        ({"optimisers": ("Meso4",)}, "did you mean 'Meso-4'"),
        ({"longer": {"ME6": 2}}, "did you mean 'ME5'"),
        ({"longer": {"Raw": -1}}, "longer.Raw: -6 steps would train nothing"),
        ({"identification": {"models": ("Mesa-4",)}}, "did you mean 'Meso-4'"),
        ({"identification": {"sets": ("raw",)}}, "set for identification 'raw'"),
        ({"identification": {"sets": ("Small",)}}, "set for identification 'Small'"),
        ({"identification": {"seeds": 0}}, "networks and no seeds"),
        ({"identification": {"fewer": {"ME55": 1}}}, "did you mean 'ME5'"),
        ({"identification": {"fewer": {"Meso-4": 0}}}, "fewer: Meso-4 needs a seed"),
        ({"identification": {"only": {"Meso4": ("Raw",)}}}, "did you mean 'Meso-4'"),
        (
            {"identification": {"only": {"Meso-4": ("raw",)}}},
            "identification.only 'raw'",
        ),
        ({"mixed": {"unseen": ("HQ",)}}, "set of Raw's classes 'HQ'"),
        ({"crossed": {"sets": ("HQ",)}}, "set for crossed 'HQ'"),
        ({"traces": {"models": ("Meso-4",)}}, "'Meso-4' has no AMTEN"),
        ({"traces": {"after": (7,)}}, "after 7 of 6 steps"),
    ],
)
def test_what_cannot_be_done_is_said_first(tiny, changed, wrong, message):
    check(changed(), tiny)
    with pytest.raises(ValueError, match=message):
        check(changed(**wrong), tiny)
    with pytest.raises(ValueError, match=message):
        jobs(changed(**wrong), tiny)


def test_a_split_of_one_class_is_refused(tiny, changed):
    reals = tiny.main._replace(test=tiny.main.test.labelled(0))
    with pytest.raises(ValueError, match="split test of Raw needs reals and fakes"):
        check(changed(), tiny._replace(main=reals))


def test_another_set_has_a_name_of_its_own(tiny, changed):
    check(changed(), tiny._replace(others={"HQ": tiny.main}))
    for name in ("JP60", "Small"):
        with pytest.raises(ValueError, match=f"others.{name}: the data make a set"):
            check(changed(), tiny._replace(others={name: tiny.main}))


def test_every_group_names_known_networks_and_sets():
    names = {*sets.OPERATIONS, *sets.MIXTURES}
    presets = "default", "full", "paper", "folder", "quick", "variant=AMTEN_6"
    for preset in presets:
        chosen = config.get_config(preset)
        known = names | set(chosen.others)
        groups = [
            group
            for group in chosen.experiment.values()
            if hasattr(group, "get") and "models" in group
        ]
        assert len(groups) == len(GROUPS)
        for group in groups:
            assert set(group.models) <= set(config.MODELS)
            assert set(group.sets) <= known


@pytest.mark.parametrize(
    ("trained_on", "after", "stops", "ends"),
    [
        ("Raw", None, 6, 6),
        ("Large", None, 18, 18),
        ("ME5", None, 24, 24),
        ("Raw", 2, 2, 6),
    ],
)
def test_rates_end_with_the_whole_training(settings_of, trained_on, after, stops, ends):
    """Three times as long for three times the pictures; a look on the way ends none."""
    settings = settings_of("paper", steps=6, longer={"ME5": 4})
    names = []
    for title in ("AMTENnet", "Meso-4"):
        network = Network(title, trained_on, 0, after=after)
        method = networks.method(network, settings, ("real", "fake"))
        (stage,) = method.stages
        assert stage.steps == method.settings["steps"] == stops
        assert method.settings["optimiser"]["steps"] == ends
        names.append(method.settings["optimiser"]["name"])
    assert names == ["sgd", "adam"]


def test_networks_and_sets_with_exceptions(changed):
    """Ten seeds, but fewer of a network or a set; one network on a set alone."""
    group = {
        "models": ("AMTENnet", "model_base", "Xception"),
        "sets": ("Raw", "JP60", "ME5"),
        "seeds": 10,
        "fewer": {"model_base": 5, "JP60": 3, "ME5": 12, "Xception": 4},
        "only": {"Xception": ("JP60",)},
    }
    settings = changed(identification=group, seeds=tuple(range(1, 12)))
    taken = {}
    for network in networks_of(settings, "identification"):
        taken.setdefault((network.title, network.trained_on), []).append(network.seed)
    assert {cell: len(seeds) for cell, seeds in taken.items()} == {
        ("AMTENnet", "Raw"): 10,
        ("AMTENnet", "JP60"): 3,
        ("AMTENnet", "ME5"): 10,
        ("model_base", "Raw"): 5,
        ("model_base", "JP60"): 3,
        ("model_base", "ME5"): 5,
        ("Xception", "JP60"): 3,
    }
    # Whoever has fewer has the first ones, which others have too.
    assert all(seeds == [*range(1, len(seeds) + 1)] for seeds in taken.values())


@pytest.mark.parametrize("preset", ["default", "full"])
def test_the_paper_s_own_comparison_has_ten_seeds(settings_of, preset):
    settings = settings_of(preset)
    counts = {
        cell: len(over_seeds(settings, "design", *cell))
        for cell in cells_of(settings, "design")
    }
    own = {(title, "Raw"): 10 for title in config.OWN}
    others = {(t, "Raw"): 5 for t in (*config.FRONT_ENDS, *config.ABLATIONS)}
    assert counts == own | (others if preset == "full" else {})


def test_jobs_are_trainings_and_all_that_is_asked_of_them(tiny, settings_of):
    data = tiny._replace(others={"HQ": tiny.main})
    graph = {job.name: job for job in in_order(jobs(settings_of("quick"), data))}
    trainings = {
        "AMTENnet/source/Raw/after 2/seed0",
        "AMTENnet/source/Raw/seed0",
        "Meso-4/label/Raw/seed0",
        "Meso-4/source/HQ/seed0",
        "Meso-4/source/JP60/seed0",
        "Meso-4/source/Raw/seed0",
        "Meso-4/source/Small/seed0",
        "model_base/source/Raw/seed0",
    }
    assert {name for name, job in graph.items() if not job.needs} == trainings
    asked = {
        "AMTENnet/source/Raw/seed0": {"Raw": 2},
        "Meso-4/label/Raw/seed0": {"Raw": 2},
        "Meso-4/source/HQ/seed0": {"HQ": 2},
        "Meso-4/source/JP60/seed0": {"Raw": 1, "JP60": 2},
        "Meso-4/source/Raw/seed0": {"Raw": 2, "JP60": 1, "JP2-mix": 1},
        "Meso-4/source/Small/seed0": {"JP2-mix": 1},
        "model_base/source/Raw/seed0": {"Raw": 2},
    }
    answers = {
        f"{network}/on {name}/{split}": network
        for network, count in asked.items()
        for name, splits in count.items()
        for split in ("test", "validation")[:splits]
    }
    answers["Meso-4/source/Raw/seed0/grid"] = "Meso-4/source/Raw/seed0"
    needs = {name: job.needs for name, job in graph.items() if job.needs}
    assert needs == {name: (network,) for name, network in answers.items()}
    assert all(name.startswith(f"{job.title}/") for name, job in graph.items())


def test_an_unknown_variant_is_named_with_the_choice():
    with pytest.raises(ValueError, match="'AMTEN_9'; there are: AMTEN_1, AMTEN_2"):
        config.get_config("variant=AMTEN_9")
