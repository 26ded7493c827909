"""What a prepared set is known by stays the same when the code that made it moves."""

import functools
import json
import os

import pytest

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
OLD_PLAN = "3d31103e14b18634fbdacb1ab7153c1b"
OLD_CONTENT = {
    "train": "da6f7c9fa28c5e2a119741cf2b66b9f4f80f76b965e75c87ed8019eed5a32dcb",
    "validation": "f0fd2d97211fcf10599f89e5a8855a30d3f15cb5d40e782e6143a099987c8b41",
    "test": "d75ba554eb910c4724b29ba9cae9af55924add27ca5b51c3be86b2cb6afd9bf2",
}


@pytest.mark.parametrize("converter, digest", IDENTITIES)
def test_converters_keep_the_names_that_sets_were_made_under(converter, digest):
    task = shards.task("folder", NOWHERE, converter, 32, ("real", "gan"))
    assert task.file.stem == digest


def four_pictures(folder):
    """Items of four pictures, the same bytes, dates and relative paths every time."""
    items = []
    for number in range(4):
        path = folder / f"{number}.ppm"
        pixels = bytes((7 * number + 5 * place) % 256 for place in range(192))
        path.write_bytes(b"P6 8 8 255\n" + pixels)
        os.utime(path, ns=(10**18, 10**18))
        items.append(Item(path.name, number % 2, "gan" if number % 2 else "real"))
    return items


def test_a_set_made_before_the_code_moved_is_complete(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    items = four_pictures(tmp_path)
    settings = {"name": "old", "workers": 1, "progress": False}
    root = prepare(items, "out", **settings).root
    prepared = tmp_path / root / "prepared.json"
    notes = json.loads(prepared.read_text())
    assert notes["plan"] == OLD_PLAN
    contents = {split: about["sha256"] for split, about in notes["splits"].items()}
    assert contents == OLD_CONTENT
    monkeypatch.setattr(shards, "make", lambda *args, **settings: pytest.fail("made"))
    assert prepare(items, "out", **settings).records == 4
