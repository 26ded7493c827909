"""Whether a prepared data set is whole, and how one that is not gets whole again.

`prepared.json` holds size and digest of every file that is read, and which task each
file of records was made by, so that a damaged one can be made again alone.  Sets that
were prepared before digests were stored get theirs once every record has been read and
the digest of their content, which was stored, is right.
"""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from jaxforensics.data import records
from jaxforensics.files import READ_ONLY, sha256
from jaxforensics.prepare import writing
from jaxforensics.progress import bar

METADATA = (  # what TFDS reads beside the records
    "dataset_info.json",
    "features.json",
    "label.labels.txt",
    "source.labels.txt",
)
NOTES = "prepared.json"
NO_DIGESTS = "has no digests of the files: it is of an earlier version"
UNREADABLE = (DecodeError, IndexError, OSError, RuntimeError, ValueError)
LARGE = 2**30  # bytes; reading so many is worth a progress bar


class Damage(NamedTuple):
    """A file of a data set, and what is wrong with it."""

    file: str
    problem: str


def describe(folder, name, splits, task_names):
    """{file: size, digest and task} of the files of a data set that `splits` tell.

    `task_names` {split: [name of the task of each file]}.
    """
    files = {}
    for split, about in splits.items():
        shards = records.shard_files(folder, name, split, len(about["shards"]))
        for path, task_name in zip(shards, task_names[split], strict=True):
            files[path.name] = _size_and_digest(path) | {"task": task_name}
        for array in ("index", "videos"):
            path = folder / f"{array}-{split}.npy"
            if path.exists():
                files[path.name] = _size_and_digest(path)
    for path in (folder / name for name in METADATA):
        files[path.name] = _size_and_digest(path)
    return files


def damages(folder, *, progress=False):
    """[Damage]: what of a data set is missing, has changed or is said wrongly."""
    prepared = records.read_prepared(folder)
    if "files" not in prepared:
        return [Damage(NOTES, NO_DIGESTS)]
    files = prepared["files"]
    is_large = sum(about["size"] for about in files.values()) > LARGE
    described = bar(
        list(files.items()), desc="check", unit="file", shown=progress and is_large
    )
    damaged = []
    for name, about in described:
        problem = _problem(folder / name, about)
        if problem:
            damaged.append(Damage(name, problem))
    # Of files that are not whole there is no telling what the notes should say.
    return damaged or _misstated(folder, prepared)


def mend(folder, tasks, run):
    """Make what is damaged again; False where nothing less than the whole set will do.

    `tasks` {split: [Task]} are all of the set, `run` makes those that it is given.
    """
    prepared = records.read_prepared(folder)
    if "files" not in prepared:
        return _adopt(folder, prepared, tasks)
    task_of = {Path(task.path).name: task for group in tasks.values() for task in group}
    damaged = {damage.file for damage in damages(folder)}
    shards = {
        name: task_of.get(about["task"])
        for name, about in prepared["files"].items()
        if name in damaged and "task" in about
    }
    if None in shards.values():  # it is not known which task made the file
        return False
    run(list(shards.values()))
    for name, task in shards.items():
        # Another version of a codec may give other bytes: then nothing may be mixed.
        if sha256(task.file) != prepared["files"][name]["sha256"]:
            return False
        os.replace(task.file, folder / name)
    # Index, metadata and notes follow from the records, which are whole by now.
    if damaged - shards.keys():
        _describe_anew(folder, prepared, _summaries(folder, prepared))
    return True


def count_sources(sources, shards):
    """{split: {source: records}} from {split: [(file, summary)]}."""
    # A row of an index begins with the number of the source.
    return {
        split: {source: 0 for source in sources}
        | Counter(sources[row[0]] for _, part in parts for row in part["index"])
        for split, parts in shards.items()
    }


