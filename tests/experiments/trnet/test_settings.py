"""TR-Net's presets, and what their rows become in the arena."""

import inspect
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import pytest
import tiny_arena

from configs import trnet as config
from configs.rows import trnet as rows
from jaxforensics import attacks
from jaxforensics.experiments.common import checks
from jaxforensics.experiments.common.arena import (
    ITSELF,
    LIKELIEST,
    THRESHOLD,
    UNDEFENDED,
    Cell,
)
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.trnet import Settings, jobs, settings
from jaxforensics.methods import trnet
from jaxforensics.models.trnet_discriminator import TRNetDiscriminator
from jaxforensics.models.trnet_generator import TRNetGenerator
from jaxforensics.ops import degrade

PRESETS = "default", "demo", "quick", "full", "paper", "released", "folder"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_arena.pairs(tmp_path_factory.mktemp("trnet"))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_selection_names_known_victims_and_attacks(preset):
    chosen = config.get_config(preset).experiment
    selections = [chosen.limited, chosen.critics, chosen.traces]
    for defence in settings.DEFENCES:
        selections += settings.selections(chosen, defence)
    for selection in selections:
        assert set(selection["victims"]) <= set(chosen.victims)
        attack = (selection["attack"],) if "attack" in selection else ()
        assert {*selection.get("attacks", ()), *attack} <= set(chosen.attacks)
        assert 1 <= selection["seeds"] <= len(chosen.seeds)
    for row in chosen.attacks.values():
        if "follows" in row and row.follows != ITSELF:
            assert row.follows in chosen.victims
        if "equals" in row:
            assert row.equals in chosen.attacks
        if row.attack in ("ganprintr", "trnet"):
            assert row.network in chosen.networks
    for row in chosen.victims.values():
        if row.method == "classifier":
            assert {"model", "target", "steps", "optimiser"} <= set(row)


@pytest.mark.parametrize("preset", PRESETS)
def test_tables_show_each_attack_beside_its_control(preset):
    """Noise that equals TR-Net; under defences, gradients of the victim itself."""
    chosen = config.get_config(preset).experiment
    for defence in settings.DEFENCES:
        attacks = settings.titles(chosen, defence, "attacks")
        assert ("TR-Net" in attacks) == ("Equal noise" in attacks)
        if defence != UNDEFENDED:
            assert ("PGD" in attacks) == ("PGD, itself" in attacks)


def test_gradients_are_those_of_the_victim_that_a_preset_has():
    followed = config.get_config("default").experiment.attacks
    assert {row.follows for row in followed.values() if "follows" in row} == {
        "Patch-CNN",
        ITSELF,
    }
    assert followed["PGD, itself"].follows == followed["FGSM, itself"].follows == ITSELF


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_of_the_game_can_be_overridden(preset):
    game = config.get_config(preset).experiment.networks.trnet
    known = inspect.signature(trnet.make).parameters.keys()
    assert {*game} - {"method", "learns_from", "start"} == known - {"sources"}
    for name, model in (("generator", TRNetGenerator), ("critic", TRNetDiscriminator)):
        assert {*game[name]} <= {field.name for field in fields(model)}
    assert {*game.generator} >= {"widths", "norm", "activation", "residual"}


def test_a_new_victim_is_a_row(monkeypatch, data):
    row = {
        "method": "classifier",
        "model": "meso4",
        "target": "label",
        "optimiser": {"name": "adam", "rate": 1e-3},
    }
    monkeypatch.setitem(rows.VICTIMS, "Meso-4", row)
    for preset in ("full", "paper", "released"):
        chosen = config.get_config(preset).experiment
        assert chosen.victims["Meso-4"].steps > 0
        assert "Meso-4" in chosen.defences.none.victims
    victim = settings.victim(chosen.victims["Meso-4"], "Meso-4", chosen, data)
    assert victim.decides == LIKELIEST
    assert victim.method(()).settings["model"] == "meso4"


