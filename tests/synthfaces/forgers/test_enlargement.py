"""The finer half of forgers: what is painted, who learns, and whose twin it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.measure import block_reduce

from jaxforensics.models import weights
from jaxforensics.ops.color import to_float
from jaxforensics.synthfaces.forgers import enlargement, enlarger, synthesis
from jaxforensics.synthfaces.forgers.decoder import COLOUR_SCALE

SETTINGS = {"upsampling": "nearest", "steps": 1, "calibration_steps": 1, "pictures": 2}
PLAYERS = "encoder", "decoder", "details", "enlarger", "critic"


@pytest.fixture(scope="module")
def trained(batch, tmp_path_factory):
    """A method that goes on from a forger's file, and its states step by step."""
    path = tmp_path_factory.mktemp("weights") / "other.safetensors"
    first = synthesis.make(upsampling="nearest", steps=1, calibration_steps=1)
    state = jax.jit(first.init)(jax.random.key(0), batch)
    held = synthesis.stored({n: net.params for n, net in state.nets.items()})
    weights.save(path, jax.tree.map(np.asarray, held))
    method = enlargement.make(**SETTINGS, encoder=str(path), decoder=str(path))
    states = [jax.jit(method.init)(jax.random.key(1), batch)]
    for stage in method.stages:
        state, metrics = jax.jit(stage.step)(jax.random.key(0), states[-1], batch)
        assert all(np.isfinite(value) for value in metrics.values())
        assert ("sharpness" in metrics) == (stage.name == "train")
        states.append(state)
    return method, held, states


def moved(before, after):
    """Names of the nets of which any parameter differs."""
    return {
        name
        for name in before.nets
        if not jax.tree.all(
            jax.tree.map(
                np.array_equal, before.nets[name].params, after.nets[name].params
            )
        )
    }


def test_the_forger_stays_as_it_was(trained):
    _, held, (first, second, third) = trained
    assert set(first.nets) == set(PLAYERS)
    for role in ("encoder", "decoder"):
        same = jax.tree.map(np.array_equal, third.nets[role].params, held[role])
        assert jax.tree.all(same) and third.nets[role].opt == ()
    assert moved(first, second) == {"details", "enlarger", "critic"}


def test_calibration_moves_the_level_of_sensor_noise_alone(trained):
    _, _, (_, second, third) = trained
    assert moved(second, third) == {"enlarger"}
    gap = jax.tree.map(
        lambda a, b: not np.array_equal(a, b),
        second.nets["enlarger"].params,
        third.nets["enlarger"].params,
    )
    changed = {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, value in jax.tree_util.tree_leaves_with_path(gap)
        if value
    }
    assert changed == {"paint/level/bias"}


def test_a_disguised_forger_starts_from_its_twin(trained, batch, tmp_path):
    method, _, states = trained
    known = enlargement.stored({n: x.params for n, x in states[-1].nets.items()})
    weights.save(tmp_path / "twin.safetensors", jax.tree.map(np.asarray, known))
    start = str(tmp_path / "twin.safetensors")
    other = enlargement.make(**method.settings | {"enlarger": start})
    begun = jax.jit(other.init)(jax.random.key(5), batch)
    for role, params in known.items():
        same = jax.tree.map(np.array_equal, begun.nets[role].params, params)
        assert jax.tree.all(same), role
        assert jax.tree.leaves(begun.nets[role].opt)


def test_predictions_are_bytes_of_the_larger_size(trained, batch):
    method, _, states = trained
    found = jax.jit(method.predict)(states[-1], batch)
    assert {k: (v.shape, v.dtype) for k, v in found.items()} == {
        "image_128": ((2, 128, 128, 3), jnp.uint8)
    }
    stored = enlargement.stored({n: x.params for n, x in states[-1].nets.items()})
    shapes = enlarger.shapes("nearest")
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.shape, b.shape), stored, shapes)


def test_a_window_is_the_same_picture_cut_out(trained, batch):
    """Without noise, a window equals the cut from the whole, borders too."""
    _, _, states = trained
    params = {name: net.params for name, net in states[-1].nets.items()}
    quiet = jax.tree_util.tree_map_with_path(
        lambda path, x: 0 * x if "noise" in jax.tree_util.keystr(path) else x, params
    )
    image = to_float(batch["image_128"])
    paint = jax.jit(enlarger.forge, static_argnums=1)
    whole, _ = paint(jax.random.key(3), "nearest", quiet, image)
    for row, column in ((0, 0), (32, 32), (7, 20)):
        clean, _ = paint(
            jax.random.key(3), "nearest", quiet, image, corner=(row, column)
        )
        window = whole[:, 2 * row :, 2 * column :][:, :64, :64]
        np.testing.assert_allclose(clean, window, atol=1e-5)


def test_the_last_channels_of_the_finer_latent_are_mean_colours():
    image = jax.random.uniform(jax.random.key(0), (2, 128, 128, 3))
    latent, _ = enlarger.Details(details=4, widths=(4, 4)).init_with_output(
        jax.random.key(1), image
    )
    assert latent.shape == (2, 32, 32, 7)
    means = block_reduce(np.asarray(image), (1, 4, 4, 1), np.mean)
    np.testing.assert_allclose(latent[..., 4:] / COLOUR_SCALE + 0.5, means, atol=1e-5)


def test_what_enlarges_is_small():
    for kind in ("deconv", "nearest", "bilinear", "shuffle"):
        leaves = jax.tree.leaves(enlarger.shapes(kind))
        assert sum(np.prod(x.shape) for x in leaves) < 90_000
