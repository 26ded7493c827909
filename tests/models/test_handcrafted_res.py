"""Hand-Crafted-Res against a float64 reading in numpy and scipy."""

import jax
import numpy as np
import pytest
from scipy import ndimage
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)
SMALL = {"num_classes": 3, "widths": (6, 8, 10), "hidden": (12, 9)}


def correlated(x, kernel, mode):
    """(b, h, w, c), (k, k, c, d) -> (b, h, w, d)."""
    planes = [
        sum(
            ndimage.correlate(x[..., i], kernel[None, ..., i, o], mode=mode)
            for i in range(kernel.shape[2])
        )
        for o in range(kernel.shape[3])
    ]
    return np.stack(planes, -1)


def residuals(x):
    """Mean of two neighbours minus the pixel, in the row, the column, and both."""
    row = np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]]) / 2
    kernels = row, row.T, np.outer([1, -2, 1], [1, -2, 1]) / 4
    kernels = [np.einsum("ij,cd->ijcd", kernel, np.eye(3)) for kernel in kernels]
    return correlated(x, np.concatenate(kernels, -1), "mirror")


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def reference(params, image):
    x = residuals(255 * np.float64(image))
    for layer in ("conv_1", "conv_2", "conv_3"):
        kernel = np.float64(params[layer]["kernel"])
        x = leaky(correlated(x, kernel, "constant") + params[layer]["bias"])
        rows, columns = (n % 2 for n in x.shape[1:3])
        x = np.pad(
            x, [(0, 0), (0, rows), (0, columns), (0, 0)], constant_values=-np.inf
        )
        x = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).max((2, 4))
    x = x.reshape(len(x), -1)
    for layer in ("dense_1", "dense_2"):
        x = leaky(x @ np.float64(params[layer]["kernel"]) + params[layer]["bias"])
    return x @ np.float64(params["logits"]["kernel"]) + params["logits"]["bias"]


@pytest.mark.parametrize("shape", [(2, 16, 24, 3), (1, 21, 13, 3)])
def test_equals_numpy(shape):
    module = models.build("handcrafted_res", **SMALL)
    variables = filled(random, module, shape)
    image = random.random(shape, np.float32)
    expected = reference(variables["params"], image)
    logits = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.ptp(expected))


def test_gradients_reach_every_parameter():
    module = models.build("handcrafted_res", **SMALL)
    image = random.random((2, 16, 16, 3), np.float32)
    variables = filled(random, module, image.shape)

    def total(params):
        return module.apply({"params": params}, image, train=True).sum()

    gradients = jax.jit(jax.grad(total))(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, path
