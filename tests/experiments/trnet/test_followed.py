"""Attacks can follow every victim of TR-Net's tables, whatever its logits are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_arena

from configs import trnet as config
from configs.rows import trnet as rows
from jaxforensics import attacks
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.experiments.common import checks
from jaxforensics.experiments.common.arena.attacker import fake_logit
from jaxforensics.experiments.trnet import Settings, settings
from jaxforensics.training.predict import Predictor

REALS = (0,)
SIDE = 16


@pytest.fixture(scope="module")
def victims(tmp_path_factory):
    """Those of a short preset, on three sources."""
    data = tiny_arena.pairs(tmp_path_factory.mktemp("trnet"))
    chosen = checks.check(config.get_config("full"), Settings)
    return settings.arena(chosen, data).victims


def batch():
    """Pictures with texture, one with a black half and one that is constant."""
    image = np.random.default_rng(0).uniform(size=(6, SIDE, SIDE, 3))
    image[4, :, : SIDE // 2] = 0
    image[5] = 0.5
    return {
        "image": jnp.float32(image),
        "label": jnp.array([0, 1, 1, 1, 1, 1]),
        "source": jnp.array([0, 1, 2, 1, 2, 1]),
        "valid": jnp.ones(6),
    }


def predictor_of(method):
    """A victim as it starts; what learns without descent has seen a batch."""
    pictures = batch()
    state = method.init(jax.random.key(0), pictures)
    if "fingerprints" in state.nets:
        state, _ = method.stages[0].step(jax.random.key(1), state, pictures)
    return Predictor(method.predict, state)


@pytest.mark.parametrize("title", rows.VICTIMS)
def test_gradients_are_finite_and_lower_what_says_fake(victims, title):
    predictor = predictor_of(victims[title].method(()))
    logit = fake_logit(predictor.function("logits"), reals=REALS)
    image = batch()["image"]

    @jax.jit
    def answer(logit, image):
        return logit(image), jax.grad(lambda x: logit(x).sum())(image)

    given, slope = answer(logit, image)
    assert given.shape == (6, 1)
    logits = np.asarray(predictor.function("logits")(image))
    np.testing.assert_allclose(
        given[:, 0], fakeness(logits, reals=REALS), rtol=1e-4, atol=1e-5
    )
    assert np.isfinite(slope).all()
    textured = slice(0, 4)
    assert (np.abs(slope[textured]).max((1, 2, 3)) > 0).all()
    # Nearly every value counts: a stem of stride 2 leaves out a row and a column.
    assert np.mean(slope[textured] != 0) > 0.85

    attack = attacks.build("fgsm", logit, epsilon=0.2 / 255)
    attacked = attack(jax.random.key(0), image, jnp.ones(6))
    changed, _ = answer(logit, attacked)
    assert (changed[textured] < given[textured]).all()


def test_victims_of_one_architecture_share_what_is_compiled(victims):
    method = victims["LF"].method(())
    first = predictor_of(method)
    state = method.init(jax.random.key(5), batch())
    second = Predictor(method.predict, state)
    count = attacks.gradient._step._cache_size()
    for predictor in (first, second):
        logit = fake_logit(predictor.function("logits"), reals=REALS)
        attack = attacks.build("fgsm", logit, epsilon=0.01)
        attack(jax.random.key(0), batch()["image"], jnp.ones(6))
    assert attacks.gradient._step._cache_size() <= count + 1
