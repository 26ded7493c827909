"""TR-Net's experiments: printed averages, presets that fit together, decisions."""

import copy
import inspect
from contextlib import closing
from dataclasses import fields
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio
from tiny_set import opened, pictures, prepare_in

from configs import trnet as config
from jaxforensics.commands import data_sets
from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.experiments import (
    trnet_bench,
    trnet_checks,
    trnet_claims,
    trnet_paper,
)
from jaxforensics.methods import trnet
from jaxforensics.models.trnet_discriminator import TRNetDiscriminator
from jaxforensics.models.trnet_generator import TRNetGenerator
from jaxforensics.ops import degrade
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import noise_residual
from jaxforensics.settings import call
from jaxforensics.training.mesh import data_mesh
from jaxforensics.workspace import Workspace

PRESETS = "default", "demo", "quick", "full", "paper", "released", "folder"


def test_printed_averages():
    """Tables 1 to 3 print the averages of their columns."""
    printed = {
        "NONE": (93.74, 90.89, 56.02, 23.97, 20.36, 60.58, 25.66),
        "WEAK": (94.69, 92.39, 89.72, 50.72, 45.61, 77.47, 43.18),
        "STRONG": (
            *(92.36, 90.89, 91.40, 75.40, 91.22),
            *(71.61, 94.37, 92.26, 66.84, 59.74),
        ),
    }
    for name, averages in printed.items():
        rows = getattr(trnet_paper, name).values()
        found = 100 * np.mean([list(row.values()) for row in rows], axis=0)
        np.testing.assert_allclose(found, averages, atol=0.01, err_msg=name)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_group_names_known_victims_and_attacks(preset):
    found = config.get_config(preset).experiment
    groups = [*found.defences.values(), found.limited, found.traces]
    for group in groups:
        assert set(group.victims) <= set(found.victims)
        named = group.attacks if "attacks" in group else (group.attack,)
        assert set(named) <= set(found.attacks)
        assert 1 <= group.seeds <= len(found.seeds)
    for settings in found.attacks.values():
        if "on" in settings:
            assert settings.on in found.victims
        if settings.attack in ("ganprintr", "trnet"):
            assert settings.attack in found.networks
    for settings in found.victims.values():
        if settings:
            assert {"model", "target", "steps", "optimiser"} <= set(settings)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_of_the_game_can_be_overridden(preset):
    found = config.get_config(preset).experiment.networks.trnet
    known = inspect.signature(trnet.make).parameters.keys()
    assert {*found} == known - {"sources"}
    for name, model in (("generator", TRNetGenerator), ("critic", TRNetDiscriminator)):
        assert {*found[name]} <= {field.name for field in fields(model)}
    assert {*found.generator} >= {"widths", "norm", "activation", "residual"}


def test_a_new_victim_needs_two_rows(monkeypatch):
    row = {"model": "meso4", "target": "label"}
    monkeypatch.setitem(config.VICTIMS, "Meso-4", row)
    for rates in (config.RATES, config.SHORT):
        monkeypatch.setitem(rates, "Meso-4", 1e-3)
    for preset in ("full", "paper", "released"):
        found = config.get_config(preset).experiment
        assert found.victims["Meso-4"].steps > 0
        assert "Meso-4" in found.defences.none.victims


def test_weak_defences_are_operations():
    for row in (config._weak(), config._weak(gandct_compat=True)):
        image = jnp.full((4, 16, 16, 3), 0.5)
        out = degrade.from_config(row)(jax.random.key(0), image)
        assert out.shape == image.shape and jnp.isfinite(out).all()
    names = [row["name"] for row in config._weak()]
    assert names == ["blur", "crop", "jpeg", "noise"]
    assert all(row["probability"] == 0.5 for row in config._weak())
    compat = config._weak(gandct_compat=True)
    assert compat[0]["sigma"] == 4 and compat[2]["low"] == compat[2]["high"] == 95