def stored_shards(folder, prepared, split):
    """The files of records of a split as they lie there, whatever the notes count."""
    # Not by their count, which may be what the notes say wrongly.
    stem = f"{prepared['name']}-{split}.array_record-"
    if "files" in prepared:
        names = [name for name in prepared["files"] if name.startswith(stem)]
        return [folder / name for name in sorted(names)]
    return sorted(folder.glob(f"{stem}*"))


def _size_and_digest(path):
    return {"size": path.stat().st_size, "sha256": sha256(path)}


def _problem(path, about):
    """What is wrong with a file of this size and digest, or ''."""
    if not path.exists():
        return "is missing"
    size = path.stat().st_size
    if size != about["size"]:
        return f"has {size} bytes, not {about['size']}"
    if sha256(path) != about["sha256"]:
        return "has other bytes than it was made with"
    return ""


def _misstated(folder, prepared):
    """What `prepared.json` says wrongly about files that are whole."""
    damaged = []
    for split, about in prepared["splits"].items():
        files = stored_shards(folder, prepared, split)
        lengths = [records.shard_length(path) for path in files]
        if lengths != about["shards"]:
            problem = f"says {about['shards']} records for {split}, not {lengths}"
            damaged.append(Damage(NOTES, problem))
            continue
        index = records.read_array(folder / f"index-{split}.npy")
        numbers = np.bincount(index["source"], minlength=len(prepared["sources"]))
        counts = dict(zip(prepared["sources"], numbers.tolist(), strict=True))
        if counts != prepared["counts"][split]:
            damaged.append(Damage(NOTES, f"counts the records of {split} wrongly"))
    return damaged


def _summaries(folder, prepared):
    """{split: [(file, summary)]}, from reading every record."""
    shards = {}
    for split in prepared["splits"]:
        files = stored_shards(folder, prepared, split)
        shards[split] = [(path, writing.summarise(path)) for path in files]
    return shards


def _describe_anew(folder, prepared, shards):
    """Write all that follows from the records: index, metadata of TFDS, the notes."""
    task_names = {
        split: [prepared["files"][path.name]["task"] for path, _ in parts]
        for split, parts in shards.items()
    }
    name = prepared["name"]
    sources = tuple(prepared["sources"])
    splits = writing.publish(folder, name, sources, shards)
    counts = count_sources(sources, shards)
    prepared |= {
        "splits": splits,
        "counts": prepared["counts"] | counts,
        "files": describe(folder, name, splits, task_names),
    }
    writing.write_json(folder / NOTES, prepared)


def _adopt(folder, prepared, tasks):
    """Whether a set of an earlier version is whole; if so it gets its digests."""
    try:
        shards = _summaries(folder, prepared)
        whole = all(
            _agrees(folder, split, about, [summary for _, summary in shards[split]])
            for split, about in prepared["splits"].items()
        )
    except UNREADABLE:
        return False
    if not whole or not all((folder / name).exists() for name in METADATA):
        return False
    # A task that gave no record left no file: then files and tasks do not correspond.
    task_names = {}
    for split, parts in shards.items():
        names = [Path(task.path).name for task in tasks[split]]
        if len(names) != len(parts):
            names = [""] * len(parts)
        task_names[split] = names
    try:
        for split, parts in shards.items():
            writing.write_videos(folder, split, [summary for _, summary in parts])
        splits = prepared["splits"]
        prepared["files"] = describe(folder, prepared["name"], splits, task_names)
        writing.write_json(folder / NOTES, prepared)
    except OSError as error:
        if error.errno not in READ_ONLY:  # where nothing may be written, it is read
            raise
    return True


def _agrees(folder, split, about, summaries):
    """Whether the notes about a split and its index say what its records are."""
    rows = [tuple(row) for summary in summaries for row in summary["index"]]
    index = records.read_array(folder / f"index-{split}.npy")
    return (
        writing.content_digest(summaries) == about["sha256"]
        and [summary["records"] for summary in summaries] == about["shards"]
        and np.array_equal(index, np.array(rows, records.INDEX))
    )
