"""Drawn faces: reproducible, alike at all sizes, edits local, parsing where drawn."""

from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxforensics.synthfaces.drawing import render, scenes

COUNT = 16
CLASS = {name: n for n, name in enumerate(render.CLASSES)}


@jax.jit
def draw_scenes():
    keys = jax.vmap(lambda i: scenes.key_of(0, i))(jnp.arange(COUNT))
    drawn = jax.vmap(scenes.sample)(keys)
    awake = drawn.expression._replace(lids=jnp.zeros(COUNT))
    return drawn._replace(expression=awake)


small = jax.jit(jax.vmap(lambda scene: render.render(scene, size=64)))
large = jax.jit(jax.vmap(lambda scene: render.render(scene, size=128)))


@pytest.fixture(scope="module")
def people():
    return draw_scenes()


@pytest.fixture(scope="module")
def pictures(people):
    return [np.asarray(a) for a in small(people)]


@pytest.fixture(scope="module")
def large_pictures(people):
    return [np.asarray(a) for a in large(people)]


def edited(people, **changes):
    """The people with attributes set, and their pictures."""
    target = np.array(jax.vmap(scenes.describe)(people))
    for name, value in changes.items():
        target[:, scenes.ATTRIBUTES.index(name)] = value
    scene = jax.vmap(scenes.edit)(people, jnp.asarray(target))
    return scene, *(np.asarray(a) for a in small(scene))


def display(light):
    return np.clip(light, 0, 1) ** (1 / 2.2)


def grown(mask, pixels):
    """A mask (n, h, w) and what lies within some pixels of it."""
    padded = np.pad(mask, ((0, 0), (pixels, pixels), (pixels, pixels)))
    view = np.lib.stride_tricks.sliding_window_view
    return view(padded, (2 * pixels + 1,) * 2, axis=(1, 2)).any((-1, -2))


def at_landmarks(parsing, people, name):
    points = np.asarray(jax.vmap(render.landmarks)(people))
    rows, columns = (points[:, render.LANDMARKS.index(name)] * parsing.shape[-1]).T
    inside = np.clip(np.int32([rows, columns]), 0, parsing.shape[-1] - 1)
    return parsing[np.arange(len(parsing)), *inside]


def test_values_and_types(pictures):
    light, parsing = pictures
    assert light.shape == (COUNT, 64, 64, 3) and light.dtype == np.float32
    assert parsing.shape == (COUNT, 64, 64) and parsing.dtype == np.int32
    assert light.min() >= 0 and light.max() < 3
    assert 0.05 < np.median(light) < 0.6  # exposed for a camera that clips at 1


def test_a_picture_does_not_depend_on_its_company(people, pictures):
    order = np.random.default_rng(0).permutation(COUNT)
    light, parsing = small(jax.tree.map(lambda leaf: leaf[order], people))
    if version("jaxlib").startswith("0.10."):
        np.testing.assert_array_equal(light, pictures[0][order])
    # Later compilers round the last lanes of a vector otherwise: a unit of float32.
    np.testing.assert_allclose(light, pictures[0][order], rtol=0, atol=1.2e-7)
    np.testing.assert_array_equal(parsing, pictures[1][order])


def test_people_look_different(pictures):
    faces = display(pictures[0])[:, 16:48, 16:48].reshape(COUNT, -1)
    distance = np.sqrt(((faces[:, None] - faces[None]) ** 2).mean(-1))
    assert (distance + np.eye(COUNT)).min() > 0.04


def test_every_class_appears(people, pictures):
    _, _, parsing = edited(people, glasses=1, moustache=1, bald=0)
    assert set(np.unique(parsing)) == set(CLASS.values())
    for found in pictures[1]:
        shown = {render.CLASSES[n] for n in np.unique(found)}
        assert {"background", "skin", "nose", "mouth"} <= shown


def test_the_same_picture_at_every_size(people, pictures, large_pictures):
    assert_same_pictures(large_pictures, pictures)
    few = jax.tree.map(lambda leaf: leaf[:4], people)
    draw = jax.jit(jax.vmap(lambda scene: render.render(scene, size=256)))
    largest = [np.asarray(a) for a in draw(few)]
    assert largest[0].shape == (4, 256, 256, 3)
    assert_same_pictures(largest, [a[:4] for a in pictures])


def assert_same_pictures(large, small):
    """Light and parsing, at a multiple of 64 pixels and at 64."""
    for light, reference in zip(large[0], small[0], strict=True):
        channels = [
            np.asarray(Image.fromarray(c).resize((64, 64), Image.Resampling.BOX))
            for c in display(light).transpose(2, 0, 1)
        ]
        found = np.corrcoef(
            np.ravel(channels), display(reference).transpose(2, 0, 1).ravel()
        )
        assert found[0, 1] > 0.95
    step = large[1].shape[-1] // 64
    same = large[1][:, ::step, ::step] == small[1]
    assert same.mean() > 0.93


@pytest.mark.parametrize(
    "landmark, name",
    [
        ("left_eye_centre", "eyes"),
        ("right_eye_centre", "eyes"),
        ("nose_tip", "nose"),
        ("nose_bridge", "nose"),
    ],
)
def test_landmarks_lie_on_their_class(people, landmark, name):
    scene, _, parsing = edited(people, glasses=0, moustache=0, bangs=0)
    found = at_landmarks(parsing, scene, landmark) == CLASS[name]
    assert found.mean() >= 0.9


