"""The translator: sizes together or alone, what a condition and noise reach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.synthfaces.forgers.translator import SIZES, Relay, Translator, grain


def inputs(sizes=SIZES, channels=3, told=2):
    draw = np.random.default_rng(3)
    counts = dict(zip(SIZES, (3, 2), strict=True))
    return tuple(
        {
            size: jnp.float32(draw.uniform(size=(counts[size], *end(size))))
            for size in sizes
        }
        for end in (
            lambda size: (size, size, channels),
            lambda size: (told,),
            lambda size: (size, size, 3),
        )
    )


@pytest.fixture(scope="module", params=["deconv", "full"])
def net(request):
    settings = {
        "deconv": {"placed": (16, 32), "normalised": True},
        "full": {"up": "nearest", "full_skip": True},
    }
    net = Translator(**settings[request.param])
    return net, jax.jit(net.init)(jax.random.key(0), *inputs())


def test_sizes_do_not_mix(net):
    net, variables = net
    everything = inputs()
    together = jax.jit(net.apply)(variables, *everything)
    for size in SIZES:
        alone = jax.jit(net.apply)(
            variables, *({size: part[size]} for part in everything)
        )
        assert alone[size].picture.shape == (len(everything[0][size]), size, size, 3)
        for part, other in zip(alone[size], together[size], strict=True):
            assert np.allclose(part, other, atol=1e-4)


def test_conditions_and_noise_matter(net):
    net, variables = net
    picture, told, noise = inputs(sizes=(64,))
    apply = jax.jit(net.apply)
    plain = apply(variables, picture, told, noise)[64].picture
    other = apply(variables, picture, {64: 1 - told[64]}, noise)[64].picture
    noisy = apply(variables, picture, told, {64: -noise[64]})[64].picture
    assert jnp.abs(plain - other).mean() > 1e-3
    assert jnp.abs(plain - noisy).mean() > 1e-4


def test_only_full_skips_copy_the_finest_detail(net):
    """A checkerboard of red and green of one luma: its mean colour is none."""
    net, variables = net
    picture, told, noise = inputs(sizes=(64,))
    board = (jnp.indices((64, 64)).sum(0) % 2 - 0.5)[None, ..., None]
    board = 0.3 * board * jnp.float32([0.587, -0.299, 0])[None, None, None]
    apply = jax.jit(net.apply)
    gain = apply(variables, {64: picture[64] + board}, told, noise)[64].picture
    gain = gain - apply(variables, picture, told, noise)[64].picture
    follows = float((gain * board).mean() / (board**2).mean())
    assert (follows > 0.5) == net.full_skip


def test_the_relay_keeps_luma_and_coarse_colour(key):
    """It starts as JPEG's 4:2:0, up to the small disorder of its weights."""
    image = jax.random.uniform(key, (2, 16, 16, 3))
    for kind in ("deconv", "shuffle"):
        relay = Relay(kind)
        found = relay.apply(relay.init(key, image), image)
        luma = jnp.float32([0.299, 0.587, 0.114])
        assert jnp.abs((found - image) @ luma).mean() < 0.06
        means = [x.reshape(2, 8, 2, 8, 2, 3).mean((2, 4)) for x in (found, image)]
        assert jnp.abs(means[0] - means[1]).mean() < 0.06


def test_it_is_small(net):
    _, variables = net
    count = sum(x.size for x in jax.tree.leaves(variables))
    assert 150_000 < count < 250_000


def test_grain_is_a_picture_s_own(key):
    keys = jax.random.split(key, 3)
    noise = grain(keys, size=8)
    assert noise.shape == (3, 8, 8, 3)
    assert np.array_equal(noise[1:2], grain(keys[1:2], size=8))
    assert abs(float(noise.std()) - 1) < 0.2
