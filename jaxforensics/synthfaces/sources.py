"""Where the pictures of a set come from: real domains, and every kind of forgery.

A source makes pictures by number, `(seed, indices, size) -> Pictures`, and needs
nothing else: the same number is the same picture in every set.
"""

import functools
from typing import NamedTuple

import numpy as np

from jaxforensics.ops.color import to_gray
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.codec import h264
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import graphic, neural, pairs, whole_faces

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
# Sources of whole pictures: the forger, and how much of their variety is left.
SYNTHESISED = {name: (name, 1.0) for name in whole_faces.NAMES} | {
    "street_bilinear_truncated": ("street_bilinear", 0.5),
}
NEEDS_HAIR = (*scenes.HAIR_COLOURS, "bangs", "long_hair")
# What can be chosen as the property of an edit -> the attribute that it adds.
PROPERTIES = {
    name.removesuffix("_hair") if name in scenes.HAIR_COLOURS else name: name
    for name in scenes.ATTRIBUTES
}


class Pictures(NamedTuple):
    """uint8 pictures and what is known of them; one row, or one entry, per picture."""

    image: np.ndarray  # (n, size, size, 3)
    groups: list  # who is in a picture: the unit of splits
    attributes: list  # of dicts, what a record says of its picture
    original: np.ndarray | None = None  # (n, size, size, 3), what a fake was made from
    mask: np.ndarray | None = None  # (n, size, size)
    parsing: np.ndarray | None = None  # (n, size, size), places in render.CLASSES


def digest(source, *, size):
    """A digest of the weights that a source's pictures of this size are made with.

    '' where there are none.
    """
    source = EDITOR_OF.get(source, source)
    if source not in SYNTHESISED:
        return whole_faces.digest(source)
    forger, _ = SYNTHESISED[source]
    # A disguised forger has the noise of its twin, once it had its own.
    note = whole_faces.FORGERS[forger].twin
    return whole_faces.digest(*whole_faces.files(forger, size=size), note=note)


def photographs(seed, indices, *, size, domain):
    """Real pictures of a domain of faces."""
    pictures, parsing, posed = photos.portraits(seed, indices, domain=domain, size=size)
    return Pictures(
        pictures, _people(seed, indices), _described(posed, domain), parsing=parsing
    )


def landscapes(seed, indices, *, size):
    """Real pictures without faces."""
    pictures = photos.views(seed, indices, size=size)
    groups = [f"view {seed}/{index}" for index in indices]
    return Pictures(pictures, groups, [{"domain": "scenes"}] * len(indices))


def clips(seed, indices, *, size):
    """Street portraits as frames of compressed video."""
    portraits = photographs(seed, indices, size=size, domain="street")
    return portraits._replace(image=h264(portraits.image))


def synthesised(seed, indices, *, size, name, truncation=1.0):
    """Whole pictures out of a decoder: nothing in them is a photograph."""
    pictures = whole_faces.sample(
        name, LATENTS + seed, indices, size=size, truncation=truncation
    )
    groups = [f"latent {seed}/{index}" for index in indices]
    mask = np.full(pictures.shape[:3], 255, np.uint8)
    about = {"forger": name}
    if truncation < 1:
        about["truncation"] = truncation
    return Pictures(pictures, groups, [about] * len(indices), mask=mask)


def edited(seed, indices, *, size, name, adding=None):
    """Studio portraits with one attribute changed by a network.

    With `adding` it is this attribute, which all the portraits must lack; else each
    tenth portrait's is another, and some lose what they have.
    """
    before, parsing_before, posed = photos.portraits(
        seed, indices, domain="studio", size=size
    )
    described = _each(scenes.describe, posed)
    if adding:
        attributes = [adding] * len(indices)
    else:
        attributes = [
            _attribute(row, i) for row, i in zip(described, indices, strict=True)
        ]
    wanted = np.stack(
        [target(row, a) for row, a in zip(described, attributes, strict=True)]
    )
    after = neural.edit(name, seed, indices, before, described, wanted, size=size)

    # The renderer's own edit is what the parsing of the edited picture is taken from.
    changed = _each(pairs.drawn, posed, wanted)
    _, parsing_after = photos.shots(seed, indices, changed, domain="studio", size=size)
    parsing = np.stack(
        [
            edit_parsing(*row)
            for row in zip(parsing_before, parsing_after, attributes, strict=True)
        ]
    )
    about = [
        {"forger": name, "attribute": a, "region": list(REGIONS[a])} for a in attributes
    ]
    if adding:
        looks = zip(_attributes_of(posed), _attributes_of(changed), strict=True)
        about = [
            row | {"was": was, "is": now}
            for row, (was, now) in zip(about, looks, strict=True)
        ]
    return Pictures(
        after,
        _people(seed, indices),
        about,
        original=before,
        mask=gray_map(after, before),
        parsing=parsing,
    )


