"""Pairs for the translators: what is asked for, and what truth does not touch."""

import jax
import numpy as np
import pytest

from jaxforensics.synthfaces.drawing import scenes
from jaxforensics.synthfaces.forgers import pairs

NUMBER = {name: i for i, name in enumerate(scenes.ATTRIBUTES)}
COLOURS = slice(0, len(scenes.HAIR_COLOURS))


def vectors(count=200):
    draw = np.random.default_rng(4)
    found = np.float32(draw.integers(0, 2, (count, len(NUMBER))))
    found[:, COLOURS] = np.eye(4)[draw.integers(0, 4, count)]
    bald = found[:, NUMBER["bald"]] > 0
    for name in ("bangs", "long_hair"):
        found[bald, NUMBER[name]] = 0
    return found


def test_one_attribute_changes_and_all_do():
    described = vectors()
    keys = jax.random.split(jax.random.key(0), len(described))
    wanted = np.asarray(jax.jit(jax.vmap(pairs.edited))(keys, described))
    rest = wanted[:, 4:] != described[:, 4:]
    recoloured = (wanted[:, COLOURS] != described[:, COLOURS]).any(1)
    assert np.array_equal(rest.sum(1) + recoloured, np.ones(len(described)))
    assert np.array_equal(wanted[:, COLOURS].sum(1), np.ones(len(described)))
    assert rest.any(0).all() and wanted[recoloured][:, COLOURS].any(0).all()


def test_nobody_bald_gets_other_hair():
    described = vectors()
    described = described[described[:, NUMBER["bald"]] > 0]
    keys = jax.random.split(jax.random.key(1), len(described))
    wanted = np.asarray(jax.jit(jax.vmap(pairs.edited))(keys, described))
    still = wanted[wanted[:, NUMBER["bald"]] > 0]
    assert len(still) and len(still) < len(wanted)
    assert not still[:, [NUMBER["bangs"], NUMBER["long_hair"]]].any()


@pytest.fixture(scope="module")
def reenacted(module_monkeypatch):
    module_monkeypatch.setattr(pairs, "SIZES", (64,))
    return pairs.reenactments(np.arange(4))


@pytest.fixture(scope="module")
def module_monkeypatch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_the_truth_of_a_reenactment_differs_in_the_face_only(reenacted):
    image, truth = (np.int32(reenacted[f"{k}_64"]) for k in ("image", "truth"))
    differs = np.abs(image - truth).max(-1) > 8
    assert 0.005 < differs.mean() < 0.3
    face = reenacted["mask_64"] > 0
    assert 0.1 < face.mean() < 0.6
    assert (differs & face).sum() > 0.8 * differs.sum()


def test_the_guide_is_nearer_to_the_truth_than_the_picture(reenacted):
    """The warp moves brows, lids and lips to where they are wanted."""
    image, guide, truth = (
        np.float32(reenacted[f"{k}_64"]) for k in ("image", "guide", "truth")
    )
    changed = np.abs(image - truth).max(-1) > 40
    error = [np.abs(x - truth)[changed].mean() for x in (image, guide)]
    assert error[1] < 0.9 * error[0]


def test_conditions_are_how_far_landmarks_move(reenacted):
    displacements = reenacted["condition_64"]
    assert displacements.dtype == np.float32
    assert 0.02 < np.abs(displacements).mean() < 1
    own = np.random.default_rng(0).uniform(size=(5, 2)).astype(np.float32)
    assert np.allclose(pairs.displacements(own, own + 0.01), 0.2, atol=1e-4)


def test_a_pair_does_not_depend_on_its_company(reenacted):
    alone = pairs.reenactments(np.array([2]))
    for name, column in reenacted.items():
        assert np.allclose(alone[name][0], column[2], atol=1e-6), name
