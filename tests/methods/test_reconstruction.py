"""GANprintR: what its loss is, that it learns, and sizes that come back."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.methods import reconstruction
from jaxforensics.training.nets import Stage

rng = np.random.default_rng(0)
TINY = {"model": {"widths": (16, 32), "code": 16}, "optimiser": {"rate": 1e-3}}


def batch(count=6, size=16, *, padding=0):
    """Coloured ramps with a grain."""
    across = np.linspace(0, 1, size)[None, None, :, None]
    image = rng.uniform(0.2, 0.8, (count, 1, 1, 3)) + 0.2 * across
    image = image + rng.normal(0, 0.02, (count, size, size, 3))
    valid = np.float32(np.arange(count) < count - padding)
    return {"image": np.float32(np.clip(image, 0, 1)), "valid": valid}


class Compiled(NamedTuple):
    """A method's functions, which the tests share."""

    init: Callable
    step: Callable
    predict: Callable
    stage: Stage


@functools.cache
def compiled(size=None):
    method = reconstruction.make(**TINY, steps=300, size=size)
    stage = method.stages[0]
    functions = (jax.jit(f) for f in (method.init, stage.step, method.predict))
    return Compiled(*functions, stage)


def test_the_loss_is_the_mean_squared_error_of_what_counts():
    method = compiled()
    state = method.init(jax.random.key(0), batch())
    shown = batch(padding=2)
    redrawn = method.predict(state, shown)["image"]  # clipped, and so is a start near 0
    _, metrics = method.step(jax.random.key(0), state, shown)
    errors = np.square(redrawn - shown["image"]).mean((1, 2, 3))
    assert metrics["loss"] == pytest.approx(errors[:4].mean(), rel=0.02)
    assert method.stage.data == "reals"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_to_redraw(seed):
    method = compiled()
    state = method.init(jax.random.key(seed), batch())
    for _ in range(300):
        state, metrics = method.step(jax.random.key(0), state, batch())
    shown = batch(count=60)
    flat = np.square(shown["image"] - shown["image"].mean()).mean()
    redrawn = method.predict(state, shown)["image"]
    error = np.square(redrawn - shown["image"]).mean()
    assert error < 0.75 * flat  # 0.33 to 0.53 of it, of five seeds


@pytest.mark.parametrize("size", [None, 24])
def test_pictures_keep_their_size(size):
    method = compiled(size)
    state = compiled().init(jax.random.key(0), batch())
    found = method.predict(state, batch(size=18))["image"]
    assert found.shape == (6, 18, 18, 3) and found.dtype == jnp.float32
    assert found.min() >= 0 and found.max() <= 1
    seen = jax.eval_shape(method.step, jax.random.key(0), state, batch())
    assert seen[1]["loss"].shape == ()


def test_typos_are_named():
    with pytest.raises(ValueError, match="no setting 'rte' .did you mean 'rate'"):
        reconstruction.make(optimiser={"rte": 1}, steps=1)
    with pytest.raises(TypeError, match="no setting 'widhts'; nearest: 'widths'"):
        reconstruction.make(model={"widhts": (4,)}, steps=1)
