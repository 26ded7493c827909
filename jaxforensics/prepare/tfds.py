"""An existing TFDS data set as a source; without TensorFlow, TFRecord files too."""

import functools
import struct
from pathlib import Path

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader

from jaxforensics.data import decode
from jaxforensics.data.items import REAL, Failure, Item, Listing, is_real
from jaxforensics.data.records import Record
from jaxforensics.data.splits import ALIASES
from jaxforensics.prepare import convert
from jaxforensics.settings import choose


def tfds_dataset(
    name, *, data_dir=None, image="image", label="label", group=None, real=REAL
):
    """Items of a TFDS data set, by name and `data_dir` or by its version's directory.

    `label` names a class label (classes whose names match `real` are 0, and the others
    are the sources; a prepared data set has "source" for this), an integer feature (0
    is real), or is itself 0 or 1 for a data set of one kind.  `group` may name another
    feature.  Prepare the items with `convert=functools.partial(convert_example,
    image=image)`.
    """
    builder = _open(name, data_dir)
    features, items, left_out = builder.info.features, [], []
    for feature in (image, *(f for f in (label, group) if isinstance(f, str))):
        choose(features, feature, "feature")
    judge = _judge(features, label, real, builder.name)
    for split, info in builder.info.splits.items():
        if split not in ALIASES:
            left_out.append(Failure(split, "no-split", f"{info.num_examples} examples"))
            continue
        for file, length in zip(info.filepaths, info.shard_lengths, strict=True):
            for number in range(length):
                path = f"{file}#{number}"
                example = _example(path, image)
                item = Item(
                    path,
                    *judge(example),  # label, source
                    group=str(_plain(example[group])) if group else "",
                    split=ALIASES[split],
                    name=f"{Path(file).name}#{number}",
                )
                items.append(item)
    return Listing(items, left_out)


def convert_example(item, *, size, image="image"):
    """The record of one TFDS example: ([Record], []) or ([], [Failure])."""
    try:
        data = _example(item.path, image)[image]
        stored, _ = convert.encoded(data, size)
    except decode.BadPicture as bad:
        return [], [Failure(item.name, bad.reason, bad.detail)]
    return [Record(stored, item.label, group=item.group, name=item.name)], []


# In the identity of every set made with it: stays, wherever the code moves.
convert_example.fixed_name = "jaxforensics.data.tfds_source.convert_example"


def _open(name, data_dir):
    if (Path(name) / "dataset_info.json").exists():
        return tfds.builder_from_directory(name)
    return tfds.builder(name, data_dir=data_dir)


def _judge(features, label, real, name):
    """The function example -> (label, source)."""
    if not isinstance(label, str):
        return lambda example: (label, name if label else "real")
    if isinstance(features[label], tfds.features.ClassLabel):
        names = features[label].names
        known = [(int(not is_real(n, real)), n) for n in names]
        return lambda example: known[int(example[label])]
    return lambda example: (1, "fake") if int(example[label]) else (0, "real")


def _example(path, image):
    file, _, number = path.rpartition("#")
    features = _features(str(Path(file).parent))
    decoders = {image: tfds.decode.SkipDecoding()}
    return features.deserialize_example_np(
        _record(file, int(number)), decoders=decoders
    )


@functools.lru_cache(maxsize=4)
def _features(folder):
    return tfds.builder_from_directory(folder).info.features


def _record(file, number):
    if ".tfrecord" not in Path(file).name:
        return _reader(file).read([number])[0]
    offset, length = _offsets(file)[number]
    with open(file, "rb") as stream:
        stream.seek(offset)
        return stream.read(length)


@functools.lru_cache(maxsize=4)
def _reader(file):
    return ArrayRecordReader(file, "readahead_buffer_size:0,max_parallelism:0")


@functools.lru_cache(maxsize=4)
def _offsets(file):
    """Where the records of a TFRecord file lie: (offset, length) of each."""
    offsets, position = [], 0
    with open(file, "rb") as stream:
        while header := stream.read(12):  # length, its checksum; data; checksum
            length = struct.unpack("<Q", header[:8])[0]
            offsets.append((position + 12, length))
            position += length + 16
            stream.seek(position)
    return offsets


def _plain(value):
    return value.decode() if isinstance(value, bytes) else value
