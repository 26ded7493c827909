"""The nearest real of a fake by what a network sees, for `launch/prepare.py pairs`."""

import jax
import jax.numpy as jnp

from jaxforensics.data import commands
from jaxforensics.files import sha256
from jaxforensics.models import build, vgg
from jaxforensics.settings import call

LAYER = "relu4_3"


def run(kind, flags):
    """What the command does: the text to print."""
    settings = dict(flags)
    path, weights = settings.pop("path"), settings.pop("weights", None)
    if weights is None:
        raise ValueError("--layer belongs to --weights, a file of torchvision's vgg16")
    layer = settings.pop("layer", LAYER)
    settings = {"side": 64} | settings
    name = f"vgg16 {layer} of {sha256(weights)[:16]}"
    embedding = {"embed": features(weights, layer=layer), "name": name}
    return call(commands.pairs, settings | embedding, path, where=kind)


def features(weights, *, layer=LAYER):
    """pictures -> VGG-16's features of a layer, averaged over positions.

    (n, h, w, 3) in [0, 1] -> (n, width); `weights` as torchvision saves them.
    """
    net, params = build("vgg16", layer=layer), vgg.load(weights, layer=layer)

    @jax.jit
    def embed(pictures):
        return jnp.mean(net.apply({"params": params}, pictures), axis=(1, 2))

    return embed
