"""Every filter equals scipy's, or a sum over taps, in float64."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxforensics.ops import filters

SHAPES = ((2, 9, 14, 3), (13, 8, 1), (2, 1, 3, 2, 4), (1, 1, 2))  # the last two: tiny


def per_plane(function):
    """Apply a function of two-dimensional arrays to each channel."""

    def apply(image, *arguments):
        planes = np.moveaxis(np.float64(image), -1, 0)
        planes = planes.reshape(-1, *image.shape[-3:-1])
        filtered = np.stack([function(plane, *arguments) for plane in planes])
        channels, *batch = image.shape[-1], *image.shape[:-1]
        return np.moveaxis(filtered.reshape(channels, *batch), 0, -1)

    return apply


@per_plane
def reference_gaussian(plane, size, sigma=None):
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8 if sigma is None else sigma
    taps = np.exp(-(np.linspace(-(size // 2), size // 2, size) ** 2) / (2 * sigma**2))
    for axis in (0, 1):
        plane = scipy.ndimage.correlate1d(plane, taps / taps.sum(), axis, mode="mirror")
    return plane


@per_plane
def reference_mean(plane, size):
    return scipy.ndimage.uniform_filter(plane, size, mode="mirror")


@per_plane
def reference_median(plane, size):
    return scipy.ndimage.median_filter(plane, size, mode="mirror")


@per_plane
def reference_wiener(plane, size, noise=None):
    return scipy.signal.wiener(plane, size, noise)


def reference_pixelwise(image, precision, size):
    image, radius = np.float64(image), size // 2
    height, width = image.shape[-3:-1]
    border = [(0, 0)] * (image.ndim - 3) + [(radius, radius)] * 2 + [(0, 0)]
    padded = np.pad(image, border, mode="reflect")
    total = norm = 0.0
    for i, j in np.ndindex(size, size):
        squares = (i - radius) ** 2 + (j - radius) ** 2
        weight = np.exp(-squares / 2 * np.float64(precision))[..., None]
        total = total + weight * padded[..., i : i + height, j : j + width, :]
        norm = norm + weight
    return total / norm


def wiener(image, size):
    """Of each channel."""
    planes = jnp.moveaxis(image, -1, 0)
    return jnp.moveaxis(filters.wiener(planes, size=size), 0, -1)


def pixelwise(image, size):
    """With a precision that is a function of the picture."""
    return filters.pixelwise_gaussian_blur(image, 3 * image[..., 0], size=size)


OPS = {
    "gaussian": (lambda x, k: filters.gaussian_blur(x, size=k), reference_gaussian),
    "mean": (lambda x, k: filters.mean_blur(x, size=k), reference_mean),
    "median": (lambda x, k: filters.median_blur(x, size=k), reference_median),
    "wiener": (wiener, reference_wiener),
    "pixelwise": (pixelwise, lambda x, k: reference_pixelwise(x, 3 * x[..., 0], k)),
}
every_op = pytest.mark.parametrize("name", OPS)


def random_image(shape=(2, 9, 14, 3), seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@every_op
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", (3, 5, 7))
def test_equals_float64_reference(name, shape, size):
    ours, reference = OPS[name]
    image = random_image(shape)
    got = ours(jnp.asarray(image), size)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, reference(image, size), rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", (1, 3, 5, 7, 9))
def test_median_is_exact_also_with_ties(size):
    image = np.random.default_rng(1).integers(0, 6, (2, 11, 10, 3)).astype(np.uint8)
    want = scipy.ndimage.median_filter(image, (1, size, size, 1), mode="mirror")
    got = filters.median_blur(jnp.asarray(image), size=size)
    assert got.dtype == jnp.uint8
    np.testing.assert_array_equal(got, want)


@every_op
def test_window_of_one_pixel_is_the_identity(name):
    image = random_image()
    np.testing.assert_array_equal(OPS[name][0](jnp.asarray(image), 1), image)


@every_op
def test_bfloat16_in_bfloat16_out(name):
    ours, reference = OPS[name]
    image = jnp.asarray(random_image(), jnp.bfloat16)
    got = ours(image, 3)
    assert got.dtype == jnp.bfloat16
    want = reference(np.float64(image), 3)
    # The precision of `pixelwise` is rounded to 8 bits too.
    np.testing.assert_allclose(np.float64(got), want, rtol=0, atol=2**-8)


@every_op
@pytest.mark.parametrize("size", (3, 5))
def test_gradient_equals_float64_differences(name, size):
    ours, reference = OPS[name]
    rng = np.random.default_rng(2)
    shape = (2, 4, 7, 2)  # narrower than the larger window's reach on both sides
    image, cotangent, direction = rng.random((3, *shape))
    step = 1e-6
    ahead, behind = (reference(image + s * direction, size) for s in (step, -step))
    want = np.sum(cotangent * (ahead - behind)) / (2 * step)
    gradient = jax.jit(
        jax.grad(lambda x: jnp.sum(cotangent.astype("f4") * ours(x, size)))
    )
    got = np.sum(np.float64(gradient(jnp.float32(image))) * direction)
    np.testing.assert_allclose(got, want, rtol=2e-5)


@every_op
@pytest.mark.parametrize("value", (0.0, 0.3, 1.0))
def test_flat_pictures_have_finite_gradients(name, value):
    image = jnp.full((5, 6, 3), value)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(OPS[name][0](x, 3)))))(image)
    assert jnp.isfinite(gradient).all()


@every_op
@pytest.mark.parametrize("size", (0, -3, 4))
def test_refuses_a_window_without_a_middle(name, size):
    with pytest.raises(ValueError, match=f"odd.*{size}"):
        OPS[name][0](jnp.zeros((5, 6, 3)), size)


@pytest.mark.parametrize("size, sigma", ((3, 0.8), (5, 1.1), (7, 1.4), (9, 1.7)))
def test_sigma_is_opencvs(size, sigma):
    assert filters.gaussian_sigma(size) == pytest.approx(sigma)


def test_sigma_per_image_is_that_of_each_image():
    image, sigmas = random_image((4, 8, 9, 3)), np.float32([0, 0.4, 1.5, 20])
    got = filters.gaussian_blur(jnp.asarray(image), size=7, sigma=jnp.asarray(sigmas))
    np.testing.assert_array_equal(got[0], image[0])
    for i in (1, 2, 3):
        want = reference_gaussian(image[i], 7, sigmas[i])
        np.testing.assert_allclose(got[i], want, rtol=0, atol=1e-6)


def test_gradient_of_sigma():
    image, step = np.float64(random_image((2, 8, 9, 3))), 1e-6
    loss = jax.jit(
        jax.grad(
            lambda s: jnp.sum(
                filters.gaussian_blur(jnp.float32(image), size=5, sigma=s) ** 2
            )
        )
    )
    got = loss(jnp.array([0.7, 0.0]))
    ahead, behind = (
        np.sum(reference_gaussian(image[0], 5, 0.7 + s) ** 2) for s in (step, -step)
    )
    np.testing.assert_allclose(got[0], (ahead - behind) / (2 * step), rtol=1e-4)
    assert got[1] == 0


def test_wieners_noise_is_one_or_one_per_image():
    image = random_image((3, 9, 8))
    noises = np.float32([0.01, 0.05, 0.2])
    got = filters.wiener(jnp.asarray(image), size=5, noise=jnp.asarray(noises))
    for plane, noise, ours in zip(image, noises, got, strict=True):
        want = scipy.signal.wiener(np.float64(plane), 5, noise)
        np.testing.assert_allclose(ours, want, rtol=0, atol=1e-6)
    one = filters.wiener(jnp.asarray(image), size=5, noise=0.05)
    np.testing.assert_array_equal(one[1], got[1])


def test_wiener_survives_smooth_and_empty_pictures():
    # Float32 E[x²] - E[x]² would be wrong by a tenth of this local variance.
    rows, columns = np.mgrid[:24, :31]
    noise = 2e-4 * np.random.default_rng(3).standard_normal((24, 31))
    smooth = np.float32(0.8 + 1e-4 * rows - 2e-4 * columns + noise)
    want = scipy.signal.wiener(np.float64(smooth), 3, 1e-7)
    got = filters.wiener(jnp.asarray(smooth), noise=1e-7)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-7)
    np.testing.assert_array_equal(filters.wiener(jnp.zeros((6, 7))), 0)


def test_pixelwise_limits_are_the_identity_and_the_mean():
    image = jnp.asarray(random_image())
    precision = jnp.zeros(image.shape[:-1])
    blur = functools.partial(filters.pixelwise_gaussian_blur, size=7)
    mean = filters.mean_blur(image, size=7)
    np.testing.assert_allclose(blur(image, precision), mean, rtol=0, atol=1e-6)
    for value in (200, 1e6, 3e38):
        np.testing.assert_array_equal(blur(image, precision + value), image)
        gradients = jax.jit(jax.grad(lambda *x: jnp.sum(blur(*x) ** 2), (0, 1)))(
            image, precision + value
        )
        np.testing.assert_allclose(gradients[0], 2 * image, rtol=1e-6)
        np.testing.assert_allclose(gradients[1], 0, atol=1e-30)  # subnormal on GPUs


@given(st.floats(0.3, 3), st.sampled_from((3, 5, 9)))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_pixelwise_with_a_constant_map_is_the_gaussian_blur(sigma, size):
    image = jnp.asarray(random_image())
    precision = jnp.full(image.shape[1:-1], 1 / sigma**2)  # one map for all images
    got = filters.pixelwise_gaussian_blur(image, precision, size=size)
    want = reference_gaussian(image, size, sigma)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("parametrisation", filters.PARAMETRISATIONS)
def test_pixelwise_gradients_to_maps_in_every_parametrisation(parametrisation):
    """By differences of the float64 reference, which knows precisions alone."""
    precisions = {
        "precision": lambda value: value,
        "sigma": lambda value: 1 / value**2,
        "inverse_sigma": lambda value: value**2,
    }
    rng = np.random.default_rng(5)
    image, cotangent = rng.standard_normal((2, 2, 8, 11, 3))
    value, slope = rng.uniform(0.5, 2, (2, 2, 8, 11))

    def blurred(value):
        precision = filters.to_precision(value, parametrisation)
        return filters.pixelwise_gaussian_blur(jnp.float32(image), precision, size=5)

    def reference(value):
        return reference_pixelwise(image, precisions[parametrisation](value), 5)

    got, back = jax.vjp(blurred, jnp.float32(value))
    np.testing.assert_allclose(got, reference(value), rtol=0, atol=5e-6)
    ahead, behind = (reference(value + step * slope) for step in (1e-6, -1e-6))
    want = np.sum(cotangent * (ahead - behind)) / 2e-6
    (gradient,) = back(jnp.float32(cotangent))
    np.testing.assert_allclose(np.sum(gradient * slope), want, rtol=2e-5)


def test_no_blur_is_the_identity_however_it_is_given():
    image = jnp.asarray(random_image())
    for parametrisation, value in (("sigma", 0.0), ("inverse_sigma", 100.0)):
        flat = jnp.full(image.shape[:-1], value)

        def blurred(flat, parametrisation=parametrisation):
            precision = filters.to_precision(flat, parametrisation)
            return filters.pixelwise_gaussian_blur(image, precision, size=5)

        np.testing.assert_array_equal(blurred(flat), image)
        gradient = jax.grad(lambda x, f=blurred: jnp.sum(f(x) ** 2))(flat)
        np.testing.assert_array_equal(gradient, 0)
    with pytest.raises(ValueError, match="'sigm'.*'inverse_sigma'"):
        filters.to_precision(flat, "sigm")


@pytest.mark.parametrize("size", (3, 9))
def test_pixelwise_gradients_to_image_and_map(size):
    rng = np.random.default_rng(4)
    image, cotangent, direction = rng.standard_normal((3, 2, 8, 11, 3))
    precision, slope = rng.uniform(0, 4, (2, 2, 8, 11))
    got = jax.vjp(
        functools.partial(filters.pixelwise_gaussian_blur, size=size),
        *(jnp.float32(x) for x in (image, precision)),
    )[1](jnp.float32(cotangent))
    want = np.sum(cotangent * reference_pixelwise(direction, precision, size))
    np.testing.assert_allclose(np.sum(got[0] * direction), want, rtol=2e-5)
    ahead, behind = (
        reference_pixelwise(image, precision + step * slope, size)
        for step in (1e-6, -1e-6)
    )
    want = np.sum(cotangent * (ahead - behind)) / 2e-6
    np.testing.assert_allclose(np.sum(got[1] * slope), want, rtol=2e-5)


@pytest.mark.usefixtures("only_cpu")
@pytest.mark.parametrize("gradient", (False, True))
def test_pixelwise_keeps_no_patches(gradient):
    """By the compiler's own analysis; patches would grow with the window's area."""

    def pictures(size):
        def function(*arrays):
            return filters.pixelwise_gaussian_blur(*arrays, size=size)

        if gradient:
            blur = function
            function = jax.grad(lambda *arrays: jnp.sum(blur(*arrays) ** 2), (0, 1))
        shapes = [jax.ShapeDtypeStruct(s, "float32") for s in ((64, 64, 3), (64, 64))]
        memory = jax.jit(function).lower(*shapes).compile().memory_analysis()
        return memory.temp_size_in_bytes / (4 * 64 * 64 * 3)

    small, large = pictures(3), pictures(9)
    assert large < (20 if gradient else 4)  # patches would be 81 and more
    # No more than windows get longer, while their area grows ninefold.
    assert large < 3 * small


def test_new_values_compile_nothing():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def every(image, precision, sigma, noise):
        return (
            filters.gaussian_blur(image, size=3, sigma=sigma),
            filters.pixelwise_gaussian_blur(image, precision, size=3),
            filters.wiener(image[..., 0], noise=noise),
        )

    for seed in range(3):
        image, value = jnp.asarray(random_image(seed=seed)), seed + 0.5
        every(image, image[..., 1], value, value)


@pytest.mark.usefixtures("four_devices")
@every_op
def test_a_batch_over_four_devices_stays_there(name):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    image = random_image((4, 8, 7, 3))

    @jax.jit
    def gradient(image):
        return jax.jit(jax.grad(lambda x: jnp.sum(OPS[name][0](x, 3) ** 2)))(image)

    spread = jax.device_put(image, sharding)
    program = gradient.lower(spread).compile()
    assert "all-gather" not in program.as_text()
    got = program(spread)
    assert got.sharding.is_equivalent_to(sharding, got.ndim)
    np.testing.assert_allclose(got, gradient(jnp.asarray(image)), rtol=0, atol=1e-6)
