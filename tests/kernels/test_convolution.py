"""Convolution in its formulations, against numpy, scipy and each other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import ndimage, signal

from jaxforensics.kernels import convolution_forms
from jaxforensics.kernels.convolution import conv, in_pieces, strided
from jaxforensics.kernels.convolution_forms import matmul, plain_conv

random = np.random.default_rng(0)


FORMS = {
    "plain": lambda x, kernel, sides: plain_conv(x, kernel, padding=sides),
    "matmul": lambda x, kernel, sides: matmul(x, kernel),
    "pieces": in_pieces,
}
CASES = [  # form, size of the kernel, channels in and out
    ("plain", 3, 4, 5),
    ("matmul", 1, 4, 5),
    ("pieces", 3, 4, 5),  # planes, as all up to 36 pairs of channels
    ("pieces", 3, 3, 3),
    ("pieces", 5, 2, 6),
    ("pieces", 2, 4, 5),
    ("pieces", 3, 3, 16),  # blocks, as up to four channels
    ("pieces", 5, 4, 10),
    ("pieces", 4, 1, 40),
    ("pieces", 4, 40, 1),  # whose picture's gradient is blocks
    ("pieces", 2, 5, 8),  # a border
    ("pieces", 3, 12, 16),
    ("pieces", 5, 12, 12),
]


@pytest.fixture(autouse=True)
def every_digit():
    """It is algebra that is tested, not what GPUs make of float32."""
    with jax.default_matmul_precision("highest"):
        yield


@pytest.mark.parametrize(("form", "size", "channels", "width"), CASES)
@pytest.mark.parametrize("shape", [(4, 9, 7), (1, 6, 11)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("pixels", [30, 150])  # bands of a picture, two pictures
def test_convolutions_agree_with_scipy(
    monkeypatch, form, size, channels, width, shape, padding, pixels
):
    """Values and gradients: the gradient of a correlation is a correlation."""
    monkeypatch.setattr(convolution_forms, "PIXELS", pixels)
    x = random.normal(size=(*shape, channels))
    kernel = random.normal(size=(size, size, channels, width))
    more = (size - 1) // 2 if padding == "SAME" else 0
    rest = size // 2 if padding == "SAME" else 0
    sides = ((more, rest),) * 2

    def expected(image, kernel):
        image = np.pad(image, ((0, 0), *sides, (0, 0)))
        flipped = kernel[::-1, ::-1]
        full = [
            sum(
                signal.convolve(image[b, ..., i], flipped[..., i, o], "valid")
                for i in range(channels)
            )
            for b in range(len(image))
            for o in range(width)
        ]
        return np.moveaxis(np.reshape(full, (len(x), width, *full[0].shape)), 1, -1)

    @jax.jit
    def value_and_gradients(x, kernel, gradient):
        value, pull_back = jax.vjp(lambda x, k: FORMS[form](x, k, sides), x, kernel)
        return value, *pull_back(gradient)

    result = expected(x, kernel)
    gradient = random.normal(size=result.shape)
    arrays = map(jnp.float32, (x, kernel, gradient))
    value, of_x, of_kernel = value_and_gradients(*arrays)
    np.testing.assert_allclose(value, result, atol=1e-4)
    of_x = np.float64(of_x)
    of_kernel = np.float64(of_kernel)
    for _ in range(3):  # the adjoint of a linear map, along random directions
        direction = random.normal(size=x.shape)
        slope = np.sum(expected(direction, kernel) * gradient)
        assert np.sum(direction * of_x) == pytest.approx(slope, abs=1e-3)
        direction = random.normal(size=kernel.shape)
        slope = np.sum(expected(x, direction) * gradient)
        assert np.sum(direction * of_kernel) == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("padding", ["SAME", "VALID", 1, 4])
@pytest.mark.parametrize(
    "size, widths",
    [
        *[(1, (3, 4)), (3, (3, 24)), (3, (12, 24))],
        *[(3, (3, 3)), (4, (3, 4)), (7, (3, 4))],
    ],
)
def test_the_backend_chooses_only_the_speed(
    monkeypatch, backend, padding, size, widths
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x = jnp.float32(random.normal(size=(2, 9, 8, widths[0])))
    kernel = jnp.float32(random.normal(size=(size, size, *widths)))
    oracle = lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        ((padding, padding),) * 2 if isinstance(padding, int) else padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    found = conv(x, kernel, padding=padding)
    np.testing.assert_allclose(found, oracle, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "stride"), [(4, 2), (3, 2), (5, 3), (2, 2), (3, 3), (2, 3)]
)
@pytest.mark.parametrize(
    "shape", [(2, 8, 8, 3), (3, 9, 7, 2), (2, 8, 9, 5), (2, 6, 6, 33)]
)
def test_strided_convolutions_differentiate_twice_as_jax_does(size, stride, shape):
    """A gradient penalty's value, and its gradients of picture and kernel."""
    x = jnp.float32(random.normal(size=shape))
    kernel = jnp.float32(random.normal(size=(size, size, shape[-1], 4)))
    sides = ((1, 1), (1, 2))

    def by_lax(x, kernel, sides, stride):
        return plain_conv(x, kernel, padding=sides, stride=stride)

    def penalty(x, kernel, form):
        def value(x):
            return jnp.sum(jnp.tanh(form(x, kernel, sides, stride)) ** 2)

        slope = jax.grad(value)(x)
        return jnp.sum(slope**2) + value(x)

    def value_and_gradients(form):
        both = jax.value_and_grad(partial(penalty, form=form), argnums=(0, 1))
        value, gradients = jax.jit(both)(x, kernel)
        return value, *gradients

    forms = strided, by_lax
    for ours, theirs in zip(*map(value_and_gradients, forms), strict=True):
        scale = float(jnp.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (4, 2)])
