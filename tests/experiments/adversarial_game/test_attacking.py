"""Blur as an attack: who is attacked, who is asked, and how strengths compare."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxforensics import attacks
from jaxforensics.experiments.adversarial_game import attacking
from jaxforensics.training.mesh import data_mesh


def roughness(scale, image):
    """A detector that takes pictures with strong differences for fakes."""
    change = jnp.square(image[:, 1:] - image[:, :-1]).mean((1, 2, 3))
    return (scale * (change - 0.02))[:, None]


def batches(count=3, size=4):
    draw = np.random.default_rng(0)
    for step in range(count):
        yield {
            "image": draw.integers(0, 256, (size, 12, 12, 3), np.uint8),
            "label": np.arange(size) % 2,
            "valid": np.float32(np.arange(size) < size - (step == count - 1)),
            "index": step * size + np.arange(size),
        }


def over(name, **settings):
    first = Partial(roughness, 100.0)
    victims = {"first": first, "second": Partial(roughness, -100.0)}
    attack = None
    if name != attacking.UNATTACKED:
        attack = attacks.build(name, first, **settings)
    attacker = attacking.Attacker(
        attack, victims, jax.random.key(0), data_mesh(), digest="", notice=""
    )
    return attacker.over(batches(), outputs=("psnr", "first", "second"))


def test_unattacked_pictures_are_shown_as_they_are():
    columns = over(attacking.UNATTACKED)
    assert len(columns["label"]) == 11  # one picture was padding
    assert np.isinf(columns["psnr"]).all()
    images = np.concatenate([batch["image"] for batch in batches()])[:11] / 255.0
    change = np.square(images[:, 1:] - images[:, :-1]).mean((1, 2, 3))
    np.testing.assert_allclose(columns["first"], 100 * (change - 0.02), rtol=1e-4)
    np.testing.assert_allclose(columns["second"], -columns["first"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"), [("fgsm", {"epsilon": 8 / 255}), ("blur", {"size": 5})]
)
def test_an_attack_goes_against_the_label_of_each_picture(name, settings):
    before = over(attacking.UNATTACKED)
    after = over(name, **settings)
    is_fake = after["label"] == 1
    assert (after["first"] < before["first"])[is_fake].all()
    assert np.isfinite(after["psnr"]).all()
    if name == "fgsm":
        assert (after["first"] > before["first"])[~is_fake].all()


def test_accuracy_at_a_psnr_lies_between_its_neighbours():
    points = [(0.9, 40.0), (0.5, 30.0), (0.7, 34.0)]
    assert attacking.at_psnr(points, 32.0) == pytest.approx(0.6)
    assert attacking.at_psnr(points, 40.0) == pytest.approx(0.9)
    assert np.isnan(attacking.at_psnr(points, 41.0))
    assert np.isnan(attacking.at_psnr(points, 29.0))


def test_a_curve_takes_one_value_after_another():
    row = {"attack": "blur", "size": 5, "setting": "start", "values": (4.0, 0.5)}
    assert attacking.strengths("BAT", row) == [
        attacking.Attack("BAT, start 4", "blur", {"size": 5, "start": 4.0}),
        attacking.Attack("BAT, start 0.5", "blur", {"size": 5, "start": 0.5}),
    ]
