"""The sets of the benchmark: which faces, which forgeries of them, as records.

Identity `i` is the same person in every view, and in the same split: of ten in a row
seven train, one validates, two test.  Items are blocks of pictures of one source and
split, made together; `convert` makes the records of a block, nothing else is stored.
"""

import functools
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import einops
import numpy as np
from PIL import Image

from jaxforensics.data.items import Item
from jaxforensics.data.records import Record
from jaxforensics.ops.nearest import nearest
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos, sources

REVISION = 3  # of the pictures: prepared sets of another revision are made again
SIZES = (64, 128)  # that the shipped forgers were trained for
# The split of identity i is that of i % 10.
TENTH = "train train validation train test train train train test train".split()


class View(NamedTuple):
    """What a set holds: sources, and how faces are shared out among the fakes."""

    reals: tuple  # names in sources.SOURCES
    fakes: tuple  # the same
    each: bool  # every fake for every face; else each face in one fake only
    paired: bool = False  # whole-face forgeries get the nearest real of their split
    by_property: bool = False  # properties may be chosen: then each fake adds each


VIEWS = {
    "pairs": View(
        reals=("real",),
        fakes=(
            "nearest",
            "bilinear",
            "edit_deconv",
            "edit_skip",
            "swap_neural",
            "swap_graphic",
        ),
        each=False,
        paired=True,
    ),
    "hybrid": View(
        reals=("real", "real/street", "real/clip"),
        fakes=("nearest", "bilinear", "shuffle", "edit_deconv", "clip_reenact_graphic"),
        each=True,
    ),
    "generators": View(
        reals=("real",),
        fakes=(
            *("deconv", "nearest", "bilinear", "shuffle", "deconv_r", "deconv_a"),
            *("nearest_r", "nearest_a", "bilinear_r", "bilinear_a"),
            *("edit_deconv", "edit_skip"),
        ),
        each=True,
    ),
    "domain2": View(
        reals=("real/street",),
        fakes=("street_nearest", "street_bilinear", "street_bilinear_truncated"),
        each=True,
    ),
    "scenes": View(
        reals=("real/scenes",),
        fakes=("scenes_nearest", "scenes_bilinear"),
        each=True,
    ),
    "edits": View(
        reals=("real",),
        fakes=("edit_deconv", "edit_skip"),
        each=True,
        by_property=True,
    ),
}


def items(view, *, faces, size=64, seed=0, fakes=None, attributes=None):
    """The blocks of a view of `faces` identities, with all or some of its fakes.

    They are for pictures of `size` pixels: weights that make others do not count.  With
    `attributes`, names in `sources.PROPERTIES`, every fake adds each of them to all the
    faces that lack it; the sources are then called EDITOR/PROPERTY.
    """
    plan = choose(VIEWS, view, "view")
    for name in fakes or ():
        choose(dict.fromkeys(plan.fakes), name, f"fake of the view {view}")
    plan = plan._replace(fakes=tuple(fakes or plan.fakes))
    if attributes:
        plan = _with_properties(plan, view, attributes)
    if faces < 1:
        raise ValueError(f"a view has at least one face, not {faces}")
    return [
        _item(
            f"{view}/{source}/{split}/{number}",
            source,
            split,
            block,
            plan=plan,
            faces=faces,
            size=size,
            seed=seed,
        )
        for source in (*plan.reals, *plan.fakes)
        for split in dict.fromkeys(TENTH)
        for number, block in enumerate(
            _blocks(_members(plan, source, split, faces, seed))
        )
    ]


def _with_properties(plan, view, attributes):
    """The plan with a source per fake and property in place of each fake."""
    if not plan.by_property:
        able = ", ".join(name for name, other in VIEWS.items() if other.by_property)
        raise ValueError(
            f"the view {view} has no choice of attributes; the view {able} has"
        )
    if isinstance(attributes, str):
        raise ValueError(
            f"attributes are several names, such as ({attributes!r},), not one text"
        )
    for name in attributes:
        choose(sources.PROPERTIES, name, "attribute")
    fakes = [
        sources.by_property(fake, name)
        for fake in plan.fakes
        for name in dict.fromkeys(attributes)
    ]
    return plan._replace(fakes=tuple(fakes))


