"""Staged functions: the same values, under every transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.kernels.fusion import keep, stage


@pytest.mark.parametrize(
    "compile", (lambda f: f, jax.jit, lambda f: jax.jit(jax.vmap(f)))
)
def test_staged_values_are_numpys(compile):
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    doubled = compile(lambda x: stage(lambda a, b: a * b)(x, jnp.sin(x)) + 1)
    np.testing.assert_allclose(doubled(x), x * np.sin(x) + 1, rtol=1e-5, atol=1e-6)


def test_kept_trees_keep_their_structure_and_bits():
    tree = {"a": jnp.arange(3.0), "b": (jnp.ones((2, 2)), jnp.int32(4))}
    kept = jax.jit(jax.vmap(keep, axis_size=2, in_axes=None, out_axes=0))(tree)
    assert jax.tree.structure(kept) == jax.tree.structure(tree)
    for one, two in zip(jax.tree.leaves(tree), jax.tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(one, two[1])


def test_gradients_pass():
    x = jnp.linspace(0.1, 2.0, 9)
    slope = jax.grad(lambda x: keep((x**3, x))[0].sum())(x)
    np.testing.assert_allclose(slope, 3 * np.asarray(x) ** 2, rtol=1e-5)
