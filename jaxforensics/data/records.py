"""Records: encoded pictures with their provenance, in ArrayRecord files as TFDS lays.

A prepared data set is a directory `<out>/<name>/1.0.0` that `tfds.data_source(name,
data_dir=out)` and `tfds.builder_from_directory` read, with three more files:
`prepared.json` (what was done, hashes of the content), `failures.json` (what was left
out) and `index-<split>.npy` (source, group hash and parts of every record).  There may
be `pairs-<split>.npy` (see `pairing`): reals for fakes whose original is not stored.
"""

import copy
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordWriter
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from jaxforensics.data.items import is_real_source
from jaxforensics.settings import choose

VERSION = "1.0.0"
BITS = {"pair": 1, "mask": 2, "parsing": 4}  # parts a record may have, in the index
INDEX = np.dtype([("source", "<i2"), ("group", "<u8"), ("parts", "u1")])
UNFINISHED = ".unfinished"


class Record(NamedTuple):
    """One stored example; pictures are encoded bytes (PNG, or the original JPEG).

    A `convert` need not fill `source`: prepare does, from the item's source name.
    """

    image: bytes
    label: int  # 1 = fake
    source: int = 0  # 0 = real (other kinds of reals follow), then every generator
    group: str = ""  # video or identity: the unit of splits and of the bootstrap
    pair: bytes = b""  # the original, same height and width
    mask: bytes = b""  # gray
    parsing: bytes = b""
    attributes: str = "{}"  # JSON
    name: str = ""  # file name; '#frame' appended for videos


def features(sources):
    """The TFDS features of a Record, with the sources' names."""
    return tfds.features.FeaturesDict(
        {field: tfds.features.Text() for field in Record._fields}
        | {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["real", "fake"]),
            "source": tfds.features.ClassLabel(names=list(sources)),
        }
    )


def serialize(record):
    """A Record as the bytes of a tf.train.Example; the same bytes every time."""
    feature = {field: _feature(value) for field, value in record._asdict().items()}
    example = tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def parse(data):
    """The Record in the bytes of a tf.train.Example."""
    feature = tf_example_pb2.Example.FromString(data).features.feature
    values = []
    for field, kind in Record.__annotations__.items():
        if kind is int:
            values.append(feature[field].int64_list.value[0])
        else:
            value = feature[field].bytes_list.value[0]
            values.append(value.decode() if kind is str else value)
    return Record(*values)


class Shard:
    """A file of records under a temporary name until `close` gives it its own.

    `close` returns what the data set must know of the records without reading them.
    """

    def __init__(self, path):
        self.path, self._temporary = path, f"{path}.{os.getpid()}.tmp"
        self._writer = ArrayRecordWriter(self._temporary, "group_size:1,uncompressed")
        self._hash, self._bytes, self._index = hashlib.sha256(), 0, []

    def write(self, record):
        """Append a Record."""
        data = serialize(record)
        self._writer.write(data)
        self._hash.update(hashlib.sha256(data).digest())
        self._bytes += len(data)
        self._index.append(_index_row(record))

    def discard(self):
        """Leave nothing behind; for when `close` cannot be reached."""
        Path(self._temporary).unlink(missing_ok=True)

    def close(self):
        """Settle the file on the disk: its summary."""
        self._writer.close()
        settle(self._temporary, self.path)
        return {
            "records": len(self._index),
            "bytes": self._bytes,
            "sha256": self._hash.hexdigest(),
            "index": self._index,
        }


def settle(temporary, path):
    """Give a finished file its name once its bytes are on the disk."""
    with Path(temporary).open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path, value):
    """Write JSON atomically."""
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(value, indent=1, default=str))
    settle(temporary, path)


def publish(folder, name, sources, shards):
    """Turn files of records into a TFDS data set inside `folder`.

    `shards` maps a split to its [(file, summary)].  Files are moved; doing it again
    after an interruption changes nothing.  Returns {split: what `open` needs}.
    """
    splits, infos = {}, []
    for split, parts in shards.items():
        if not (parts := [(path, part) for path, part in parts if part["records"]]):
            continue
        lengths = [part["records"] for _, part in parts]
        targets = _files(folder, name, split, len(parts))
        for (path, _), target in zip(parts, targets, strict=True):
            if path.exists() or not target.exists():
                os.replace(path, target)
        rows = [tuple(row) for _, part in parts for row in part["index"]]
        np.save(folder / f"index-{split}.npy", np.array(rows, INDEX))
        content = "".join(part["sha256"] for _, part in parts)
        splits[split] = {
            "shards": lengths,
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
        }
        size = sum(part["bytes"] for _, part in parts)
        infos.append(
            tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size)
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features(sources),
        split_infos=infos,
        version=VERSION,
        filename_template=tfds.core.ShardedFileTemplate(
            data_dir=tfds.core.Path(folder),
            dataset_name=name,
            filetype_suffix="array_record",
            template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
        ),
        check_data=False,  # would need TensorFlow
        description="Pictures for forensics: label 1 is fake; see prepared.json.",
    )
    return splits


