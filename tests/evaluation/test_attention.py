"""Grad-CAM against its closed form, and what it refuses."""

from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxforensics.evaluation.attention import grad_cam, mean_attention
from jaxforensics.ops.resample import resize


class Two(nn.Module):
    """Two convolutions, the mean over the picture, a linear answer."""

    @nn.compact
    def __call__(self, image):
        x = nn.tanh(nn.Conv(4, (3, 3), strides=2, name="first")(image))
        x = nn.tanh(nn.Conv(5, (3, 3), name="second")(x))
        return nn.Dense(1, use_bias=False, name="answer")(x.mean((1, 2)))[:, 0]


@pytest.fixture
def trained(key):
    image = jax.random.uniform(key, (3, 9, 7, 3))
    variables = Two().init(key, image)
    return partial(Two().apply, variables), variables["params"], image


def test_maps_are_weighed_by_mean_gradients(trained):
    """By central differences, activation by activation."""
    logits, params, image = trained
    found = grad_cam(logits, image, layer="first")
    assert found.shape == (3, 5, 4)
    conv = nn.Conv(4, (3, 3), strides=2)
    maps = np.float64(conv.apply({"params": params["first"]}, image))

    def after(maps):
        x = nn.tanh(np.float32(maps))
        rest = {"params": params["second"]}
        x = nn.tanh(nn.Conv(5, (3, 3)).apply(rest, x)).mean((1, 2))
        return np.float64(x @ params["answer"]["kernel"])[:, 0]

    weights = np.zeros((3, 4))
    for channel in range(4):  # the mean slope is that of the whole map, over its size
        step = np.zeros(4)
        step[channel] = 1e-2
        slope = (after(maps + step) - after(maps - step)) / 2e-2
        weights[:, channel] = slope / (5 * 4)
    expected = np.maximum(np.einsum("bhwc,bc->bhw", maps, weights), 0)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.max() > 1e-3


def test_it_is_compiled_like_anything_else(trained):
    logits, _, image = trained
    eager = grad_cam(logits, image, layer="second")
    compiled = jax.jit(partial(grad_cam, logits, layer="second"))(image)
    np.testing.assert_allclose(eager, compiled, atol=1e-6)


def test_a_layer_that_is_not_there_is_named(trained):
    logits, _, image = trained
    with pytest.raises(ValueError, match="0 layers .* 'third', .* are: first, second"):
        grad_cam(logits, image, layer="third")


def test_mean_attention_is_the_mean_of_resized_maps(trained):
    """Of what speaks for class 2, which is likelier than 1, and against 0."""
    logits, _, _ = trained
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (3, 9, 7, 3), np.uint8) for name in "ab"}

    def three(image):
        value = logits(image)
        return jax.numpy.stack([-value, value - 9, 2 * value + 9], axis=-1)

    got = mean_attention(three, pictures, layer="first")
    for name, images in pictures.items():
        floats = np.float32(images) / 255
        np.testing.assert_allclose(got.faces[name], floats.mean(0), atol=1e-6)
        maps = grad_cam(lambda x: 3 * logits(x), floats, layer="first")
        maps = resize(maps[..., None], (9, 7), method="bilinear")[..., 0]
        want = np.mean(maps, axis=0)
        assert got.maps[name].shape == (9, 7) and want.max() > 0
        np.testing.assert_allclose(got.maps[name], want / want.max(), atol=1e-4)


def test_a_network_that_looks_nowhere_has_an_empty_map(trained):
    logits, _, _ = trained
    black = {"a": np.zeros((2, 9, 7, 3), np.uint8)}
    got = mean_attention(lambda x: 0 * logits(x)[:, None], black, layer="first")
    np.testing.assert_array_equal(got.maps["a"], np.zeros((9, 7)))
