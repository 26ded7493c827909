"""Adversaries on a trained detector: those that move, and the one that does not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.tree_util import Partial

from configs.rows import adversarial_game as rows
from jaxforensics.attacks.gradient import cross_entropy
from jaxforensics.experiments.adversarial_game import idle

SIDE = 24


def pictures(seed, count=48):
    """Smooth shapes under noise; a part of fakes has stripes that are as faint."""
    draw = np.random.default_rng(seed)
    shapes = jax.image.resize(
        draw.uniform(0.2, 0.8, (count, 3, 3, 3)), (count, SIDE, SIDE, 3), "cubic"
    )
    noise = draw.normal(0, 0.05, (count, SIDE, SIDE, 3))
    stripes = 0.05 * np.sin(np.arange(SIDE) * 2 * np.pi / 6)[:, None]
    label = np.arange(count) % 2
    inside = np.zeros((SIDE, SIDE, 1), bool)
    inside[4:20, 4:20] = True
    is_changed = inside & (label[:, None, None, None] == 1)
    image = np.asarray(shapes) + noise + np.where(is_changed, stripes, 0)
    return jnp.float32(np.clip(image, 0, 1)), jnp.int32(label)


def answer(params, image):
    """One layer of convolutions, squared, and the mean of its logarithms."""
    features = jax.lax.conv_general_dilated(
        image,
        params["kernel"],
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    levels = jnp.log(200 * jnp.square(features).mean((1, 2)) + 1e-2)
    return (levels @ params["weights"] + params["bias"])[:, None]


@pytest.fixture(scope="module")
def detector():
    """A detector that was trained on such pictures, in the place of a predictor."""
    image, label = pictures(0, count=96)
    draw = np.random.default_rng(1)
    # Without a mean: shapes are none of its business.
    kernel = draw.normal(0, 0.3, (3, 3, 3, 8))
    kernel -= kernel.mean((0, 1), keepdims=True)
    params = {
        "kernel": jnp.float32(kernel),
        "weights": jnp.float32(draw.normal(0, 0.1, 8)),
        "bias": jnp.zeros(()),
    }
    tx = optax.adam(1e-2)

    @jax.jit
    def step(params, state):
        def loss(params):
            return cross_entropy(answer(params, image), label).mean()

        updates, state = tx.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state = tx.init(params)
    for _ in range(300):
        params, state = step(params, state)

    class Trained:
        def function(self, output):
            assert output == "logits"
            return Partial(answer, params)

    return Trained()


@pytest.fixture(scope="module")
def trial(detector):
    """(row of IDLE) -> Trial on unseen pictures of the same kind."""
    image, label = pictures(2)
    return lambda row: idle.Trial(*idle._followed_trial(detector, row, image, label))


def test_the_detector_has_learnt(detector):
    image, label = pictures(3)
    said = np.asarray(detector.function("logits")(image))[:, 0] > 0
    assert np.mean(said == (label == 1)) >= 0.8


@pytest.mark.parametrize(
    "title", ["Grad-AAT", "Grad-SAT", "Grad-BAT", "Grad-BAT, signed"]
)
def test_no_adversary_that_is_trained_against_is_idle(trial, title):
    tried = trial(rows.IDLE[title])
    assert tried.ratio >= idle.LEAST_RATIO
    assert not tried.is_idle


def test_the_printed_step_is_idle(trial):
    tried = trial(rows.IDLE["Grad-BAT, printed"])
    assert tried.deviation < idle.LEAST_DEVIATION
    assert tried.is_idle


def test_a_flat_map_is_idle_whatever_the_loss():
    assert idle.Trial(0.1, 0.1, 1.0, 0.01, 30.0).is_idle
    assert not idle.Trial(0.1, 0.1, 1.0, 0.5, 30.0).is_idle
    assert not idle.Trial(0.1, 0.1, 1.0, None, 30.0).is_idle
    assert idle.Trial(0.1, 0.1, 0.105, None, 30.0).is_idle


def test_the_control_is_as_strong(detector):
    """A constant blur has the map's root mean square, of each picture by itself."""
    image, label = pictures(2)
    predictor = partial(idle.follow, detector)
    changed = predictor(rows.IDLE["Grad-BAT"], image, label)
    rms = np.sqrt(np.mean(np.square(changed.precision), axis=(1, 2)))
    np.testing.assert_allclose(rms, rows.RMS, rtol=1e-4)