def test_a_new_attack_is_a_row(monkeypatch, data):
    """Besides that of all attacks: it then has a column and jobs of its own."""

    def lift(predict, *, amount):
        return lambda key, image, label: image + amount

    monkeypatch.setitem(attacks.NAMES, "lift", lift)
    row = {"attack": "lift", "follows": "Xception", "amount": 0.1}
    monkeypatch.setitem(rows.ATTACKS, "Lift", row)
    for preset in PRESETS:
        chosen = config.get_config(preset)
        assert "Lift" in chosen.experiment.attacks
        assert "Lift" in chosen.experiment.defences.none.attacks

    chosen = checks.check(config.get_config("default"), Settings)
    arena = settings.arena(chosen, data)
    followed = chosen.attacks["Lift"]["follows"]
    assert followed == "Patch-CNN"  # as all that follow gradients there
    cell = Cell("DCTA", "Lift", 0)
    assert cell in settings.defence_cells(chosen, "none")
    graph = {job.name: job for job in arena.jobs([cell])}
    lifted = graph[arena.attacked_name("Lift", 0)]
    assert lifted.needs == (arena.undefended_name("Patch-CNN", 0),)
    attack = arena.attacks["Lift"].build(None, **arena.attacks["Lift"].settings)
    assert attack(None, 0.5, 1) == pytest.approx(0.6)


def test_several_selections_make_one_table(data):
    """Two victims against one attack, one of them against all; no cell comes twice."""
    both = {"victims": ("NF", "LF"), "attacks": ("B",), "seeds": 2}
    quick = {"victims": ("NF",), "attacks": ("A", "B", "C"), "seeds": 2}
    defences = dict.fromkeys(("none", "weak"), tiny_arena.NOBODY)
    defences["strong"] = (both, quick)
    chosen = tiny_arena.settings(defences=defences, seeds=(3, 4, 5))
    cells = settings.defence_cells(chosen, "strong")
    assert {cell.seed for cell in cells} == {3, 4}
    pairs = [(cell.victim, cell.attack) for cell in cells if cell.seed == 3]
    assert sorted(pairs) == [("LF", "B"), ("NF", "A"), ("NF", "B"), ("NF", "C")]
    assert len(set(cells)) == len(cells) == 8
    assert settings.titles(chosen, "strong", "victims") == ["NF", "LF"]
    assert settings.titles(chosen, "strong", "attacks") == ["A", "B", "C"]
    assert settings.selections(chosen, "none") == (tiny_arena.NOBODY,)


def test_rows_become_victims_attacks_and_networks(data):
    chosen = checks.check(config.get_config("full"), Settings)
    arena = settings.arena(chosen, data)
    assert arena.victims["NF"].decides == THRESHOLD and arena.victims["NF"].plain
    assert arena.victims["LF"].method(()).settings["num_classes"] == 3
    assert arena.victims["LF"].decides == THRESHOLD
    assert arena.victims["DCTA"].decides == LIKELIEST
    operations = arena.operations["weak"]
    assert arena.victims["DCTA"].method(operations).settings["augment"] == operations
    assert {row.follows for row in arena.attacks.values()} == {"", "Xception", ITSELF}
    assert arena.attacks["Equal noise"].equals == "TR-Net"
    labels = {title: network.label for title, network in arena.networks.items()}
    of_critics = {f"trnet, {title}": 1 for title in config._sets_of_critics()}
    of_pairs = {"trnet": 1, "trnet, balanced": 1} | of_critics
    assert labels == {"ganprintr": 0} | of_pairs and len(of_critics) == 6
    assert arena.networks["trnet"].method(1).settings["sources"] == 3


@pytest.mark.parametrize(
    ("section", "row", "message"),
    [
        ("victims", {"model": "meso4"}, "victims.Mine needs 'method'"),
        (
            "victims",
            {"method": "classifer"},
            "no method of Mine 'classifer'.*did you mean 'classifier'",
        ),
        (
            "victims",
            {"method": "classifier", "model": "meso4", "target": "label", "steps": 1},
            "victims.Mine needs 'optimiser'",
        ),
        ("attacks", {"follows": "NF"}, "attacks.Mine needs 'attack'"),
        ("attacks", {"attack": "nois"}, "did you mean 'noise'"),
        ("networks", {"method": "trnet"}, "networks.Mine needs 'learns_from'"),
        ("networks", {"learns_from": "fakes"}, "networks.Mine needs 'method'"),
        (
            "networks",
            {"method": "trnet", "learns_from": "fake"},
            "did you mean 'fakes'",
        ),
    ],
)
def test_what_a_row_lacks_is_said_in_a_line(data, section, row, message):
    with pytest.raises(ValueError, match=message):
        settings.arena(tiny_arena.settings(**{section: {"Mine": row}}), data)


