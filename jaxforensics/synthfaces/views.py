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

import numpy as np
from PIL import Image

from jaxforensics.data.items import Item
from jaxforensics.data.records import Record
from jaxforensics.ops.nearest import nearest
from jaxforensics.settings import choose
from jaxforensics.synthfaces import photos, sources

REVISION = 3  # of the pictures: prepared sets of another revision are made again
SIZES = (64, 128)  # that the shipped forgers were trained for
TENTH = (
    "train train validation train test train train train test train".split()
)  # the split of identity i is that of i % 10


class View(NamedTuple):
    """What a set holds: sources, and how faces are shared out among the fakes."""

    reals: tuple
    fakes: tuple
    each: bool  # every fake for every face; else each face in one fake only
    paired: bool = False  # whole-face forgeries get the nearest real of their split


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
            *("edit_deconv", "edit_skip"),
        ),
        each=True,
    ),
    "edits": View(reals=("real",), fakes=("edit_deconv", "edit_skip"), each=True),
}


def items(view, *, faces, seed=0, fakes=None):
    """The blocks of a view of `faces` identities, with all or some of its fakes."""
    plan = choose(VIEWS, view, "view")
    for name in fakes or ():
        choose(dict.fromkeys(plan.fakes), name, f"fake of the view {view}")
    plan = plan._replace(fakes=tuple(fakes or plan.fakes))
    if faces < 1:
        raise ValueError(f"a view has at least one face, not {faces}")
    return [
        _item(view, source, split, number, block, plan=plan, faces=faces, seed=seed)
        for source in (*plan.reals, *plan.fakes)
        for split in dict.fromkeys(TENTH)
        for number, block in enumerate(_blocks(_members(plan, source, split, faces)))
    ]


def split_of(index):
    """The split of an identity."""
    return TENTH[index % len(TENTH)]


@photos.on_cpu()
def convert(item, *, size):
    """The records of a block: ([Record], [])."""
    known = item.attributes
    indices = np.array(known["indices"])
    made = sources.SOURCES[item.source](known["seed"], indices, size=size)
    if known["paired"] and item.label and made.pair is None:
        bank = _bank(known["seed"], item.split, known["faces"], size)
        made = made._replace(pair=most_alike(made.image, bank))
    with ThreadPoolExecutor(2) as pool:
        rows = pool.map(functools.partial(_record, item, made), range(len(made.image)))
    return list(rows), []


# In the identity of every set made with it: stays, wherever the code moves.
convert.fixed_name = "jaxforensics.synthfaces.views.convert"


def _item(view, source, split, number, block, *, plan, faces, seed):
    recipe = {
        "faces": faces,
        "indices": block,
        "made": sources.digest(source),
        "paired": plan.paired,
        "revision": REVISION,
        "seed": seed,
    }
    return Item(
        path=f"{view}/{source}/{split}/{number}",
        label=int(source in plan.fakes),
        source=source,
        split=split,
        attributes=recipe,
    )


def _members(plan, source, split, faces):
    """Identities of a split in a source: one in n where n fakes share the faces."""
    members = [i for i in range(faces) if split_of(i) == split]
    if plan.each or source not in plan.fakes:
        return members
    return members[plan.fakes.index(source) :: len(plan.fakes)]


def _blocks(members):
    size = photos.CHUNK
    return [tuple(members[i : i + size]) for i in range(0, len(members), size)]


def _record(item, made, row):
    def part(name):
        pixels = getattr(made, name)
        return b"" if pixels is None else encoded(pixels[row])

    index = item.attributes["indices"][row]
    about = {"seed": item.attributes["seed"], "index": index}
    return Record(
        image=part("image"),
        label=item.label,
        group=made.groups[row],
        pair=part("pair"),
        mask=part("mask"),
        parsing=part("parsing"),
        attributes=json.dumps(about | made.attributes[row], sort_keys=True),
        name=f"{item.source}/{index:06d}.png",
    )


def encoded(pixels):
    """uint8 pixels as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def most_alike(pictures, bank):
    """Of each picture, the one in `bank` (n, size, size, 3) that looks most like it."""
    numbers, _ = nearest(_thumbnails(pictures), _thumbnails(bank))
    return bank[np.asarray(numbers)]


def _thumbnails(pictures):
    count, size = pictures.shape[:2]
    cells = pictures.reshape(count, 16, size // 16, 16, size // 16, 3)
    return cells.mean((2, 4), dtype=np.float32).reshape(count, -1) / 255


@functools.lru_cache(2)
def _bank(seed, split, faces, size):
    """The reals of a split."""
    members = np.array([i for i in range(faces) if split_of(i) == split])
    return photos.portraits(seed, members, domain="studio", size=size)[0]
