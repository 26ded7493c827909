"""Forgers' nets: sizes, windows, noise, and what their parts compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.measure import block_reduce

from jaxforensics.synthfaces.forgers.decoder import (
    COLOUR_SCALE,
    Decoder,
    Encoder,
    Paint,
    eight_bit,
    shapes,
    texture,
)


@pytest.fixture(scope="module")
def decoder():
    """A small decoder and its parameters, noise included."""
    net = Decoder("nearest", widths=(8, 6, 4, 4))
    latent = jax.random.normal(jax.random.key(1), (2, 16, 16, 5))
    draw = jax.jit(net.init)(jax.random.key(2), jax.random.key(3), latent)
    return net, draw, latent


def test_both_sizes_are_on_the_eight_bit_grid(decoder):
    net, variables, latent = decoder
    painted = jax.jit(net.apply)(variables, jax.random.key(4), latent).painted
    for size, (clean, picture) in painted.items():
        assert clean.shape == picture.shape == (2, size, size, 3)
        levels = 255 * np.float64(picture)
        assert np.abs(levels - np.round(levels)).max() < 1e-4
        assert 0 <= picture.min() and picture.max() <= 1


def test_a_window_is_the_same_picture_cut_out(decoder):
    """Without noise, a window equals the cut from the whole, borders too."""
    net, variables, latent = decoder
    quiet = jax.tree_util.tree_map_with_path(
        lambda path, x: 0 * x if "noise" in jax.tree_util.keystr(path) else x, variables
    )
    draw = jax.jit(
        lambda corner: net.apply(
            quiet, jax.random.key(5), latent, corner=corner
        ).painted[128]
    )
    decoded = net.apply(quiet, jax.random.key(5), latent, sizes=(128,))
    whole, _ = decoded.painted[128]
    for row, column in ((0, 0), (32, 32), (7, 20)):
        clean, _ = draw((row, column))
        window = whole[:, 2 * row :, 2 * column :][:, :64, :64]
        assert np.allclose(clean, window, atol=1e-5)


def test_noise_moves_every_part_of_a_picture(decoder):
    net, variables, latent = decoder
    draw = jax.jit(lambda key: net.apply(variables, key, latent).painted[64][0])
    gap = np.abs(draw(jax.random.key(0)) - draw(jax.random.key(1)))
    assert (gap.reshape(2, 8, 8, 8, 8, 3).max((2, 4, 5)) > 0).all()


def test_sensor_noise_has_the_level_that_the_features_ask_for():
    net, x = Paint(), jnp.zeros((4, 64, 64, 3))
    white = jax.random.normal(jax.random.key(1), (4, 34, 34, 12))
    variables = net.init(jax.random.key(0), x, x, white)
    params = dict(variables["params"])
    deviations = []
    for level in (0.0, 1.0):
        params["level"] = params["level"] | {"bias": jnp.full(3, level)}
        clean, picture = net.apply({"params": params}, x, 0.5 + x, white)
        deviations.append(np.std(picture - clean))
    assert np.isclose(deviations[1] / deviations[0], np.e, rtol=0.05)


def test_texture_is_the_deviation_of_second_differences():
    image = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)
    found = np.asarray(texture(jnp.asarray(image), cell=8))
    assert found.shape == (1, 2, 2, 12)
    padded = np.pad(image[0], ((0, 0), (1, 1), (0, 0)), mode="reflect")
    rows = padded[:, 1:-1] - (padded[:, :-2] + padded[:, 2:]) / 2
    power = np.square(rows[:8, 8:, 1]).mean()
    assert np.isclose(found[0, 0, 1, 1], 0.5 * np.log(power + 1e-5), atol=1e-4)


def test_rounding_lets_gradients_through_where_nothing_is_clipped():
    values = jnp.array([-0.1, 0.2, 0.5003, 1.2])
    rounded = eight_bit(values)
    assert np.allclose(rounded, [0, 51 / 255, 128 / 255, 1])
    slope = jax.grad(lambda x: eight_bit(x).sum())(values)
    assert np.array_equal(slope, [0, 1, 1, 0])


def test_texture_tells_noisy_pictures_from_clean_ones():
    clean = jnp.full((1, 64, 64, 3), 0.5)
    noisy = clean + 0.05 * jax.random.normal(jax.random.key(0), clean.shape)
    found = texture(noisy, cell=8) - texture(clean, cell=8)
    assert found.shape == (1, 8, 8, 12) and (found > 1).all()


def test_the_last_channels_of_a_latent_are_mean_colours():
    image = jax.random.uniform(jax.random.key(0), (2, 128, 128, 3))
    latent, _ = Encoder(details=4, widths=(4, 4, 4)).init_with_output(
        jax.random.key(1), image
    )
    assert latent.shape == (2, 16, 16, 7)
    means = block_reduce(np.asarray(image), (1, 8, 8, 1), np.mean)
    found = latent[..., 4:] / COLOUR_SCALE + 0.5
    assert np.allclose(found, means, atol=1e-5)


def test_shipped_nets_are_small():
    for kind in ("deconv", "nearest", "bilinear", "shuffle"):
        leaves = jax.tree.leaves(shapes(kind))
        assert sum(np.prod(x.shape) for x in leaves) < 280_000
