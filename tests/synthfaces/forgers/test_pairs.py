"""Pairs for the translators: what is asked for, and what truth does not touch."""

import jax
import numpy as np
import pytest

from jaxforensics.synthfaces import photos
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


def test_one_to_four_attributes_change_and_all_do():
    described = vectors(600)
    keys = jax.random.split(jax.random.key(0), len(described))
    wanted = np.asarray(jax.jit(jax.vmap(pairs.edited))(keys, described))
    rest = wanted[:, 4:] != described[:, 4:]
    recoloured = (wanted[:, COLOURS] != described[:, COLOURS]).any(1)
    changes = rest.sum(1) + recoloured
    # Now and then one change undoes another: hair is taken and given back.
    assert changes.max() == pairs.MOST and (changes == 0).mean() < 0.05
    assert (np.bincount(changes)[1:] > 60).all()
    assert np.array_equal(wanted[:, COLOURS].sum(1), np.ones(len(described)))
    assert wanted[recoloured][:, COLOURS].any(0).all()

    # What covers few pixels is asked for more often.
    names = scenes.ATTRIBUTES[4:]
    shares = dict(zip(names, rest.mean(0), strict=True))
    for name in ("smile", "glasses", "moustache", "old", "male"):
        assert shares[name] > 1.3 * shares["long_hair"] > 0


def test_what_an_editor_adds_does_not_depend_on_what_nobody_sees():
    """All glasses are the same pair, unless somebody wears their own."""
    posed = photos.poses(2, np.arange(32), domain="studio")
    described = np.asarray(jax.vmap(scenes.describe)(posed))
    wanted = described.copy()
    wanted[:, [NUMBER["glasses"], NUMBER["smile"], NUMBER["old"]]] = 1
    drawn = jax.jit(jax.vmap(pairs.drawn))(posed, wanted)
    plain = jax.jit(jax.vmap(scenes.edit))(posed, wanted)
    for name, part, field, value in (
        ("glasses", "identity", "rim", pairs.GLASSES["rim"]),
        ("smile", "expression", "mouth_open", pairs.SMILE["mouth_open"]),
        ("old", "attributes", "old", pairs.AGE),
    ):
        added = described[:, NUMBER[name]] < 0.5
        found = np.asarray(getattr(getattr(drawn, part), field))
        usual = np.asarray(getattr(getattr(plain, part), field))
        assert added.any() and not added.all()
        assert np.allclose(found[added], value)
        assert np.array_equal(found[~added], usual[~added])
    same = jax.jit(jax.vmap(pairs.drawn))(posed, described)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(posed), strict=True)
    )


def test_nobody_bald_gets_other_hair():
    described = vectors()
    bald = described[described[:, NUMBER["bald"]] > 0]
    change = jax.jit(jax.vmap(pairs._changed, in_axes=(None, 0)))
    for name, number in NUMBER.items():
        wanted = np.asarray(change(number, bald))
        about_hair = name in (*scenes.HAIR_COLOURS, "bald", "bangs", "long_hair")
        changed = (wanted != bald).any(0)
        assert np.flatnonzero(changed).tolist() == [
            NUMBER["bald"] if about_hair else number
        ]


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
