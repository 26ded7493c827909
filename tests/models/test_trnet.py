"""TR-Net's networks and GANprintR's against scipy, layer by layer in float64."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)


def picture(height, width, batch=2):
    return np.float32(random.random((batch, height, width, 3)))


def initial(net, x):
    """Variables as the network starts with them, compiled at once."""
    return jax.jit(net.init)(jax.random.key(0), x)


def applied(net, variables, x):
    return jax.jit(net.apply)(variables, x)


def convolved(x, layer, *, stride=1, padding):
    """What the layer makes of one picture (h, w, c)."""
    kernel = np.float64(layer["kernel"])
    x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
    planes = [
        sum(
            signal.correlate2d(x[..., c], kernel[..., c, d], mode="valid")
            for c in range(x.shape[-1])
        )[::stride, ::stride]
        for d in range(kernel.shape[-1])
    ]
    return np.stack(planes, axis=-1) + layer.get("bias", 0)


def enlarged(x, shape, *, corners=False):
    """Bilinear, by scipy: edge to edge, or with `corners` centre to centre."""
    zoom = (shape[0] / x.shape[0], shape[1] / x.shape[1], 1)
    return ndimage.zoom(x, zoom, order=1, mode="nearest", grid_mode=not corners)


def halved(x):
    height, width = (n // 2 for n in x.shape[:2])
    squares = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1)
    return squares.max((1, 3))


def generated(x, params, stats, stages):
    """The generator's output for one picture."""

    def layer(x, name, padding):
        x = np.maximum(convolved(x, params[name], padding=padding), 0)
        norm = params[f"{name}_norm"]
        if stats:
            moved = stats[f"{name}_norm"]
            x = (x - moved["mean"]) / np.sqrt(moved["var"] + 1e-5)
        return x * norm["scale"] + norm["bias"]

    def stage(x, name):
        return layer(layer(x, f"{name}_1", 1), f"{name}_2", 1)

    kept = []
    for i in range(stages):
        x = stage(halved(x) if i else x, f"down_{i + 1}")
        kept.append(x)
    for i, other in enumerate(kept[-2::-1], 1):
        x = layer(enlarged(x, other.shape), f"narrow_{i}", 0)
        x = stage(np.concatenate([x, other], axis=-1), f"up_{i}")
    shape = 2 * x.shape[0], 2 * x.shape[1]
    x = enlarged(x, shape, corners=True)
    x = convolved(x, params["rescale"], stride=2, padding=1)
    return convolved(x, params["output"], padding=0)


@pytest.mark.parametrize("norm", ["batch", "affine"])
@pytest.mark.parametrize("shape", [(8, 12), (11, 9)])
def test_the_generator_is_the_u_net_of_the_paper(norm, shape):
    net = models.build("trnet_generator", widths=(2, 3, 4), norm=norm)
    x = picture(*shape)
    variables = filled(random, net, x)
    expected = [
        generated(one, variables["params"], variables.get("batch_stats"), 3)
        for one in np.float64(x)
    ]
    given = applied(net, variables, x)
    np.testing.assert_allclose(given, np.tanh(expected), rtol=1e-4, atol=1e-5)


def test_the_generator_starts_alike_with_either_norm():
    x = picture(16, 16)
    given = []
    for norm in ("batch", "affine"):
        net = models.build("trnet_generator", norm=norm, activation="sigmoid")
        given.append(applied(net, initial(net, x), x))
    np.testing.assert_allclose(*given, atol=1e-3)
    assert given[0].min() > 0 and given[0].max() < 1


def test_pictures_too_small_are_refused():
    for name in ("trnet_generator", "ganprintr"):
        net = models.build(name)
        with pytest.raises(ValueError, match="too small"):
            net.init(jax.random.key(0), jnp.zeros((1, 7, 16, 3)))


VIEWS = "image", "amplitude", "log_amplitude", "power", "residual"


def views(x):
    """What the discriminators see of pictures (b, h, w, 3), by numpy and scipy."""
    gray = x @ [0.299, 0.587, 0.114]
    spectrum = np.fft.fft2(gray)
    power = np.log(np.abs(spectrum) ** 2 + 1e-8)
    kernels = np.zeros((3, 5, 5))
    kernels[0, 1:4, 1:4] = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
    ring = np.array([[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2]]) / 12
    kernels[1] = np.concatenate([ring, ring[1::-1]])
    kernels[2, 2, 1:4] = 0.5, -1, 0.5
    residuals = [
        [signal.correlate2d(one.sum(-1), k, mode="same") for k in kernels] for one in x
    ]
    return {
        "image": x,
        "amplitude": np.stack([np.abs(spectrum), np.angle(spectrum)], axis=-1),
        "log_amplitude": np.stack([power / 2, np.angle(spectrum)], axis=-1),
        "power": power[..., None],
        "residual": np.clip(np.moveaxis(np.array(residuals), 1, -1), -3, 3),
    }


def judged(x, params, stages):
    """The trace feature and the logit of one picture, layers normalised."""
    for i in range(1, stages + 1):
        x = convolved(x, params[f"conv_{i}"], stride=2, padding=1)
        if i > 1:
            x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
            x = x * params[f"norm_{i}"]["scale"] + params[f"norm_{i}"]["bias"]
        x = np.where(x > 0, x, 0.2 * x)
    return x, convolved(x, params["real"], padding=0)[0, 0, 0]


