"""Records: encoded pictures with their provenance, read from ArrayRecord files.

A prepared data set is a directory `<out>/<name>/1.0.0` that `tfds.data_source(name,
data_dir=out)` and `tfds.builder_from_directory` read, with more files beside:

- `prepared.json`: what was done, digests of the content, size and digest of each file;
- `failures.json`: what was left out;
- `index-<split>.npy`: source, hash of the group and parts of every record;
- `videos-<split>.npy`: the hash of the name of every record's video;
- `pairs-<split>.npy`, perhaps (see `prepare.pairing`): reals for fakes whose original
  is not stored.
"""

import copy
import hashlib
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordReader
from google.protobuf.message import DecodeError
from tensorflow_datasets.proto import tf_example_pb2

from jaxforensics.data.items import is_real_source
from jaxforensics.files import READ_ONLY
from jaxforensics.settings import choose

VERSION = "1.0.0"
BITS = {"pair": 1, "mask": 2, "parsing": 4}  # parts a record may have, in the index
INDEX = np.dtype([("source", "<i2"), ("group", "<u8"), ("parts", "u1")])
UNFINISHED = ".unfinished"  # suffix of a folder that `prepare` is still filling
PREPARE_AGAIN = "prepare the data set again: what is damaged is made anew"


class Record(NamedTuple):
    """One stored example; pictures are encoded bytes (PNG, or the original JPEG).

    A `convert` need not fill `source`: prepare does, from the item's source name.
    """

    image: bytes
    label: int  # 1 = fake
    source: int = 0  # 0 = real, then other sources of reals, then every forger
    group: str = ""  # video or identity: the unit of splits and of the bootstrap
    pair: bytes = b""  # the original, same height and width
    mask: bytes = b""  # gray
    parsing: bytes = b""
    attributes: str = "{}"  # JSON
    name: str = ""  # file name; '#frame' appended for videos


def parse(data):
    """The Record in the bytes of a tf.train.Example."""
    feature = tf_example_pb2.Example.FromString(data).features.feature
    values = []
    for field, field_type in Record.__annotations__.items():
        if field_type is int:
            values.append(feature[field].int64_list.value[0])
            continue
        value = feature[field].bytes_list.value[0]
        values.append(value.decode() if field_type is str else value)
    return Record(*values)


def video(record):
    """The name of the video that a record is a frame of; a picture's own name.

    Frames have their number among the attributes.  Their video is named by data set,
    manipulation ('real' without one), compression (where there are several) and clip;
    where these are not told, by what stands before the `#` in the frame's name.
    """
    # Few attributes are worth parsing: pictures of no video are the rule.
    if '"frame"' not in record.attributes:
        return record.name
    about = json.loads(record.attributes)
    if "frame" not in about:
        return record.name
    if not {"dataset", "manipulation", "video"} <= set(about):
        return record.name.rpartition("#")[0]
    parts = (
        about["dataset"],
        about["manipulation"] or "real",
        about.get("compression", ""),
        about["video"],
    )
    return "/".join(part for part in parts if part)


