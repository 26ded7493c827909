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
from jaxforensics.ops.color import to_float
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
# Plus a forger's number, folded into the key of a forgery's sitter: its noise is not
# that of the sitter's picture, nor that of another forger.
NOISE = 2024


def sample(name, seed, indices, *, size):
    """uint8 forgeries (n, size, size, 3) by a forger, of 64 or 128 pixels."""
    choose(UPSAMPLING, name, "forger")
    if size not in decoder.SIZES:
        raise ValueError(f"forgeries have {decoder.SIZES} pixels, not {size}")
    # The encoder sees 128 pixels, whatever the size of the forgery.
    sitters, _, _ = photos.portraits(seed, indices, domain="studio", size=128)
    function = functools.partial(_forge, name=name, size=size)
    seeds = np.full(len(indices), seed)
    return photos.in_chunks(function, seeds, np.asarray(indices), sitters)


@functools.cache
def load(name):
    """The parameters {'encoder', 'decoder'} of a shipped forger, in float32."""
    path = FOLDER / f"{name}.safetensors"
    shapes = decoder.shapes(UPSAMPLING[name])
    if name == SHARED:
        return weights.load(path, shapes)
    # The files of the others hold decoders only.
    loaded = weights.load(path, {"decoder": shapes["decoder"]})
    return loaded | {"encoder": load(SHARED)["encoder"]}


def digest(*names):
    """A digest of the weights files of these forgers, '' if none of them has any."""
    paths = [FOLDER / f"{name}.safetensors" for name in sorted(set(names))]
    stored = b"".join(path.read_bytes() for path in paths if path.exists())
    if not stored:
        return ""
    return hashlib.sha256(stored).hexdigest()[:12]


def _forge(seed, index, sitter, *, name, size):
    """One uint8 forgery after the uint8 picture (128, 128, 3) of its sitter."""
    key = jax.random.fold_in(scenes.key_of(seed, index), NOISE + NAMES.index(name))
    forged = decoder.forge(
        key, UPSAMPLING[name], load(name), to_float(sitter[None]), sizes=(size,)
    )
    return photos.to_bytes(forged[size][0])
