"""Pictures that a trained network redraws.

GANprintR's autoencoder, TR-Net's generator, the adversarial game's blurs.

The detector is not asked.  What the networks learn from is in `methods`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxforensics.ops.color import widened


def redraw(predict, *, network):
    """Pictures as `network` (b, h, w, 3) -> (b, h, w, 3) returns them, clipped.

    Given as a `jax.tree_util.Partial` of its weights, a network shares its compiled
    program with the same architecture under other weights.
    """
    if not isinstance(network, Partial):
        network = Partial(network)
    return partial(_apply, network)


def redraw_by_class(predict, *, network):
    """Pictures as `network` (image, label) -> image returns them, clipped.

    For networks that treat reals in another way than fakes, such as a game's two
    generators, see `methods.adversarial_game.blur_network`.
    """
    if not isinstance(network, Partial):
        network = Partial(network)
    return partial(_apply_by_class, network)


@jax.jit
def _apply_by_class(network, key, image, label):
    return jnp.clip(network(widened(image), label), 0, 1).astype(image.dtype)


@jax.jit
def _apply(network, key, image, label):
    # Generators are not bounded, pictures are.
    return jnp.clip(network(widened(image)), 0, 1).astype(image.dtype)
