"""Where the pictures of a set come from: real domains, and every kind of forgery.

A source makes pictures by number, `(seed, indices, size) -> Made`, and needs nothing
else: the same number is the same picture in every set.
"""

import functools
from typing import NamedTuple

import numpy as np

from jaxforensics.ops.color import to_gray
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.codec import h264
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, neural, whole_faces

LATENTS, DONORS = 20_000, 40_000  # added to a set's seed: people seen in no picture
HAIR = ("hair", "brows", "moustache")
REGIONS = {  # what an edit of each attribute may change, as classes of a parsing
    **dict.fromkeys(scenes.HAIR_COLOURS, HAIR),
    "bald": ("hair",),
    "bangs": ("hair",),
    "long_hair": ("hair",),
    "smile": ("mouth", "eyes", "skin"),
    "glasses": ("glasses",),
    "moustache": ("moustache",),
    "old": ("skin", "neck", *HAIR),
    "male": ("skin", "neck", "mouth", *HAIR),
}
NEEDS_HAIR = (*scenes.HAIR_COLOURS, "bangs", "long_hair")


class Made(NamedTuple):
    """uint8 pictures and what is known of them; one row, or one entry, per picture."""

    image: np.ndarray
    groups: list
    attributes: list
    pair: np.ndarray | None = None
    mask: np.ndarray | None = None
    parsing: np.ndarray | None = None


def digest(source):
    """A mark of the weights that a source uses; '' where it uses none."""
    shared = (whole_faces.SHARED,) if source in whole_faces.NAMES else ()
    return whole_faces.digest(source, *shared)


def photographs(seed, indices, *, size, domain):
    """Real pictures of a domain of faces."""
    pictures, parsing, drawn = photos.portraits(seed, indices, domain=domain, size=size)
    return Made(
        pictures, _people(seed, indices), _described(drawn, domain), parsing=parsing
    )


def landscapes(seed, indices, *, size):
    """Real pictures without faces."""
    pictures = photos.views(seed, indices, size=size)
    groups = [f"view {seed}/{index}" for index in indices]
    return Made(pictures, groups, [{"domain": "scenes"}] * len(indices))


def clips(seed, indices, *, size):
    """Street portraits as frames of compressed video."""
    made = photographs(seed, indices, size=size, domain="street")
    return made._replace(image=h264(made.image))


def synthesised(seed, indices, *, size, name):
    """Whole faces out of a decoder: nothing in them is a photograph."""
    pictures = whole_faces.sample(name, LATENTS + seed, indices, size=size)
    groups = [f"latent {seed}/{index}" for index in indices]
    mask = np.full(pictures.shape[:3], 255, np.uint8)
    return Made(pictures, groups, [{"forger": name}] * len(indices), mask=mask)


def edited(seed, indices, *, size, name):
    """Studio portraits with one attribute changed by a network."""
    before, seen, drawn = photos.portraits(seed, indices, domain="studio", size=size)
    known = _each(scenes.describe, drawn)
    chosen = [_attribute(row, i) for row, i in zip(known, indices, strict=True)]
    wanted = np.stack([target(row, a) for row, a in zip(known, chosen, strict=True)])
    after = neural.edit(name, seed, indices, before, known, wanted, size=size)
    changed = _each(scenes.edit, drawn, wanted)
    _, truth = photos.shots(seed, indices, changed, domain="studio", size=size)
    about = [
        {"forger": name, "attribute": a, "region": list(REGIONS[a])} for a in chosen
    ]
    parsing = np.stack(
        [edit_parsing(*row) for row in zip(seen, truth, chosen, strict=True)]
    )
    return Made(
        after,
        _people(seed, indices),
        about,
        pair=before,
        mask=gray_map(after, before),
        parsing=parsing,
    )


