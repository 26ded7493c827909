"""Before and after: rendered pairs from which the picture-to-picture forgers learn.

A pair is a photograph and its truth, what the renderer makes of the same scene after an
edit, a swap or a re-enactment, taken by the same camera with the same noise.  All of a
pair follows from its index.

Columns, for both sizes: `image_64` (n, 64, 64, 3) is the photograph and `truth_64` what
the forger should make of it; `guide_64` another picture that it sees, `condition_64`
(n, k) numbers that it is given, `mask_64` (n, 64, 64) where its result is shown.
Pictures and masks are uint8.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.ops.color import to_float
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic

DOMAIN = "studio"
SIZES = (64, 128)
EDITS, SWAPS, REENACTMENTS = 11_000, 12_000, 13_000  # seeds of the scenes
OTHERS = 7_000_000  # donors and drivers have the index of the target plus this
CHOICE = 99  # folded into a scene's key to draw which attribute is edited
REACH = 20.0  # brings landmarks' displacements, in pictures' sides, to the order of one
_COLOURS = len(scenes.HAIR_COLOURS)
_BALD, _BANGS, _LONG = map(scenes.ATTRIBUTES.index, ("bald", "bangs", "long_hair"))


def edits(indices):
    """Pictures, the change wanted of their attributes, and pictures so changed."""
    before = _poses(EDITS, indices)
    after, change = _each(_edit, np.full(len(indices), EDITS), indices, before)
    columns = _shots(EDITS, indices, {"image": before, "truth": after})
    return columns | {f"condition_{size}": change for size in SIZES}


def swaps(indices):
    """Pictures, others' faces bent to theirs, and the same pictures of the others.

    The truth is bent, too: another's looks in the shape of the face they replace.
    """
    before = _poses(SWAPS, indices)
    donors = _poses(SWAPS, OTHERS + indices)
    after = _each(scenes.with_identity, before, donors)
    columns = _shots(SWAPS, indices, {"image": before, "truth": after})
    guides = _shots(SWAPS, OTHERS + indices, {"guide": donors})
    truths = {f"truth_{size}": columns[f"truth_{size}"] for size in SIZES}

    own_points = _landmarks(before)
    donor_points = _landmarks(donors)
    after_points = _landmarks(after)
    columns |= _bent(_bend, guides, donor_points, own_points)
    columns |= _bent(_bend_without_noise, truths, after_points, own_points)
    return columns | _masks(own_points)


def reenactments(indices):
    """Pictures, others' expressions as landmarks, and pictures with those."""
    before = _poses(REENACTMENTS, indices)
    drivers = _poses(REENACTMENTS, OTHERS + indices)
    after = _each(scenes.with_expression, before, drivers)
    columns = _shots(REENACTMENTS, indices, {"image": before, "truth": after})
    guides = {f"guide_{size}": columns[f"image_{size}"] for size in SIZES}

    own_points = _landmarks(before)
    wanted_points = _landmarks(after)
    condition = displacements(own_points, wanted_points)
    columns |= {f"condition_{size}": condition for size in SIZES}
    columns |= _masks(own_points)
    return columns | _bent(_bend, guides, own_points, wanted_points)


KINDS = {f.__name__: f for f in (edits, swaps, reenactments)}


def edited(key, described):
    """The attribute vector with one attribute changed, drawn at random.

    A hair colour replaces the other; the bald get their hair back before anything else
    of it changes.
    """
    chosen = jax.random.randint(key, (), 0, len(scenes.ATTRIBUTES))
    about_hair = (chosen < _COLOURS) | (chosen == _BANGS) | (chosen == _LONG)
    chosen = jnp.where(about_hair & (described[_BALD] > 0.5), _BALD, chosen)

    # The chosen colour, if it is not the present one; else the next in turn.
    next_colour = (chosen + 1) % _COLOURS
    present = (chosen < _COLOURS) & (described[chosen] > 0.5)
    chosen = jnp.where(present, next_colour, chosen)
    flipped = described.at[chosen].set(1 - described[chosen])
    colours = jax.nn.one_hot(chosen, len(scenes.ATTRIBUTES))[:_COLOURS]
    recoloured = described.at[:_COLOURS].set(colours)
    return jnp.where(chosen < _COLOURS, recoloured, flipped)


def displacements(own_points, wanted_points):
    """How far landmarks should move: the condition of a re-enactment.

    (..., k, 2) twice -> (..., 2 k), in twentieths of a picture's side.
    """
    ways = REACH * (wanted_points - own_points)
    return ways.reshape(*own_points.shape[:-2], -1)


def _poses(seed, indices):
    function = functools.partial(photos.pose, domain=DOMAIN)
    return photos.in_chunks(function, np.full(len(indices), seed), indices)


def _shots(seed, indices, scenes_by_name):
    """Columns `NAME_64` and so on, of scenes {NAME: …} taken as `indices` are."""
    columns = {}
    for size in SIZES:
        for name, posed in scenes_by_name.items():
            pictures, _ = photos.shots(seed, indices, posed, domain=DOMAIN, size=size)
            columns[f"{name}_{size}"] = pictures
    return columns


def _masks(own_points):
    """Columns of inner faces, where a replacement is shown."""
    return {
        f"mask_{size}": photos.in_chunks(
            functools.partial(_mask, size=size), own_points
        )
        for size in SIZES
    }


def _bent(bend, columns, own_points, wanted_points):
    """The columns with each picture bent so that its landmarks lie where wanted."""
    return {
        name: _each(bend, pictures, own_points, wanted_points)
        for name, pictures in columns.items()
    }


def _landmarks(posed):
    return _each(render.landmarks, posed)


def _each(function, *arrays):
    """`function` of one example for the rows of stacked arguments."""
    return photos.in_chunks(functools.partial(function), *arrays)


def _edit(seed, index, scene):
    """(edited scene, change of its attributes) of one scene."""
    described = scenes.describe(scene)
    key = jax.random.fold_in(scenes.key_of(seed, index), CHOICE)
    wanted = edited(key, described)
    return scenes.edit(scene, wanted), wanted - described


def _mask(own_points, *, size):
    return photos.to_bytes(graphic.face_mask(own_points, size=size, feather=0.0))


def _bend(picture, own_points, wanted_points):
    return photos.to_bytes(
        graphic.warp_to(to_float(picture), own_points, wanted_points)
    )


def _bend_without_noise(picture, own_points, wanted_points):
    """As `_bend`, but noise stays where it was: it is the sensor's, not the face's."""
    image = to_float(picture)
    noise = graphic.grain(image)
    moved = graphic.warp_to(image - noise, own_points, wanted_points)
    return photos.to_bytes(moved + noise)
