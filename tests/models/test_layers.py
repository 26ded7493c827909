"""The shared modules: types, and upsampling against the textbook forms."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from scipy.signal import convolve2d

from jaxforensics.models.layers import UPSAMPLINGS, DepthwiseConv, Upsample


def applied(kind, x, key):
    net = Upsample(3, kind)
    variables = net.init(key, x)
    return np.asarray(net.apply(variables, x)), variables["params"]


@pytest.fixture
def x(key):
    return jax.random.normal(key, (2, 5, 6, 4))


def test_deconv_is_a_transposed_convolution(x, key):
    found, params = applied("deconv", x, key)
    oracle = nn.ConvTranspose(3, (4, 4), (2, 2)).apply({"params": params}, x)
    assert np.allclose(found, oracle, atol=1e-5)


def test_nearest_is_repetition_and_a_convolution(x, key):
    found, params = applied("nearest", x, key)
    repeated = np.asarray(x).repeat(2, axis=1).repeat(2, axis=2)
    kernel = np.asarray(params["kernel"])[::-1, ::-1]
    for o in range(3):
        expected = sum(
            convolve2d(repeated[0, ..., i], kernel[..., i, o], mode="same")
            for i in range(4)
        )
        assert np.allclose(found[0, ..., o], expected, atol=1e-5)


def test_shuffle_is_pixel_shuffle(x, key):
    found, params = applied("shuffle", x, key)
    y = nn.Conv(12, (3, 3), use_bias=False).apply({"params": params["conv"]}, x)
    for row in (0, 1):
        for column in (0, 1):
            first = 3 * (2 * row + column)
            phase = y[..., first : first + 3]
            assert np.allclose(found[:, row::2, column::2], phase, atol=1e-6)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
def test_sizes_double_and_the_gain_is_near_one(kind, key):
    x = jax.random.normal(key, (8, 16, 16, 64))
    found, _ = applied(kind, x, key)
    assert found.shape == (8, 32, 32, 3)
    smooth = kind == "bilinear"
    assert (0.3 if smooth else 1.0) < jnp.std(found) < 3.0


def test_unknown_kinds_are_refused(x, key):
    with pytest.raises(ValueError, match="choose one of"):
        Upsample(3, "cubic").init(key, x)


def test_the_depthwise_module_keeps_float32_and_computes_in_its_type(key):
    module = DepthwiseConv(dtype=jnp.bfloat16)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    value, variables = module.init_with_output(key, jnp.float32(x))
    kernel = variables["params"]["kernel"]
    assert kernel.shape == (3, 3, 1, 3) and kernel.dtype == jnp.float32
    assert value.dtype == jnp.bfloat16
    planes = [
        ndimage.correlate(
            x[..., c], np.float64(kernel)[None, ..., 0, c], mode="constant"
        )
        for c in range(3)
    ]
    np.testing.assert_allclose(np.float32(value), np.stack(planes, -1), atol=0.05)
