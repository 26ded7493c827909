"""Random variables of a module, without the compilation that `init` costs."""

import jax
import jax.numpy as jnp
import numpy as np

AROUND_ONE = "var", "scale"


def filled(random, module, *inputs, **options):
    """Variables for `inputs`, arrays or shapes: weights by what their sums run over.

    Variances and scales lie around one, biases and scalars are normal.
    """
    inputs = [
        jax.ShapeDtypeStruct(x, jnp.float32) if isinstance(x, tuple) else x
        for x in inputs
    ]
    template = jax.eval_shape(
        lambda key, *inputs: module.init(key, *inputs, **options),
        jax.random.key(0),
        *inputs,
    )

    def fill(path, leaf):
        if path[-1].key in AROUND_ONE:
            return np.float32(random.uniform(0.6, 1.8, leaf.shape))
        terms = leaf.size / leaf.shape[-1] if leaf.ndim else 1
        return np.float32(random.normal(size=leaf.shape) / np.sqrt(terms))

    return jax.tree_util.tree_map_with_path(fill, template)
