"""What `launch/prepare.py` does; every command returns the text to print."""

import functools
import re
from pathlib import Path

from jaxforensics.data import prepare, sources
from jaxforensics.data.convert import MIN_SIDE, convert_picture
from jaxforensics.data.items import REAL
from jaxforensics.reporting import tables
from jaxforensics.settings import choose


def folder(path, *, real=REAL, group=None, edits=(), masks=(), rename=()):
    """(listing, convert) of class folders, or of originals and `edits` SOURCE=DIR.

    `rename` OLD=NEW gives the split of a folder another name; without NEW its pictures
    are drawn into splits like those of a folder without splits.
    """
    if not edits:
        if masks:
            raise ValueError("--masks belongs to --edits")
        listing = sources.class_folders(path, real=real, group=group)
        return _renamed(listing, dict(_pair(text) for text in rename)), convert_picture
    named = [dict(_pair(text) for text in texts) for texts in (edits, masks)]
    return sources.paired_folders(
        path, named[0], masks=named[1] or None
    ), convert_picture


def manifest(path):
    """(listing, convert) of a CSV or JSON-lines file."""
    return sources.manifest(path), convert_picture


def videos(
    path, *, frames=32, detector="lbp", margin=1.3, layout=None, compression="c23"
):
    """(listing, convert) of a directory of clips."""
    from jaxforensics.data import faces, layouts  # scikit-image and PyAV only here
    from jaxforensics.data.videos import convert_clip

    if frames < 1 or margin <= 0:
        raise ValueError("--frames is at least 1, and --margin greater than 0")
    faces.detector(detector)  # an unknown one shows now, not in a worker
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
    fractions=(0.75, 0.05, 0.20),
):
    """Prepare a listing's items: the text that sums it up."""
    name = name or _slug(path)
    if (Path(out) / name).resolve() == Path(path).resolve():
        raise ValueError(f"{path} would hold its own records: choose another --out")
    report = prepare.prepare(
        listing.items,
        out,
        name=name,
        size=_checked(size),
        limit=limit,
        seed=seed,
        workers=workers,
        strict=strict,
        fractions=tuple(fractions),
        convert=convert,
        left_out=listing.left_out,
    )
    rows = [{"split": split} | counts for split, counts in report.splits.items()]
    lines = [tables.markdown(rows), f"{report.records} records: {report.root}"]
    if report.reasons:
        words = ", ".join(f"{n} {reason}" for reason, n in report.reasons.items())
        lines.append(f"left out: {words}; listed in {report.root}/failures.json")
    return "\n".join([*lines, *(f"remark: {remark}" for remark in report.remarks)])


def audit(
    path,
    *,
    out=None,
    size=None,
    limit=None,
    seed=0,
    workers=2,
    strict=False,
    real=REAL,
    group=None,
):
    """Audit a directory, write JSON and the page: the text of it."""
    from jaxforensics.data import audit, audit_page  # matplotlib and scikit-learn

    found = audit.audit(
        path,
        size=_checked(size),
        limit=limit,
        seed=seed,
        workers=workers,
        strict=strict,
        real=real,
        group=group,
    )
    page = audit_page.write(found, out or Path("audits") / _slug(path))
    return f"{audit_page.text(found.report)}\n\npage: {page}"


def _renamed(listing, names):
    for old in names:
        choose(dict.fromkeys(item.split for item in listing.items), old, "split")
    items = [i._replace(split=names.get(i.split, i.split)) for i in listing.items]
    return listing._replace(items=items)


def _checked(size):
    if size is not None and size < MIN_SIDE:
        raise ValueError(f"--size is at least {MIN_SIDE}, not {size}")
    return size


def _pair(text):
    source, equals, folder = text.partition("=")
    if not equals:
        raise ValueError(f"expected SOURCE=DIR, not {text!r}")
    return source, folder


def _slug(path):
    """A data set's name made from a path."""
    stem = re.sub("[^a-z0-9]+", "_", Path(path).resolve().stem.lower()).strip("_")
    return stem if stem[:1].isalpha() else f"data_{stem}"