def test_less_knowledge_has_networks_of_its_own(data):
    """Half of the pairs, and all without a kind of fake; all of them only once."""
    limited = {
        "attack": "Redraw",
        "victims": ("NF",),
        "fractions": (0.5, 1),
        "leave_out": ("began",),
        "seeds": 1,
    }
    network = {
        "method": "reconstruction",
        "learns_from": "reals",
        "steps": 1,
        "optimiser": {"name": "adam", "rate": 1e-3},
    }
    chosen = tiny_arena.settings(
        attacks={
            "Noise": tiny_arena.NOISE,
            "Redraw": {"attack": "ganprintr", "network": "autoencoder"},
        },
        networks={"autoencoder": network},
        limited=limited,
    )
    assert settings.limits(chosen, data) == ["share 0.5", "without began"]
    cells = [cell for cell in settings.all_cells(chosen, data) if cell.knowledge]
    assert cells == [
        Cell("NF", "Redraw", 0, knowledge="share 0.5"),
        Cell("NF", "Redraw", 0, knowledge="without began"),
    ]
    graph = jobs(chosen, Sets(data, {}))
    networks = [job.name for job in graph if job.name.startswith("networks/")]
    assert networks == [
        "networks/autoencoder/seed0",
        "networks/autoencoder/share 0.5/seed0",
        "networks/autoencoder/without began/seed0",
    ]
    knowledge = settings.arena(chosen, data).knowledge
    assert knowledge["without began"].counts["train"]["began"] == 0
    assert knowledge["share 0.5"].num_train < data.train.num_train


class Recorder:
    """A workspace that trains nothing: the settings of what it is asked to train."""

    def __init__(self):
        self.trained = {}

    def train(self, name, method, data, *, seed, start, export):
        self.trained[name] = method.settings


def trained_networks(preset, data, *, limited):
    """{job: settings} of the networks that a preset trains for tables and Fig. 14."""
    chosen = replace(
        checks.check(config.get_config(preset), Settings),
        limited=limited,
        critics=tiny_arena.NOBODY,
    )
    arena = settings.arena(chosen, data)
    workspace = Recorder()
    for job in arena.jobs(settings.all_cells(chosen, data)):
        if job.name.startswith("networks/"):
            job.make(workspace, {})
    return workspace.trained


def limited(**changed):
    selection = {"attack": "TR-Net", "victims": ("NF",), "seeds": 1}
    return selection | {"fractions": (0.5, 1), "leave_out": ("began",)} | changed


def test_less_knowledge_is_trained_on_for_fewer_steps(data):
    """As many epochs of fewer pairs; the tiny set has six of BEGAN, three of PGGAN."""
    trained = trained_networks("paper", data, limited=limited())
    numbers = {
        name: (made["steps"], made["epoch"], made["last"])
        for name, made in trained.items()
        if name.startswith("networks/trnet/") and name.endswith("seed0")
    }
    pairs = data.train.share(0.5).labelled(1).num_train
    assert 0 < pairs < 9
    half = round(3200 * pairs / 9), round(400 * pairs / 9), round(400 * pairs / 9)
    assert numbers == {
        "networks/trnet/seed0": (3200, 400, 400),
        "networks/trnet/without began/seed0": (1067, 133, 133),
        "networks/trnet/share 0.5/seed0": half,
    }


def test_an_autoencoder_learns_from_reals_whatever_fakes_are_left_out(data):
    selection = limited(attack="GANprintR")
    trained = trained_networks("paper", data, limited=selection)
    reals = (
        data.train.share(0.5).labelled(0).num_train / data.train.labelled(0).num_train
    )
    assert 0 < reals < 1
    autoencoders = "networks/ganprintr/seed0", "networks/ganprintr/without began/seed0"
    assert [trained[name]["steps"] for name in autoencoders] == [80_000] * 2
    halved = trained["networks/ganprintr/share 0.5/seed0"]
    assert halved["steps"] == round(80_000 * reals)


