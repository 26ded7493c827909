"""Blurring adversaries: their step by differences, what is held, and the controls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxforensics import attacks
from jaxforensics.attacks import blur
from jaxforensics.ops.filters import pixelwise_gaussian_blur, to_precision

COUNT, SIDE, SIZE = 4, 16, 5
WEIGHTS = np.random.default_rng(1).normal(size=(SIDE * SIDE * 3, 1)).astype(np.float32)
LABELS = jnp.array([1, 0, 1, 0])


def detector(weights, image):
    return image.reshape(len(image), -1) @ weights / 4


PREDICT = Partial(detector, WEIGHTS)


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (COUNT, SIDE, SIDE, 3))


def losses(image):
    """Cross-entropies of pictures, in float64."""
    logits = np.float64(image).reshape(COUNT, -1) @ np.float64(WEIGHTS[:, 0]) / 4
    margins = (1 - 2 * np.float64(LABELS)) * logits
    return np.logaddexp(0, margins)


def losses_of(values, images, parametrisation):
    precision = to_precision(jnp.float32(values), parametrisation)
    return losses(pixelwise_gaussian_blur(images, precision, size=SIZE))


def rms(maps):
    return np.sqrt(np.mean(np.square(np.float64(maps)), axis=(1, 2), keepdims=True))


def slopes(images, start, parametrisation):
    """The gradient of each picture's own loss to its map, by central differences."""
    flat = np.full((COUNT, SIDE, SIDE), start)
    found = np.zeros_like(flat)
    step = 0.02
    for row in range(SIDE):
        for column in range(SIDE):
            ends = []
            for sign in (1, -1):
                moved = flat.copy()
                moved[:, row, column] += sign * step
                ends.append(losses_of(moved, images, parametrisation))
            found[:, row, column] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize("update", blur.UPDATES)
def test_a_step_is_the_formulas(update, images):
    row = blur.UPDATES[update]
    step = {"released": 0.5, "printed": 0.2}.get(update, row.step)
    found = blur.precisions(PREDICT, size=SIZE, update=update, step=step)(
        None, images, LABELS
    )
    gradient = slopes(images, row.start, row.parametrisation)
    moves = {
        "normalised": step * row.start * gradient / rms(gradient),
        "signed": step * row.start * np.sign(gradient),
        "released": step * gradient / COUNT,
        "printed": step * gradient,
    }
    value = row.start + moves[update]
    if update == "printed":
        expected = 1 / np.maximum(value, 0.05) ** 2
    else:
        value = np.maximum(value, 0)
        expected = row.start * value / rms(value)
    # Where the gradient is next to zero its sign is that of rounding.
    differs = np.abs(found - expected) > 0.02 * np.abs(expected).mean()
    assert differs.mean() < (0.01 if update == "signed" else 0.002)


def test_maps_keep_their_root_mean_square_and_their_sign(images):
    for update in ("normalised", "signed", "released"):
        start = blur.UPDATES[update].start
        for steps in (1, 3):
            maps = blur.precisions(PREDICT, size=SIZE, update=update, steps=steps)
            found = np.asarray(maps(None, images, LABELS))
            assert found.min() >= 0
            np.testing.assert_allclose(rms(found), start, rtol=1e-4)


def test_adversaries_are_worse_than_their_controls(images):
    """More loss than equal blur everywhere, and than blur that varies at random."""
    key = jax.random.key(3)
    controls = [
        losses(attacks.build(name, PREDICT, size=SIZE)(key, images, LABELS)).mean()
        for name in ("constant_blur", "random_blur")
    ]
    for update in ("normalised", "signed"):
        found = []
        for steps in (1, 3):
            attack = attacks.build(
                "blur", PREDICT, size=SIZE, update=update, steps=steps
            )
            found.append(losses(attack(key, images, LABELS)).mean())
        assert found[0] > 1.1 * max(controls) and found[1] > found[0]


def test_a_random_map_varies_as_much_as_the_adversarys_and_is_smooth(images):
    key = jax.random.key(4)
    maps = np.asarray(blur._wandered(0.39, 0.5, key, images, LABELS))
    adversary = blur.precisions(PREDICT, size=SIZE)(None, images, LABELS)
    np.testing.assert_allclose(rms(maps), 0.39, rtol=1e-4)
    spread = [
        np.std(x, axis=(1, 2)) / np.mean(x, axis=(1, 2)) for x in (maps, adversary)
    ]
    np.testing.assert_allclose(*spread, rtol=0.25)
    neighbours = np.corrcoef(maps[:, :-1].ravel(), maps[:, 1:].ravel())[0, 1]
    assert neighbours > 0.8


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"update": "normalized"}, "did you mean 'normalised'"),
        ({"steps": 0}, "constant_blur is one"),
        ({"start": 0.0}, "above zero"),
    ],
)
def test_odd_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        attacks.build("blur", PREDICT, **settings)
    with pytest.raises(ValueError, match="needs 'follows'"):
        attacks.build("blur", None)
