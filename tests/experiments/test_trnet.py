"""TR-Net's experiments: printed averages, presets that fit together, decisions."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from configs import trnet as config
from jaxforensics.experiments import embedded, trnet_bench, trnet_claims, trnet_paper
from jaxforensics.methods import trnet
from jaxforensics.ops import degrade
from jaxforensics.training import loop
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.predict import Predictor

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
    assert trnet_bench.right(found, None, label=0) == 0.5
    assert trnet_bench.right(found, None, label=1) == 0.5
    assert trnet_bench.right(found, 0.4, label=1) == 1
    assert trnet_bench.right(found, 0.3, label=0) == 0.5
    chosen = np.array([True, False, False, True])
    assert trnet_bench.right(found, None, label=1, chosen=chosen) == 0
    assert np.isnan(trnet_bench.right(found, None, label=1, chosen=~chosen & False))
    one = np.array([[0.1], [-0.1], [0.0]])
    assert trnet_bench.said_fake(one).tolist() == [True, False, False]


def test_attacks_are_stored_as_a_file_would_be():
    """8 bits, padding left out, likeness by scikit-image."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 16, 16, 3), np.uint8)

    def batches():
        for start in (0, 4):
            rows = np.arange(start, start + 4)
            yield {
                "image": pictures[np.minimum(rows, 5)],
                "label": np.ones(4, np.int32),
                "source": np.ones(4, np.int32),
                "index": np.where(rows < 6, 10 * rows, -1),
                "valid": np.float32(rows < 6),
            }

    def attack(key, image, label):
        return image * 0.9 + 0.013 * label[:, None, None, None]

    attacker = trnet_bench.Attacker(attack, jax.random.key(0), data_mesh(), "mark")
    found = attacker.over(batches(), outputs=("image", "psnr", "ssim"))
    expected = np.round(pictures * 0.9 + 0.013 * 255)
    np.testing.assert_allclose(found["image"], expected, atol=1)
    assert found["image"].dtype == np.uint8
    np.testing.assert_array_equal(found["index"], 10 * np.arange(6))
    for picture, kept, psnr in zip(
        pictures, found["image"], found["psnr"], strict=True
    ):
        oracle = peak_signal_noise_ratio(picture, kept, data_range=255)
        assert psnr == pytest.approx(oracle, abs=1e-2)


class Told:
    """A bench whose numbers are given."""

    seeds = (0, 1, 2)

    def __init__(self, left, psnr):
        self.left, self.psnr = left, psnr

    def clean(self, victim, seed):
        return trnet_bench.Accuracy(0.95, 0.93)

    def fooled(self, victim, attack, seed):
        return self.left[attack][victim] + 0.01 * seed

    def attacked(self, attack, seed):
        return {"psnr": np.array([self.psnr])}


def test_claims_say_what_the_numbers_say():
    left = {
        "PGD": {"Xception": 0.1, "Patch-CNN": 0.3, "DCTA": 0.8},
        "TR-Net": {"Xception": 0.2, "Patch-CNN": 0.3, "DCTA": 0.4},
    }
    group = {"victims": tuple(left["PGD"]), "attacks": tuple(left)}
    bench = Told(left, 31)
    found = [
        *trnet_claims._of_victims(bench, **group),
        *trnet_claims._of_removal(bench, **group),
        *trnet_claims._of_gradients(bench, **group),
    ]
    values = [float(row["measured"].split(" ")[0]) for row in found]
    np.testing.assert_allclose(
        values, [0.03] * 3 + [0.93 - 0.31 - 0.3, 1, 0.2, 0.5], atol=1e-3
    )
    assert {row["verdict"] for row in found} == {"holds"}


def test_no_group_no_claims():
    def section(*_):
        raise AssertionError("there is nothing to report")

    workspace = SimpleNamespace(helper=False, section=section, table=section)
    bench = SimpleNamespace(first=lambda seeds: None, workspace=workspace)
    nobody = {"victims": (), "attacks": (), "seeds": 1}
    trnet_claims.report(bench, nobody, nobody)


@pytest.mark.slow
def test_the_third_critic_learns_to_tell_sources_apart(tmp_path):
    """Measured: 0.640 and 0.639 on average of the four; chance is 0.25."""
    found = config.get_config("demo")
    data = embedded.open_data(directory=tmp_path, **found.data)
    settings = found.experiment.networks.trnet.to_dict() | {"steps": 300}
    settings["generator"]["widths"] = 4, 6  # it is not the generator that is tried
    settings["critic_optimiser"]["rate"] = 1e-3
    method = trnet.make(sources=len(data.train.sources), **settings)
    streams, mesh = {"pairs": data.train.labelled(1)}, data_mesh()
    for seed in (0, 1):
        state = loop.initial_state(method, streams, seed=seed, mesh=mesh)
        state = loop.train(method, streams, state, seed=seed, mesh=mesh)
        told = Predictor(method.predict, state, mesh=mesh).over(
            data.test.batches(), outputs=("fingerprint_sources",)
        )
        right = np.argmax(told["fingerprint_sources"], axis=-1) == told["source"]
        kinds = np.unique(told["source"])
        shares = [right[told["source"] == kind].mean() for kind in kinds]
        assert np.mean(shares) > 1 / len(kinds) + 0.3
