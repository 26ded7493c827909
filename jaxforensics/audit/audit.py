"""What a data set gives away: counts, duplicates, overlaps, and labels that leak.

A detector that is trained on real JPEGs and fake PNGs learns file formats.  The audit
looks at what a picture's file tells without its content, and says in words whether
that separates the classes.
"""

import functools
import multiprocessing
import signal
from collections import Counter
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
from jaxforensics.prepare import convert
from jaxforensics.prepare import folders as folders
from jaxforensics.progress import bar

EXAMPLES = 6


class Audit(NamedTuple):
    """What an audit found: plain data for JSON, and what the figures need besides."""

    report: dict
    file_sizes: dict  # {source: bytes of each picture}
    examples: list  # of near duplicates across splits or classes, as {name: pixels}


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
    units, left_out = _units(Path(root), real, group)
    chosen = np.random.default_rng(seed).permutation(len(units))[:limit]
    units = [units[i] for i in sorted(chosen)]
    show = functools.partial(bar, desc=f"audit {root}", shown=progress)
    seen = _look(units, size, workers, show)
    pictures = [result for result in seen if not isinstance(result, Failure)]
    failures = [*left_out, *(result for result in seen if isinstance(result, Failure))]
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
    } | _examined(pictures, seed, functools.partial(show, unit="fit"))
    report["findings"] = [finding._asdict() for finding in findings(report)]
    where = {result.name: unit for result, unit in zip(seen, units, strict=True)}
    examples = _examples(report["duplicates"]["near"], where)
    return Audit(report, inventory.file_sizes(pictures), examples)


def _examined(pictures, seed, show):
    """The parts of the report that the pictures give."""
    near = hashing.near_duplicates(np.stack([p.thumbnail for p in pictures]))
    found = leaks.leaks(
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
        "leaks": [leak._asdict() for leak in found],
    }


def _percentiles(sizes):
    """Rows: percentiles of the file size of each source."""
    shares = {"5 %": 5, "25 %": 25, "median": 50, "75 %": 75, "95 %": 95}
    return [
        {"source": source}
        | {name: int(np.percentile(values, q)) for name, q in shares.items()}
        for source, values in sizes.items()
    ]


def _examples(clusters, where):
    """The first two pictures of clusters that lie across splits or classes."""
    apart = [c for c in clusters if len(c["splits"]) > 1 or len(c["labels"]) > 1]
    apart = sorted(apart, key=lambda cluster: -len(cluster["splits"]))[:EXAMPLES]
    return [
        {n: decode.square(decode.decode(where[n]()[3]()), 192) for n in c["names"][:2]}
        for c in apart
    ]


def _units(root, real, group):
    """(functions that say what a picture is and load it, [Failure])."""
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    depths = "", "*/", "*/*/"
    if not any(found for d in depths for found in root.glob(f"{d}prepared.json")):
        listing = folders.class_folders(root, real=real, group=group)
        return [functools.partial(_file, i) for i in listing.items], listing.left_out
    root = records.locate(root)
    return [
        functools.partial(_record, root, split, number)
        for split in NAMES
        for number in range(len(records.open(root, split)))
    ], []


def _file(item):
    return item, item.source, item.split, functools.partial(convert.read, item.path)


def _record(root, split, number):
    opened = _opened(root, split)
    record = opened[number]
    return record, opened.sources[record.source], split, lambda: record.image


_opened = functools.cache(records.open)


def _examine(unit, size):
    """The Picture, or the Failure."""
    about, source, split, load = unit()
    try:
        data = load()
        return measure(
            data if size is None else convert.encoded(data, size)[0],
            name=about.name,
            label=about.label,
            source=source if about.label else "real",
            group=about.group or about.name,
            split=split,
        )
    except decode.BadPicture as error:
        return Failure(about.name, error.reason, error.detail)


def _look(units, size, workers, show):
    examine = functools.partial(_examine, size=size)
    show = functools.partial(show, total=len(units), unit="picture")
    if workers <= 1:
        return list(show(map(examine, units)))
    # Spawned, not forked: the caller may have threads (JAX's among them).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _leave_interrupts) as pool:
        return list(show(pool.map(examine, units, chunksize=32)))


def _leave_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
