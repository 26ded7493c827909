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

SIDE = 16  # of the pictures whose colours are compared
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
        path = root / f"pairs-{task.split}.npy"
        note = _note(task, embedding)
        if not _finished(path, note):
            pairs = np.full(len(task.opened), -1, np.int32)
            features = [
                _features(task, rows_of, embedding, threads, progress)
                for rows_of in (task.fakes, task.reals)
            ]
            numbers = _search(*features, chunk, f"compare {task.split}", progress)
            pairs[task.fakes] = task.reals[numbers]
            # The note follows: pairs without a note that fits them are found again.
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
        reals = np.flatnonzero(~fake)
        fakes = np.flatnonzero(lacking)
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
    """What pairs depend on; kept beside them."""
    return {
        "embedding": embedding.name,
        "side": embedding.side,
        "records": task.opened.sha256,
    }


def _finished(path, note):
    """Whether the pairs at `path` are those that would be found now."""
    note_file = path.with_suffix(".json")
    if not (path.exists() and note_file.exists()):
        return False
    return json.loads(note_file.read_text()) == note | {"sha256": sha256(path)}


def _features(task, rows, embedding, threads, progress):
    """The embedding of these records, (n, d)."""
    features = []
    settings = {"desc": f"read {task.split}", "unit": "picture", "shown": progress}
    with (
        bar(None, total=len(rows), **settings) as counter,
        ThreadPoolExecutor(max(threads, 1)) as pool,
    ):
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH].tolist()
            pictures = pool.map(lambda row: _picture(task, row, embedding), part)
            features.append(_embedded(np.stack(list(pictures)), embedding))
            counter.update(len(part))
    return np.concatenate(features)


def _picture(task, row, embedding):
    """The picture of a record, as small as it is compared: (side, side, 3) uint8."""
    record = task.opened[row]
    try:
        pixels = decode.decode(record.image)
    except decode.BadPicture as bad:
        raise ValueError(
            f"{task.opened.place(row)} ({record.name}) is damaged ({bad}): "
            f"{records.PREPARE_AGAIN}"
        ) from None
    # Colours are averaged; a network gets what it would be shown in training.
    method = decode.BICUBIC
    if embedding.function is None:
        method = BOX
    return decode.square(pixels, embedding.side, method=method)


def _embedded(pictures, embedding):
    """uint8 (n, side, side, 3) -> (n, d)."""
    count = len(pictures)
    if embedding.function is None:
        return pictures.reshape(count, -1)
    # The last batch repeats its last picture: of one shape, it is compiled once.
    numbers = np.minimum(np.arange(BATCH), count - 1)
    features = embedding.function(pictures[numbers] / np.float32(255))
    features = np.asarray(features, np.float32).reshape(BATCH, -1)[:count]
    if not np.isfinite(features).all():
        raise ValueError(f"embedding {embedding.name}: some values are not finite")
    return features


def _search(queries, candidates, chunk, desc, progress):
    """The numbers of the nearest candidates, block by block of equal size."""
    candidates = jax.device_put(candidates)
    count = len(queries)
    blocks = -(-count // chunk)
    size = -(-count // blocks)
    nearest_numbers = []
    settings = {"desc": desc, "unit": "picture", "shown": progress}
    with bar(None, total=count, **settings) as counter:
        for start in range(0, count, size):
            # The last block repeats the last query, as above.
            numbers = np.minimum(np.arange(start, start + size), count - 1)
            of_block, _ = nearest(queries[numbers], candidates, chunk=chunk)
            nearest_numbers.append(np.asarray(of_block))
            counter.update(min(size, count - start))
    return np.concatenate(nearest_numbers)[:count]


def _row(task, pairs):
    """What was done in a split, for the user."""
    fakes = int(task.opened.labels[task.opened.index["source"]].sum())
    return {
        "split": task.split,
        "fakes": fakes,
        "with original": fakes - len(task.fakes),
        "paired": len(task.fakes),
        "reals": len(task.reals),
        "reals used": len(np.unique(pairs[task.fakes])),
    }
