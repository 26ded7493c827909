"""Colour conversions against float64 and Pillow, gamma against powers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.exposure
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.ops import color

OPS = {
    "to_gray": color.to_gray,
    "rgb_to_ycbcr": color.rgb_to_ycbcr,
    "ycbcr_to_rgb": color.ycbcr_to_rgb,
    "adjust_gamma": lambda image: color.adjust_gamma(image, 0.7),
}
every_op = pytest.mark.parametrize("name", OPS)

# ITU-T T.871 (JFIF), to the digits that its definition by 0.299, 0.587, 0.114 implies.
JFIF = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
OFFSET = np.array([0, 128, 128]) / 255


def random_image(shape=(2, 7, 10, 3)):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def reference(name, image):
    image = np.float64(image)
    return {
        "to_gray": image @ JFIF[0],
        "rgb_to_ycbcr": image @ JFIF.T + OFFSET,
        "ycbcr_to_rgb": (image - OFFSET) @ np.linalg.inv(JFIF).T,
        "adjust_gamma": image**0.7,
    }[name]


@every_op
@pytest.mark.parametrize("shape", ((3, 5, 3), (2, 7, 10, 3), (2, 1, 1, 4, 3)), ids=str)
def test_equals_float64_reference(name, shape):
    image = random_image(shape)
    got = OPS[name](jnp.asarray(image))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, reference(name, image), rtol=0, atol=1e-6)


@every_op
def test_bfloat16_in_bfloat16_out(name):
    image = jnp.asarray(random_image(), jnp.bfloat16)
    got = OPS[name](image)
    assert got.dtype == jnp.bfloat16
    want = reference(name, np.float64(image))
    np.testing.assert_allclose(np.float64(got), want, rtol=2**-8, atol=2**-12)


@every_op
def test_gradient_equals_float64_differences(name):
    rng = np.random.default_rng(1)
    image, direction = rng.uniform(0.1, 1, (2, 6, 5, 3))
    step = 1e-6
    ahead, behind = (
        np.sum(np.sin(reference(name, image + s * direction))) for s in (step, -step)
    )
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(OPS[name](x)))))(
        jnp.float32(image)
    )
    got = np.sum(np.float64(gradient) * direction)
    np.testing.assert_allclose(got, (ahead - behind) / (2 * step), rtol=1e-5)


def test_components_are_pillows_to_their_rounding():
    pixels = np.random.default_rng(2).integers(0, 256, (16, 21, 3), dtype=np.uint8)
    picture, image = Image.fromarray(pixels), jnp.float32(pixels / 255)
    for ours, theirs in (
        (color.to_gray(image), picture.convert("L")),
        (color.rgb_to_ycbcr(image), picture.convert("YCbCr")),
    ):
        difference = 255 * np.float64(ours) - np.float64(theirs)
        assert np.abs(difference).max() < 1.01  # tables of rounded products, truncated
    gray = Image.new("RGB", (1, 1), (90, 90, 90))
    ours = 255 * color.rgb_to_ycbcr(jnp.full((1, 1, 3), 90 / 255))
    np.testing.assert_allclose(ours, np.float64(gray.convert("YCbCr")), rtol=1e-6)


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_ycbcr_and_back(pixel):
    image = jnp.float32(pixel).reshape(1, 1, 3)
    ycbcr = color.rgb_to_ycbcr(image)
    assert -1e-6 <= ycbcr.min() and ycbcr.max() <= 256 / 255  # blue's Cb is 255.5
    np.testing.assert_allclose(color.ycbcr_to_rgb(ycbcr), image, rtol=0, atol=1e-6)


def test_gray_has_no_chroma():
    image = jnp.broadcast_to(jnp.linspace(0, 1, 12)[:, None, None], (12, 2, 3))
    ycbcr = color.rgb_to_ycbcr(image)
    np.testing.assert_allclose(ycbcr[..., 0], image[..., 0], rtol=0, atol=2e-7)
    np.testing.assert_allclose(ycbcr[..., 1:], 128 / 255, rtol=0, atol=2e-7)
    np.testing.assert_allclose(color.to_gray(image), image[..., 0], rtol=0, atol=2e-7)


@pytest.mark.parametrize("gamma", (0.6, 1.0, 2.0))
def test_gamma_is_scikit_images(gamma):
    image = random_image()
    want = skimage.exposure.adjust_gamma(np.float64(image), gamma)
    got = color.adjust_gamma(jnp.asarray(image), gamma)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_gamma_per_image():
    image, gammas = random_image((3, 4, 6, 3)), np.float32([0.6, 1.0, 1.9])
    got = color.adjust_gamma(jnp.asarray(image), jnp.asarray(gammas))
    want = np.float64(image) ** gammas[:, None, None, None]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("gamma", (0.5, 1.0, 2.2))
def test_gamma_of_black_is_black_with_finite_gradients(gamma):
    black = jnp.zeros((4, 5, 3))
    np.testing.assert_array_equal(color.adjust_gamma(black, gamma), black)
    gradients = jax.jit(
        jax.grad(lambda image, gamma: jnp.sum(color.adjust_gamma(image, gamma)), (0, 1))
    )(black, gamma)
    np.testing.assert_array_equal(gradients[0], 0)
    assert gradients[1] == 0


def test_pixels_become_floats_of_pillows_mode_f():
    """Numpy and JAX alike; Pillow keeps the codes, to be divided by 255."""
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.asarray(Image.fromarray(pixels).convert("F")) / np.float32(255)
    floats = color.to_float(pixels)
    assert isinstance(floats, np.ndarray) and floats.dtype == np.float32
    np.testing.assert_array_equal(floats, expected)
    # XLA multiplies by the reciprocal.
    on_device = color.to_float(jnp.asarray(pixels))
    np.testing.assert_array_max_ulp(np.asarray(on_device), expected, maxulp=1)
