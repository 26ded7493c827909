"""Write records: files of them, and the data set that TFDS and `data.records` read.

Every file has a temporary name until its bytes are on the disk.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from jaxforensics.data.records import (
    BITS,
    INDEX,
    VERSION,
    Record,
    parse,
    shard_files,
    text_hash,
    video,
)
from jaxforensics.files import replacing

# Records are read one by one, from any place: reading ahead would only cost memory.
READER = "readahead_buffer_size:0,max_parallelism:0"


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


class Summary:
    """What a data set must know of a file of records without reading them again."""

    def __init__(self):
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._index = []
        self._videos = []

    def add(self, record, data):
        """Take in the next Record and the bytes that it is stored as."""
        self._hash.update(hashlib.sha256(data).digest())
        self._bytes += len(data)
        self._index.append(_index_row(record))
        self._videos.append(text_hash(video(record)))

    def as_json(self):
        """The summary as JSON types."""
        return {
            "records": len(self._index),
            "bytes": self._bytes,
            "sha256": self._hash.hexdigest(),
            "index": self._index,
            "videos": self._videos,
        }


class Shard:
    """A file of records under a temporary name until `close` gives it its own."""

    def __init__(self, path):
        self.path = path
        self._temporary = f"{path}.{os.getpid()}.tmp"
        # Pictures are compressed already, and grain wants each record by itself.
        self._writer = ArrayRecordWriter(self._temporary, "group_size:1,uncompressed")
        self._summary = Summary()

    def write(self, record):
        """Append a Record."""
        data = serialize(record)
        self._writer.write(data)
        self._summary.add(record, data)

    def discard(self):
        """Leave nothing behind; for when `close` cannot be reached."""
        Path(self._temporary).unlink(missing_ok=True)

    def close(self):
        """Settle the file on the disk: its summary."""
        self._writer.close()
        settle(self._temporary, self.path)
        return self._summary.as_json()


def summarise(path):
    """The summary of a finished file, as `Shard.close` gave it; reads every record."""
    summary = Summary()
    reader = ArrayRecordReader(str(path), READER)
    for number in range(reader.num_records()):
        data = reader.read([number])[0]
        summary.add(parse(data), data)
    return summary.as_json()


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
    after an interruption changes nothing.  Returns {split: what `records.open` needs}.
    """
    splits = {}
    split_infos = []
    for split, parts in shards.items():
        parts = [(path, summary) for path, summary in parts if summary["records"]]
        if not parts:
            continue
        summaries = [summary for _, summary in parts]
        targets = shard_files(folder, name, split, len(parts))
        for (path, _), target in zip(parts, targets, strict=True):
            # Missing at both places is an error; at the first alone, it moved before.
            if path.exists() or not target.exists():
                os.replace(path, target)
        write_index(folder, split, summaries)
        write_videos(folder, split, summaries)
        lengths = [summary["records"] for summary in summaries]
        splits[split] = {"shards": lengths, "sha256": content_digest(summaries)}
        split_infos.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=lengths,
                num_bytes=sum(summary["bytes"] for summary in summaries),
            )
        )
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features(sources),
        split_infos=split_infos,
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


def content_digest(summaries):
    """The digest of the records of a split, from the summaries of its files."""
    content = "".join(summary["sha256"] for summary in summaries)
    return hashlib.sha256(content.encode()).hexdigest()


def write_index(folder, split, summaries):
    """Write source, group and parts of each record of a split."""
    rows = [tuple(row) for summary in summaries for row in summary["index"]]
    _write_array(folder / f"index-{split}.npy", np.array(rows, INDEX))


def write_videos(folder, split, summaries):
    """Write the hash of the video of each record of a split."""
    # Summaries that an earlier version left behind know of no videos; then
    # `records.videos` reads them off the records when they are asked for.
    if all("videos" in summary for summary in summaries):
        hashes = [number for summary in summaries for number in summary["videos"]]
        _write_array(folder / f"videos-{split}.npy", np.array(hashes, np.uint64))


def _write_array(path, array):
    with replacing(path) as partial, partial.open("wb") as file:
        np.save(file, array)


def _feature(value):
    """A number, text or bytes as a feature of tf.train.Example."""
    if not isinstance(value, str | bytes):
        numbers = tf_feature_pb2.Int64List(value=[value])
        return tf_feature_pb2.Feature(int64_list=numbers)
    if isinstance(value, str):
        value = value.encode()
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))


def _index_row(record):
    parts = sum(bit for part, bit in BITS.items() if getattr(record, part))
    return record.source, text_hash(record.group), parts
