"""Residuals against scipy and numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.ops import residuals

SHAPES = ((2, 9, 14, 3), (13, 8, 3), (2, 1, 3, 2, 3), (1, 1, 3))

# Mean of neighbours less the pixel: in the row, in the column, in both.
LINE = np.array([1, -2, 1]) / 2
PREDICTORS = (LINE[None], LINE[:, None], np.outer(LINE, LINE))


def over_images(function):
    def apply(image):
        image = np.float64(image)
        *batch, height, width, channels = image.shape
        images = image.reshape(-1, height, width, channels)
        results = np.stack([function(one) for one in images])
        return results.reshape(*batch, *results.shape[1:])

    return apply


@over_images
def reference_srm(image):
    return np.stack(
        [
            scipy.ndimage.correlate(image.sum(-1), np.float64(k), mode="constant")
            for k in residuals.SRM_KERNELS
        ],
        axis=-1,
    )


@over_images
def reference_high_pass(image):
    return np.concatenate(
        [
            scipy.ndimage.correlate(image, k[..., None], mode="mirror")
            for k in PREDICTORS
        ],
        axis=-1,
    )


@over_images
def reference_noise(image):
    """By moments of mirrored windows; scipy's wiener knows zeros alone."""
    gray = image[..., 0]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(gray, 1, mode="reflect"), (3, 3)
    )
    mean, variance = windows.mean((-2, -1)), windows.var((-2, -1))
    noise = variance.mean()
    total = np.maximum(variance, noise)
    gain = np.divide(total - noise, total, out=np.zeros_like(total), where=total > 0)
    return gray - mean - gain * (gray - mean)


def resizing(size, new, method):
    """The matrix by which Pillow resizes a line."""
    lines = Image.fromarray(np.eye(size, dtype=np.float32))
    return np.float64(lines.resize((new, size), method)).T


@over_images
def reference_enlargement(image):
    """Shrunk and enlarged line by line, with Pillow's weights."""
    matrices = []
    for size in image.shape[:2]:
        small = max(size // 4, 1)
        shrink = resizing(size, small, Image.Resampling.BOX)
        matrices.append(resizing(small, size, Image.Resampling.BICUBIC) @ shrink)
    return image - np.einsum("ih,hwc,jw->ijc", matrices[0], image, matrices[1])


OPS = {
    "enlargement": (residuals.enlargement_residual, reference_enlargement),
    "srm": (residuals.srm, reference_srm),
    "high_pass": (residuals.high_pass, reference_high_pass),
    "noise": (lambda x: residuals.noise_residual(x[..., 0]), reference_noise),
}
every_op = pytest.mark.parametrize("name", OPS)


def random_array(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@every_op
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_float64_reference(name, shape):
    ours, reference = OPS[name]
    image = random_array(*shape)
    got = ours(jnp.asarray(image))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, reference(image), rtol=0, atol=5e-6)


@every_op
def test_bfloat16_in_bfloat16_out(name):
    ours, reference = OPS[name]
    image = jnp.asarray(random_array(7, 6, 3), jnp.bfloat16)
    got = ours(image)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        np.float64(got), reference(np.float64(image)), rtol=2**-7, atol=2**-8
    )


@every_op
def test_gradient_equals_float64_differences(name):
    ours, reference = OPS[name]
    image, direction = np.random.default_rng(1).random((2, 8, 7, 3))
    step = 1e-6
    ahead, behind = (
        np.sum(np.sin(reference(image + s * direction))) for s in (step, -step)
    )
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(ours(x)))))(
        jnp.float32(image)
    )
    got = np.sum(np.float64(gradient) * direction)
    np.testing.assert_allclose(got, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-5)


@every_op
@pytest.mark.parametrize("value", (0.0, 0.4))
def test_flat_pictures_leave_nothing_and_have_finite_gradients(name, value):
    image = jnp.full((9, 8, 3), value)
    function = OPS[name][0]
    np.testing.assert_allclose(function(image)[2:-2, 2:-2], 0, atol=1e-6)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(function(x) ** 2)))(image)
    assert jnp.isfinite(gradient).all()