def test_landmarks_surround_the_mouth_and_the_face(people, large_pictures):
    parsing = large_pictures[1]
    points = np.asarray(jax.vmap(render.landmarks)(people)) * 128
    place = {name: points[:, n] for n, name in enumerate(render.LANDMARKS)}
    assert len(place) == points.shape[1]
    middle = {"mouth": ("mouth_left", "mouth_upper", "mouth_right", "mouth_lower")}
    for name, around in middle.items():
        centre = np.mean([place[p] for p in around], 0)
        for n, found in enumerate(parsing == CLASS[name]):
            assert np.abs(np.argwhere(found).mean(0) - centre[n]).max() < 4
    chin = at_landmarks(np.int32(parsing), people, "jaw_5")
    assert np.isin(chin, [CLASS["skin"], CLASS["neck"], CLASS["cloth"]]).mean() > 0.8


def test_the_nose_moves_with_the_head(people):
    def look(yaw):
        pose = people.pose._replace(yaw=jnp.full(COUNT, yaw), roll=jnp.zeros(COUNT))
        return np.asarray(jax.vmap(render.landmarks)(people._replace(pose=pose)))

    left, right = look(-0.3)[..., 1], look(0.3)[..., 1]
    moved = (right - left).mean(0)
    at = render.LANDMARKS.index
    assert moved[at("nose_tip")] > moved[at("left_eye_outer")] > 0
    assert abs(moved[at("jaw_0")]) < 0.05


def test_glasses_change_the_eyes_and_their_surroundings(people):
    _, before, parsing = edited(people, glasses=0)
    _, after, worn = edited(people, glasses=1)
    changed = np.abs(after - before).max(-1) > 1e-4
    rows = np.nonzero(grown(worn == CLASS["glasses"], 1).any(-1))
    for n, where in enumerate(changed):
        band = rows[1][rows[0] == n]
        assert where.any()
        assert not where[: band.min()].any() and not where[band.max() + 1 :].any()
    rims = worn == CLASS["glasses"]
    assert (rims & (parsing == CLASS["background"])).sum() < 0.02 * rims.sum()


def test_a_hair_colour_changes_only_hair(people):
    colours = dict.fromkeys(scenes.HAIR_COLOURS, 0)
    _, black, parsing = edited(people, **colours | {"black_hair": 1})
    _, blond, other = edited(people, **colours | {"blond_hair": 1})
    np.testing.assert_array_equal(parsing, other)
    hairy = np.isin(parsing, [CLASS[c] for c in ("hair", "brows", "moustache")])
    change = np.abs(blond - black).max(-1)
    assert change[~grown(hairy, 3)].max() < 0.05
    full = (parsing == CLASS["hair"]).sum((1, 2)) > 200
    lighter = display(blond).mean(-1) - display(black).mean(-1)
    assert full.sum() > 8
    for n in np.nonzero(full)[0]:
        assert lighter[n][parsing[n] == CLASS["hair"]].mean() > 0.15


@pytest.mark.parametrize("name, allowed", [("smile", 0.30), ("moustache", 0.06)])
def test_local_edits_are_local(people, name, allowed):
    _, before, _ = edited(people, **{name: 0})
    _, after, _ = edited(people, **{name: 1})
    changed = np.abs(display(after) - display(before)).max(-1) > 0.02
    share = changed.mean((1, 2))
    assert (share > 0.002).all() and (share < allowed).all()


def test_bald_removes_hair_and_bangs_add_it(people):
    _, _, bald = edited(people, bald=1)
    assert (bald == CLASS["hair"]).mean() < 0.002
    _, _, bare = edited(people, bald=0, bangs=0)
    _, _, fringed = edited(people, bald=0, bangs=1)
    more = (fringed == CLASS["hair"]).sum((1, 2)) > (bare == CLASS["hair"]).sum((1, 2))
    assert more.all()


def test_spectra_fall_as_in_photographs(large_pictures):
    """Radial power and neighbour correlation; a little noise stands for a camera."""
    luma = display(large_pictures[0]) @ np.float32([0.299, 0.587, 0.114])
    luma = luma + np.random.default_rng(0).normal(0, 0.006, luma.shape)
    window = np.outer(np.hanning(128), np.hanning(128))
    power = np.abs(np.fft.fft2(luma * window)) ** 2
    frequency = np.fft.fftfreq(128, 1 / 128)
    radius = np.rint(np.hypot(frequency[:, None], frequency[None])).astype(int)
    radii = np.arange(4, 56)
    rings = np.stack([power[:, radius == r].mean(-1) for r in radii], -1)
    slopes = np.polyfit(np.log(radii), np.log(rings).T, 1)[0]
    assert -3.3 < np.median(slopes) < -2.3
    assert slopes.min() > -3.8 and slopes.max() < -2.0
    pairs = zip(luma[..., 1:], luma[..., :-1], strict=True)
    close = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    assert min(close) > 0.80 and 0.88 < np.median(close) < 0.98
