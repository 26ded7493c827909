"""FakeLocator's jobs: what is checked before, what is trained, what is asked."""

import pytest

from configs import fakelocator as config
from jaxforensics.experiments.common.jobs import in_order
from jaxforensics.experiments.fakelocator import degradations, jobs
from jaxforensics.experiments.fakelocator.checks import check
from jaxforensics.experiments.fakelocator.networks import method, watch_of
from jaxforensics.experiments.fakelocator.settings import GROUPS, Network
from jaxforensics.synthfaces.drawing.render import CLASSES
from jaxforensics.training import watch

PRESETS = "default", "quick", "full", "folder", "few", "paper"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": ("L11",)}, "row for losses 'L11'"),
        ({"trained_on": ("C",)}, "training set for losses 'C'"),
        ({"tests": ("C",)}, "test for losses 'C'"),
        ({"tests": ()}, "losses has rows and no tests"),
        ({"seeds": 0}, "losses has rows and no seeds"),
        ({"fewer": {"nobody": 1}}, "row or training set for losses.fewer"),
        ({"fewer": {"L1": 0}}, "losses.fewer: L1 needs a seed or more"),
    ],
)
def test_a_group_names_what_is_there(tiny, settings_of, wrong, message):
    group = settings_of().losses
    with pytest.raises(ValueError, match=message):
        check(settings_of(losses=group | wrong), tiny)


def test_what_cannot_be_done_is_said_first(tiny, settings_of):
    check(settings_of(), tiny)
    for wrong, message in (
        ({"longer": {"C": 2}}, "set or row to be trained longer"),
        ({"classifiers": {"L1": {}}}, "rows and classifiers both have L1"),
        ({"longer": {"A": 0}}, "its steps would train nothing"),
        ({"locator": {"model": "unet", "map_lost": "l1"}}, "did you mean 'map_loss'"),
        ({"tests": {"A": {"corpus": "edit", "fakes": None}}}, "test for losses 'B'"),
    ):
        with pytest.raises(ValueError, match=message):
            jobs(settings_of(**wrong), tiny)


def test_degradations_are_those_of_the_paper(tiny, settings_of):
    looks = dict(settings_of().looks) | {"degradations": {"JPEG qality": (50,)}}
    with pytest.raises(ValueError, match="did you mean 'JPEG quality'"):
        check(settings_of(looks=looks), tiny)
    with pytest.raises(ValueError, match="400"):
        degradations.operation("JPEG quality", 400)
    every = dict(settings_of().looks) | {"degradations": config.DEGRADATIONS}
    check(settings_of(looks=every), tiny)


def test_detectors_learn_from_reals_and_fakes_and_locators_from_pairs(
    tiny, settings_of
):
    group = dict(settings_of().losses) | {"rows": ("L1", "DCTA")}
    group |= {"trained_on": ("A", "B"), "seeds": 1}
    nobody = {"losses": group | {"rows": ()}}
    settings = settings_of(**nobody, detection=group, longer={"DCTA": 2, "A": 3})
    graph = {job.name: job for job in in_order(jobs(settings, tiny))}
    trained = {name for name, job in graph.items() if not job.needs}
    assert trained == {f"{row}/{on}/seed0" for row in ("L1", "DCTA") for on in "AB"}
    assert "DCTA/A/seed0/as they are/A" in graph
    assert "DCTA/A/seed0/as they are/B" not in graph  # each its own set alone
    network = Network("DCTA", "A", 0)
    (stage,) = method(network, settings, ("real", "began")).stages
    assert stage.steps == settings.steps * 2 * 3
    with pytest.raises(ValueError, match="detection asks networks .* tests lack B"):
        check(settings_of(**nobody, detection=group | {"tests": ("A",)}), tiny)


def test_clusters_need_their_rows_and_pictures(tiny, settings_of):
    types = dict(settings_of().losses) | {"rows": ("L1",)}
    for chosen, message in (
        ({"rows": ("Dice",)}, "no row of types for clusters 'Dice'"),
        ({"rows": ("L1",), "draws": 0}, "clusters.draws"),
        ({"rows": ("L1",), "ratios": (0,)}, "clusters.ratios"),
        ({"rows": ("L1",), "ratios": (9,)}, "test B: of 1 fakes and 4 reals"),
    ):
        named = {"rows": (), "draws": 2, "ratios": (1,)} | chosen
        with pytest.raises(ValueError, match=message):
            check(settings_of(types=types, clusters=named), tiny)


