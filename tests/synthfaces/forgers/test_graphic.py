"""Graphic forgeries against scipy: splines, hulls, Poisson blends, colours, grain."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse.linalg
import skimage.data
import skimage.transform
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay

from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic

SIZE = 64


@pytest.fixture(scope="module")
def faces():
    """Landmarks of four people, as (4, k, 2)."""
    keys = jax.vmap(scenes.key_of, (None, 0))(0, jnp.arange(4))
    return np.asarray(
        jax.jit(jax.vmap(lambda key: render.landmarks(scenes.sample(key))))(keys)
    )


@pytest.fixture(scope="module")
def pictures():
    """Two photographs of skimage's, (2, SIZE, SIZE, 3), on the 8-bit grid."""
    images = skimage.data.astronaut()[:256, 96:352], skimage.data.cat()[:256, 96:352]
    images = [skimage.transform.resize(x, (SIZE, SIZE)) for x in images]
    return np.round(np.float32(images) * 255) / np.float32(255)


def centres(size):
    """(size, size, 2) centres of pixels in units of the picture."""
    return (np.stack(np.indices((size, size)), -1) + 0.5) / size


def test_warp_equals_scipys_thin_plate_spline(faces, pictures):
    start, end = np.float64(faces[:2])
    spline = RBFInterpolator(
        end, start - end, kernel="thin_plate_spline", smoothing=graphic.SMOOTHING
    )
    grid = centres(SIZE)
    flow = spline(grid.reshape(-1, 2)).reshape(SIZE, SIZE, 2)
    where = np.moveaxis((grid + flow) * SIZE - 0.5, -1, 0)
    look_up = functools.partial(
        scipy.ndimage.map_coordinates, coordinates=where, order=1, mode="mirror"
    )
    expected = np.stack([look_up(pictures[0][..., c]) for c in range(3)], -1)
    found = graphic.warp_to(pictures[0], faces[0], faces[1])
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_landmarks_move_to_where_they_are_wanted(faces):
    chosen = [
        render.LANDMARKS.index(n) for n in ("nose_tip", "mouth_left", "right_eye_outer")
    ]
    spots = np.zeros((SIZE, SIZE, 3), np.float32)
    for channel, point in enumerate(faces[0][chosen]):
        distance = np.sum((centres(SIZE) - point) ** 2, -1) * SIZE**2
        spots[..., channel] = np.exp(-distance / (2 * 1.5**2))
    moved = np.asarray(graphic.warp_to(spots, faces[0], faces[1]))
    for channel, point in enumerate(faces[1][chosen]):
        found = scipy.ndimage.center_of_mass(moved[..., channel] ** 2)
        assert np.linalg.norm(np.add(found, 0.5) - point * SIZE) < 0.5


def test_a_warp_to_the_same_landmarks_changes_nothing(faces, pictures):
    found = graphic.warp_to(pictures[0], faces[0], faces[0])
    np.testing.assert_allclose(found, pictures[0], atol=1e-5)


def test_hull_is_that_of_the_points(faces):
    inside = Delaunay(faces[0]).find_simplex(centres(SIZE)) >= 0
    mask = np.asarray(graphic.hull(faces[0], size=SIZE, feather=0.0))
    assert set(np.unique(mask)) == {0, 1}
    assert mask[inside].all() and mask.sum() < 1.03 * inside.sum()
    depth = scipy.ndimage.distance_transform_edt(inside)
    soft = np.asarray(graphic.hull(faces[0], size=SIZE, feather=6.0))
    assert not soft[mask == 0].any() and (soft[depth > 7.5] == 1).all()
    ramp = soft[(depth > 1.5) & (depth < 4.5)]
    assert 0 < ramp.min() and ramp.max() < 1


def test_the_mask_covers_eyes_nose_and_mouth_but_not_the_rim(faces):
    for landmarks in faces:
        mask = np.asarray(graphic.face_mask(landmarks, size=SIZE, feather=0.0))
        for name, (row, column) in zip(render.LANDMARKS, landmarks, strict=True):
            inside = mask[int(row * SIZE), int(column * SIZE)] == 1
            if name.startswith(("nose", "mouth")) or "_eye_" in name:
                assert inside, name
            if name.startswith(("jaw", "forehead")):
                assert not inside, name


def solved(image, face, mask):
    """Poisson's equation with the picture around as boundary, by a sparse solver."""
    size, inside = len(image), mask > 0
    number = np.cumsum(inside.ravel()).reshape(inside.shape) - 1
    system = scipy.sparse.lil_matrix((inside.sum(), inside.sum()))
    right = np.zeros((inside.sum(), 3))
    for row, column in zip(*np.nonzero(inside), strict=True):
        i = number[row, column]
        for near in ((row - 1, column), (row + 1, column), (row, column - 1),
                     (row, column + 1)):  # fmt: skip
            if min(near) < 0 or max(near) >= size:
                continue
            system[i, i] += 1
            right[i] += np.float64(face[row, column]) - face[near]
            if inside[near]:
                system[i, number[near]] = -1
            else:
                right[i] += image[near]
    blended = np.float64(image)
    blended[inside] = scipy.sparse.linalg.spsolve(system.tocsr(), right)
    return blended


