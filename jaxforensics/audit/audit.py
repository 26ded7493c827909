"""What a data set gives away: counts, duplicates, overlaps, and labels that leak.

A detector that is trained on real JPEGs and fake PNGs learns file formats.  The audit
looks at what a picture's file tells without its content, and says in words whether
that separates the classes.
"""

import functools
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxforensics.audit import hashing, inventory, leaks
from jaxforensics.audit.findings import findings, words
from jaxforensics.audit.measure import measure
from jaxforensics.data import decode, records
from jaxforensics.data.items import REAL, Failure
from jaxforensics.data.splits import NAMES
from jaxforensics.prepare import convert, folders
from jaxforensics.progress import bar

EXAMPLES = 6  # pairs of near duplicates that the page shows
EXAMPLE_SIDE = 192  # of their pictures, in pixels
PERCENTILES = {"5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95}


class Audit(NamedTuple):
    """What an audit found: plain data for JSON, and what the figures need besides."""

    report: dict
    file_sizes: dict  # {source: bytes of each picture}
    examples: list  # of near duplicates across splits or classes, as {name: pixels}


class Unit(NamedTuple):
    """A picture to examine: what is known about it, and how to get its bytes."""

    about: NamedTuple  # an Item or a Record: name, label and group
    source: str
    split: str
    load: Callable  # () -> bytes


def audit(
    root,
    *,
    size=None,
    limit=None,
    seed=0,
    workers=2,
    strict=False,
    real=REAL,
    group=None,
    progress=True,
):
    """Examine class folders or a prepared data set; return an Audit.

    With `size`, pictures are examined as `prepare` would store them at that size: what
    would remain of a leak.  `real` and `group` are those of `folders.class_folders`;
    `limit` examines so many pictures, drawn by seed.  Bad files are counted and listed;
    `strict` makes them a ValueError.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is at least 1, not {limit}")
    if seed < 0:
        raise ValueError(f"seed is at least 0, not {seed}")
    openers, left_out = _openers(Path(root), real, group)
    drawn = np.random.default_rng(seed).permutation(len(openers))[:limit]
    openers = [openers[number] for number in sorted(drawn)]

    show = functools.partial(bar, desc=f"audit {root}", shown=progress)
    results = _examine_all(openers, size, workers, show)
    pictures = [result for result in results if not isinstance(result, Failure)]
    failures = [result for result in results if isinstance(result, Failure)]
    failures = [*left_out, *failures]
    reasons = Counter(failure.reason for failure in failures)
    if strict and failures:
        raise ValueError(f"strict: {words(reasons)}; the first is {failures[0].name}")
    if not pictures:
        raise ValueError(f"not one picture in {root} can be read: {words(reasons)}")

    report = {
        "root": str(root),
        "pictures": len(pictures),
        "failures": [failure._asdict() for failure in failures],
        "reasons": dict(reasons),
    }
    report |= _report_pictures(pictures, seed, functools.partial(show, unit="fit"))
    report["findings"] = [finding._asdict() for finding in findings(report)]

    opener_of = {
        result.name: opener for result, opener in zip(results, openers, strict=True)
    }
    examples = _examples(report["duplicates"]["near"], opener_of)
    return Audit(report, inventory.file_sizes(pictures), examples)


def _report_pictures(pictures, seed, show):
    """The parts of the report that follow from the pictures."""
    near = hashing.near_duplicates(np.stack([p.thumbnail for p in pictures]))
    measured_leaks = leaks.leaks(
        np.stack([picture.features for picture in pictures]),
        [picture.label for picture in pictures],
        [picture.source for picture in pictures],
        inventory.fold_groups(pictures, near),
        seed=seed,
        progress=show,
    )
    return {
        "counts": inventory.counts(pictures),
        "file_sizes": _percentiles(inventory.file_sizes(pictures)),
        "properties": inventory.properties(pictures),
        "copies": inventory.copies(pictures),
        "duplicates": inventory.duplicates(pictures, near),
        "overlap": inventory.overlap(pictures),
        "leaks": [leak._asdict() for leak in measured_leaks],
    }


def _percentiles(sizes):
    """Rows: percentiles of the file size of each source."""
    rows = []
    for source, values in sizes.items():
        row = {
            name: int(np.percentile(values, percent))
            for name, percent in PERCENTILES.items()
        }
        rows.append({"source": source} | row)
    return rows


def _examples(clusters, opener_of):
    """[{name: pixels}]: two pictures of each cluster across splits or classes.

    Clusters across splits come first: they spoil a test, the others only a training.
    """
    apart = [c for c in clusters if len(c["splits"]) > 1 or len(c["labels"]) > 1]
    apart = sorted(apart, key=lambda cluster: -len(cluster["splits"]))
    examples = []
    for cluster in apart[:EXAMPLES]:
        pictures = {}
        for name in cluster["names"][:2]:
            pixels = decode.decode(opener_of[name]().load())
            pictures[name] = decode.square(pixels, EXAMPLE_SIDE)
        examples.append(pictures)
    return examples


def _openers(root, real, group):
    """([function that returns a Unit], [Failure]) of folders or a prepared data set.

    Functions, because workers open the data set themselves: it does not travel.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    depths = ("", "*/", "*/*/")
    if not any(
        notes for depth in depths for notes in root.glob(f"{depth}prepared.json")
    ):
        listing = folders.class_folders(root, real=real, group=group)
        return [
            functools.partial(_unit_of_file, item) for item in listing.items
        ], listing.left_out
    root = records.locate(root)
    return [
        functools.partial(_unit_of_record, root, split, number)
        for split in NAMES
        for number in range(len(records.open(root, split)))
    ], []


def _unit_of_file(item):
    load = functools.partial(convert.read, item.path)
    return Unit(item, item.source, item.split, load)


def _unit_of_record(root, split, number):
    opened = _opened(root, split)
    record = opened[number]
    return Unit(record, opened.sources[record.source], split, lambda: record.image)


_opened = functools.cache(records.open)  # once in every worker


def _examine(opener, size):
    """The Picture, or the Failure."""
    unit = opener()
    about = unit.about
    try:
        data = unit.load()
        if size is not None:
            data, _ = convert.encoded(data, size)
        return measure(
            data,
            name=about.name,
            label=about.label,
            source=unit.source if about.label else "real",  # all reals as one
            group=about.group or about.name,
            split=unit.split,
        )
    except decode.BadPicture as error:
        return Failure(about.name, error.reason, error.detail)


def _examine_all(openers, size, workers, show):
    """[Picture or Failure], in the order of the openers."""
    examine = functools.partial(_examine, size=size)
    show = functools.partial(show, total=len(openers), unit="picture")
    if workers <= 1:
        return list(show(map(examine, openers)))
    # Spawned, not forked: the caller may have threads (JAX's among them).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _leave_interrupts) as pool:
        # In chunks, because a picture takes a millisecond and a message nearly as long.
        return list(show(pool.map(examine, openers, chunksize=32)))


def _leave_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
