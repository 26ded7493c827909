"""The shipped picture-to-picture forgers: attribute edits, face swaps, re-enactments.

Networks of `translator` with the weights in `weights/`, which
`translation` trained on rendered pairs.  A forged picture follows from its
inputs and (seed, index): noise is drawn from their key, and pictures are computed in
chunks of one size, so that no byte depends on a picture's company.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.models import weights
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, pairs
from jaxforensics.synthfaces.forgers.translator import SIZES, Translator, grain
from jaxforensics.synthfaces.forgers.whole_faces import FOLDER

NOISE = 77  # folded into a picture's key, so that its camera's noise is another


class Forger(NamedTuple):
    """A network's settings, and what it sees and is told."""

    net: Translator
    channels: int
    condition: int


_LANDMARKS = 2 * len(render.LANDMARKS)
_VECTOR = len(scenes.ATTRIBUTES)
EDITS = {
    "edit_deconv": Forger(Translator(up="deconv"), 3, _VECTOR),
    "edit_skip": Forger(Translator(up="nearest", full_skip=True), 3, _VECTOR),
}
REPLACEMENTS = {
    "swap_neural": Forger(Translator(up="shuffle"), 6, 0),
    "reenact_neural": Forger(Translator(up="nearest"), 6, _LANDMARKS),
}
EDITORS, REPLACERS = tuple(EDITS), tuple(REPLACEMENTS)


def edit(name, seed, indices, pictures, described, wanted, *, size):
    """uint8 pictures with their attributes changed from `described` to `wanted`.

    Pictures are uint8 (n, size, size, 3), both vectors (n, len(ATTRIBUTES)).
    """
    choose(EDITS, name, "editor")
    function = functools.partial(_edit, name=name, size=size)
    return _run(function, seed, indices, pictures, described, wanted)


def replace(
    name, seed, indices, target, guide, target_landmarks, guide_landmarks, *, size
):
    """uint8 pictures and masks (255 where a picture was altered) of replaced faces.

    To swap, `guide` is the donor's picture with its landmarks; to re-enact, the guide's
    landmarks are those wanted of the target, and its picture does not matter.
    """
    choose(REPLACEMENTS, name, "replacer")
    function = functools.partial(_replace, name=name, size=size)
    return _run(
        function, seed, indices, target, guide, target_landmarks, guide_landmarks
    )


def _run(function, seed, indices, *arrays):
    seeds = np.full(len(indices), seed)
    return photos.in_chunks(function, seeds, np.asarray(indices), *arrays)


def _edit(seed, index, picture, described, wanted, *, name, size):
    change = wanted - described
    drawn = _draw(EDITS[name], name, seed, index, picture / 255, change, size)
    return photos.to_bytes(drawn)


def _replace(seed, index, target, guide, own, other, *, name, size):
    target, guide = target / 255, guide / 255
    soft = graphic.face_mask(own, size=size, feather=size / 16)
    if name.startswith("swap"):
        bent, condition = graphic.warp_to(guide, other, own), jnp.zeros(0)
    else:
        bent = graphic.warp_to(target, own, other)
        condition = pairs.way(own, other)
    seen = jnp.concatenate([target, bent], axis=-1)
    face = _draw(REPLACEMENTS[name], name, seed, index, seen, condition, size)
    if name.startswith("swap"):
        face = graphic.colour_transfer(face, target, soft)
    blended = graphic.blend(target, _grained(face, target), soft)
    return photos.to_bytes(blended), photos.to_bytes(jnp.float32(soft > 0))


def _grained(face, target):
    """The face with as much of the target's noise as it lacks."""
    wanted, found = graphic.grain_level(target), graphic.grain_level(face)
    lacking = jnp.sqrt(jnp.maximum(wanted**2 - found**2, 0)) / jnp.maximum(wanted, 1e-6)
    return face + lacking[None, None] * graphic.grain(target)


def _draw(forger, name, seed, index, picture, condition, size):
    key = jax.random.fold_in(scenes.key_of(seed, index), NOISE)
    variables = jax.tree.map(lambda x: x.astype(jnp.float32), _weights(name))
    inputs = ({size: x[None]} for x in (picture, condition))
    noise = {size: grain(key[None], size=size)}
    drawn, _ = forger.net.apply(variables, *inputs, noise)[size]
    return drawn[0]


@functools.cache
def _weights(name):
    """A forger's variables in half precision, as they are stored."""
    forger = (EDITS | REPLACEMENTS)[name]

    def example(*ends):
        return {s: jax.ShapeDtypeStruct((1, *end), jnp.float32) for s, end in ends}

    shapes = [
        example(*((s, (s, s, forger.channels)) for s in SIZES)),
        example(*((s, (forger.condition,)) for s in SIZES)),
        example(*((s, (s, s, 3)) for s in SIZES)),
    ]
    template = jax.eval_shape(forger.net.init, jax.random.key(0), *shapes)
    half = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.float16), template)
    return weights.load(FOLDER / f"{name}.safetensors", half)
