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
    is real), or is itself 0 or 1 for a data set of one class.  `group` may name another
    feature.  Prepare the items with `convert=functools.partial(convert_example,
    image=image)`.
    """
    builder = _open(name, data_dir)
    features = builder.info.features
    items = []
    left_out = []
    for feature in (image, *(f for f in (label, group) if isinstance(f, str))):
        choose(features, feature, "feature")
    # Every example is read once here for its label, its picture not decoded.
    judge = _judge(features, label, real, builder.name)
    for split, info in builder.info.splits.items():
        if split not in ALIASES:
            left_out.append(Failure(split, "no-split", f"{info.num_examples} examples"))
            continue
        for file, length in zip(info.filepaths, info.shard_lengths, strict=True):
            for number in range(length):
                path = f"{file}#{number}"
                example = _example(path, image)
                label_of_example, source = judge(example)
                item = Item(
                    path,
                    label_of_example,
                    source,
                    split=ALIASES[split],
                    name=f"{Path(file).name}#{number}",
                )
                if group:
                    item = item._replace(group=str(_plain(example[group])))
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
    if not isinstance(label, str):  # all examples are of one class
        source = name if label else "real"
        return lambda example: (label, source)
    classes = [(0, "real"), (1, "fake")]
    if isinstance(features[label], tfds.features.ClassLabel):
        names = features[label].names
        classes = [(int(not is_real(name, real)), name) for name in names]
        return lambda example: classes[int(example[label])]
    return lambda example: classes[int(example[label]) != 0]


def _example(path, image):
    """The features of the example at 'FILE#NUMBER', its picture encoded."""
    file, _, number = path.rpartition("#")
    features = _features(str(Path(file).parent))
    # TFDS would decode PNGs of Pillow's or TensorFlow's choice; the bytes are kept.
    decoders = {image: tfds.decode.SkipDecoding()}
    return features.deserialize_example_np(
        _record(file, int(number)), decoders=decoders
    )


# Items of a shard lie in few files: what is opened serves the next ones too.
@functools.lru_cache(maxsize=4)
def _features(folder):
    return tfds.builder_from_directory(folder).info.features


def _record(file, number):
    """The bytes of a record of an ArrayRecord or a TFRecord file."""
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
    """Where the records of a TFRecord file lie: (offset, length) of each.

    The format is that of TensorFlow's `tf.io.TFRecordWriter`, without compression.
    """
    offsets = []
    position = 0
    with open(file, "rb") as stream:
        # A record: 8 bytes of length, 4 of its checksum; the data; 4 of its checksum.
        while header := stream.read(12):
            length = struct.unpack("<Q", header[:8])[0]
            offsets.append((position + 12, length))
            position += length + 16
            stream.seek(position)
    return offsets


def _plain(value):
    """A feature's value as text or number: TFDS hands out texts as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    return value
