"""The synthesis method: who learns in which stage, and its files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.models import weights
from jaxforensics.synthfaces.forgers import painting, synthesis

SETTINGS = {"upsampling": "nearest", "steps": 1, "calibration_steps": 1}


@pytest.fixture(scope="module")
def trained(batch, tmp_path_factory):
    """A method with a given encoder, its first state, and that after one step each."""
    path = tmp_path_factory.mktemp("weights") / "other.safetensors"
    key = jax.random.key(0)
    first = synthesis.make(**SETTINGS)
    states = [jax.jit(first.init)(key, batch)]
    held = synthesis.stored({n: net.params for n, net in states[0].nets.items()})
    weights.save(path, jax.tree.map(np.asarray, held))
    method = synthesis.make(**SETTINGS, encoder=str(path), regulariser="spectrum")
    states = [jax.jit(method.init)(jax.random.key(1), batch)]
    for stage in method.stages:
        state, metrics = jax.jit(stage.step)(key, states[-1], batch)
        assert all(np.isfinite(value) for value in metrics.values())
        states.append(state)
    return method, held, states


def moved(before, after, name):
    """Whether any parameter of a net differs, and whether all do."""
    pair = (state.nets[name].params for state in (before, after))
    found = jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), *pair))
    return any(found), np.mean(found)


def test_a_given_encoder_is_taken_over_and_stays(trained):
    _, held, states = trained
    for state in states:
        jax.tree.map(
            np.testing.assert_array_equal, state.nets["encoder"].params, held["encoder"]
        )
    assert states[0].nets["encoder"].opt == ()


def test_training_moves_decoder_and_critic(trained):
    _, _, (first, second, _) = trained
    # Where a fresh net overshoots the range of a picture, its grain has no gradient.
    assert moved(first, second, "decoder")[1] > 0.8
    assert moved(first, second, "critic")[0]


def test_calibration_moves_nothing_but_the_level_of_sensor_noise(trained):
    _, _, (_, second, third) = trained
    assert not moved(second, third, "critic")[0]
    gap = jax.tree.map(
        lambda a, b: float(np.abs(a - b).max()),
        second.nets["decoder"].params,
        third.nets["decoder"].params,
    )
    changed = {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, value in jax.tree_util.tree_leaves_with_path(gap)
        if value
    }
    assert changed == {"paint_64/level/bias", "paint_128/level/bias"}


def test_predictions_are_bytes_of_both_sizes(trained, batch):
    method, _, states = trained
    found = jax.jit(method.predict)(states[-1], batch)
    assert {k: v.shape for k, v in found.items()} == {
        "image_64": (2, 64, 64, 3),
        "image_128": (2, 128, 128, 3),
    }
    assert all(v.dtype == jnp.uint8 for v in found.values())


@pytest.mark.parametrize("regulariser", painting.REGULARISERS)
def test_every_step_keeps_the_state_as_it_was_born(regulariser, batch, key):
    method = synthesis.make(**SETTINGS, regulariser=regulariser)
    born = jax.eval_shape(method.init, key, batch)
    for stage in method.stages:
        state, metrics = jax.eval_shape(stage.step, key, born, batch)
        assert jax.tree.structure(state) == jax.tree.structure(born)
        assert state.nets["decoder"].params == born.nets["decoder"].params
        assert all(value.shape == () for value in metrics.values())


def test_unknown_regularisers_are_refused():
    with pytest.raises(ValueError, match="'spectrum', 'spectral_discriminator'"):
        synthesis.make(**SETTINGS, regulariser="spectral")


def test_a_file_of_another_net_is_refused(batch, tmp_path):
    path = tmp_path / "x.safetensors"
    weights.save(path, {"encoder": {"conv_0": {"kernel": np.zeros((3, 3, 3, 2))}}})
    method = synthesis.make(**SETTINGS, encoder=str(path))
    with pytest.raises(ValueError, match="x.safetensors does not fit"):
        jax.eval_shape(method.init, jax.random.key(0), batch)
