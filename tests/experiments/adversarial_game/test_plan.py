"""The game's jobs: what is checked before, what is trained, what is asked of whom."""

import itertools

import pytest

from configs import adversarial_game as config
from configs.rows import adversarial_game as rows
from jaxforensics.attacks import NAMES
from jaxforensics.experiments.adversarial_game import jobs
from jaxforensics.experiments.adversarial_game.checks import check
from jaxforensics.experiments.adversarial_game.networks import method
from jaxforensics.experiments.adversarial_game.settings import (
    GROUPS,
    Network,
    all_networks,
    is_seen,
)
from jaxforensics.experiments.common.jobs import in_order

PGGAN = {"corpus": "C23", "fakes": ("pggan",)}
PRESETS = "default", "demo", "quick", "full", "folder", "paper", "released"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"detectors": ("model_bass",)}, "did you mean 'model_base'"),
        ({"rows": ("Two-Gen-BAD",)}, "did you mean 'Two-Gen-BAT'"),
        ({"trained_on": ("C24",)}, "training set for unseen 'C24'"),
        ({"tests": ("NTT",)}, "did you mean 'NT'"),
        ({"tests": ()}, "unseen has detectors and no tests"),
        ({"seeds": 0}, "unseen has detectors and no seeds"),
        ({"fewer": {"nobody": 1}}, "detector or row or training set for unseen.fewer"),
        ({"fewer": {"none": 0}}, "unseen.fewer: none needs a seed or more"),
    ],
)
def test_a_group_names_what_is_there(tiny, settings_of, wrong, message):
    group = settings_of().unseen
    with pytest.raises(ValueError, match=message):
        check(settings_of(unseen=group | wrong), tiny)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"own": {"model_bass": {}}}, "detector with settings of its own"),
        ({"longer": {"model_bass": 2}}, "did you mean 'model_base'"),
        ({"longer": {"model_base": 0}}, "its steps would train nothing"),
        ({"without_accuracy": ("DFD",)}, "test without accuracy 'DFD'"),
        (
            {"tests": {"NT": {"corpus": "C32", "fakes": None}, "DF": PGGAN}},
            "did you mean 'C23'",
        ),
        (
            {"tests": {"NT": {"corpus": "C23", "fakes": ("begun",)}, "DF": PGGAN}},
            "did you mean 'began'",
        ),
        (
            {"own": {"model_base": {"shares": 0.5}}},
            "did you mean 'share'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_first(tiny, settings_of, wrong, message):
    check(settings_of(), tiny)
    with pytest.raises(ValueError, match=message):
        jobs(settings_of(**wrong), tiny)


def test_a_corpus_has_a_name_of_its_own(tiny, settings_of):
    with pytest.raises(ValueError, match="others.C23: that is what `data` is called"):
        check(settings_of(), tiny._replace(others={"C23": tiny.main}))


def test_a_row_says_all_and_nothing_else(tiny, settings_of):
    chosen = dict(settings_of().rows)
    with pytest.raises(ValueError, match="did you mean 'adversary'"):
        check(
            settings_of(rows=chosen | {"mine": {"adversari": "none"}}),
            tiny,
        )
    with pytest.raises(ValueError, match="row 'mine' has no 'attack'"):
        check(settings_of(rows=chosen | {"mine": {"adversary": "none"}}), tiny)


def test_idle_games_have_generators(tiny, settings_of):
    idle = settings_of().idle | {"detector": "model_base", "games": ("Constant blur",)}
    with pytest.raises(ValueError, match="'Constant blur' has no generators to try"):
        check(settings_of(idle=idle), tiny)


def test_attacks_are_looked_at(tiny, settings_of):
    attacks = settings_of().attacks | {"victims": ("model_base",)}
    check(settings_of(attacks=attacks), tiny)
    wrong = attacks | {"attacks": {"mine": {"attack": "fgsm", "epsilom": 1 / 255}}}
    with pytest.raises(ValueError, match="did you mean 'epsilon'"):
        check(settings_of(attacks=wrong), tiny)
    with pytest.raises(ValueError, match="attacks.every"):
        check(settings_of(attacks=attacks | {"every": 0}), tiny)


def test_a_threshold_comes_from_what_was_trained_on(tiny, settings_of):
    graph = {job.name: job for job in in_order(jobs(settings_of(), tiny))}
    name = "model_base/none/C23/seed0"
    assert graph[f"{name}/validation"].needs == (name,)
    assert graph[f"{name}/on C23/test"].needs == (name,)
    # Four rows with two seeds: trained, validated and asked once each.
    assert len(graph) == 3 * 8


def test_attacks_wait_for_all_victims(tiny, settings_of):
    attacks = settings_of().attacks | {"victims": ("model_base", "AMTENnet")}
    graph = {job.name: job for job in jobs(settings_of(attacks=attacks), tiny)}
    needs = {f"{v}/none/C23/seed0" for v in attacks["victims"]}
    for victim in attacks["victims"]:
        assert set(graph[f"attacks/{victim}/BAT"].needs) == needs


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_what_it_has(preset):
    chosen = config.get_config(preset).experiment
    for group in GROUPS:
        named = chosen[group]
        assert set(named.detectors) <= set(chosen.detectors)
        assert set(named.rows) <= set(chosen.rows)
        assert set(named.trained_on) <= set(chosen.training_sets)
        assert set(named.tests) <= set(chosen.tests)
        corpora = {"C23", *config.get_config(preset).others}
        for name in named.trained_on:
            assert chosen.training_sets[name].corpus in corpora
        for name in named.tests:
            assert chosen.tests[name].corpus in corpora
    for row in chosen.attacks.attacks.values():
        assert row.attack in NAMES


def test_all_rows_of_a_table_are_augmented_alike(settings_of):
    """Only traditional augmentation adds to what all pictures go through."""
    augment = ({"name": "flip"},)
    settings = settings_of()
    settings = settings_of(game=dict(settings.game) | {"augment": augment})
    for title, row in rows.table(64).items():
        made = method(Network("model_base", title, "C23", 0), settings)
        expected = [*augment, *row["augment"]]
        assert [dict(each) for each in made.settings["augment"]] == expected
        assert (title in rows.TRADITIONAL) == bool(row["augment"])


def test_all_rows_share_everything_but_the_adversary(settings_of):
    settings = settings_of()
    made = [
        method(Network("model_base", title, "C23", 0), settings).settings
        for title in (*rows.ADVERSARIES, *rows.CONTROLS)
    ]
    for first, second in itertools.combinations(made, 2):
        differing = {key for key in first if first[key] != second[key]}
        assert differing <= {"adversary", "attack", "generator"}


def test_games_and_controls_blur_as_strongly():
    for size in (64, 128, 256):
        table = rows.table(size)
        expected = rows.strength(size)
        assert expected == rows.RMS * (256 / size) ** 2
        for title in ("Grad-BAT", *rows.CONTROLS):
            assert table[title]["attack"]["start"] == expected
        for title in (*rows.GENERATORS, *rows.KERNELS):
            assert table[title]["generator"]["rms"] == expected
    assert set(rows.table(64)) == set(rows.ALL)


def test_detectors_have_losses_of_their_own(settings_of):
    settings = settings_of(
        detectors={"Stehouwer": {"model": "ffd"}},
        own={"Stehouwer": config.OWN["Stehouwer"]},
    )
    made = method(Network("Stehouwer", "none", "C23", 0), settings)
    assert made.settings["side_losses"] == {"map": 1.0}


def test_a_map_needs_masks(tiny, settings_of):
    settings = settings_of(
        detectors={"model_base": {"model": "ffd"}},
        own={"model_base": config.OWN["Stehouwer"]},
    )
    with pytest.raises(ValueError, match="its map learns from masks, and C23 has none"):
        check(settings, tiny)


def test_what_was_seen_is_a_manipulation_in_a_quality(settings_of):
    sets = {
        "C23": {"corpus": "C23", "fakes": ("a",)},
        "all": {"corpus": "C23", "fakes": None},
    }
    tests = {
        "same": {"corpus": "C23", "fakes": ("a",)},
        "more": {"corpus": "C23", "fakes": ("a", "b")},
        "every": {"corpus": "C23", "fakes": None},
        "other": {"corpus": "C40", "fakes": ("a",)},
    }
    settings = settings_of(training_sets=sets, tests=tests)
    assert [is_seen(settings, "C23", test) for test in tests] == [1, 0, 0, 0]
    assert [is_seen(settings, "all", test) for test in tests] == [1, 1, 1, 0]


def test_seeds_are_shared_by_groups(settings_of):
    unseen = settings_of().unseen | {"fewer": {"Two-Gen-BAT": 1}}
    settings = settings_of(unseen=unseen, qualities=settings_of().unseen)
    networks = all_networks(settings)
    assert len(networks) == len(set(networks)) == 8
