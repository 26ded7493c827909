"""TSN: the mean over frames of what the network of one frame says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)
MESO = {"norm_momentum": 0.9}


def test_logits_are_the_mean_of_the_frames():
    module = models.build(
        "tsn", frame_model="meso4", frame_settings=MESO, num_classes=2
    )
    alone = models.build("meso4", num_classes=2, **MESO)
    clips = random.random((4, 3, 18, 21, 3), np.float32)
    # The same names: weights of the network of one frame are this one's.
    variables = filled(random, alone, clips[:, 0])
    logits = jax.jit(module.apply)(variables, clips)
    each = [jax.jit(alone.apply)(variables, clips[:, i]) for i in range(3)]
    np.testing.assert_allclose(logits, np.mean(np.float64(each), 0), atol=1e-5)
    np.testing.assert_array_equal(module.apply(variables, clips[:, 0]), each[0])


def test_all_frames_are_normalised_together_in_training():
    module = models.build("tsn", frame_model="meso4", frame_settings=MESO)
    clips = random.random((2, 3, 16, 16, 3), np.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), clips)
    variables = filled(random, module, clips)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, shapes)
    keys = {"dropout": jax.random.key(0)}
    frames = clips.reshape(6, 16, 16, 3)
    moved = [
        module.apply(variables, x, train=True, rngs=keys, mutable=["batch_stats"])[1]
        for x in (clips, frames)
    ]
    jax.tree.map(np.testing.assert_array_equal, *moved)


def test_a_wrong_network_proposes_the_right_one():
    module = models.build("tsn", frame_model="messo4")
    with pytest.raises(ValueError, match="'messo4'; nearest: 'meso4'"):
        jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 2, 8, 8, 3)))