def text_hash(text):
    """64 bits that stand for a name in the index."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Records(Sequence):
    """The records of one split, by number; reads from the disk, from any thread.

    Attributes:
      index: of every record, source, hash of the group, and parts (INDEX).
      sources: names; a record's source is a place in them.
      labels: of every source, 1 for a fake.
      rows: the number in the stored split of every record; of a view, some of them.
      kept: {id: name} of the sources that `only` and `labelled` leave.
      sha256: of the content; of a view, of how it was chosen as well.
    """

    def __init__(self, files, lengths, *, index, sources, sha256, videos_file=None):
        ranges = [f"{file}[0:{n}]" for file, n in zip(files, lengths, strict=True)]
        self._data = ()
        if ranges:
            self._data = ArrayRecordDataSource(ranges)
        self._files = files
        self._ends = list(itertools.accumulate(lengths))  # of files, in records
        self._videos_file = videos_file
        self._pairs = None  # of every stored record, the row of its pair, or -1
        self.index = index
        self.sources = sources
        self.sha256 = sha256
        self.labels = np.array([not is_real_source(name) for name in sources], np.int32)
        self.rows = np.arange(len(index))
        self.kept = dict(enumerate(sources))

    def only(self, sources):
        """The records of these sources (None: of all) and the real ones, a view."""
        for name in sources or ():
            choose(dict.fromkeys(self.sources), name, "source")
        wanted = sources or ()
        kept = {
            number: name
            for number, name in self.kept.items()
            if is_real_source(name) or name in wanted
        }
        if sources is None or kept == self.kept:
            return self
        chosen = np.isin(self.index["source"], list(kept))
        return self._view(chosen, kept, f"{list(kept.values())}")

    def labelled(self, label):
        """The reals (0) or the fakes (1) alone, a view."""
        kept = {i: name for i, name in self.kept.items() if self.labels[i] == label}
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
        first_groups = groups[: max(round(fraction * len(groups)), 1)]
        chosen = np.isin(self.index["group"], first_groups)
        return self._view(chosen, self.kept, f"share {fraction}")

    def _view(self, chosen, kept, description):
        view = copy.copy(self)
        view.rows = self.rows[chosen]
        view.index = self.index[chosen]
        view.kept = kept
        content = f"{self.sha256} {description}"
        view.sha256 = hashlib.sha256(content.encode()).hexdigest()
        return view

    def counts(self):
        """{source: number of records}."""
        numbers = np.bincount(self.index["source"], minlength=len(self.sources))
        return dict(zip(self.sources, numbers.tolist(), strict=True))

    def videos(self):
        """The hash of the name of every record's video, (n,), see `video`."""
        if not len(self):
            return np.zeros(0, np.uint64)
        hashes = self._stored_videos()
        if hashes is None:
            everything = range(self._ends[-1])
            names = (video(self._stored(row)) for row in everything)
            hashes = np.array([text_hash(name) for name in names], np.uint64)
            _keep(self._videos_file, hashes)
        return hashes[self.rows]

    def _stored_videos(self):
        """The hashes beside the records; None where an earlier version left none."""
        if not self._videos_file.exists():
            return None
        hashes = read_array(self._videos_file)
        if hashes.shape != (self._ends[-1],) or hashes.dtype != np.uint64:
            raise ValueError(
                f"{self._videos_file} is of {len(hashes)} records, the split of "
                f"{self._ends[-1]}: {PREPARE_AGAIN}"
            )
        return hashes

    def place(self, number):
        """Where record `number` lies, for people: 'record 3 of FILE'."""
        return self._place_of_row(int(self.rows[number]))

    def _place_of_row(self, row):
        which = int(np.searchsorted(self._ends, row, side="right"))
        first_row = [0, *self._ends][which]
        return f"record {row - first_row} of {self._files[which]}"

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        row = int(self.rows[number])
        record = self._stored(row)
        if self._pairs is None or self._pairs[row] < 0:
            return record
        original = self._stored(int(self._pairs[row]))
        return record._replace(pair=original.image)

    def _stored(self, row):
        """The record as it is stored, or an error that says where the damage is."""
        try:
            return parse(self._data[row])
        except (DecodeError, IndexError, RuntimeError, UnicodeDecodeError) as error:
            where = self._place_of_row(row)
            raise ValueError(f"{where} is damaged ({error}): {PREPARE_AGAIN}") from None


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
    about = prepared["splits"][split]
    lengths = about["shards"]
    files = shard_files(root, prepared["name"], split, len(lengths))
    index_file = root / f"index-{split}.npy"
    videos_file = root / f"videos-{split}.npy"
    sizes = {name: file["size"] for name, file in prepared.get("files", {}).items()}
    for file in (*files, index_file):
        check_size(file, sizes.get(file.name))
    if videos_file.name in sizes:
        check_size(videos_file, sizes[videos_file.name])
    for file, length in zip(files, lengths, strict=True):
        _check_length(file, length)
    index = read_array(index_file)
    if index.shape != (sum(lengths),) or index.dtype != INDEX:
        raise ValueError(
            f"{index_file} is of {len(index)} records, the split of {sum(lengths)}: "
            f"{PREPARE_AGAIN}"
        )
    records = Records(
        files,
        lengths,
        index=index,
        sources=sources,
        sha256=about["sha256"],
        videos_file=videos_file,
    )
    path = root / f"pairs-{split}.npy"
    if pairs and path.exists():
        return _paired(records, path)
    return records


