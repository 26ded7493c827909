"""Whole-face forgers: shipped weights, and pictures by number.

Networks of `decoder` and `enlarger` with the weights in `weights/`, which
`launch/main.py --config=configs/forgers.py` trains.  Forgery `index` is decoded from
the latents of a picture that is made for this alone and shown nowhere.
"""

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxforensics.models import weights
from jaxforensics.ops.color import to_float
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import scenes
from jaxforensics.synthfaces.forgers import decoder, enlarger

FOLDER = Path(__file__).parents[1] / "weights"
SMALL, LARGE = decoder.SIZES


class Forger(NamedTuple):
    """What sets a forger apart from the others."""

    upsampling: str  # how its decoder doubles the size
    # The forger that it is in disguise: twins share latents and noise.
    twin: str = ""
    domain: str = "studio"  # of the pictures that it imitates


FORGERS = {
    "deconv": Forger("deconv"),
    "nearest": Forger("nearest"),
    "bilinear": Forger("bilinear"),
    "shuffle": Forger("shuffle"),
    # With spectral regularisation, and against a spectral discriminator.
    "deconv_r": Forger("deconv", twin="deconv"),
    "deconv_a": Forger("deconv", twin="deconv"),
    "nearest_r": Forger("nearest", twin="nearest"),
    "nearest_a": Forger("nearest", twin="nearest"),
    "bilinear_r": Forger("bilinear", twin="bilinear"),
    "bilinear_a": Forger("bilinear", twin="bilinear"),
    # Of other pictures.
    "street_nearest": Forger("nearest", domain="street"),
    "street_bilinear": Forger("bilinear", domain="street"),
    "scenes_nearest": Forger("nearest", domain="scenes"),
    "scenes_bilinear": Forger("bilinear", domain="scenes"),
}
NAMES = tuple(FORGERS)
# The forger of a domain whose encoder serves all.
SHARED = {"studio": "deconv", "street": "street_nearest", "scenes": "scenes_nearest"}
# Plus a forger's number, folded into the key of a forgery's sitter: its noise is not
# that of the sitter's picture, nor that of another forger.
NOISE = 2024


def sample(name, seed, indices, *, size, truncation=1.0):
    """uint8 forgeries (n, size, size, 3) by a forger, of 64 or 128 pixels.

    With a `truncation` below 1 sitters of a domain of faces are closer to the average,
    see `photos.averaged`.
    """
    forger = choose(FORGERS, name, "forger")
    if size not in decoder.SIZES:
        raise ValueError(f"forgeries have {decoder.SIZES} pixels, not {size}")
    # The encoders see 128 pixels, whatever the size of the forgery.
    originals = photos.uncompressed(
        seed, indices, domain=forger.domain, size=LARGE, truncation=truncation
    )
    function = functools.partial(_forge, name=name, size=size)
    seeds = np.full(len(indices), seed)
    forged = photos.in_chunks(function, seeds, np.asarray(indices), originals)
    return photos.compressed(seed, indices, forged, domain=forger.domain)


@functools.cache
def load(name):
    """The parameters {'encoder', 'decoder'} of a shipped forger, in float32."""
    forger = FORGERS[name]
    path = FOLDER / f"{name}.safetensors"
    shapes = decoder.shapes(forger.upsampling)
    shared = SHARED[forger.domain]
    if name == shared:
        return weights.load(path, shapes)
    # The files of the others hold decoders only.
    loaded = weights.load(path, {"decoder": shapes["decoder"]})
    return loaded | {"encoder": load(shared)["encoder"]}


@functools.cache
def load_enlarger(name):
    """The parameters {'details', 'enlarger'} that paint 128 pixels, in float32."""
    path = FOLDER / f"{_enlarger(name)}.safetensors"
    return weights.load(path, enlarger.shapes(FORGERS[name].upsampling))


def files(name, *, size):
    """Names of the weights files, without suffix, that forge pictures of a size."""
    names = [name, SHARED[FORGERS[name].domain]]
    if size == LARGE:
        names.append(_enlarger(name))
    return names


def digest(*names, note=""):
    """A digest of the weights files of these names, and of a note.

    '' if none of them has any.
    """
    paths = [FOLDER / f"{name}.safetensors" for name in sorted(set(names))]
    stored = b"".join(path.read_bytes() for path in paths if path.exists())
    if not stored:
        return ""
    return hashlib.sha256(stored + note.encode()).hexdigest()[:12]


def _enlarger(name):
    return f"{name}_{LARGE}"


def _forge(seed, index, original, *, name, size):
    """One uint8 forgery after a uint8 picture (128, 128, 3)."""
    forger = FORGERS[name]
    number = NAMES.index(forger.twin or name)
    key = jax.random.fold_in(scenes.key_of(seed, index), NOISE + number)
    image = to_float(original[None])
    if size == SMALL:
        decoded = decoder.forge(
            key, forger.upsampling, load(name), image, sizes=(SMALL,)
        )
        _, forged = decoded.painted[SMALL]
    else:
        params = load(name) | load_enlarger(name)
        _, forged = enlarger.forge(key, forger.upsampling, params, image)
    return photos.to_bytes(forged[0])
