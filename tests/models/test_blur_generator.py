"""The generator of blurs: every layer in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import filled

from jaxforensics import models

random = np.random.default_rng(0)


def convolve(x, kernel, padding=0, stride=1, mode="constant"):
    sides = (padding, padding)
    x = np.pad(x, [(0, 0), sides, sides, (0, 0)], mode=mode)
    view = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], (1, 2))
    view = view[:, ::stride, ::stride]
    return np.tensordot(view, np.float64(kernel), ([3, 4, 5], [2, 0, 1]))


def rise(x, kernel):
    """Zeros between the pixels and behind the last, then a convolution."""
    batch, height, width, channels = x.shape
    spread = np.zeros((batch, 2 * height + 2, 2 * width + 2, channels))
    spread[:, 1:-1:2, 1:-1:2] = x
    return convolve(spread, kernel)


def reference(variables, image, blocks):
    params, stats = variables["params"], variables["batch_stats"]

    def norm(x, name):
        at = {k: np.float64(v) for k, v in {**params[name], **stats[name]}.items()}
        x = (x - at["mean"]) / np.sqrt(at["var"] + 1e-5)
        return x * at["scale"] + at["bias"]

    def kernel(name):
        return params[name]["kernel"]

    def layer(x, name, *borders):
        x = norm(convolve(x, kernel(name), *borders), f"{name}_norm")
        return np.maximum(x, 0)

    x = layer(2 * np.float64(image) - 1, "first", 3, 1, "reflect")
    for i in (1, 2):
        x = layer(x, f"down_{i}", 1, 2)
    for i in range(1, blocks + 1):
        y = layer(x, f"block_{i}_1", 1, 1, "reflect")
        y = convolve(y, kernel(f"block_{i}_2"), 1, 1, "reflect")
        x = x + norm(y, f"block_{i}_2_norm")
    for i in (1, 2):
        x = np.maximum(norm(rise(x, kernel(f"up_{i}")), f"up_{i}_norm"), 0)
    bias = params["map"]["bias"]
    return (convolve(x, kernel("map"), 3, 1, "reflect") + bias)[..., 0]


def test_equals_numpy():
    module = models.build("blur_generator", width=4, blocks=2)
    image = random.random((2, 20, 12, 3), np.float32)
    variables = filled(random, module, image)
    expected = reference(variables, image, 2)
    found = jax.jit(module.apply)(variables, image)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("shape", [(1, 18, 20, 3), (1, 4, 8, 3)])
def test_sides_that_do_not_halve_twice_are_refused(shape):
    module = models.build("blur_generator", width=4)
    with pytest.raises(ValueError, match="multiples of 4"):
        jax.eval_shape(
            module.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32)
        )