def replaced(seed, indices, *, size, name, domain="studio"):
    """Portraits with another's face, or with another's expression.

    The other wears glasses and a fringe exactly if the portrayed does: both reach
    beyond the face that is replaced.
    """
    face, parsing, drawn = photos.portraits(seed, indices, domain=domain, size=size)
    other, own = photos.poses(DONORS + seed, indices, domain=domain), drawn.attributes
    alike = other.attributes._replace(glasses=own.glasses, bangs=own.bangs)
    other = other._replace(attributes=alike)
    guide, _ = photos.shots(DONORS + seed, indices, other, domain=domain, size=size)
    here, there, wanted = (
        _each(render.landmarks, scene)
        for scene in (drawn, other, _each(scenes.with_expression, drawn, other))
    )
    maker = graphic if name in graphic.REPLACERS else neural
    towards = wanted if name.startswith("reenact") else there
    made, mask = maker.replace(
        name, seed, indices, face, guide, here, towards, size=size
    )
    return Made(
        made,
        _people(seed, indices),
        [{"domain": domain, "forger": name}] * len(indices),
        pair=face,
        mask=mask,
        parsing=parsing,
    )


def filmed(seed, indices, *, size, name):
    """Street portraits, re-enacted, as frames of compressed video."""
    made = replaced(seed, indices, size=size, name=name, domain="street")
    return made._replace(image=h264(made.image), pair=h264(made.pair))


def gray_map(image, pair):
    """gray(|X - X'|) of two uint8 pictures, in 8 bits: FakeLocator's map."""
    difference = np.abs(image.astype(np.float32) - pair.astype(np.float32))
    return np.round(np.asarray(to_gray(difference))).astype(np.uint8)


def edit_parsing(before, after, attribute):
    """Classes after an edit; where it took something away, the class of that."""
    region = [render.CLASSES.index(name) for name in REGIONS[attribute]]
    taken = np.isin(before, region) & ~np.isin(after, region)
    return np.where(taken, before, after)


def target(described, attribute):
    """The attribute vector with one attribute changed, hair colours in turn."""
    wanted = np.array(described)
    number = scenes.ATTRIBUTES.index(attribute)
    colours = len(scenes.HAIR_COLOURS)
    if number >= colours:
        wanted[number] = 1 - wanted[number]
        return wanted
    wanted[:colours] = 0
    wanted[number] = 1
    return wanted


def _attribute(described, index):
    """Which attribute of picture `index` is edited: all in turn, none in vain."""
    name = scenes.ATTRIBUTES[index // 10 % len(scenes.ATTRIBUTES)]
    if name in NEEDS_HAIR and described[scenes.ATTRIBUTES.index("bald")]:
        return "bald"
    if name in scenes.HAIR_COLOURS and described[scenes.ATTRIBUTES.index(name)]:
        turn = scenes.HAIR_COLOURS.index(name) + 1
        return scenes.HAIR_COLOURS[turn % len(scenes.HAIR_COLOURS)]
    return name


def _each(function, *stacked):
    return photos.in_chunks(functools.partial(function), *stacked)


def _people(seed, indices):
    return [f"face {seed}/{index}" for index in indices]


def _described(drawn, domain):
    known = _each(scenes.describe, drawn)
    return [
        {
            "domain": domain,
            "is": [a for a, on in zip(scenes.ATTRIBUTES, row, strict=True) if on],
        }
        for row in known
    ]


SOURCES = {
    "real": functools.partial(photographs, domain="studio"),
    "real/street": functools.partial(photographs, domain="street"),
    "real/clip": clips,
    "real/scenes": landscapes,
    **{n: functools.partial(synthesised, name=n) for n in whole_faces.NAMES},
    **{n: functools.partial(edited, name=n) for n in neural.EDITORS},
    **{
        name: functools.partial(replaced, name=name)
        for name in (*graphic.REPLACERS, *neural.REPLACERS)
    },
    "clip_reenact_graphic": functools.partial(filmed, name="reenact_graphic"),
}
