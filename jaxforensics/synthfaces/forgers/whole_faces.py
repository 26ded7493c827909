"""Whole-face forgers: shipped weights, and pictures by number.

Networks of `decoder` with the weights in `weights/`, which
`launch/main.py --config=configs/forgers.py` trains.  Forgery `index` is decoded from
the latent of a face that is rendered for this alone and shown nowhere.
"""

import functools
import hashlib
from pathlib import Path

import jax
import numpy as np

from jaxforensics.models import weights
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import scenes
from jaxforensics.synthfaces.forgers import decoder

FOLDER = Path(__file__).parents[1] / "weights"
UPSAMPLING = {  # forger -> how its decoder doubles the size
    "deconv": "deconv",
    "nearest": "nearest",
    "bilinear": "bilinear",
    "shuffle": "shuffle",
    "deconv_r": "deconv",  # with spectral regularisation
    "deconv_a": "deconv",  # against a spectral discriminator
}
NAMES = tuple(UPSAMPLING)
SHARED = "deconv"  # the forger whose encoder serves all
NOISE = 2024  # keeps a forgery's noise apart from the keys of the picture it is after


def sample(name, seed, indices, *, size):
    """uint8 forgeries (n, size, size, 3) by a forger, of 64 or 128 pixels."""
    choose(UPSAMPLING, name, "forger")
    if size not in decoder.SIZES:
        raise ValueError(f"forgeries have {decoder.SIZES} pixels, not {size}")
    sitters, _, _ = photos.portraits(seed, indices, domain="studio", size=128)
    function = functools.partial(_forge, name=name, size=size)
    seeds = np.full(len(indices), seed)
    return photos.in_chunks(function, seeds, np.asarray(indices), sitters)


@functools.cache
def load(name):
    """The parameters of a shipped forger, in single precision."""
    shapes = decoder.shapes(UPSAMPLING[name])
    if name == SHARED:
        return weights.load(FOLDER / f"{name}.safetensors", shapes)
    own = {"decoder": shapes["decoder"]}
    found = weights.load(FOLDER / f"{name}.safetensors", own)
    return found | {"encoder": load(SHARED)["encoder"]}


def digest(*names):
    """A mark of the weights of these forgers, '' if none of them has any."""
    paths = [FOLDER / f"{name}.safetensors" for name in sorted(set(names))]
    stored = b"".join(path.read_bytes() for path in paths if path.exists())
    return hashlib.sha256(stored).hexdigest()[:12] if stored else ""


def _forge(seed, index, sitter, *, name, size):
    key = jax.random.fold_in(scenes.key_of(seed, index), NOISE + NAMES.index(name))
    drawn = decoder.forge(
        key, UPSAMPLING[name], load(name), sitter[None] / 255, sizes=(size,)
    )
    return photos.to_bytes(drawn[size][0])
