"""Against Pillow's libjpeg-turbo, pixel for pixel."""

import io

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.ops.jpeg import jpeg, quantization_tables

QUALITIES = (1, 10, 37, 50, 75, 90, 95, 100)
# Below five columns libjpeg repeats the chroma instead of interpolating it.
SIZES = ((1, 1), (3, 2), (9, 4), (1, 5), (8, 8), (16, 16), (17, 23), (18, 34), (67, 51))

# One block on which rounding at quality 1 carries the decoder to 775, far outside the
# range of a sample: found by search, so that overflow is decided by libjpeg.
OVERFLOW = np.frombuffer(
    bytes.fromhex(
        "0086f678107fc368ff6f42000070b49f2dff55ffd4ffffff4b00ff41c2ffff00"
        "436d00c7ff6c83ffffcfecffff383e9643ffffd0800005ff00f128ed00ef3b60"
    ),
    np.uint8,
).reshape(8, 8)


def pillow(pixels, quality, subsample):
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file, format="JPEG", quality=int(quality), subsampling=2 if subsample else 0
    )
    return np.asarray(Image.open(file))


def pictures(height, width, seed=0):
    """Noise, saturated colours, a gradient and a picture with a natural spectrum."""
    rng = np.random.default_rng(seed)
    shape = (height, width, 3)
    noise = rng.integers(0, 256, shape)
    saturated = 255 * rng.integers(0, 2, shape)
    ramp = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)
    gradient = np.stack([ramp, 255 - ramp, 2 * ramp], -1) % 256
    frequency = np.hypot.outer(np.fft.fftfreq(height), np.fft.fftfreq(width))
    frequency += 1 / max(height, width)
    spectrum = np.fft.fft2(rng.normal(size=shape), axes=(0, 1)) / frequency[..., None]
    natural = np.fft.ifft2(spectrum, axes=(0, 1)).real
    natural = np.clip(128 + 50 * natural / (natural.std() + 1e-9), 0, 255)
    return np.stack([noise, saturated, gradient, natural]).astype(np.uint8)


def assert_same_pixels(image, pixels):
    """`image` holds k/255 in float32, its last bit as the compiler divides."""
    levels = np.asarray(image, np.float64) * 255
    np.testing.assert_array_equal(np.round(levels), pixels)
    np.testing.assert_allclose(levels, pixels, rtol=2e-7)


def assert_equals_pillow(pixels, qualities, subsample):
    """Every one of the pictures at every quality, in one call."""
    images, steps = (
        np.repeat(pixels, len(qualities), 0),
        np.tile(np.array(qualities, np.int32), len(pixels)),
    )
    ours = jpeg(np.float32(images) / 255, steps, subsample=subsample)
    theirs = [pillow(*pair, subsample) for pair in zip(images, steps, strict=True)]
    assert_same_pixels(ours, theirs)


@pytest.mark.parametrize("subsample", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_equals_pillow(size, subsample):
    assert_equals_pillow(pictures(*size), QUALITIES, subsample)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 100),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_equals_pillow_at_any_size(size, quality, subsample, seed):
    assert_equals_pillow(pictures(*size, seed), [quality], subsample)


@pytest.mark.parametrize("subsample", [True, False])
@pytest.mark.parametrize("size", [(16, 32), (67, 51)])
def test_equals_pillow_at_every_quality(size, subsample):
    assert_equals_pillow(pictures(*size), range(1, 101), subsample)


@pytest.mark.parametrize("subsample", [True, False])
def test_saturates_where_the_decoder_overflows(subsample):
    block = np.repeat(OVERFLOW[..., None], 3, -1)
    assert_equals_pillow(np.stack([block, 255 - block]), (1, 2, 10), subsample)


def test_tables_are_those_in_pillows_files():
    for quality, tables in enumerate(quantization_tables(np.arange(1, 101)), 1):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, format="JPEG", quality=quality)
        stored = Image.open(file).quantization
        np.testing.assert_array_equal(tables.reshape(2, 64), [stored[0], stored[1]])


def test_quality_beyond_the_range_is_the_nearest():
    np.testing.assert_array_equal(
        quantization_tables(np.array([-3, 0, 101])),
        quantization_tables(np.array([1, 1, 100])),
    )


def test_quality_must_be_an_integer():
    with pytest.raises(TypeError, match="integer"):
        jpeg(np.zeros((8, 8, 3), np.float32), 75.0)


def test_values_are_clipped_and_rounded_to_8_bits(key):
    image = jax.random.uniform(key, (16, 16, 3), minval=-0.5, maxval=1.5)
    pixels = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    assert_same_pixels(jpeg(image, 80), pillow(pixels, 80, True))


@pytest.fixture(scope="module")
def batch():
    images = np.float32(pictures(17, 23)) / 255
    return images, np.array([10, 37, 75, 95], np.int32)


def test_a_quality_per_image_equals_single_calls_and_vmap(batch):
    images, qualities = batch
    together = jpeg(images, qualities)
    singly = [jpeg(*pair) for pair in zip(images, qualities, strict=True)]
    np.testing.assert_array_equal(together, np.stack(singly))
    np.testing.assert_array_equal(together, jax.vmap(jpeg)(images, qualities))


def test_any_leading_axes(batch):
    images, qualities = batch
    clips = jpeg(images.reshape(2, 2, 17, 23, 3), qualities.reshape(2, 2))
    np.testing.assert_array_equal(clips.reshape(images.shape), jpeg(images, qualities))


def test_one_compilation_serves_all_qualities(batch):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def compress(images, quality):
        return jpeg(images, quality)

    results = [compress(batch[0], quality) for quality in (5, 50, 95)]
    np.testing.assert_array_equal(results[1], jpeg(batch[0], 50))


@pytest.mark.parametrize("subsample", [True, False])
def test_gradient_is_the_identity(batch, subsample, key):
    images, qualities = batch
    weights = jax.random.normal(key, images.shape)

    def loss(images):
        return jnp.sum(weights * jpeg(images, qualities, subsample=subsample))

    np.testing.assert_array_equal(jax.jit(jax.grad(loss))(images), weights)


def test_bfloat16_is_the_same_picture_rounded(batch):
    images = jnp.asarray(batch[0], jnp.bfloat16)
    result = jpeg(images, batch[1])
    assert result.dtype == jnp.bfloat16
    expected = jpeg(images.astype(jnp.float32), batch[1]).astype(jnp.bfloat16)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.usefixtures("four_devices")
def test_a_sharded_batch_stays_sharded(batch):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.NamedSharding(mesh, jax.P("data"))
    images, qualities = jax.device_put(batch, sharding)
    result = jpeg(images, qualities)
    assert result.sharding.is_equivalent_to(sharding, result.ndim)
    np.testing.assert_array_equal(result, jpeg(*batch))
