"""Maps of what was changed and of where to look, and pictures that move with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxforensics.ops import augment, fakeness

random = np.random.default_rng(0)
STILL = augment.Placement(jnp.array(False), jnp.zeros(2), jnp.ones(()), jnp.zeros(()))


def test_fakeness_is_the_papers_formula():
    """On bytes: the gray of the differences, by 255."""
    image, original = random.integers(0, 256, (2, 3, 7, 5, 3), np.uint8)
    gap = np.abs(np.int64(image) - np.int64(original))
    expected = gap @ np.array([0.299, 0.587, 0.114]) / 255
    found = fakeness.fakeness_map(np.float32(image) / 255, np.float32(original) / 255)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_attention_is_a_blurred_region():
    region = (random.random((2, 48, 64)) < 0.05) * 1.0
    weights = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 4) ** 2))
    weights = weights / weights.sum()
    blurred = region
    for axis in (1, 2):
        blurred = ndimage.correlate1d(blurred, weights, axis=axis, mode="mirror")
    expected = blurred / blurred.max((1, 2), keepdims=True)
    found = fakeness.attention_map(region)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert float(found.max()) == 1.0


def test_no_region_is_everywhere():
    region = np.zeros((2, 16, 16), np.float32)
    region[1, 3, 3] = 1
    found = fakeness.attention_map(region)
    np.testing.assert_array_equal(found[0], 1.0)
    assert np.mean(found[1] == 0) > 0.9


def test_what_is_not_moved_is_the_same_and_mirrors_are_exact():
    image = random.random((9, 14, 3), np.float32)
    np.testing.assert_array_equal(augment.place(image, STILL), image)
    mirrored = STILL._replace(is_mirrored=jnp.array(True))
    np.testing.assert_array_equal(augment.place(image, mirrored), image[:, ::-1])
    moved = STILL._replace(shift=jnp.array([2 / 9, -3 / 14]))
    found = augment.place(image, moved)
    np.testing.assert_allclose(found[2:, :-3], image[:-2, 3:], atol=1e-5)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_places_equal_scipys(is_mirrored):
    """The matrix that leads from a pixel back to where it was."""
    image = random.random((17, 12, 1), np.float32)
    angle, scale, shift = 0.15, 0.93, np.array([0.05, -0.08])
    placement = augment.Placement(
        *(jnp.array(x) for x in (is_mirrored, shift, scale, angle))
    )
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.diag([1, -1 if is_mirrored else 1]) @ turn / scale
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - matrix @ centre - shift * image.shape[:2]
    expected = ndimage.affine_transform(
        np.float64(image[..., 0]), matrix, offset, order=1, mode="mirror"
    )
    found = augment.place(image, placement)[..., 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_drawn_placements_stay_within_their_bounds_and_leave_half_alone(key):
    drawn = augment.draw_placement(key, (2000,))
    assert 0.45 < np.mean(drawn.is_mirrored) < 0.55
    for part, least, most, still in (
        (drawn.shift[:, 0], -0.1, 0.1, 0.0),
        (drawn.scale, 0.9, 1.1, 1.0),
        (drawn.angle, -np.deg2rad(10), np.deg2rad(10), 0.0),
    ):
        assert 0.45 < np.mean(part == still) < 0.55
        assert least <= part.min() < 0.9 * least + 0.1 * most
        assert 0.1 * least + 0.9 * most < part.max() <= most


def test_a_picture_and_its_map_move_together(key):
    """A ramp of gray values whose map is its own values."""
    rows, columns = np.mgrid[:24, :20] / 24
    ramp = np.float32(np.broadcast_to((0.6 * rows + 0.4 * columns), (6, 24, 20)))
    placement = augment.draw_placement(key, (6,))
    image = augment.place(np.repeat(ramp[..., None], 3, -1), placement)
    target = augment.place(ramp[..., None], placement)[..., 0]
    assert np.abs(target - ramp).max() > 0.05
    np.testing.assert_allclose(image, np.repeat(target[..., None], 3, -1), atol=1e-6)


def test_shifts_are_by_whole_pixels_within_their_limit(key):
    """Every picture equals a piece of itself mirrored at its borders, unchanged."""
    images = random.integers(0, 256, (40, 11, 16, 1), np.uint8)
    placement = augment.draw_shift(key, (40,), sides=(11, 16), limit=0.3)
    found = np.asarray(augment.place(np.float32(images), placement))
    pixels = np.asarray(placement.shift) * [11, 16]
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-5)
    pixels = np.int64(np.round(pixels))
    assert [*pixels.min(0)] == [-3, -5] and [*pixels.max(0)] == [3, 5]
    for image, shifted, (down, right) in zip(images, found, pixels, strict=True):
        expected = ndimage.shift(image[..., 0], (down, right), order=0, mode="mirror")
        np.testing.assert_allclose(shifted[..., 0], expected, atol=1e-3)


def test_light_and_noise_leave_some_pictures_alone_and_stay_in_range(key):
    image = np.float32(random.integers(40, 200, (64, 8, 8, 3)) / 255)
    found = jax.jit(augment.photometric)(key, image)
    is_same = np.abs(found - image).max((1, 2, 3)) < 1e-6
    assert 0 < is_same.sum() < 12  # one in 32
    assert found.min() >= 0 and found.max() <= 1
    assert np.abs(found - image).mean((1, 2, 3)).max() > 0.05
