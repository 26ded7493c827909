"""Before and after: rendered pairs from which the picture-to-picture forgers learn.

A pair is a photograph and its truth, what the renderer makes of the same scene after an
edit, a swap or a re-enactment, taken by the same camera with the same noise.  All of a
pair follows from its index.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic

DOMAIN, SIZES = "studio", (64, 128)
EDITS, SWAPS, REENACTMENTS = 11_000, 12_000, 13_000  # seeds of the scenes
OTHERS = 7_000_000  # donors and drivers have the index of the target plus this
CHOICE = 99  # folded into a scene's key to draw which attribute is edited
REACH = 20.0  # brings landmarks' ways, in pictures' sides, to the order of one
_COLOURS = len(scenes.HAIR_COLOURS)
_BALD, _BANGS, _LONG = map(scenes.ATTRIBUTES.index, ("bald", "bangs", "long_hair"))


def edits(indices):
    """Pictures, the change wanted of their attributes, and pictures so changed."""
    before = _poses(EDITS, indices)
    after, change = _run(_edit, np.full(len(indices), EDITS), indices, before)
    columns = _shots(EDITS, indices, {"image": before, "truth": after})
    return columns | {f"condition_{size}": change for size in SIZES}


def swaps(indices):
    """Pictures, others' faces bent to theirs, and the same pictures of the others.

    The truth is bent, too: another's looks in the shape of the face they replace.
    """
    before, donors = _poses(SWAPS, indices), _poses(SWAPS, OTHERS + indices)
    after = _run(scenes.with_identity, before, donors)
    columns = _shots(SWAPS, indices, {"image": before, "truth": after})
    guides = _shots(SWAPS, OTHERS + indices, {"guide": donors})
    own, other, shape = map(_landmarks, (before, donors, after))
    truths = {f"truth_{size}": columns[f"truth_{size}"] for size in SIZES}
    columns |= _bent(guides, other, own) | _bent(truths, shape, own, bend=_move)
    return columns | _masks(own)


def reenactments(indices):
    """Pictures, others' expressions as landmarks, and pictures with those."""
    before = _poses(REENACTMENTS, indices)
    drivers = _poses(REENACTMENTS, OTHERS + indices)
    after = _run(scenes.with_expression, before, drivers)
    columns = _shots(REENACTMENTS, indices, {"image": before, "truth": after})
    guides = {f"guide_{size}": columns[f"image_{size}"] for size in SIZES}
    own, wanted = _landmarks(before), _landmarks(after)
    columns |= {f"condition_{size}": way(own, wanted) for size in SIZES}
    return columns | _masks(own) | _bent(guides, own, wanted)


KINDS = {f.__name__: f for f in (edits, swaps, reenactments)}


def edited(key, described):
    """The attribute vector with one attribute changed, drawn at random.

    A hair colour replaces the other; the bald get their hair back before anything else
    of it changes.
    """
    chosen = jax.random.randint(key, (), 0, len(scenes.ATTRIBUTES))
    hair = (chosen < _COLOURS) | (chosen == _BANGS) | (chosen == _LONG)
    chosen = jnp.where(hair & (described[_BALD] > 0.5), _BALD, chosen)
    turn = (chosen + 1) % _COLOURS
    vain = (chosen < _COLOURS) & (described[chosen] > 0.5)
    chosen = jnp.where(vain, turn, chosen)
    flipped = described.at[chosen].set(1 - described[chosen])
    colours = jax.nn.one_hot(chosen, len(scenes.ATTRIBUTES))[:_COLOURS]
    recoloured = described.at[:_COLOURS].set(colours)
    return jnp.where(chosen < _COLOURS, recoloured, flipped)


def way(own, wanted):
    """The condition of a re-enactment, (..., k, 2) twice -> (..., 2 k)."""
    return REACH * (wanted - own).reshape(*own.shape[:-2], -1)


def _poses(seed, indices):
    function = functools.partial(photos.pose, domain=DOMAIN)
    return photos.in_chunks(function, np.full(len(indices), seed), indices)


def _shots(seed, indices, drawn):
    """Columns `image_64` and so on, of scenes {'image': …} taken as `indices` are."""
    return {
        f"{name}_{size}": photos.shots(seed, indices, scene, domain=DOMAIN, size=size)[
            0
        ]
        for size in SIZES
        for name, scene in drawn.items()
    }


def _masks(own):
    """Inner faces, where a replacement is shown."""
    return {f"mask_{size}": _run(_mask, own, size=size) for size in SIZES}


def _bent(guides, own, wanted, *, bend=None):
    """Pictures bent so that their landmarks lie where they are wanted."""
    bend = bend or _bend
    return {name: _run(bend, x, own, wanted) for name, x in guides.items()}


def _landmarks(drawn):
    return _run(render.landmarks, drawn)


def _run(function, *arrays, size=None):
    settings = {} if size is None else {"size": size}
    return photos.in_chunks(functools.partial(function, **settings), *arrays)


def _edit(seed, index, scene):
    described = scenes.describe(scene)
    key = jax.random.fold_in(scenes.key_of(seed, index), CHOICE)
    wanted = edited(key, described)
    return scenes.edit(scene, wanted), wanted - described


def _mask(own, *, size):
    return photos.to_bytes(graphic.face_mask(own, size=size, feather=0.0))


def _bend(picture, own, wanted):
    return photos.to_bytes(graphic.warp_to(picture / 255, own, wanted))


def _move(picture, own, wanted):
    """As `_bend`, but noise stays where it was: it is the sensor's."""
    noise = graphic.grain(picture / 255)
    moved = graphic.warp_to(picture / 255 - noise, own, wanted)
    return photos.to_bytes(moved + noise)
