"""Every tuned kernel against the plain formula beside it: values and gradients.

A new kernel joins with one row or more of `CASES`.
"""

import importlib
import inspect
import pkgutil
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics import kernels

# Module, kernel, settings, shapes of its arrays: odd sides, no batch axis, one pixel.
CASES = [
    ("convolution", "conv", {}, [(2, 7, 5, 3), (3, 3, 3, 4)]),  # planes
    ("convolution", "conv", {"padding": "VALID"}, [(3, 9, 7, 4), (4, 4, 4, 10)]),
    ("convolution", "conv", {"padding": 0}, [(1, 9, 8, 8), (3, 3, 8, 9)]),  # a border
    ("convolution", "conv", {"padding": 2}, [(2, 6, 5, 3), (3, 3, 3, 16)]),  # blocks
    ("convolution", "conv", {"padding": 3}, [(2, 8, 9, 2), (7, 7, 2, 3)]),
    ("convolution", "conv", {"stride": 2}, [(4, 7, 5, 6), (1, 1, 6, 3)]),  # one pixel
    ("convolution", "conv", {"stride": 2, "padding": 1}, [(2, 9, 7, 3), (4, 4, 3, 5)]),
    ("convolution", "conv", {"stride": 2, "padding": 1}, [(2, 8, 6, 6), (3, 3, 6, 2)]),
    ("convolution", "conv", {"stride": 2, "padding": 1}, [(2, 8, 7, 6), (4, 4, 6, 5)]),
    ("depthwise", "depthwise", {}, [(4, 7, 5, 3), (3, 3, 1, 3)]),
    ("depthwise", "depthwise", {}, [(3, 1, 2, 2), (5, 5, 1, 2)]),
    ("dilated", "dilated_conv", {"dilation": 2}, [(2, 9, 6, 3), (3, 3, 3, 12)]),
    ("dilated", "dilated_conv", {"dilation": 3}, [(2, 10, 13, 2), (5, 5, 2, 4)]),
    ("dilated", "dilated_conv", {"dilation": 4}, [(2, 5, 8, 6), (3, 3, 6, 8)]),
    ("dilated", "dilated_conv", {"dilation": 8}, [(2, 5, 8, 6), (3, 3, 6, 8)]),
    ("phases", "pixel_shuffle", {"factor": 3}, [(2, 3, 5, 18)]),
    ("phases", "pixel_shuffle", {"factor": 2}, [(3, 1, 8)]),
    ("pools", "max_pool", {"size": 2}, [(2, 7, 8, 3)]),
    ("pools", "max_pool", {"size": 3}, [(5, 1, 2)]),
    ("pools", "max_pool_places", {}, [(2, 7, 6, 3)]),
    ("pools", "ceil_max_pool", {"size": 3, "stride": 2}, [(2, 9, 8, 3)]),
    ("pools", "ceil_max_pool", {"size": 3, "stride": 2}, [(2, 1, 3)]),
    ("pools", "ceil_mean_pool", {"size": 3, "stride": 2}, [(2, 7, 8, 3)]),
    ("pools", "mean_pool", {"size": 2}, [(2, 7, 8, 3)]),
    ("pools", "floor_max_pool", {"size": 3, "stride": 2, "padding": 1}, [(2, 7, 8, 3)]),
    ("upsample", "transposed_convolution", {}, [(2, 5, 3, 4), (4, 4, 4, 3)]),
    ("upsample", "transposed_convolution", {}, [(2, 4, 5, 3), (3, 3, 3, 2)]),
    ("upsample", "repeated_convolution", {}, [(2, 3, 1, 4), (3, 3, 4, 2)]),
]
NAMES = [f"{name}-{i}" for i, (_, name, _, _) in enumerate(CASES)]


@pytest.fixture(autouse=True)
def every_digit():
    """It is algebra that is tested, not what GPUs make of float32."""
    with jax.default_matmul_precision("highest"):
        yield


@pytest.mark.parametrize("module, name, settings, shapes", CASES, ids=NAMES)
def test_a_kernel_is_its_plain_formula(module, name, settings, shapes):
    module = importlib.import_module(f"{kernels.__name__}.{module}")
    draw = np.random.default_rng(0)
    arrays = [jnp.float32(draw.normal(size=shape)) for shape in shapes]

    def value_and_gradients(kernel, *arrays):
        def first_result(*arrays):
            results = partial(kernel, **settings)(*arrays)
            # Where the maxima were has no gradient.
            if isinstance(results, tuple):
                return results
            return results, ()

        value, pull_back, rest = jax.vjp(first_result, *arrays, has_aux=True)
        return value, rest, pull_back(jnp.cos(value))

    tuned, plain = (
        jax.jit(partial(value_and_gradients, kernel))(*arrays)
        for kernel in (getattr(module, name), getattr(module, f"plain_{name}"))
    )
    assert jax.tree.structure(tuned) == jax.tree.structure(plain)
    for ours, theirs in zip(
        jax.tree.leaves(tuned), jax.tree.leaves(plain), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-5)


def test_every_plain_formula_is_held_against_its_kernel():
    paths = pkgutil.iter_modules(kernels.__path__, f"{kernels.__name__}.")
    plain = {
        name.removeprefix("plain_")
        for module in (importlib.import_module(path.name) for path in paths)
        for name, _ in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("plain_")
    }
    assert plain == {name for _, name, _, _ in CASES}
