"""A real for every fake whose original is not stored: the one that looks most like it.

Beside a prepared data set, `pairs-<split>.npy` holds for every record the number of a
real of the same split, -1 for none, and `pairs-<split>.json` how it was found.
`records.open` delivers that real as the fake's pair.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from jaxforensics.data import decode, records
from jaxforensics.data.splits import NAMES
from jaxforensics.files import replacing, sha256
from jaxforensics.ops.nearest import nearest
from jaxforensics.prepare import writing
from jaxforensics.progress import bar

SIDE = 16
BATCH = 256  # pictures read, and embedded, together
BOX = Image.Resampling.BOX


class Task(NamedTuple):
    """The records of a split, and which of them matter, by number."""

    split: str
    opened: records.Records
    reals: np.ndarray
    fakes: np.ndarray  # without a stored original


class Embedding(NamedTuple):
    """What distances are taken of: see `pair`."""

    name: str
    side: int
    function: object  # None: the colours themselves


def pair(
    root,
    *,
    side=SIDE,
    embed=None,
    name=None,
    chunk=4096,
    threads=4,
    progress=True,
):
    """Store the nearest real of every fake without an original; a row for every split.

    Nearest by Euclidean distance of colours: the centre square, averaged down to `side`
    squared.  Or of `embed(pictures)`, (n, side, side, 3) float32 in [0, 1], resized as
    for reading, to (n, ...); n is always the same, and `name` tells such embeddings
    apart.  Splits that were finished with the same settings are kept.

    Args:
      root: what `prepare` reported, or a folder with one data set below it.
      side: of the pictures that are compared.
      embed: a function of pictures; None for their colours.
      name: of what `embed` computes, for the notes.
      chunk: pictures compared with as many others at once.
      threads: that read and decode.
      progress: whether to show it.
    """
    if side < 1:
        raise ValueError(f"--side is at least 1, not {side}")
    if (embed is None) != (name is None):
        raise ValueError("embed and name go together: the name tells embeddings apart")
    root = records.locate(root)
    embedding = Embedding(name or "colour", side, embed)
    rows = []
    for task in _tasks(root):
        path, note = root / f"pairs-{task.split}.npy", _note(task, embedding)
        if not _finished(path, note):
            pairs = np.full(len(task.opened), -1, np.int32)
            features = [
                _features(task, rows_of, embedding, threads, progress)
                for rows_of in (task.fakes, task.reals)
            ]
            found = _search(*features, chunk, f"compare {task.split}", progress)
            pairs[task.fakes] = task.reals[found]
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, pairs)
            note["sha256"] = sha256(path)
            writing.write_json(path.with_suffix(".json"), note)
        rows.append(_row(task, np.load(path)))
    return rows


def _tasks(root):
    """The splits with something to do, or what hinders it, before any work begins."""
    tasks = []
    for split in NAMES:
        opened = records.open(root, split, pairs=False)
        fake = opened.labels[opened.index["source"]] == 1
        lacking = fake & (opened.index["parts"] & records.BITS["pair"] == 0)
        reals, fakes = np.flatnonzero(~fake), np.flatnonzero(lacking)
        if len(fakes) and not len(reals):
            raise ValueError(
                f"split {split} of {root} has no real picture for its {len(fakes)} "
                "fakes without an original"
            )
        if len(fakes):
            tasks.append(Task(split, opened, reals, fakes))
    if not tasks:
        raise ValueError(f"there is nothing to pair: {root} has no fake without a pair")
    return tasks


def _note(task, embedding):
    return {
        "embedding": embedding.name,
        "side": embedding.side,
        "records": task.opened.sha256,
    }


def _finished(path, note):
    """Whether the pairs at `path` are those that would be found now."""
    known = path.with_suffix(".json")
    if not (path.exists() and known.exists()):
        return False
    return json.loads(known.read_text()) == note | {"sha256": sha256(path)}


def _features(task, rows, embedding, threads, progress):
    """The embedding of these records, (n, d)."""
    found = []
    about = {"desc": f"read {task.split}", "unit": "picture", "shown": progress}
    with (
        bar(None, total=len(rows), **about) as shown,
        ThreadPoolExecutor(max(threads, 1)) as pool,
    ):
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH].tolist()
            read = pool.map(lambda row: _picture(task, row, embedding), part)
            found.append(_embedded(np.stack(list(read)), embedding))
            shown.update(len(part))
    return np.concatenate(found)


def _picture(task, row, embedding):
    record = task.opened[row]
    try:
        pixels = decode.decode(record.image)
    except decode.BadPicture as bad:
        raise ValueError(
            f"{task.opened.place(row)} ({record.name}) is damaged ({bad}): "
            f"{records.AGAIN}"
        ) from None
    method = BOX if embedding.function is None else decode.BICUBIC
    return decode.square(pixels, embedding.side, method=method)


def _embedded(pictures, embedding):
    """uint8 (n, side, side, 3) -> (n, d)."""
    count = len(pictures)
    if embedding.function is None:
        return pictures.reshape(count, -1)
    numbers = np.minimum(np.arange(BATCH), count - 1)  # one shape: compiled once
    made = embedding.function(pictures[numbers] / np.float32(255))
    made = np.asarray(made, np.float32).reshape(BATCH, -1)[:count]
    if not np.isfinite(made).all():
        raise ValueError(f"embedding {embedding.name}: some values are not finite")
    return made


def _search(queries, candidates, chunk, desc, progress):
    """The numbers of the nearest candidates, block by block of equal size."""
    candidates = jax.device_put(candidates)
    count = len(queries)
    blocks = -(-count // chunk)
    size = -(-count // blocks)
    found = []
    with bar(None, total=count, desc=desc, unit="picture", shown=progress) as shown:
        for start in range(0, count, size):
            numbers = np.minimum(np.arange(start, start + size), count - 1)
            here, _ = nearest(queries[numbers], candidates, chunk=chunk)
            found.append(np.asarray(here))
            shown.update(min(size, count - start))
    return np.concatenate(found)[:count]


def _row(task, pairs):
    fakes = int(task.opened.labels[task.opened.index["source"]].sum())
    return {
        "split": task.split,
        "fakes": fakes,
        "with original": fakes - len(task.fakes),
        "paired": len(task.fakes),
        "reals": len(task.reals),
        "reals used": len(np.unique(pairs[task.fakes])),
    }
