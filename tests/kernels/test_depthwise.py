"""Depthwise convolution in its formulations, against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxforensics.kernels import depthwise

FORMS = {"plain": depthwise.plain_depthwise, "taps": depthwise.sum_of_taps}
random = np.random.default_rng(0)


def correlated(x, kernel):
    """Each channel of (b, h, w, c) with its kernel of (k, k, 1, c), zeros around."""
    planes = [
        ndimage.correlate(x[..., c], kernel[None, :, :, 0, c], mode="constant")
        for c in range(x.shape[-1])
    ]
    return np.stack(planes, -1)


def of_kernel(x, size, gradient):
    """Products of the gradient with the picture, shifted tap by tap."""
    margin, (height, width) = size // 2, x.shape[1:3]
    x = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    taps = [
        (x[:, i : i + height, j : j + width] * gradient).sum((0, 1, 2))
        for i in range(size)
        for j in range(size)
    ]
    return np.reshape(taps, (size, size, 1, -1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "shape, size",
    [
        ((1, 5, 8, 3), 3),
        ((3, 4, 7, 2), 5),
        ((5, 1, 2, 1), 3),
        ((8, 6, 3, 4), 3),
        ((2, 3, 3, 2), 1),
    ],
)
def test_values_and_gradients_agree_with_scipy(form, shape, size):
    x = random.normal(size=shape)
    kernel = random.normal(size=(size, size, 1, shape[-1]))
    gradient = random.normal(size=shape)

    @jax.jit
    def value_and_gradients(x, kernel, gradient):
        value, pull_back = jax.vjp(FORMS[form], x, kernel)
        return value, *pull_back(gradient)

    found = value_and_gradients(*map(jnp.float32, (x, kernel, gradient)))
    expected = (
        correlated(x, kernel),
        correlated(gradient, kernel[::-1, ::-1]),
        of_kernel(x, size, gradient),
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_the_backend_chooses_only_the_speed(monkeypatch, backend):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x, kernel = random.normal(size=(2, 6, 5, 4)), random.normal(size=(3, 3, 1, 4))
    ours = depthwise.depthwise(jnp.float32(x), jnp.float32(kernel))
    np.testing.assert_allclose(ours, correlated(x, kernel), atol=1e-5)


def test_a_kernel_without_a_centre_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) pixels"):
        depthwise.depthwise(jnp.zeros((1, 4, 4, 3)), jnp.zeros((2, 2, 1, 3)))
    with pytest.raises(ValueError, match=r"\(3, 1\) pixels"):
        depthwise.depthwise(jnp.zeros((1, 4, 4, 3)), jnp.zeros((3, 1, 1, 3)))