def read_prepared(root):
    """What prepare noted about a data set."""
    path = Path(root) / "prepared.json"
    try:
        prepared = json.loads(path.read_text())
    except ValueError as error:  # JSON's and UTF-8's are such
        raise ValueError(
            f"{path} is damaged ({error}): delete {root}, and prepare it again"
        ) from None
    if not isinstance(prepared, dict) or {"name", "sources", "splits"} - set(prepared):
        raise ValueError(
            f"{path} does not describe a data set: delete {root}, and prepare it again"
        )
    return prepared


def locate(root):
    """The directory of the one prepared data set at or below `root`, or an error."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    for pattern in ("prepared.json", "*/prepared.json", "*/*/prepared.json"):
        folders = [
            file.parent
            for file in root.glob(pattern)
            if file.parent.suffix != UNFINISHED
        ]
        if len(folders) == 1:
            return folders[0]
        if folders:
            names = ", ".join(sorted(str(folder) for folder in folders))
            raise ValueError(f"several prepared data sets below {root}: choose {names}")
    for folder in (root, *root.glob("*"), *root.glob("*/*")):
        if folder.suffix == UNFINISHED:
            raise ValueError(
                f"{folder} is unfinished: run the same prepare command again"
            )
    raise ValueError(
        f"{root} is not a prepared data set; if it holds pictures, prepare it first:\n"
        f"  python launch/prepare.py folder {root} --out prepared\n"
        "and give the folder that it prints"
    )


def shard_files(folder, name, split, count):
    """The paths of the `count` files that hold the records of a split."""
    stem = f"{name}-{split}.array_record"
    return [folder / f"{stem}-{i:05d}-of-{count:05d}" for i in range(count)]


def check_size(path, size):
    """Refuse a file that is not there, or not of this size (None: of any)."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {PREPARE_AGAIN}")
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise ValueError(f"{path} has {actual} bytes, not {size}: {PREPARE_AGAIN}")


def shard_length(path):
    """The number of records in a file; 0 where the file is damaged."""
    reader = ArrayRecordReader(str(path), "readahead_buffer_size:0,max_parallelism:0")
    length = reader.num_records()
    if length:  # closing a damaged file would raise what opening it did not
        reader.close()
    return length


def read_array(path):
    """The array of an .npy file beside a data set; a damaged one is named."""
    try:
        return np.load(path)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): {PREPARE_AGAIN}") from None


def _keep(path, array):
    """Store an array, unless nothing may be written there."""
    # Several processes may open a set at once: each has a temporary file of its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            np.save(file, array)
        temporary.replace(path)
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise


def _check_length(path, length):
    # Counting takes the file's footer alone, some 0.1 ms.
    actual = shard_length(path)
    if actual != length:
        raise ValueError(
            f"{path} holds {actual} records, not {length} as in prepared.json: "
            f"{PREPARE_AGAIN}"
        )


def _paired(records, path):
    """The records of a whole split with the pairs stored at `path`, a view."""
    way_out = f"delete it, or run again: python launch/prepare.py pairs {path.parent}"
    try:
        pairs = np.load(path)
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): {way_out}") from None
    if pairs.shape != (len(records),) or pairs.dtype.kind != "i":
        raise ValueError(
            f"{path} has {pairs.shape} {pairs.dtype} pairs, the split {len(records)} "
            f"records: {way_out}"
        )
    fake = records.labels[records.index["source"]] == 1
    lacking = fake & (records.index["parts"] & BITS["pair"] == 0)
    pairs = np.where(lacking, pairs, -1)
    partners = pairs[pairs >= 0]
    if (partners >= len(records)).any() or fake[partners].any():
        raise ValueError(f"{path} pairs with what is no real of the split: {way_out}")
    view = copy.copy(records)
    view._pairs = pairs
    view.index = records.index.copy()
    view.index["parts"][pairs >= 0] |= BITS["pair"]
    pairs_digest = hashlib.sha256(pairs.astype("<i8").tobytes()).hexdigest()
    content = f"{records.sha256} pairs {pairs_digest}"
    view.sha256 = hashlib.sha256(content.encode()).hexdigest()
    return view
