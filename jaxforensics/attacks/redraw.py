"""Pictures that a trained network redraws: GANprintR's autoencoder, TR-Net's generator.

The detector is not asked.  What the networks learn from is in `methods`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.tree_util import Partial


def redraw(predict, *, network):
    """Pictures as `network` (b, h, w, 3) -> (b, h, w, 3) returns them, clipped.

    Given as a `jax.tree_util.Partial` of its weights, a network shares its compiled
    program with the same architecture under other weights.
    """
    network = network if isinstance(network, Partial) else Partial(network)
    return partial(_apply, network)


@jax.jit
def _apply(network, key, image, label):
    wide = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    return jnp.clip(network(wide), 0, 1).astype(image.dtype)
