"""What a prepared set is known by stays the same when the code that made it moves."""

import functools
import json
import os
import struct
import zlib

import pytest

from jaxforensics.data import corpus
from jaxforensics.data.decode import PNG
from jaxforensics.data.items import Item
from jaxforensics.prepare import convert, faces, shards, tfds, videos
from jaxforensics.prepare.dataset import prepare
from jaxforensics.synthfaces import views

NOWHERE = (
    Item("nowhere/a.png", 0, "real", group="a", split="train", name="a.png"),
    Item(
        "nowhere/b.png",
        1,
        "gan",
        group="b",
        split="train",
        name="b.png",
        attributes={"video": "b"},
    ),
)

# Digests of these two items, computed when all of this lay in jaxforensics/data.
IDENTITIES = [
    (convert.convert_picture, "d2c20499c7b769f47df46b921348feee"),
    (
        functools.partial(tfds.convert_example, image="photo"),
        "3ea7811dee3f07f3189a5d9e341b6743",
    ),
    (
        functools.partial(videos.convert_clip, frames=3, detector="none"),
        "d199f83b22caaa44d805816efbf793a2",
    ),
    (
        functools.partial(videos.convert_clip, detector=faces.whole, margin=1.0),
        "7c79909673aecab19ce16b9b11a57d99",
    ),
    (
        functools.partial(videos.convert_clip, detector=faces.lbp),
        "6f217350c301f8bcadc51ac0a4fd67c1",
    ),
    (views.convert, "a80d683a7ad65c974e37300bb83a22a4"),
]
OLD_PLAN = "2c36002e57dfea2ff2653d1ac5acea59"
OLD_CONTENT = {
    "train": "36854379351b61965534796c07a36d2b5bb8279845c683e23233a4fa816a0a60",
    "validation": "aa1ad770e7a094403b0cfad38f8ca9ce3d433558e72b97b93467f23ce303422b",
    "test": "58bbd53e3056668f77a9b8c83ffa477918a9666d59915d517faab9e541168d39",
}
OLD_DIGESTS = "14b6480211e0bac0", "1563c0ab22582cee"  # of training and test


@pytest.mark.parametrize("converter, digest", IDENTITIES)
def test_converters_keep_the_names_that_sets_were_made_under(converter, digest):
    task = shards.task("folder", NOWHERE, converter, 32, ("real", "gan"))
    assert task.file.stem == digest


def chunk(name, content):
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(seed):
    """A PNG of 8 x 8 pixels, not compressed: the same bytes with every zlib."""
    values = (5 * place * (seed + 1) + 7 * seed for place in range(8 * 24))
    pixels = bytes(value % 256 for value in values)
    rows = b"".join(b"\0" + pixels[24 * row : 24 * row + 24] for row in range(8))
    block = b"\x01" + struct.pack("<HH", len(rows), 0xFFFF ^ len(rows)) + rows
    stream = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(rows))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return PNG + header + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def twelve_pictures(folder):
    """Items of pictures, the same bytes, dates and relative paths every time."""
    items = []
    for number in range(12):
        path = folder / f"{number}.png"
        path.write_bytes(png(number))
        os.utime(path, ns=(10**18, 10**18))
        source = ("real", "gan")[number % 2]
        pair = "0.png" if number % 2 else ""
        items.append(Item(path.name, number % 2, source, pair=pair))
    return items


def test_a_set_made_before_the_code_moved_is_complete(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    items = twelve_pictures(tmp_path)
    settings = {"name": "old", "workers": 1, "progress": False}
    root = tmp_path / prepare(items, "out", **settings).root
    notes = json.loads((root / "prepared.json").read_text())
    assert notes["plan"] == OLD_PLAN
    contents = {split: about["sha256"] for split, about in notes["splits"].items()}
    assert contents == OLD_CONTENT
    faces = corpus.open(root, size=8, batch_size=4)
    assert (faces.train.digest, faces.test.digest) == OLD_DIGESTS
    monkeypatch.setattr(shards, "make", lambda *args, **settings: pytest.fail("made"))
    assert prepare(items, "out", **settings).records == 12