@pytest.mark.parametrize("row", config.ATTENTION)
def test_attention_needs_parsings(tiny, settings_of, row):
    """Also the predicted one, whose parser learns from them."""
    group = settings_of().losses | {"rows": (row,)}
    with pytest.raises(ValueError, match="looks at parsings, and A has none"):
        check(settings_of(losses=group), tiny)


def test_a_parser_learns_first_and_the_locator_is_chosen_by_its_map(tiny, settings_of):
    settings = settings_of()
    network = Network("L1, attention (predicted)", "A", 0)
    made = method(network, settings, ("real", "began"))
    steps = {stage.name: stage.steps for stage in made.stages}
    assert steps == {"parse": 500, "train": settings.steps}
    training = watch_of(settings, tiny.main.train)
    watch.check({"train": training}, made)
    assert set(watch.by_stage({"train": training}, made)) == {"train"}


def test_edits_need_their_originals(tiny, settings_of):
    test = tiny.main.test
    alone = tiny._replace(
        main=tiny.main._replace(
            test=test._with({"reading": test._whole._replace(parts=())})
        )
    )
    with pytest.raises(ValueError, match="began have no originals to compare with"):
        check(settings_of(), alone)
    check(settings_of(entire=("began", "pggan")), alone)


def test_every_network_is_asked_about_every_test(tiny, settings_of):
    graph = {job.name: job for job in in_order(jobs(settings_of(), tiny))}
    assert len(graph) == 3 * 2 * (1 + 2)  # three rows, two seeds, two tests
    job = graph["L1/A/seed0/as they are/B"]
    assert job.needs == ("L1/A/seed0",)


def test_looks_are_jobs_of_the_same_network(tiny, settings_of):
    looks = dict(settings_of().looks) | {
        "rows": ("L1", "Dice"),
        "trained_on": "A",
        "test": "B",
        "degradations": {"blur size": (3, 5)},
    }
    graph = {job.name for job in jobs(settings_of(looks=looks), tiny)}
    for kind in ("shifted", "of a neighbour", "disorganised", "augmented"):
        assert f"L1/A/seed1/{kind}/B" in graph
        assert f"Dice/A/seed0/{kind}/B" in graph
    assert "L1/A/seed0/blur size 5, undegraded target/B" in graph
    # Curves are of the first row's first seed.
    assert not {"L1/A/seed1/blur size 5/B", "Dice/A/seed0/blur size 5/B"} & graph


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_what_it_has(preset):
    chosen = config.get_config(preset).experiment
    for group in GROUPS:
        named = chosen[group]
        assert set(named.rows) <= set(chosen.rows) | set(chosen.classifiers)
        assert set(named.trained_on) <= set(chosen.training_sets)
        assert set(named.tests) <= set(chosen.tests)
    assert chosen.looks.trained_on in chosen.training_sets
    assert chosen.looks.test in chosen.tests


def test_regions_are_those_of_the_edits():
    regions = config.get_config().experiment.regions
    assert [CLASSES[n] for n in regions["edit_deconv/bald"]] == ["hair"]
    assert {CLASSES[n] for n in regions["edit_skip/smile"]} == {"mouth", "eyes", "skin"}


def test_whole_faces_are_chosen_by_their_error(tiny, settings_of):
    """Even maps have a COSS of one with a target of ones, whatever they say."""
    train = tiny.main.train.only(("began",))
    assert watch_of(settings_of(), train).select == "cosine_similarity"
    whole = watch_of(settings_of(entire=("pggan", "began")), train)
    assert whole.select == "map_closeness"
    assert watch_of(settings_of(entire=("pggan",)), train).select != whole.select


def test_rows_differ_in_what_they_say_alone(settings_of):
    settings = settings_of()
    sources = "real", "began", "pggan"
    plain = method(Network("L1", "A", 0), settings, sources).settings
    for row, own in config.ROWS.items():
        if row in config.BASELINES:
            continue
        made = method(Network(row, "A", 0), settings, sources).settings
        differing = {key for key in plain if made[key] != plain[key]}
        assert differing <= {*own, "regions"}
