import io
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxforensics.data import records
from jaxforensics.data.records import Record
from jaxforensics.prepare import writing

RNG = np.random.default_rng(0)


def png(*shape):
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, shape, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def some(count, first=0):
    return [
        Record(
            png(8, 9 + i, 3),
            label=i % 2,
            source=i % 2 * (1 + i % 3),
            group=f"clip {i // 2}",
            pair=png(8, 9 + i, 3) if i % 2 else b"",
            mask=png(8, 9 + i) if i % 3 == 1 else b"",
            attributes='{"smile": 1}',
            name=f"straße/{i}.png",
        )
        for i in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """(folder of data sets, its directory, {split: [Record]})."""
    out = tmp_path_factory.mktemp("records")
    folder = out / "tiny" / records.VERSION
    folder.mkdir(parents=True)
    expected = {"train": some(7), "test": some(3, 7)}
    shards = {}
    for split, whole in expected.items():
        shards[split] = []
        for number, part in enumerate((whole[:2], [], whole[2:])):
            shard = writing.Shard(folder / f"{split}{number}")
            for record in part:
                shard.write(record)
            shards[split].append((shard.path, shard.close()))
    sources = ("real", "began", "pggan", "stargan")
    for _ in range(2):  # doing it again after an interruption changes nothing
        splits = writing.publish(folder, "tiny", sources, shards)
    known = {"name": "tiny", "sources": sources, "splits": splits}
    writing.write_json(folder / "prepared.json", known)
    return out, folder, expected


def test_serialisation_round_trips_and_repeats():
    for record in [*some(4), Record(b"", 0)]:
        data = writing.serialize(record)
        assert records.parse(data) == record
        assert writing.serialize(record) == data


def test_records_come_back_in_order_from_any_place(stored):
    _, folder, expected = stored
    for split, whole in expected.items():
        opened = records.open(folder, split)
        assert list(opened) == whole
        assert opened[-1] == whole[-1]
        assert opened.sources == ("real", "began", "pggan", "stargan")
    assert len(records.open(folder, "validation")) == 0
    with pytest.raises(IndexError):
        records.open(folder, "test")[3]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, "clips/a.mp4#000003"),  # a picture, whatever its name
        ({"frame": 3}, "clips/a.mp4"),
        ({"frame": 3, "video": "a"}, "clips/a.mp4"),
        (
            {"dataset": "celebdf", "manipulation": "", "video": "id0_0000"},
            "clips/a.mp4#000003",
        ),
        (
            {"dataset": "celebdf", "manipulation": "", "video": "id0", "frame": 3},
            "celebdf/real/id0",
        ),
        (
            {"dataset": "faceforensics", "manipulation": "FaceSwap", "video": "0_1"}
            | {"compression": "c40", "frame": 3},
            "faceforensics/FaceSwap/c40/0_1",
        ),
    ],
)
def test_frames_know_their_video(attributes, expected):
    record = Record(
        b"", 0, name="clips/a.mp4#000003", attributes=json.dumps(attributes)
    )
    assert records.video(record) == expected


def test_the_index_tells_source_group_and_parts(stored):
    _, folder, expected = stored
    opened = records.open(folder, "train")
    whole = expected["train"]
    assert opened.index["source"].tolist() == [record.source for record in whole]
    pairs = opened.index["parts"] & records.BITS["pair"] > 0
    assert pairs.tolist() == [bool(record.pair) for record in whole]
    same = opened.index["group"][:, None] == opened.index["group"]
    groups = np.array([record.group for record in whole])
    np.testing.assert_array_equal(same, groups[:, None] == groups)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("by", ["name", "directory"])
def test_tfds_reads_the_same(stored, by):
    out, folder, expected = stored
    if by == "name":
        source = tfds.data_source("tiny", data_dir=out, split="train")
        info = tfds.builder("tiny", data_dir=out).info
    else:
        builder = tfds.builder_from_directory(folder)
        source, info = builder.as_data_source(split="train"), builder.info
    assert info.features["source"].names == ["real", "began", "pggan", "stargan"]
    assert info.features["label"].names == ["real", "fake"]
    assert info.splits["train"].num_examples == len(source) == 7
    for example, record in zip(source, expected["train"], strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(record.image)))
        np.testing.assert_array_equal(example["image"], pixels)
        assert example["label"] == record.label
        assert example["source"] == record.source
        assert example["name"].decode() == record.name
        assert example["pair"] == record.pair


def test_a_data_set_is_found_from_above(stored, tmp_path):
    out, folder, _ = stored
    for root in (out, folder.parent, folder):
        assert records.locate(root) == folder
    with pytest.raises(FileNotFoundError, match="no folder"):
        records.locate(tmp_path / "nowhere")
    (tmp_path / "real").mkdir()
    with pytest.raises(ValueError, match=f"prepare.py folder {tmp_path} --out"):
        records.locate(tmp_path)
    (tmp_path / "a" / f"1.0.0{records.UNFINISHED}").mkdir(parents=True)
    with pytest.raises(ValueError, match="is unfinished"):
        records.locate(tmp_path)
    for name in "bc":
        records_file = tmp_path / name / "1.0.0" / "prepared.json"
        records_file.parent.mkdir(parents=True)
        records_file.write_text("{}")
    with pytest.raises(ValueError, match=r"several .*/b/1.0.0, .*/c/1.0.0"):
        records.locate(tmp_path)


def test_a_lost_shard_is_named(stored, tmp_path):
    _, folder, _ = stored
    for path in folder.iterdir():
        if "test.array_record-00001" not in path.name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(FileNotFoundError, match="tiny-test.array_record-00001-of"):
        records.open(tmp_path, "test")