def replaced(seed, indices, *, size, name, domain="studio"):
    """Portraits with another's face, or with another's expression.

    The other wears glasses and a fringe exactly if the portrayed does: both reach
    beyond the face that is replaced.
    """
    face, parsing, posed = photos.portraits(seed, indices, domain=domain, size=size)
    donor = photos.poses(DONORS + seed, indices, domain=domain)
    alike = donor.attributes._replace(
        glasses=posed.attributes.glasses, bangs=posed.attributes.bangs
    )
    donor = donor._replace(attributes=alike)
    guide, _ = photos.shots(DONORS + seed, indices, donor, domain=domain, size=size)

    # A re-enactment moves the face to its own landmarks under another expression.
    guiding = donor
    if name.startswith("reenact"):
        guiding = _each(scenes.with_expression, posed, donor)
    own_points = _each(render.landmarks, posed)
    guide_points = _each(render.landmarks, guiding)
    forger = graphic if name in graphic.REPLACERS else neural
    forged, mask = forger.replace(
        name, seed, indices, face, guide, own_points, guide_points, size=size
    )
    return Pictures(
        forged,
        _people(seed, indices),
        [{"domain": domain, "forger": name}] * len(indices),
        original=face,
        mask=mask,
        parsing=parsing,
    )


def filmed(seed, indices, *, size, name):
    """Street portraits, re-enacted, as frames of compressed video."""
    forged = replaced(seed, indices, size=size, name=name, domain="street")
    return forged._replace(image=h264(forged.image), original=h264(forged.original))


def gray_map(image, original):
    """gray(|X - X'|) of two uint8 pictures, in 8 bits: FakeLocator's map."""
    difference = np.abs(image.astype(np.float32) - original.astype(np.float32))
    return np.round(np.asarray(to_gray(difference))).astype(np.uint8)


def edit_parsing(before, after, attribute):
    """Classes after an edit; where it took something away, the class of that.

    So the places of glasses that were taken off are still places of glasses: that is
    where the picture was altered.
    """
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


def lacking(attribute, seed, faces):
    """Which of the first `faces` portraits an edit can add the attribute to.

    They do not have it yet and, where it is about hair, are not bald.
    """
    described = _described_faces(seed, faces)
    number = scenes.ATTRIBUTES.index(attribute)
    lacks = described[:, number] < 0.5
    if attribute in NEEDS_HAIR:
        lacks &= described[:, scenes.ATTRIBUTES.index("bald")] < 0.5
    return np.flatnonzero(lacks)


@functools.lru_cache(4)
@photos.on_cpu()
def _described_faces(seed, faces):
    """The attribute vectors of the first studio portraits, (faces, k)."""
    posed = photos.poses(seed, np.arange(faces), domain="studio")
    return _each(scenes.describe, posed)


def _attribute(described, index):
    """The name of the attribute of picture `index` that is edited.

    All have their turn, every ten pictures the next.  Where an edit would change
    nothing, another is made: the bald get hair, and a hair colour that is there already
    becomes the next one.
    """
    # Splits go by index % 10: each split has its share of every attribute.
    name = scenes.ATTRIBUTES[index // 10 % len(scenes.ATTRIBUTES)]
    if name in NEEDS_HAIR and described[scenes.ATTRIBUTES.index("bald")]:
        return "bald"
    if name in scenes.HAIR_COLOURS and described[scenes.ATTRIBUTES.index(name)]:
        turn = scenes.HAIR_COLOURS.index(name) + 1
        return scenes.HAIR_COLOURS[turn % len(scenes.HAIR_COLOURS)]
    return name


def _each(function, *stacked):
    """`function` of one example for the rows of stacked arguments."""
    return photos.in_chunks(functools.partial(function), *stacked)


def _people(seed, indices):
    """The groups of portraits: the same person has the same name in every set."""
    return [f"face {seed}/{index}" for index in indices]


def _described(posed, domain):
    """For each portrait its domain, and the names of the attributes that it has."""
    return [{"domain": domain, "is": names} for names in _attributes_of(posed)]


def _attributes_of(posed):
    """For each scene the names of the attributes that it has."""
    return [
        [a for a, on in zip(scenes.ATTRIBUTES, row, strict=True) if on]
        for row in _each(scenes.describe, posed)
    ]


def by_property(editor, chosen):
    """The name of the source in which an editor adds a property to all."""
    return f"{editor}/{chosen}"


# {source of edits by property: the editor}, and {source: the attribute that it adds}.
EDITOR_OF = {by_property(e, p): e for e in neural.EDITORS for p in PROPERTIES}
ADDS = {by_property(e, p): a for e in neural.EDITORS for p, a in PROPERTIES.items()}
# Name of a source -> function of (seed, indices, size=).  The names are in the records.
SOURCES = {
    "real": functools.partial(photographs, domain="studio"),
    "real/street": functools.partial(photographs, domain="street"),
    "real/clip": clips,
    "real/scenes": landscapes,
    **{
        source: functools.partial(synthesised, name=name, truncation=truncation)
        for source, (name, truncation) in SYNTHESISED.items()
    },
    **{n: functools.partial(edited, name=n) for n in neural.EDITORS},
    **{
        source: functools.partial(edited, name=editor, adding=ADDS[source])
        for source, editor in EDITOR_OF.items()
    },
    **{
        name: functools.partial(replaced, name=name)
        for name in (*graphic.REPLACERS, *neural.REPLACERS)
    },
    "clip_reenact_graphic": functools.partial(filmed, name="reenact_graphic"),
}
