"""Spatial adversaries: their gradient by differences, their norm, and stAdv's loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.ndimage import map_coordinates

from jaxforensics import attacks
from jaxforensics.attacks import flow

COUNT, SIDE = 3, 12
WEIGHTS = np.random.default_rng(1).normal(size=(SIDE * SIDE * 3, 1)).astype(np.float32)
LABELS = jnp.array([1, 0, 1])


def detector(weights, image):
    return image.reshape(len(image), -1) @ weights / 4


PREDICT = Partial(detector, WEIGHTS)


@pytest.fixture(scope="module")
def images():
    """Smooth, so that a displacement is not a jump."""
    rough = jax.random.uniform(jax.random.key(0), (COUNT, 5, 5, 3))
    return jax.image.resize(rough, (COUNT, SIDE, SIDE, 3), "cubic").clip(0, 1)


def losses(image):
    logits = np.float64(image).reshape(COUNT, -1) @ np.float64(WEIGHTS[:, 0]) / 4
    return np.logaddexp(0, (1 - 2 * np.float64(LABELS)) * logits)


def warped(images, displaced):
    """By scipy, picture by picture and channel by channel."""
    grid = np.indices((SIDE, SIDE)).astype(float)
    moved = [
        [
            map_coordinates(
                image[..., c], grid + np.moveaxis(by, -1, 0), order=1, mode="mirror"
            )
            for c in range(3)
        ]
        for image, by in zip(np.float64(images), np.float64(displaced), strict=True)
    ]
    return np.moveaxis(np.array(moved), 1, -1)


def test_one_step_goes_up_the_gradient_to_its_norm(key, images):
    begin = np.float64(flow._begin(key, images))
    gradient = np.zeros_like(begin)
    for place in np.ndindex(SIDE, SIDE, 2):
        ends = []
        for step in (1e-5, -1e-5):
            moved = begin.copy()
            moved[(slice(None), *place)] += step
            ends.append(losses(warped(images, moved)))
        gradient[(slice(None), *place)] = (ends[0] - ends[1]) / 2e-5
    scale = np.sqrt(np.square(gradient).mean((1, 2, 3), keepdims=True))
    expected = warped(images, 0.25 * gradient / scale)
    found = attacks.build("flow", PREDICT)(key, images, LABELS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


def test_more_steps_and_wider_norms_do_more(key, images):
    clean = losses(images)
    by_norm = [
        losses(attacks.build("flow", PREDICT, norm=norm)(key, images, LABELS))
        for norm in (0.1, 0.25)
    ]
    assert (by_norm[0] > clean).all() and (by_norm[1] > by_norm[0]).all()
    by_steps = [
        losses(attacks.build("flow", PREDICT, steps=steps)(key, images, LABELS))
        for steps in (2, 8)
    ]
    assert (by_steps[0] > clean).all() and (by_steps[1] > by_steps[0]).all()


def test_roughness_is_stadvs():
    displaced = np.random.default_rng(2).normal(size=(2, 5, 4, 2))
    expected = []
    for field in displaced:
        total = 0.0
        for row, column in np.ndindex(5, 4):
            for other in ((row + 1, column), (row, column + 1)):
                if other[0] < 5 and other[1] < 4:
                    apart = np.square(field[row, column] - field[other]).sum()
                    total += np.sqrt(apart + 1e-8)
        expected.append(total)
    found = flow._roughness(jnp.float32(displaced))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_smoothness_makes_fields_smoother(key, images):
    fields = []
    for smoothness in (0.0, 5.0):
        displaced = flow._begin(key, images)
        state = flow._ADAM.init(displaced)
        for _ in range(6):
            displaced, state = flow._adam_step(
                PREDICT, 0.05, smoothness, images, LABELS, displaced, state
            )
        fields.append(flow._roughness(displaced).sum())
    assert fields[1] < 0.5 * fields[0]


def test_odd_settings_are_refused():
    with pytest.raises(ValueError, match="needs 'follows'"):
        attacks.build("flow", None)
    with pytest.raises(ValueError, match="no attack in 0 steps"):
        attacks.build("flow", PREDICT, steps=0)
