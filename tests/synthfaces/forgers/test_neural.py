"""The shipped translators: where they change pictures, and on what that depends."""

import numpy as np
import pytest

from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, neural

SIZE = 64
INDICES = np.arange(3)


def pictures(seed):
    draw = np.random.default_rng(seed)
    coarse = draw.integers(40, 215, (3, 8, 8, 3))
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
    return np.uint8(smooth + draw.integers(-8, 9, smooth.shape))


def landmarks(shift=0.0):
    """An oval face with the landmarks' names in the right places, roughly."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
    jaw = np.stack([0.45 + 0.35 * np.cos(angle), 0.5 + 0.25 * np.sin(angle)], axis=-1)
    rest = np.random.default_rng(0).uniform(0.35, 0.65, (len(render.LANDMARKS) - 11, 2))
    rest[-3:] = [[0.2, 0.35], [0.18, 0.5], [0.2, 0.65]]
    found = np.float32(np.concatenate([jaw, rest]))
    found[list(render.LANDMARKS).index("mouth_lower"), 0] += shift
    return np.stack([found] * 3)


def edit(name, indices=INDICES, change=("bangs",)):
    known = np.zeros((len(indices), len(scenes.ATTRIBUTES)), np.float32)
    wanted = known.copy()
    for attribute in change:
        wanted[:, scenes.ATTRIBUTES.index(attribute)] = 1
    shown = pictures(1)[indices]
    return neural.edit(name, 5, indices, shown, known, wanted, size=SIZE)


@pytest.mark.parametrize("name", neural.EDITORS)
def test_edits_follow_from_index_and_wish_not_company(name):
    together = edit(name)
    assert together.dtype == np.uint8 and together.shape == (3, SIZE, SIZE, 3)
    assert np.array_equal(edit(name, INDICES[1:2])[0], together[1])
    assert not np.array_equal(edit(name, change=("glasses",)), together)


@pytest.mark.parametrize("name", neural.EDITORS)
def test_edits_keep_most_of_the_picture(name):
    """Random blocks are no face: there is nothing to edit, and colours stay."""
    error = np.abs(np.float32(edit(name, change=())) - pictures(1))
    assert 0.1 < error.mean() < 12


@pytest.mark.parametrize("name", neural.REPLACERS)
def test_replacements_change_the_mask_and_nothing_else(name):
    target, guide = pictures(1), pictures(2)
    own, other = landmarks(), landmarks(shift=0.05)
    made, mask = neural.replace(name, 5, INDICES, target, guide, own, other, size=SIZE)
    changed = (made != target).any(-1)
    assert set(np.unique(mask)) == {0, 255} and 0.1 < (mask > 0).mean() < 0.6
    assert not changed[mask == 0].any() and changed[mask > 0].mean() > 0.5
    face = graphic.face_mask(own[0], size=SIZE, feather=1.0)
    assert np.array_equal(np.asarray(face) > 0, mask[0] > 0)


def test_donors_are_needed_to_swap_but_not_to_reenact():
    own, other = landmarks(), landmarks(shift=0.05)
    for name in neural.REPLACERS:
        made = [
            neural.replace(name, 5, INDICES, pictures(1), guide, own, other, size=SIZE)[
                0
            ]
            for guide in (pictures(2), pictures(3))
        ]
        assert np.array_equal(*made) == name.startswith("reenact")


def test_weights_are_small_and_in_half_precision():
    for name in (*neural.EDITORS, *neural.REPLACERS):
        path = neural.FOLDER / f"{name}.safetensors"
        assert path.stat().st_size < 650_000, name


def test_strengths_are_of_attributes():
    assert set(neural.STRENGTH) < set(scenes.ATTRIBUTES)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="edit_deconv"):
        neural.edit("edit_decon", 0, [0], *[None] * 3, size=SIZE)