def test_srm_kernels_are_those_of_the_papers():
    kernels = residuals.SRM_KERNELS
    assert kernels.shape == (3, 5, 5)
    np.testing.assert_allclose(kernels.sum((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(kernels[:, 2, 2], [-1, -1, -1])
    np.testing.assert_allclose(12 * kernels[1, 2], [-2, 8, -12, 8, -2], rtol=1e-6)
    np.testing.assert_allclose(np.abs(kernels).sum((1, 2)), [4, 8, 2], rtol=1e-6)
    np.testing.assert_array_equal(kernels, kernels[:, ::-1, ::-1])


def test_srm_clips_where_asked():
    image = jnp.asarray(random_array(9, 8, 3))
    free, clipped = residuals.srm(image), residuals.srm(image, clip=0.3)
    assert jnp.abs(free).max() > 0.3
    np.testing.assert_array_equal(clipped, np.clip(free, -0.3, 0.3))


def test_high_pass_is_blind_to_slopes():
    rows, columns = np.mgrid[:8, :9] / 10
    image = jnp.float32(np.stack([rows, columns, rows - columns], axis=-1))
    got = residuals.high_pass(image)
    np.testing.assert_allclose(got[1:-1, 1:-1], 0, atol=1e-6)
    assert jnp.abs(got).max() > 0.05  # at the mirror


def test_fingerprint_is_the_mean_over_pictures():
    pictures = random_array(5, 6, 7)
    got = residuals.fingerprint(jnp.asarray(pictures))
    np.testing.assert_allclose(got, np.float64(pictures).mean(0), rtol=1e-6)
    assert residuals.fingerprint(jnp.zeros((2, 3, 4), "bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize("batch", ((), (4,), (2, 3)), ids=str)
@pytest.mark.parametrize("channels", ((), (3,)), ids=str)
def test_correlation_is_pearsons(batch, channels):
    pattern = random_array(9, 7, *channels)
    pictures = random_array(*batch, 9, 7, *channels, seed=1) + 0.5 * pattern
    got = residuals.correlation(jnp.asarray(pattern), jnp.asarray(pictures))
    assert got.shape == batch
    flat = np.float64(pictures).reshape(-1, pattern.size)
    want = [np.corrcoef(pattern.ravel(), picture)[0, 1] for picture in flat]
    np.testing.assert_allclose(np.ravel(got), want, rtol=0, atol=1e-6)


@given(st.floats(0.01, 100), st.floats(-1, 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_correlation_ignores_scale_and_offset(scale, offset):
    pattern = random_array(8, 9)
    moved = jnp.asarray(scale * (pattern + offset))
    got = residuals.correlation(jnp.asarray(pattern), jnp.stack([moved, -moved]))
    np.testing.assert_allclose(got, [1, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", (0.0, 0.1, 1e-20, -7e5))
def test_correlation_with_a_constant_is_zero(value):
    pattern, flat = jnp.asarray(random_array(13, 11)), jnp.full((13, 11), value)
    for pair in ((pattern, flat), (flat, pattern), (flat, flat)):
        assert residuals.correlation(*pair) == 0
        gradients = jax.jit(jax.grad(residuals.correlation, (0, 1)))(*pair)
        assert all(jnp.isfinite(gradient).all() for gradient in gradients)


def test_correlation_gradient_equals_float64_differences():
    pattern, picture, direction = np.random.default_rng(2).random((3, 8, 6))
    ahead, behind = (
        np.corrcoef(pattern.ravel(), (picture + s * direction).ravel())[0, 1]
        for s in (1e-6, -1e-6)
    )
    gradient = jax.jit(jax.grad(residuals.correlation, 1))(
        jnp.float32(pattern), jnp.float32(picture)
    )
    got = np.sum(np.float64(gradient) * direction)
    np.testing.assert_allclose(got, (ahead - behind) / 2e-6, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", ((5, 5, 3, 6), (3, 5, 1, 2), (1, 3, 2, 2)), ids=str)
def test_constrain_divides_by_the_sum(shape):
    kernel = random_array(*shape)
    got = np.float64(residuals.constrain(jnp.asarray(kernel)))
    middle = shape[0] // 2, shape[1] // 2
    np.testing.assert_array_equal(got[middle], -1)
    got[middle] = 0
    want = np.float64(kernel)
    want[middle] = 0
    np.testing.assert_allclose(got, want / want.sum((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(got.sum((0, 1)), 1, rtol=1e-6)


@pytest.mark.parametrize("noise", (0.0, 1e-6))
def test_constrain_survives_a_vanishing_sum(noise):
    kernel = np.zeros((5, 5, 1, 2), np.float32)
    kernel[0, 0, 0, 1], kernel[4, 4, 0, 1] = 1 + noise, -1
    got = residuals.constrain(jnp.asarray(kernel))
    assert jnp.abs(got).max() < 1.1
    np.testing.assert_allclose(got.sum((0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(got[0, 1], 1 / 24, rtol=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_constrain_is_a_projection(seed):
    kernel = np.random.default_rng(seed).standard_normal((5, 5, 3, 4))
    once = residuals.constrain(jnp.float32(kernel))
    scale = np.abs(once).max()
    np.testing.assert_allclose(once.sum((0, 1)), 0, atol=1e-5 * scale)
    np.testing.assert_allclose(
        residuals.constrain(once), once, rtol=1e-4, atol=1e-4 * scale
    )


def test_constrain_keeps_bfloat16_and_has_finite_gradients():
    kernel = jnp.asarray(random_array(5, 5, 3, 3), "bfloat16")
    assert residuals.constrain(kernel).dtype == jnp.bfloat16
    for value in (kernel, jnp.zeros((5, 5, 3, 3))):
        gradient = jax.jit(jax.grad(lambda k: jnp.sum(residuals.constrain(k) ** 2)))(
            value
        )
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("shape", ((4, 4, 1, 1), (3, 2, 1, 1), (1, 1, 1, 1)), ids=str)
def test_constrain_refuses_kernels_without_surroundings(shape):
    with pytest.raises(ValueError, match="no centre and surroundings"):
        residuals.constrain(jnp.ones(shape))