def test_half_precision_stays_and_rounds_alone(size, stride):
    x = jnp.asarray(random.normal(size=(2, 8, 8, 3)), jnp.bfloat16)
    kernel = jnp.asarray(random.normal(size=(size, size, 3, 24)), jnp.bfloat16)

    def both(form, *arrays):
        value, back = jax.vjp(form, *arrays)
        return value, *back(jnp.ones_like(value))

    def exact(x, kernel):
        return plain_conv(x, kernel, padding=1, stride=stride)

    ours = both(lambda *a: conv(*a, padding=1, stride=stride), x, kernel)
    wide = both(exact, jnp.float32(x), jnp.float32(kernel))
    for found, expected in zip(ours, wide, strict=True):
        assert found.dtype == jnp.bfloat16
        scale = float(jnp.abs(expected).max())
        np.testing.assert_allclose(np.float32(found), expected, atol=0.02 * scale)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize(
    "size, padding, stride", [(7, 3, 2), (3, "VALID", 2), (5, 2, 1)]
)
def test_strides_and_borders(monkeypatch, backend, size, padding, stride):
    """Every `stride`-th value of a plain correlation, `cut` from the border."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x, kernel = (
        random.normal(size=(2, 13, 10, 3)),
        random.normal(size=(size, size, 3, 4)),
    )
    planes = [
        sum(
            ndimage.correlate(x[..., i], kernel[None, ..., i, o], mode="constant")
            for i in range(3)
        )
        for o in range(4)
    ]
    cut = size // 2 - (0 if padding == "VALID" else padding)
    inside = np.stack(planes, -1)[:, cut : 13 - cut, cut : 10 - cut]
    ours = conv(jnp.float32(x), jnp.float32(kernel), padding=padding, stride=stride)
    np.testing.assert_allclose(ours, inside[:, ::stride, ::stride], atol=1e-4)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_a_strided_point_reads_every_other_pixel(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x, kernel = random.normal(size=(2, 7, 4, 3)), random.normal(size=(1, 1, 3, 5))
    ours = conv(jnp.float32(x), jnp.float32(kernel), stride=2)
    np.testing.assert_allclose(ours, x[:, ::2, ::2] @ kernel[0, 0], atol=1e-5)
