"""Prepare folders, a manifest or videos: what `launch/prepare.py` calls for them."""

import functools
import re
from pathlib import Path

from jaxforensics.data.items import REAL
from jaxforensics.data.splits import ALIASES
from jaxforensics.prepare import dataset, faces, folders, layouts
from jaxforensics.prepare.convert import MIN_SIDE, convert_picture
from jaxforensics.prepare.videos import convert_clip, pyav
from jaxforensics.reporting import tables
from jaxforensics.settings import call, choose

# Flags of all three, which say how to write; others say what is to be written.
COMMON = "out size limit seed workers strict name fractions".split()


def run(command, flags):
    """Prepare what the flags describe; returns the text to print."""
    flags = dict(flags)
    path = flags.pop("path")
    listings = {"folder": folder, "manifest": manifest, "videos": videos}
    common = {name: flags.pop(name) for name in COMMON if name in flags}
    listing, convert = call(listings[command], flags, path)
    return call(write, common, path, listing, convert)


def folder(path, *, real=REAL, group=None, edits=(), masks=(), rename=()):
    """(listing, convert) of class folders, or of originals and `edits` SOURCE=DIR.

    `rename` OLD=NEW gives the split of a folder another name; without NEW its pictures
    are drawn into splits like those of a folder without splits.
    """
    edits = _pairs(edits, "SOURCE=DIR")
    masks = _pairs(masks, "SOURCE=DIR")
    rename = _pairs(rename, "SPLIT=NEW")
    if edits:
        if rename or group or real != REAL:
            raise ValueError("--rename, --group and --real do not go with --edits")
        return folders.paired_folders(path, edits, masks=masks), convert_picture
    if masks:
        raise ValueError("--masks belongs to --edits")
    listing = folders.class_folders(path, real=real, group=group)
    return _renamed(listing, rename), convert_picture


def manifest(path):
    """(listing, convert) of a CSV or JSON-lines file."""
    return folders.manifest(path), convert_picture


def videos(
    path, *, frames=32, detector="lbp", margin=1.3, layout=None, compression="c23"
):
    """(listing, convert) of a directory of clips."""
    pyav()  # where it is missing, that shows now, not in a worker
    if frames < 1 or margin <= 0:
        raise ValueError("--frames is at least 1, and --margin greater than 0")
    faces.detector(detector)  # an unknown one shows now, too
    # By its name, not as a function: workers import it, and names do not change.
    knobs = {"frames": frames, "detector": detector, "margin": margin}
    listing = layouts.find(path, layout=layout, compression=compression)
    return listing, functools.partial(convert_clip, **knobs)


def write(
    path,
    listing,
    convert,
    *,
    out="prepared",
    size=None,
    limit=None,
    seed=0,
    workers=2,
    strict=False,
    name=None,
    fractions=None,
):
    """Prepare a listing's items: the text that sums it up."""
    name = name or data_set_name(path)
    check_outside(path, Path(out) / name)
    if fractions and all(item.split for item in listing.items):
        raise ValueError("--fractions: nothing is drawn, every item comes with a split")
    report = dataset.prepare(
        listing.items,
        out,
        name=name,
        size=checked_size(size),
        limit=limit,
        seed=seed,
        workers=workers,
        strict=strict,
        fractions=tuple(fractions or dataset.FRACTIONS),
        convert=convert,
        left_out=listing.left_out,
    )
    return summary(report)


def summary(report):
    """What prepare reported, as text."""
    rows = [{"split": split} | counts for split, counts in report.splits.items()]
    lines = [tables.markdown(rows), f"{report.records} records: {report.root}"]
    if report.reasons:
        words = ", ".join(f"{n} {reason}" for reason, n in report.reasons.items())
        lines.append(f"left out: {words}; listed in {report.root}/failures.json")
    return "\n".join([*lines, *(f"remark: {remark}" for remark in report.remarks)])


def _renamed(listing, names):
    """The listing with splits renamed: {old: new}, '' for none."""
    names = {ALIASES.get(old, old): ALIASES.get(new, new) for old, new in names.items()}
    splits = dict.fromkeys(sorted({item.split for item in listing.items}))
    if names and "" in splits:
        raise ValueError("--rename: these folders have no splits")
    for old, new in names.items():
        choose(splits, old, "split")
        choose({"": None} | ALIASES, new, "split")
    items = [i._replace(split=names.get(i.split, i.split)) for i in listing.items]
    return listing._replace(items=items)


def check_outside(path, out):
    """Refuse to write where the next look at the pictures would find it."""
    path = Path(path).resolve()
    out = Path(out).resolve()
    if path == out or path in out.parents:
        raise ValueError(f"{out} is inside {path}: choose another --out")


def checked_size(size):
    """The size, unless pictures would become too small to be kept."""
    if size is not None and size < MIN_SIDE:
        raise ValueError(f"--size is at least {MIN_SIDE}, not {size}")
    return size


def _pairs(texts, form):
    """{key: value} of texts KEY=VALUE."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"expected {form}, not {text!r}")
        if key in pairs:
            raise ValueError(f"{key}= is given twice: {pairs[key]!r} and {value!r}")
        pairs[key] = value
    return pairs


def data_set_name(path):
    """A data set's name, made from the path of its pictures."""
    stem = Path(path).resolve().stem.lower()
    name = re.sub("[^a-z0-9]+", "_", stem).strip("_")
    # TFDS wants names that could be those of a Python module.
    if not name[:1].isalpha():
        return f"data_{name}"
    return name
