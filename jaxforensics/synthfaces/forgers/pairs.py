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
CHOICE = 99  # folded into a scene's key to draw which attributes are edited
MOST = 4  # attributes that are edited in one pair
# How often an attribute is edited, among the others: small regions have to be seen
# more often, or an editor learns that doing nothing costs least.
FREQUENCY = dict.fromkeys(scenes.ATTRIBUTES, 1.0)
FREQUENCY |= {"smile": 5.0, "moustache": 4.0, "glasses": 3.0, "old": 3.0, "male": 2.0}
# The glasses that an edit puts on: thick and black.  Nobody can see in a face which
# ones it would wear; of many possible ones an editor learns a faint mean.
GLASSES = {
    "lens_width": 0.235,
    "lens_height": 0.17,
    "lens_round": 0.5,
    "rim": 0.028,
    "rim_colour": (0.01, 0.01, 0.012),
}
SMILE = {"smile": 1.0, "mouth_open": 0.9}  # with teeth, as smiles in portraits are
AGE = 2.0  # of those whom an edit makes old: wrinkles have to show at 64 pixels
GRAYING = 0.45  # how far their hair becomes gray
STRESS = 2.0  # factor to changes of attributes, so that a net heeds them early
REACH = 20.0  # brings landmarks' displacements, in pictures' sides, to the order of one
_COLOURS = len(scenes.HAIR_COLOURS)
_BALD, _BANGS, _LONG = map(scenes.ATTRIBUTES.index, ("bald", "bangs", "long_hair"))
_GRAY = scenes.HAIR_COLOURS.index("gray_hair")
_SMILE, _GLASSES, _OLD = map(scenes.ATTRIBUTES.index, ("smile", "glasses", "old"))


def edits(indices):
    """Pictures, the change wanted of their attributes, and pictures so changed."""
    before = _poses(EDITS, indices)
    after, change = _each(_edit, np.full(len(indices), EDITS), indices, before)
    columns = _shots(EDITS, indices, {"image": before, "truth": after})
    return columns | {f"condition_{size}": stressed(change) for size in SIZES}


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
    """The attribute vector with one to four attributes changed, drawn at random.

    Several at once teach more than one: most lie in different places.  A hair colour
    replaces the other; the bald get their hair back before anything else of it changes.
    """
    count_key, choice_key = jax.random.split(key)
    frequency = np.float32(list(FREQUENCY.values()))
    chosen = jax.random.choice(
        choice_key,
        len(frequency),
        (MOST,),
        replace=False,
        p=frequency / frequency.sum(),
    )
    count = jax.random.randint(count_key, (), 1, MOST + 1)
    wanted = described
    for place in range(MOST):
        wanted = jnp.where(place < count, _changed(chosen[place], wanted), wanted)
    return wanted


def drawn(scene, wanted):
    """The scene with the attribute vector `wanted`, as an editor is to draw it.

    Beside what `scenes.edit` changes, glasses that are put on are the same for all,
    those who are made to smile show their teeth, and those made old get deep wrinkles
    and graying hair.
    """
    added = wanted > scenes.describe(scene)
    after = scenes.edit(scene, wanted)
    colour = after.attributes.hair_colour
    gray = jax.nn.one_hot(_GRAY, _COLOURS)
    aged = {"old": AGE, "hair_colour": colour + GRAYING * (gray - colour)}
    return after._replace(
        identity=_replaced(after.identity, GLASSES, where=added[_GLASSES]),
        expression=_replaced(after.expression, SMILE, where=added[_SMILE]),
        attributes=_replaced(after.attributes, aged, where=added[_OLD]),
    )


def stressed(change):
    """The condition of an edit, from the change of the attribute vector."""
    return STRESS * change


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
    return drawn(scene, wanted), wanted - described


def _changed(chosen, described):
    """The attribute vector with attribute number `chosen` changed, or another."""
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


def _replaced(part, values, *, where):
    """A part of a scene with other values of some fields, if `where` is true."""
    chosen = {
        name: jnp.where(where, jnp.float32(value), getattr(part, name))
        for name, value in values.items()
    }
    return part._replace(**chosen)


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