def test_rates_fall_within_fewer_steps(data):
    """A short game has a warm-up, which shrinks too; nothing shrinks to no step."""
    chosen = checks.check(config.get_config("default"), Settings)
    make = settings.arena(chosen, data).networks["trnet"].method
    for share, steps, warmup in ((1, 1600, 50), (0.1, 160, 5), (1e-4, 1, 0)):
        made = make(share).settings
        assert (made["steps"], made["epoch"], made["last"]) == (steps, 0, 0)
        for player in ("optimiser", "critic_optimiser"):
            assert made[player]["schedule_settings"]["warmup"] == warmup

    row = {"steps": 4, "optimiser": {"schedule": "cosine"}, "epoch": 1}
    for schedule_settings, expected in (
        ({"warmup": 3}, {"warmup": 0}),  # a third of it would leave nothing of a step
        ({"warmup": 0.2}, {"warmup": 0.2}),  # a share of the steps
        ({"every": 9}, {"every": 3}),
        ({"steps": 12, "warmup": 6}, {"steps": 4, "warmup": 2}),
    ):
        row["optimiser"]["schedule_settings"] = schedule_settings
        fewer = settings._in_proportion(row, 1 / 3 + 1e-9)
        assert fewer["optimiser"]["schedule_settings"] == expected
        assert (fewer["steps"], fewer["epoch"]) == (1, 1)
    assert row["steps"] == 4 and row["optimiser"]["schedule_settings"]["steps"] == 12


@pytest.mark.parametrize("preset", ["full", "paper", "released"])
def test_all_sets_of_critics_are_compared(preset, data):
    """Three alone, three pairs, and all three; all else is the same game."""
    chosen = checks.check(config.get_config(preset), Settings)
    titles = chosen.critics["attacks"]
    sets = [settings.critics_of(chosen, title) for title in titles]
    assert sorted(map(len, sets)) == [1, 1, 1, 2, 2, 2, 3]
    assert len(set(sets)) == 7
    whole = dict(chosen.networks["trnet"]) | {"critics": ()}
    for title in titles:
        network = chosen.networks[chosen.attacks[title]["network"]]
        assert dict(network) | {"critics": ()} == whole
    # A hundredth of the tiny set has no fake.
    assert all(settings.equal_noise(chosen, title) for title in titles)
    networks = settings.arena(replace(chosen, limited=limited()), data).networks
    made = [networks[chosen.attacks[title]["network"]].method(1) for title in titles]
    assert [method.settings["critics"] for method in made] == sets
    cells = settings.critic_cells(chosen, titles[1])
    assert {cell.victim for cell in cells} == {*rows.VICTIMS}


def test_noise_that_equals_an_attack_is_found_by_its_row():
    attacks = {"A": {"attack": "trnet"}, "B": {"attack": "noise", "equals": "A"}}
    critics = tiny_arena.NOBODY | {"attacks": ("A",)}
    chosen = tiny_arena.settings(attacks=attacks, critics=critics)
    assert settings.equal_noise(chosen, "A") == "B"
    assert settings.equal_noise(chosen, "B") == ""
    assert settings.critic_attacks(chosen) == ["A", "B"]


def test_weak_defences_are_operations():
    for row in (rows.weak(), rows.weak(gandct_compat=True)):
        image = jnp.full((4, 16, 16, 3), 0.5)
        out = degrade.from_config(row)(jax.random.key(0), image)
        assert out.shape == image.shape and jnp.isfinite(out).all()
    names = [row["name"] for row in rows.weak()]
    assert names == ["blur", "crop", "jpeg", "noise"]
    assert all(row["probability"] == 0.5 for row in rows.weak())
    compat = rows.weak(gandct_compat=True)
    assert compat[0]["sigma"] == 4 and compat[2]["low"] == compat[2]["high"] == 95


def test_weights_to_start_from_have_to_be_there(data, tmp_path):
    row = tiny_arena.AUTOENCODER | {"start": {"autoencoder": str(tmp_path / "none")}}
    with pytest.raises(ValueError, match="networks.AE.start.autoencoder: there is no"):
        settings.network(row, "AE", data)
    (tmp_path / "none").touch()
    assert settings.network(row, "AE", data).start == row["start"]


def test_victims_of_a_weak_defence_may_learn_for_longer(data):
    given = tiny_arena.settings(
        victims=config._victims(("DCTA",), {"DCTA": 4}, degraded_steps={"DCTA": 9}),
        classifier={"num_classes": 1, "loss": "binary_cross_entropy"},
        weak=rows.weak(),
    )
    arena = settings.arena(given, data)
    make = arena.victims["DCTA"].method
    assert make(()).stages[0].steps == 4
    assert make(arena.operations["weak"]).stages[0].steps == 9