class Records(Sequence):
    """The records of one split, by number; reads from the disk, from any thread."""

    def __init__(self, files, lengths, *, index, sources, sha256):
        paths = [f"{file}[0:{n}]" for file, n in zip(files, lengths, strict=True)]
        self._data = ArrayRecordDataSource(paths) if paths else ()
        self.index, self.sources, self.sha256 = index, sources, sha256
        self.labels = np.array([not is_real_source(name) for name in sources], np.int32)
        self.rows = np.arange(len(index))
        self.kept = dict(enumerate(sources))  # {id: name} of what `only` leaves
        self._pairs = None  # of every stored record, the row of its pair, or -1

    def only(self, sources):
        """The records of these sources (None: of all) and the real ones, a view."""
        for name in sources or ():
            choose(dict.fromkeys(self.sources), name, "source")
        asked = sources or ()
        kept = {i: s for i, s in self.kept.items() if is_real_source(s) or s in asked}
        if sources is None or kept == self.kept:
            return self
        chosen = np.isin(self.index["source"], list(kept))
        return self._view(chosen, kept, f"{list(kept.values())}")

    def labelled(self, label):
        """The reals (0) or the fakes (1) alone, a view."""
        kept = {i: s for i, s in self.kept.items() if self.labels[i] == label}
        chosen = self.labels[self.index["source"]] == label
        return self._view(chosen, kept, f"label {label}")

    def share(self, fraction):
        """The records of this fraction of the groups; of a smaller one, some of these.

        At least one group; which ones follows from their names.
        """
        if not 0 < fraction <= 1:
            raise ValueError(f"a fraction of the groups is in (0, 1], not {fraction}")
        if fraction == 1:
            return self
        groups = np.unique(self.index["group"])  # hashes: their order is by chance
        few = groups[: max(round(fraction * len(groups)), 1)]
        chosen = np.isin(self.index["group"], few)
        return self._view(chosen, self.kept, f"share {fraction}")

    def _view(self, chosen, kept, mark):
        view = copy.copy(self)
        view.rows, view.index, view.kept = self.rows[chosen], self.index[chosen], kept
        view.sha256 = hashlib.sha256(f"{self.sha256} {mark}".encode()).hexdigest()
        return view

    def counts(self):
        """{source: number of records}."""
        numbers = np.bincount(self.index["source"], minlength=len(self.sources))
        return dict(zip(self.sources, numbers.tolist(), strict=True))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        row = int(self.rows[number])
        record = parse(self._data[row])
        if self._pairs is None or self._pairs[row] < 0:
            return record
        return record._replace(pair=parse(self._data[int(self._pairs[row])]).image)


def open(root, split, *, pairs=True):
    """The Records of a split of a prepared data set; empty if it has no such split.

    Fakes without a stored original have the real picture as `pair` that `pairing` found
    for them, if it did; without `pairs`, they have none.
    """
    root = locate(root)
    prepared = read_prepared(root)
    sources = tuple(prepared["sources"])
    if split not in prepared["splits"]:
        empty = hashlib.sha256().hexdigest()
        return Records([], [], index=np.zeros(0, INDEX), sources=sources, sha256=empty)
    known = prepared["splits"][split]
    files = _files(root, prepared["name"], split, len(known["shards"]))
    if missing := [file.name for file in files if not file.exists()]:
        raise FileNotFoundError(f"{root} lacks {', '.join(missing)}: prepare it again")
    index = np.load(root / f"index-{split}.npy")
    found = Records(
        files, known["shards"], index=index, sources=sources, sha256=known["sha256"]
    )
    path = root / f"pairs-{split}.npy"
    return _paired(found, path) if pairs and path.exists() else found


def read_prepared(root):
    """What prepare noted about a data set."""
    return json.loads((Path(root) / "prepared.json").read_text())


def locate(root):
    """The directory of the one prepared data set at or below `root`, or an error."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    for pattern in ("prepared.json", "*/prepared.json", "*/*/prepared.json"):
        found = [f.parent for f in root.glob(pattern) if f.parent.suffix != UNFINISHED]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(str(folder) for folder in found))
            raise ValueError(f"several prepared data sets below {root}: choose {names}")
    for pattern in ("", "*", "*/*"):
        for folder in root.glob(pattern) if pattern else (root,):
            if folder.suffix == UNFINISHED:
                raise ValueError(
                    f"{folder} is unfinished: run the same prepare command again"
                )
    raise ValueError(
        f"{root} is not a prepared data set; if it holds pictures, prepare it first:\n"
        f"  python launch/prepare.py folder {root} --out prepared\n"
        "and give the folder that it prints"
    )


def _paired(records, path):
    """The records of a whole split with the pairs stored at `path`, a view."""
    again = f"delete it, or run again: python launch/prepare.py pairs {path.parent}"
    try:
        pairs = np.load(path)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): {again}") from None
    if pairs.shape != (len(records),) or pairs.dtype.kind != "i":
        raise ValueError(
            f"{path} has {pairs.shape} {pairs.dtype} pairs, the split {len(records)} "
            f"records: {again}"
        )
    fake = records.labels[records.index["source"]] == 1
    lacking = fake & (records.index["parts"] & BITS["pair"] == 0)
    pairs = np.where(lacking, pairs, -1)
    wanted = pairs[pairs >= 0]
    if (wanted >= len(records)).any() or fake[wanted].any():
        raise ValueError(f"{path} pairs with what is no real of the split: {again}")
    view = copy.copy(records)
    view._pairs, view.index = pairs, records.index.copy()
    view.index["parts"][pairs >= 0] |= BITS["pair"]
    content = hashlib.sha256(pairs.astype("<i8").tobytes()).hexdigest()
    known = f"{records.sha256} pairs {content}"
    view.sha256 = hashlib.sha256(known.encode()).hexdigest()
    return view


def _files(folder, name, split, count):
    stem = f"{name}-{split}.array_record"
    return [folder / f"{stem}-{i:05d}-of-{count:05d}" for i in range(count)]


def _feature(value):
    if not isinstance(value, (str, bytes)):
        numbers = tf_feature_pb2.Int64List(value=[value])
        return tf_feature_pb2.Feature(int64_list=numbers)
    data = value.encode() if isinstance(value, str) else value
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[data]))


def _index_row(record):
    parts = sum(bit for part, bit in BITS.items() if getattr(record, part))
    group = hashlib.blake2b(record.group.encode(), digest_size=8).digest()
    return record.source, int.from_bytes(group, "little"), parts