def split_of(index):
    """The split of an identity."""
    return TENTH[index % len(TENTH)]


@photos.on_cpu()
def convert(item, *, size):
    """The records of a block: ([Record], []), nothing of which can fail."""
    recipe = item.attributes
    indices = np.array(recipe["indices"])
    pictures = sources.SOURCES[item.source](recipe["seed"], indices, size=size)
    if recipe["paired"] and item.label and pictures.original is None:
        bank = _bank(recipe["seed"], item.split, recipe["faces"], size)
        pictures = pictures._replace(original=most_alike(pictures.image, bank))
    # PNG compression leaves Python's lock, so that two threads help.
    with ThreadPoolExecutor(2) as pool:
        record = functools.partial(_record, item, pictures)
        records = list(pool.map(record, range(len(indices))))
    return records, []


# In the identity of every set made with it: stays, wherever the code moves.
convert.fixed_name = "jaxforensics.synthfaces.views.convert"


def _item(path, source, split, block, *, plan, faces, size, seed):
    """A block as an item: its attributes are all that its pictures depend on.

    A prepared set is recognised by them, names included.
    """
    recipe = {
        "faces": faces,
        "indices": block,
        "made": sources.digest(source, size=size),  # by which weights
        "paired": plan.paired,
        "revision": REVISION,
        "seed": seed,
    }
    return Item(
        path=path,
        label=int(source in plan.fakes),
        source=source,
        split=split,
        attributes=recipe,
    )


def _members(plan, source, split, faces, seed):
    """Identities of a split in a source: one in n where n fakes share the faces.

    Those who have what an edit would add are left out of its source.
    """
    members = [i for i in range(faces) if split_of(i) == split]
    if source in sources.ADDS:
        able = set(sources.lacking(sources.ADDS[source], seed, faces).tolist())
        return [i for i in members if i in able]
    if plan.each or source not in plan.fakes:
        return members
    return members[plan.fakes.index(source) :: len(plan.fakes)]


def _blocks(members):
    """Identities in tuples of as many as are computed together."""
    size = photos.CHUNK
    return [tuple(members[i : i + size]) for i in range(0, len(members), size)]


def _record(item, pictures, row):
    """The record of one of a block's pictures; parts that it lacks are empty."""

    def png(pixels):
        return b"" if pixels is None else encoded(pixels[row])

    index = item.attributes["indices"][row]
    about = {"seed": item.attributes["seed"], "index": index}
    return Record(
        image=png(pictures.image),
        label=item.label,
        group=pictures.groups[row],
        pair=png(pictures.original),
        mask=png(pictures.mask),
        parsing=png(pictures.parsing),
        attributes=json.dumps(about | pictures.attributes[row], sort_keys=True),
        name=f"{item.source}/{index:06d}.png",
    )


def encoded(pixels):
    """uint8 pixels as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def most_alike(pictures, bank):
    """Of each picture, the one in `bank` (n, size, size, 3) that looks most like it.

    By the distance of thumbnails of 16 x 16 pixels: pose, colours and hair count,
    details do not.
    """
    numbers, _ = nearest(_thumbnails(pictures), _thumbnails(bank))
    return bank[np.asarray(numbers)]


def _thumbnails(pictures):
    """Means over 16 x 16 cells as vectors in [0, 1], (n, size, size, 3) -> (n, 768)."""
    cells = einops.rearrange(pictures, "n (h p) (w q) c -> n h p w q c", h=16, w=16)
    means = cells.mean((2, 4), dtype=np.float32)
    return einops.rearrange(means, "n h w c -> n (h w c)") / 255


@functools.lru_cache(2)
def _bank(seed, split, faces, size):
    """The studio portraits of a split, from which fakes without an original get one."""
    members = np.array([i for i in range(faces) if split_of(i) == split])
    return photos.portraits(seed, members, domain="studio", size=size)[0]