@pytest.mark.parametrize("view", VIEWS)
def test_a_discriminator_judges_its_view(view):
    net = models.build("trnet_discriminator", view=view, width=3, sources=4)
    x = picture(16, 16)
    variables = filled(random, net, x)
    params, given = variables["params"], applied(net, variables, x)
    for one, feature, logit, sources in zip(
        views(np.float64(x))[view],
        given["features"],
        given["logits"],
        given["sources"],
        strict=True,
    ):
        trace, real = judged(one, params, 2)
        np.testing.assert_allclose(feature, trace, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(logit, real, rtol=2e-3)
        hidden, last = params["sources_hidden"], params["sources"]
        x = trace.reshape(-1) @ np.float64(hidden["kernel"]) + hidden["bias"]
        x = np.where(x > 0, x, 0.2 * x) @ np.float64(last["kernel"]) + last["bias"]
        np.testing.assert_allclose(sources, x, rtol=2e-3)


@pytest.mark.parametrize("shape", [(16, 32), (48, 48), (4, 4)])
def test_a_discriminator_sees_squares_that_can_be_halved(shape):
    net = models.build("trnet_discriminator", width=2)
    with pytest.raises(ValueError, match="sees squares of 8, 16, 32"):
        net.init(jax.random.key(0), jnp.zeros((1, *shape, 3)))


@pytest.mark.parametrize("view", VIEWS)
def test_gradients_reach_the_picture_through_every_view(view):
    net = models.build("trnet_discriminator", view=view, width=2)
    x = jnp.concatenate([picture(16, 16), jnp.zeros((1, 16, 16, 3))])
    variables = initial(net, x)
    total = jax.grad(lambda x: net.apply(variables, x)["logits"].sum())
    slopes = jax.jit(total)(x)
    assert jnp.all(jnp.isfinite(slopes))
    assert jnp.all(jnp.abs(slopes[:2]).max((1, 2, 3)) > 0)


def test_batch_norm_moves_its_statistics_in_training_alone():
    net = models.build("trnet_discriminator", width=2, norm="batch")
    x = picture(16, 16)
    variables = filled(random, net, x)
    train = partial(net.apply, train=True, mutable=["batch_stats"])
    _, moved = jax.jit(train)(variables, x)
    before, after = (jax.tree.leaves(v["batch_stats"])[0] for v in (variables, moved))
    assert not np.allclose(before, after)
    layered = models.build("trnet_discriminator", width=2)
    assert "batch_stats" not in filled(random, layered, x)


def redrawn(x, params, stages):
    """GANprintR's output for one picture, maxima put back one by one."""

    def layer(x, name):
        return np.maximum(convolved(x, params[name], padding=1), 0)

    kept = []
    for i in range(1, stages + 1):
        x = layer(x, f"down_{i}")
        kept.append(x)
        x = halved(x)
    x = layer(layer(x, "code"), "up_1")
    for i, other in enumerate(kept[::-1], 2):
        back = np.zeros(other.shape)
        for row, column, c in np.ndindex(x.shape):
            square = other[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, c]
            place = np.unravel_index(square.argmax(), (2, 2))
            back[2 * row + place[0], 2 * column + place[1], c] = x[row, column, c]
        x = layer(back, f"up_{i}")
    return x


@pytest.mark.parametrize("shape", [(8, 12), (11, 9)])
def test_ganprintr_puts_maxima_back(shape):
    net = models.build("ganprintr", widths=(3, 4), code=3)
    x = picture(*shape)
    variables = filled(random, net, x)
    expected = [redrawn(one, variables["params"], 2) for one in np.float64(x)]
    given = applied(net, variables, x)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["trnet_generator", "ganprintr"])
def test_neither_network_has_a_transposed_convolution(name):
    net, x = models.build(name), jnp.zeros((1, 16, 16, 3))
    graph = jax.make_jaxpr(lambda x: net.init_with_output(jax.random.key(0), x)[0])(x)
    assert "lhs_dilation=(2" not in str(graph)
    assert isinstance(net, nn.Module)


def test_what_is_added_to_a_picture_starts_at_nothing(key):
    image = jax.random.uniform(key, (2, 17, 20, 3))
    net = models.build("trnet_generator", widths=(4, 6), norm="affine", residual=True)
    variables = jax.jit(net.init)(key, image)

    @jax.jit
    def added_and_slopes(params):
        given, backward = jax.vjp(lambda p: net.apply({"params": p}, image), params)
        return given, backward(2 * given)[0]  # of the sum of squares

    given, slopes = added_and_slopes(variables["params"])
    np.testing.assert_array_equal(given, image)
    steepest = jnp.abs(slopes["output"]["kernel"]).max()
    assert steepest > 0  # and so the rest, from then on
    both = models.build("trnet_generator", residual=True, activation="sigmoid")
    with pytest.raises(ValueError, match="both signs: tanh"):
        both.init(key, image)


@pytest.mark.parametrize("width", [8, 128])
def test_critics_of_any_width_start_at_one_scale(key, width):
    """That of weights times the root of their number."""
    image = 0.5 + 0.02 * jax.random.normal(key, (4, 32, 32, 3))
    net = models.build("trnet_discriminator", view="residual", width=width)
    params = jax.jit(net.init)(key, image)["params"]
    deviation = jnp.std(params["conv_2"]["kernel"]) * np.sqrt(width)
    assert deviation == pytest.approx(0.02 * np.sqrt(128), rel=0.05)