@pytest.mark.parametrize("case", ["face", "at the border"])
def test_gradient_domain_blend_solves_poissons_equation(faces, pictures, case):
    mask = np.array(graphic.face_mask(faces[0], size=SIZE, feather=0.0))
    if case == "at the border":
        mask[40:, 20:33] = 1
    found = np.asarray(jax.jit(graphic.poisson_blend)(*pictures, mask))
    expected = solved(*pictures, mask)
    assert np.abs(found - expected).max() < 0.25 / 255
    np.testing.assert_array_equal(found[mask == 0], pictures[0][mask == 0])


def test_feathered_blend(pictures, faces):
    soft = np.asarray(graphic.face_mask(faces[0], size=SIZE, feather=5.0))
    found = np.asarray(graphic.blend(*pictures, soft))
    expected = pictures[0] + soft[..., None] * (pictures[1] - pictures[0])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(found[soft == 0], pictures[0][soft == 0])


def test_colours_become_those_of_the_reference(faces):
    random = np.random.default_rng(0)
    image = np.float32(0.5 + 0.04 * random.normal(size=(SIZE, SIZE, 3)))
    reference = np.float32([0.6, 0.4, 0.35] + 0.04 * random.normal(size=image.shape))
    mask = np.asarray(graphic.face_mask(faces[0], size=SIZE, feather=0.0)) > 0
    found = graphic.colour_transfer(image, reference, jnp.float32(mask))
    found, wanted = np.asarray(found)[mask], reference[mask]
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=2e-3)
    np.testing.assert_allclose(found.std(0), wanted.std(0), rtol=0.12)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_grain_level_is_the_noise(sigma):
    ramp = np.linspace(0.2, 0.8, 128, dtype=np.float32)[:, None, None]
    noise = np.random.default_rng(1).normal(size=(128, 128, 3)) * sigma / 255
    found = np.asarray(graphic.grain_level(np.float32(ramp + noise))) * 255
    np.testing.assert_allclose(found, sigma, rtol=0.1)


def replaced(name, targets, guides, own, wanted):
    """The uint8 pictures and masks of a forger, from pictures in [0, 1]."""
    batch = (np.uint8(np.round(np.float64(x) * 255)) for x in (targets, guides))
    return graphic.replace(name, 0, np.arange(2), *batch, own, wanted, size=SIZE)


@pytest.mark.parametrize("name", graphic.REPLACERS)
def test_forgeries_change_the_inside_of_their_mask_only(name, pictures, faces):
    after, mask = replaced(name, pictures, pictures[::-1], faces[:2], faces[2:])
    before = np.uint8(np.round(pictures * 255))
    assert after.dtype == mask.dtype == np.uint8
    assert after.shape == before.shape and mask.shape == before.shape[:3]
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(after[mask == 0], before[mask == 0])
    change = np.abs(after.astype(int) - before).max(-1)
    assert (change[mask > 0] > 8).mean() > 0.1


SWAPS = [name for name in graphic.REPLACERS if name.startswith("swap")]


@pytest.mark.parametrize("name", SWAPS)
def test_a_swapped_face_has_the_targets_grain(name, faces):
    noise = np.random.default_rng(2).normal(size=(2, SIZE, SIZE, 3)) / 255
    targets, donors = 0.5 + 4 * noise, 0.5 + 8 * noise[::-1]
    found, _ = replaced(name, targets, donors, faces[:2], faces[2:])
    inside = np.asarray(graphic.face_mask(faces[0], size=SIZE, feather=6.0)) == 1
    np.testing.assert_allclose(found[0][inside].std(0), 4, rtol=0.2)
    plain = graphic.warp_to(np.float32(donors[0]), faces[2], faces[0])
    plain = np.asarray(plain)[inside].std(0) * 255
    assert (plain / 8 < 0.8).all()  # what interpolation alone leaves


def test_reenactment_opens_the_mouth(faces):
    """Of a flat face nothing can be warped: what is seen is painted."""
    gray = np.full((2, SIZE, SIZE, 3), 0.5)
    own, wanted = faces[:2], faces[:2].copy()
    wanted[1, render.LANDMARKS.index("mouth_lower"), 0] += 0.06
    same, opened = replaced("reenact_graphic", gray, gray, own, wanted)[0].astype(int)
    assert np.abs(same - 128).max() <= 1
    rows, columns = np.nonzero(np.abs(opened - 128).max(-1) > 8) / np.float64(SIZE)
    upper, lower = (render.LANDMARKS.index(f"mouth_{n}") for n in ("upper", "lower"))
    assert len(rows) > 4 and np.ptp(columns) < 0.3
    assert wanted[1, upper, 0] < rows.mean() < wanted[1, lower, 0]


def test_an_unknown_forger_is_named(pictures, faces):
    with pytest.raises(ValueError, match="did you mean 'swap_graphic'"):
        replaced("swap_graphics", pictures, pictures, faces[:2], faces[2:])
