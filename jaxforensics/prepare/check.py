"""Look at every byte of a prepared data set: digests, records, pictures."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from array_record.python.array_record_module import ArrayRecordReader
from google.protobuf.message import DecodeError

from jaxforensics.data import decode, records
from jaxforensics.files import sha256
from jaxforensics.prepare import complete, writing
from jaxforensics.prepare.complete import Damage
from jaxforensics.progress import bar


class Checked(NamedTuple):
    """What a check found."""

    folder: str
    records: int  # that were looked at
    damages: list  # of Damage
    remarks: list  # sentences the user should read


def check(root, *, threads=4, progress=True):
    """Verify the digest of every file, and that every record decodes: a Checked."""
    folder = records.locate(root)
    prepared = records.read_prepared(folder)
    damages = complete.damages(folder, progress=progress)
    remarks = []
    if "files" not in prepared:
        remarks = [f"{complete.NOTES} {complete.NO_DIGESTS}; preparing again adds them"]
        damages = []
    total = sum(sum(about["shards"]) for about in prepared["splits"].values())
    with (
        bar(None, total=total, desc="decode", unit="record", shown=progress) as counter,
        ThreadPoolExecutor(threads) as pool,
    ):
        for split in prepared["splits"]:
            damages += _check_split(folder, prepared, split, pool, counter.update)
            damages += _check_pairs(folder, split)
        looked_at = counter.n
    # A missing file, for one, is found by its digest and by its records.
    return Checked(str(folder), looked_at, list(dict.fromkeys(damages)), remarks)


class Examined(NamedTuple):
    """A stored record: its bytes, what they say, and what is wrong with them."""

    data: bytes
    record: records.Record | None
    problem: str


def _check_split(folder, prepared, split, pool, advance):
    """[Damage] of a split: records that cannot be read, decoded or are not listed."""
    damages = []
    summaries = []
    for path in complete.stored_shards(folder, prepared, split):
        if not path.exists():
            damages.append(Damage(path.name, "is missing"))
            continue
        summary = writing.Summary()
        for number, examined in enumerate(_examine_all(path, pool)):
            advance(1)
            if examined.problem:
                problem = f"record {number} {examined.problem}"
                damages.append(Damage(path.name, problem))
            if examined.record is not None:
                summary.add(examined.record, examined.data)
        summaries.append(summary.as_json())
    if damages:  # then neither index nor digest can agree
        return damages
    return _check_notes(folder, prepared, split, summaries)


def _examine_all(path, pool):
    """Yield the Examined of each record of a file."""
    reader = ArrayRecordReader(str(path), writing.READER)
    length = reader.num_records()
    if not length:  # closing such a reader would raise
        yield Examined(
            b"", None, "cannot be damages: the file's list of records is gone"
        )
        return
    yield from pool.map(lambda number: _examine(reader, number), range(length))
    reader.close()


def _examine(reader, number):
    try:
        data = reader.read([number])[0]
        record = records.parse(data)
    except (DecodeError, IndexError, RuntimeError, UnicodeDecodeError) as error:
        return Examined(b"", None, f"cannot be read: {error}")
    try:
        decode.decode(record.image)
        for part, (decoder, _) in decode.PARTS.items():
            if getattr(record, part):
                decoder(getattr(record, part))
    except decode.BadPicture as bad:
        problem = f"({record.name}) cannot be decoded: {bad}"
        return Examined(data, record, problem)
    return Examined(data, record, "")


def _check_notes(folder, prepared, split, summaries):
    """[Damage] of the index and the notes, where they do not tell the records."""
    damages = []
    index = folder / f"index-{split}.npy"
    # As lists, which is what JSON and numpy give for a row.
    rows = [list(row) for summary in summaries for row in summary["index"]]
    try:
        listed = [list(row) for row in records.read_array(index).tolist()]
    except (OSError, ValueError):
        listed = None
    if listed != rows:
        damages.append(Damage(index.name, "does not list the records that there are"))
    about = prepared["splits"][split]
    lengths = [summary["records"] for summary in summaries]
    if lengths != about["shards"]:
        problem = f"says {about['shards']} records for {split}, not {lengths}"
        damages.append(Damage(complete.NOTES, problem))
    if writing.content_digest(summaries) != about["sha256"]:
        problem = f"has another digest of the records of {split}"
        damages.append(Damage(complete.NOTES, problem))
    return damages


def _check_pairs(folder, split):
    """[Damage] of what `pairing` stored beside a split, if it did."""
    path = folder / f"pairs-{split}.npy"
    if not path.exists():
        return []
    try:
        stored = json.loads(path.with_suffix(".json").read_text())["sha256"]
    except (KeyError, OSError, ValueError):
        stored = None
    if stored == sha256(path):
        return []
    return [Damage(path.name, "has other bytes than were noted when it was made")]
