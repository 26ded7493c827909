"""Pair fakes with their nearest reals: what `launch/prepare.py pairs` calls.

Nearest by colour, or with `--weights` by the features that VGG-16 sees.
"""

import jax
import jax.numpy as jnp

from jaxforensics.data import records
from jaxforensics.files import sha256
from jaxforensics.models import build, vgg
from jaxforensics.prepare import pairing
from jaxforensics.reporting import tables
from jaxforensics.settings import call

LAYER = "relu4_3"
FEATURE_SIDE = 64  # of the pictures that the network is shown


def run(command, flags):
    """Pair the data set that the flags name; returns the text to print."""
    settings = dict(flags)
    path = settings.pop("path")
    weights = settings.pop("weights", None)
    if weights is not None:
        layer = settings.pop("layer", LAYER)
        settings = {"side": FEATURE_SIDE} | settings
        settings["embed"] = features(weights, layer=layer)
        settings["name"] = f"vgg16 {layer} of {sha256(weights)[:16]}"
    elif "layer" in settings:
        raise ValueError("--layer belongs to --weights, a file of torchvision's vgg16")
    return call(pair, settings, path, where=command)


def pair(path, *, side=pairing.SIDE, embed=None, name=None):
    """Pair the fakes of a prepared data set with the nearest reals: the text of it.

    By colour, or by what `embed` makes of pictures, see `pairing.pair`.
    """
    rows = pairing.pair(path, side=side, embed=embed, name=name)
    return f"{tables.markdown(rows)}\npairs: beside {records.locate(path)}"


def features(weights, *, layer):
    """pictures -> VGG-16's features of a layer, averaged over positions.

    (n, h, w, 3) in [0, 1] -> (n, width); `weights` as torchvision saves them.
    """
    # Layers after the wanted one are not built, nor their weights read.
    net = build("vgg16", layer=layer)
    params = vgg.load(weights, layer=layer)

    # Pictures come in batches of one size: compiled once.
    @jax.jit
    def embed(pictures):
        return jnp.mean(net.apply({"params": params}, pictures), axis=(1, 2))

    return embed
