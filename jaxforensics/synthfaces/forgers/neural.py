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
from jaxforensics.ops.color import to_float
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, pairs
from jaxforensics.synthfaces.forgers.translator import SIZES, Translator, grain
from jaxforensics.synthfaces.forgers.whole_faces import FOLDER

NOISE = 77  # folded into a picture's key, so that its camera's noise is another
# Factors to what an edit is asked for in training: editors do too little of these, and
# come closer to their truths when they are asked for more.
STRENGTH = {"smile": 1.6, "moustache": 1.6}


class Forger(NamedTuple):
    """A network, and the sizes of its inputs."""

    net: Translator
    channels: int  # of the pictures that it sees
    condition: int  # numbers that say what is wanted


_LANDMARKS = 2 * len(render.LANDMARKS)  # numbers: a row and a column each
_VECTOR = len(scenes.ATTRIBUTES)
_STRENGTHS = np.float32([STRENGTH.get(name, 1.0) for name in scenes.ATTRIBUTES])
# An edit lies where its attribute does.
_editor = functools.partial(Translator, placed=(16, 32, 64), normalised=True)
EDITS = {
    "edit_deconv": Forger(_editor(up="deconv"), 3, _VECTOR),
    "edit_skip": Forger(_editor(up="nearest", full_skip=True), 3, _VECTOR),
}
# These see the target, and beside it the face that is to replace the target's, bent.
REPLACEMENTS = {
    "swap_neural": Forger(Translator(up="shuffle"), 6, 0),
    "reenact_neural": Forger(Translator(up="nearest"), 6, _LANDMARKS),
}
EDITORS = tuple(EDITS)
REPLACERS = tuple(REPLACEMENTS)


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
    change = pairs.stressed(_STRENGTHS * (wanted - described))
    edited = _redraw(EDITS[name], name, seed, index, to_float(picture), change, size)
    return photos.to_bytes(edited)


def _replace(seed, index, target, guide, own_points, guide_points, *, name, size):
    """(picture, mask): the net paints the face, graphics blend it in."""
    swap = name.startswith("swap")
    target = to_float(target)
    guide = to_float(guide)
    soft = graphic.face_mask(own_points, size=size, feather=size / 16)
    if swap:
        bent = graphic.warp_to(guide, guide_points, own_points)
        condition = jnp.zeros(0)
    else:
        bent = graphic.warp_to(target, own_points, guide_points)
        condition = pairs.displacements(own_points, guide_points)

    inputs = jnp.concatenate([target, bent], axis=-1)
    face = _redraw(REPLACEMENTS[name], name, seed, index, inputs, condition, size)
    if swap:
        face = graphic.colour_transfer(face, target, soft)
    blended = graphic.blend(target, _grained(face, target), soft)
    return photos.to_bytes(blended), photos.to_bytes(jnp.float32(soft > 0))


def _grained(face, target):
    """The face with as much of the target's noise as it lacks.

    Variances of independent noises add up.
    """
    target_level = graphic.grain_level(target)
    face_level = graphic.grain_level(face)
    missing = jnp.sqrt(jnp.maximum(target_level**2 - face_level**2, 0))
    gain = missing / jnp.maximum(target_level, 1e-6)
    return face + gain[None, None] * graphic.grain(target)


def _redraw(forger, name, seed, index, picture, condition, size):
    """What a forger's network makes of a picture (size, size, channels)."""
    key = jax.random.fold_in(scenes.key_of(seed, index), NOISE)
    variables = jax.tree.map(lambda x: x.astype(jnp.float32), _weights(name))
    pictures = {size: picture[None]}
    conditions = {size: condition[None]}
    noise = {size: grain(key[None], size=size)}
    redrawn = forger.net.apply(variables, pictures, conditions, noise)[size]
    return redrawn.picture[0]


@functools.cache
def _weights(name):
    """A forger's variables in half precision, as they are stored."""
    forger = (EDITS | REPLACEMENTS)[name]

    def inputs(shape_of):
        return {
            size: jax.ShapeDtypeStruct((1, *shape_of(size)), jnp.float32)
            for size in SIZES
        }

    template = jax.eval_shape(
        forger.net.init,
        jax.random.key(0),
        inputs(lambda size: (size, size, forger.channels)),
        inputs(lambda size: (forger.condition,)),
        inputs(lambda size: (size, size, 3)),
    )
    half = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.float16), template)
    return weights.load(FOLDER / f"{name}.safetensors", half)
