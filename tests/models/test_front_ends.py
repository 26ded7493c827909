"""Constrained kernels: how they start, and that `project` restores them and no more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics import models
from jaxforensics.models.front_ends import Constrained

random = np.random.default_rng(0)
CONSTRAINED = [("mislnet", {}), ("model_base", {"front_end": "constrained"})]
FREE = [
    ("amtennet", {}),
    ("model_base", {}),
    ("model_base", {"front_end": "srm"}),
    ("handcrafted_res", {"hidden": (8,)}),
    ("meso4", {}),
]


def parameters(name, settings):
    """Random parameters, as updates leave them."""
    module = models.build(name, **settings)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    template = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    return jax.tree.map(
        lambda x: jnp.float32(random.normal(0.1, 0.1, x.shape)), template
    )


def sums(kernel):
    """Of the 24 weights around each centre."""
    return np.float64(kernel).sum((0, 1)) - np.float64(kernel)[2, 2]


@pytest.mark.parametrize("name, settings", CONSTRAINED)
def test_project_restores_the_constrained_kernel_alone(name, settings):
    params = parameters(name, settings)
    before = params["constrained"]["kernel"]
    after = models.project(params)
    expected = np.float64(before) / sums(before)
    expected[2, 2] = -1
    np.testing.assert_allclose(after["constrained"]["kernel"], expected, rtol=1e-4)
    rest = [
        {k: v for k, v in tree.items() if k != "constrained"}
        for tree in (params, after)
    ]
    assert all(a is b for a, b in zip(*map(jax.tree.leaves, rest), strict=True))
    again = models.project(after)["constrained"]["kernel"]
    np.testing.assert_allclose(again, after["constrained"]["kernel"], rtol=1e-5)


@pytest.mark.parametrize("name, settings", FREE)
def test_project_leaves_other_models_alone(name, settings):
    params = parameters(name, settings)
    after = models.project(params)
    assert jax.tree.structure(after) == jax.tree.structure(params)
    assert all(
        a is b for a, b in zip(*map(jax.tree.leaves, (params, after)), strict=True)
    )


def test_project_is_compiled_with_the_step():
    params = {"constrained": parameters(*CONSTRAINED[0])["constrained"]}
    eager, compiled = models.project(params), jax.jit(models.project)(params)
    np.testing.assert_allclose(
        *(tree["constrained"]["kernel"] for tree in (eager, compiled)), rtol=1e-6
    )


def test_it_starts_as_a_predictor_of_moderate_weights(key):
    module = Constrained(width=40)
    maps, variables = module.init_with_output(key, jnp.full((1, 9, 9, 3), 0.7))
    kernel = np.asarray(variables["params"]["kernel"])
    assert kernel.shape == (5, 5, 3, 40)
    np.testing.assert_array_equal(kernel[2, 2], -1)
    np.testing.assert_allclose(sums(kernel), 1, atol=1e-5)
    assert np.abs(kernel[0]).max() < 1 and kernel[0].std() > 0.05
    np.testing.assert_allclose(maps[:, 2:-2, 2:-2], 0, atol=1e-5)
    assert np.abs(maps[:, 0]).max() > 0.1  # the border is predicted from zeros too