def test_who_is_right():
    logits = np.array([[2.0, 1, 0], [0, 1, 2], [0, 3, 0], [5, 0, 0]])
    found = {"logits": logits, "label": np.array([0, 0, 1, 1])}
    found["score"] = np.array([0.1, 0.4, 0.6, 0.45])

    def shares(limit, reals=(0,)):
        said = trnet_bench.said_fake(found, limit, reals)
        return [trnet_bench.recognised(said, found, label=label) for label in (0, 1)]

    assert shares(None) == [0.5, 0.5]
    assert shares(None, reals=(0, 1)) == [0.5, 0]  # two kinds of reals
    assert shares(0.4) == [0.5, 1]
    assert shares(0.5) == [1, 0.5]
    said, chosen = np.array([True, False, False, True]), np.array([False] * 3 + [True])
    assert trnet_bench.recognised(said, found, label=1, chosen=chosen) == 1
    assert np.isnan(trnet_bench.recognised(said, found, label=0, chosen=chosen))
    one = {"logits": np.array([[0.1], [-0.1], [0.0]])}
    assert trnet_bench.said_fake(one, None, (0,)).tolist() == [True, False, False]


def test_attacks_are_stored_as_a_file_would_be():
    """8 bits, padding left out, likeness by scikit-image."""
    rng = np.random.default_rng(0)
    given = rng.integers(0, 256, (6, 16, 16, 3), np.uint8)

    def batches():
        for start in (0, 4):
            rows = np.arange(start, start + 4)
            yield {
                "image": given[np.minimum(rows, 5)],
                "label": np.ones(4, np.int32),
                "source": np.ones(4, np.int32),
                "index": np.where(rows < 6, 10 * rows, -1),
                "valid": np.float32(rows < 6),
            }

    def attack(key, image, label):
        return image * 0.9 + 0.013 * label[:, None, None, None]

    attacker = trnet_bench.Attacker(attack, jax.random.key(0), data_mesh(), "", "")
    found = attacker.over(batches(), outputs=("image", "psnr", "ssim"))
    expected = np.round(given * 0.9 + 0.013 * 255)
    np.testing.assert_allclose(found["image"], expected, atol=1)
    assert found["image"].dtype == np.uint8
    np.testing.assert_array_equal(found["index"], 10 * np.arange(6))
    for picture, kept, psnr in zip(given, found["image"], found["psnr"], strict=True):
        oracle = peak_signal_noise_ratio(picture, kept, data_range=255)
        assert psnr == pytest.approx(oracle, abs=1e-2)


def test_likeness_is_of_what_changed():
    values = np.array([30.0, np.inf, 34.0])
    assert trnet_bench.likeness(values) == (32.0, 2.0)
    assert trnet_bench.likeness(values[1:2]) == (np.inf, 0.0)
    assert np.isnan(trnet_bench.likeness(values[:0])[0])


class Told:
    """A bench whose numbers are given: accuracies {victim: …}, and after attacks."""

    seeds = (0, 1, 2)

    def __init__(self, fake, left, *, on, psnr=31):
        self.fake, self.left, self.psnr = fake, left, psnr
        self.attacks = {attack: {"attack": attack, "on": on} for attack in left}

    def clean(self, victim, seed):
        return trnet_bench.Accuracy(0.95, self.fake[victim])

    def fooled(self, victim, attack, seed):
        return self.left[attack][victim] + 0.01 * seed

    def attacked(self, attack, seed):
        return {"psnr": np.array([self.psnr, np.inf])}


def claimed(fake, left, **settings):
    """[(mean of what is measured, verdict)] of all claims about victims."""
    bench = Told(fake, left, **settings)
    rows = trnet_claims.of_attacks(bench, victims=tuple(fake), attacks=tuple(left))
    return [(float(row["measured"].split(" ")[0]), row["verdict"]) for row in rows]


FAKE = {"Xception": 0.93, "Patch-CNN": 0.97, "DCTA": 0.92}
LEFT = {
    "PGD": {"Xception": 0.1, "Patch-CNN": 0.3, "DCTA": 0.8},
    "TR-Net": {"Xception": 0.2, "Patch-CNN": 0.3, "DCTA": 0.4},
}


def test_claims_say_what_the_numbers_say():
    found = claimed(FAKE, LEFT, on="Xception")
    assert [verdict for _, verdict in found] == ["holds"] * 7
    falls = 0.83 - 0.67, 0.67 - 0.12  # of PGD: Xception's, Patch-CNN's, DCTA's
    expected = 0.03, 0.05, 0.02, 0.94 - 0.31 - 0.3, 1, *falls
    np.testing.assert_allclose([value for value, _ in found], expected, atol=1e-3)


def test_claims_that_do_not_hold():
    left = {"PGD": {"Xception": 0.5, "Patch-CNN": 0.8, "DCTA": 0.1}}
    left["TR-Net"] = dict.fromkeys(FAKE, 0.9)
    found = claimed(FAKE, left, on="Xception", psnr=29)
    assert [verdict for _, verdict in found[3:]] == ["does not hold"] * 4
    patches = claimed(FAKE, LEFT, on="Patch-CNN")
    assert len(patches) == 6  # what follows Patch-CNN does not transfer to it
    assert patches[-1] == (pytest.approx(0.67 - 0.83, abs=1e-3), "does not hold")


def test_attacks_are_judged_by_sound_victims():
    found = claimed(FAKE | {"DCTA": 0.8}, LEFT, on="Xception")
    values, verdicts = zip(*found, strict=True)
    assert verdicts == ("holds", "holds", "does not hold", "holds", "holds", "holds")
    falls = 0.73 + 0.67 - 0.02, 0.83 - 0.67  # of Xception and Patch-CNN
    expected = falls[0] / 2 - 0.3, 1, falls[1]
    np.testing.assert_allclose(values[3:], expected, atol=1e-3)
    found = claimed(dict.fromkeys(FAKE, 0.8), LEFT, on="Xception")
    assert [verdict for _, verdict in found] == ["does not hold"] * 3 + ["holds"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A bench of NF and one attack on 35 random pictures in pairs."""
    folder = tmp_path_factory.mktemp("trnet")
    root = prepare_in(folder, pictures(folder, parts=True, side=16))
    data = opened(root, size=16, flip=True, balance="label")
    workspace = Workspace(folder / "run")
    yield trnet_bench.Bench(
        workspace,
        data,
        victims={"NF": {}},
        attacks={"Noise": {"attack": "noise", "low": 5.0, "high": 20.0}},
        networks={},
        training={},
        weak=(),
        seeds=(0,),
    )
    workspace.close()


def test_fingerprints_are_means_of_the_pictures_as_they_are(tiny):
    """Not mirrored, each once: by hand, over the training split."""
    known = tiny.victim("NF", 0).state.nets["fingerprints"].stats
    rows = [
        (batch["source"][i], batch["image"][i])
        for batch in tiny.data.train.plain().once()
        for i in np.flatnonzero(batch["valid"])
    ]
    assert len(rows) == tiny.data.train.num_train == 21
    for source in range(3):
        mine = np.stack([image for s, image in rows if s == source])
        residuals = noise_residual(to_gray(np.float32(mine) / 255))
        mean = np.asarray(residuals).mean(0)
        # The last batch begins the next round: three pictures come twice.
        assert np.corrcoef(known["mean"][source].ravel(), mean.ravel())[0, 1] > 0.9
        flipped = known["mean"][source][:, ::-1].ravel()
        assert np.corrcoef(flipped, mean.ravel())[0, 1] < 0.5
    assert known["count"].sum() == 24


def test_accuracies_are_those_of_each_class(tiny):
    """From stored predictions, with the threshold of the validation split."""
    clean, left = tiny.clean("NF", 0), tiny.fooled("NF", "Noise", 0)
    folder = tiny.workspace.directory / "measurements/victims/NF/none/seed0"
    stored = {
        name: np.load(folder / f"{name}.npz")
        for name in ("validation", "test", "after/Noise")
    }
    limit = choose_threshold(
        stored["validation"]["label"], stored["validation"]["score"]
    ).value
    attacked = tiny.workspace.directory / "measurements/attacks/Noise/seed0/test.npz"
    assert str(np.load(attacked)["notice"]).startswith("attacked (Noise, ")
    test, after = stored["test"], stored["after/Noise"]
    assert clean.real == np.mean(test["score"][test["label"] == 0] < limit)
    assert clean.fake == np.mean(test["score"][test["label"] == 1] >= limit)
    assert left == np.mean(after["score"] >= limit)
    assert (after["label"] == 1).all() and len(after["label"]) == 3
    found = tiny.intervals("NF", "Noise", 0)
    for name, value in (("real", clean.real), ("fake", clean.fake), ("attacked", left)):
        point, low, high = found[name]
        assert point == pytest.approx(value) and low <= point <= high
    assert found["fall"][0] == pytest.approx(clean.fake - left)


def checked(bench, **changed):
    groups = {"none": {"victims": ("NF",), "attacks": ("Noise",), "seeds": 1}}
    limited = {"attack": "Noise", "victims": (), "leave_out": ()}
    traces = {"victims": (), "attacks": ()}
    given = {"defences": groups, "limited": limited, "traces": traces} | changed
    return trnet_checks.check(bench, *given.values())


def test_what_is_used_is_found(tiny):
    assert checked(tiny) == ["Noise"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"traces": {"victims": ("NF",), "attacks": (), "seeds": 1}},
            "without attacks",
        ),
        ({"traces": {"victims": (), "attacks": ("Nois",)}}, "did you mean 'Noise'"),
        (
            {"limited": {"attack": "Noise", "victims": (), "leave_out": ("begin",)}},
            "did you mean 'began'",
        ),
        (
            {"defences": {"none": {"victims": ("NF",), "attacks": (), "seeds": 3}}},
            r"asks for 3 seeds, there are \(0,\)",
        ),
        (
            {
                "traces": {
                    "victims": ("NF",),
                    "attacks": ("Noise",),
                    "layer": "block_2",
                    "seeds": 1,
                }
            },
            "traces.layer, of NF: 0 layers are called 'block_2'.*none with maps",
        ),
    ],
)
def test_what_cannot_be_done_is_said_first(tiny, changed, message):
    with pytest.raises(ValueError, match=message):
        checked(tiny, **changed)


def test_gradients_are_followed_of_real_and_fake_alone(tiny):
    bench = copy.copy(tiny)
    bench.attacks = {"Noise": {"attack": "fgsm", "on": "NF", "epsilon": 0.1}}
    with pytest.raises(ValueError, match="'NF' tells sources apart"):
        checked(bench)
    del bench.attacks["Noise"]["on"]
    with pytest.raises(ValueError, match="Noise needs 'on'"):
        checked(bench)


def test_fakes_without_originals_are_refused(tiny, tmp_path):
    bench = copy.copy(tiny)
    bench.data = opened(prepare_in(tmp_path, pictures(tmp_path)))
    with pytest.raises(ValueError, match="prepare.py pairs DIR"):
        checked(bench)


def test_a_split_of_one_class_is_refused(tiny):
    bench = copy.copy(tiny)
    train, test = tiny.data
    bench.data = tiny.data._replace(test=test.labelled(1))
    with pytest.raises(ValueError, match="split test needs reals and fakes"):
        checked(bench)
    bench.data = tiny.data._replace(train=train.only(["began"]))
    with pytest.raises(ValueError, match=r"fakes that training lacks: \['pggan'\]"):
        checked(bench)


def test_no_group_no_claims():
    def section(*_):
        raise AssertionError("there is nothing to report")

    workspace = SimpleNamespace(
        helper=False, diverged=[], section=section, table=section
    )
    bench = SimpleNamespace(first=lambda seeds: None, workspace=workspace)
    nobody = {"victims": (), "attacks": (), "seeds": 1}
    trnet_claims.report(bench, nobody, nobody)


@pytest.mark.slow
def test_the_game_learns(tmp_path):
    """The third critic tells sources apart, the generator lowers what victims find.

    Measured: 0.66 and 0.64 on average of the four kinds, where chance is 0.25; falls of
    0.19 and 0.08 on average of both victims (with the preset's rates 0.07 and 0.10).
    """
    found = config.get_config("demo")
    data = data_sets.open_data(directory=tmp_path / "data", **found.data)
    settings, kinds = found.experiment, np.arange(len(data.train.sources))
    game = settings.networks.trnet.to_dict() | {"steps": 300}
    game["critic_optimiser"]["rate"] = 1e-3
    with closing(call(Workspace, found.run, tmp_path / "run")) as workspace:
        bench = trnet_bench.Bench(
            workspace,
            data,
            victims={name: settings.victims[name] for name in ("DCTA", "NF")},
            attacks=settings.attacks,
            networks={"trnet": game},
            training=settings.training,
            weak=(),
            seeds=(0, 1),
        )
        heads, falls = [], []
        for seed in bench.seeds:
            told = bench.network("trnet", seed).over(
                data.test.batches(), outputs=("fingerprint_sources",)
            )
            right = np.argmax(told["fingerprint_sources"], axis=-1) == told["source"]
            shares = [right[told["source"] == kind].mean() for kind in kinds]
            heads.append(np.mean(shares))
            falls.append(
                [
                    bench.clean(victim, seed).fake
                    - bench.fooled(victim, "TR-Net", seed)
                    for victim in bench.victims
                ]
            )
    assert min(heads) > 1 / len(kinds) + 0.3
    assert np.mean(falls, axis=1).min() > 0.03
    assert np.mean(falls) > 0.05
