"""Sets that lost bytes are named when opened or read, and are made whole again."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_set import COUNTS, opened, pictures

from jaxforensics.data import corpus, records
from jaxforensics.prepare import complete, shards, writing
from jaxforensics.prepare.check import check
from jaxforensics.prepare.dataset import prepare

SETTINGS = {"name": "tiny", "workers": 1, "progress": False, "per_shard": 4}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The items of 35 pictures, and the set that was prepared of them."""
    folder = tmp_path_factory.mktemp("complete")
    items = pictures(folder, parts=True)
    return items, Path(prepare(items, folder / "out", **SETTINGS).root)


@pytest.fixture
def again(originals, tmp_path):
    """(a copy of the set, the call that prepares it again)."""
    items, root = originals
    copied = tmp_path / "out" / root.parent.name / root.name
    shutil.copytree(root, copied)
    return copied, lambda: prepare(items, tmp_path / "out", **SETTINGS)


@pytest.fixture
def made(monkeypatch):
    """The shards that were made since."""
    tasks = []
    real = shards.make

    def counting(task, *, tick):
        tasks.append(task)
        return real(task, tick=tick)

    monkeypatch.setattr(shards, "make", counting)
    return tasks


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shard(root, number=1):
    return sorted(root.glob("*-train.array_record-*"))[number]


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


def restate(root, change):
    """Change what prepared.json says."""
    path = root / "prepared.json"
    prepared = json.loads(path.read_text())
    change(prepared)
    path.write_text(json.dumps(prepared))


def forget_digests(root):
    """Make a set what an earlier version left: without digests and videos."""
    restate(root, lambda prepared: prepared.pop("files"))
    for path in root.glob("videos-*.npy"):
        path.unlink()


def delete(root):
    shard(root).unlink()
    return shard(root, 1).name.replace("00002-of", "00001-of")


def truncate(root):
    data = shard(root).read_bytes()
    shard(root).write_bytes(data[: len(data) // 2])
    return shard(root).name


def flip_a_byte(root):
    """In the middle of a picture."""
    picture = records.open(root, "train")[5].image
    data = shard(root, 0).read_bytes() + shard(root, 1).read_bytes()
    place = data.index(picture) + len(picture) // 2
    first = len(shard(root, 0).read_bytes())
    path = shard(root, int(place >= first))
    flip(path, place - first * (place >= first))
    return path.name


def delete_the_index(root):
    (root / "index-train.npy").unlink()
    return "index-train.npy"


def shorten_the_index(root):
    np.save(root / "index-train.npy", np.load(root / "index-train.npy")[:-1])
    return "index-train.npy"


def empty_the_metadata(root):
    (root / "dataset_info.json").write_text("")
    return "dataset_info.json"


def count_one_more(root):
    def change(prepared):
        prepared["splits"]["train"]["shards"][0] += 1

    restate(root, change)
    return "prepared.json"


def count_elsewhere(root):
    """The right sum, and wrong parts of it."""

    def change(prepared):
        lengths = prepared["splits"]["train"]["shards"]
        lengths[0] -= 1
        lengths[1] += 1

    restate(root, change)
    return "prepared.json"


def count_one_file_less(root):
    restate(root, lambda prepared: prepared["splits"]["train"]["shards"].pop())
    return "train.array_record-00000-of-00003"


def count_other_sources(root):
    def change(prepared):
        prepared["counts"]["train"]["real"] += 1

    restate(root, change)
    return "prepared.json"


def count_nothing(root):
    restate(root, lambda prepared: prepared["counts"].pop("train"))
    return "prepared.json"


IN_A_SHARD = [delete, truncate, flip_a_byte]
BESIDE = [
    delete_the_index,
    shorten_the_index,
    empty_the_metadata,
    count_one_more,
    count_elsewhere,
    count_one_file_less,
    count_other_sources,
    count_nothing,
]


@pytest.mark.parametrize("damage", [*IN_A_SHARD, *BESIDE])
def test_preparing_again_makes_a_damaged_set_whole(again, made, damage):
    root, prepare_again = again
    before = contents(root)
    name = damage(root)
    if damage is count_one_file_less:
        name = "prepared.json"  # nobody misses the file that it makes one look for
    found = complete.damages(root)
    assert name in {damage.file for damage in found}
    assert name in {damage.file for damage in check(root, progress=False).damages}
    report = prepare_again()
    assert report.splits["train"] == {name: n * 3 // 5 for name, n in COUNTS.items()}
    # Only the shard that is damaged is made; the rest follows from records.
    assert len(made) == (damage in IN_A_SHARD)
    after = contents(root)
    assert after.keys() == before.keys()
    for name in before.keys() - {"prepared.json"}:
        assert after[name] == before[name], name
    assert json.loads(after["prepared.json"]) == json.loads(before["prepared.json"])
    assert not check(root, progress=False).damages
    assert list(root.parent.iterdir()) == [root]
    prepare_again()
    assert len(made) == (damage in IN_A_SHARD)


@pytest.mark.parametrize(
    "damage",
    [
        delete,
        truncate,
        delete_the_index,
        shorten_the_index,
        count_one_more,
        count_elsewhere,
        count_one_file_less,
    ],
)
@pytest.mark.parametrize("digests", [True, False])
def test_opening_a_damaged_set_names_the_file(again, damage, digests):
    root, _ = again
    if not digests:
        forget_digests(root)
    name = damage(root)
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        opened(root)
    assert name in str(caught.value)
    assert "prepare the data set again" in str(caught.value)


def test_opening_tells_a_file_of_another_size(again):
    root, _ = again
    path = shard(root)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match=f"{path.name} has .* bytes, not "):
        records.open(root, "train")


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("threads", [0, 2])
def test_reading_a_flipped_byte_names_file_and_record(again, split, threads):
    root, _ = again
    record = records.open(root, split)[0]
    path = records.open(root, split).place(0).removeprefix("record 0 of ")
    place = Path(path).read_bytes().index(record.image) + len(record.image) // 2
    flip(Path(path), place)
    data = corpus.open(root, size=12, batch_size=8, threads=threads).train
    batches = data.once() if split == "train" else data.validation()
    with pytest.raises(ValueError) as caught:
        list(batches)
    message = str(caught.value)
    assert f"record 0 of {path} is damaged" in message
    assert "prepare the data set again" in message


def test_a_place_is_a_file_and_a_number_in_it(originals):
    _, root = originals
    whole = records.open(root, "train")
    lengths = records.read_prepared(root)["splits"]["train"]["shards"]
    assert len(lengths) > 2
    places = [whole.place(number) for number in range(len(whole))]
    assert places == [
        f"record {number} of {shard(root, which)}"
        for which, length in enumerate(lengths)
        for number in range(length)
    ]
    fakes = whole.labelled(1)
    assert fakes.place(2) == places[fakes.rows[2]]


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", "\xff"])
def test_unreadable_notes_are_named(again, text):
    root, prepare_again = again
    (root / "prepared.json").write_bytes(text.encode("latin-1"))
    message = "prepared.json.*delete .*prepare it again"
    for attempt in (lambda: opened(root), prepare_again, lambda: check(root)):
        with pytest.raises(ValueError, match=message):
            attempt()


def test_a_set_of_an_earlier_version_gets_its_digests(again, made):
    root, prepare_again = again
    before = contents(root)
    forget_digests(root)
    old = corpus.open(root, size=12, batch_size=8)
    checked = check(root, progress=False)
    assert not checked.damages and "has no digests" in checked.remarks[0]
    prepare_again()
    after = contents(root)
    assert not made
    notes = json.loads(after.pop("prepared.json"))
    assert notes == json.loads(before.pop("prepared.json"))
    assert after == before
    assert notes["files"].keys() == after.keys() - {"failures.json"}
    assert not check(root, progress=False).remarks
    new = corpus.open(root, size=12, batch_size=8)
    assert new.train.digest == old.train.digest
    assert new.test.digest == old.test.digest


@pytest.mark.parametrize("damage", [*IN_A_SHARD, *BESIDE[:3], count_one_more])
def test_a_damaged_set_of_an_earlier_version_is_made_anew(again, made, damage):
    root, prepare_again = again
    before = contents(root)
    forget_digests(root)
    damage(root)
    if damage is not empty_the_metadata:  # which nobody had a digest of
        assert check(root, progress=False).damages
    prepare_again()
    if damage is not empty_the_metadata:
        assert made
        assert contents(root) == before
    assert not check(root, progress=False).damages


def test_where_nothing_may_be_written_an_earlier_set_is_read(again, made, monkeypatch):
    root, prepare_again = again
    forget_digests(root)
    before = contents(root)

    def refuse(*args, **settings):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(writing, "write_json", refuse)
    monkeypatch.setattr(writing, "write_videos", refuse)
    assert prepare_again().records == 35
    assert not made
    assert contents(root) == before


def test_other_bytes_of_a_codec_are_not_mixed_in(again, made, monkeypatch):
    root, prepare_again = again
    delete(root)
    monkeypatch.setattr(complete, "sha256", lambda path: "another")
    report = prepare_again()
    assert report.records == 35
    assert len(made) > len(list(root.glob("*array_record*")))


def test_a_mending_that_is_cut_goes_on(again, made, monkeypatch):
    root, prepare_again = again
    before = contents(root)
    delete(root)
    truncated = shard(root, 2)
    truncated.write_bytes(truncated.read_bytes()[:-10])

    replace = os.replace

    class Power(BaseException):
        pass

    def cut(source, target):
        if Path(target).parent == root:
            raise Power
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(Power):
            prepare_again()
    assert prepare_again().records == 35
    assert contents(root) == before
    assert list(root.parent.iterdir()) == [root]
    assert len(made) == 2


def test_check_tells_pairs_that_changed(again):
    root, _ = again
    np.save(root / "pairs-train.npy", np.zeros(3, np.int32))
    (damage,) = check(root, progress=False).damages
    assert damage.file == "pairs-train.npy"


def test_check_finds_pictures_that_do_not_decode(tmp_path):
    folder = tmp_path / "tiny" / records.VERSION
    folder.mkdir(parents=True)
    file = writing.Shard(folder / "part")
    file.write(records.Record(b"no picture", 0, name="a.png"))
    parts = {"train": [(file.path, file.close())]}
    splits = writing.publish(folder, "tiny", ("real",), parts)
    notes = {"name": "tiny", "sources": ("real",), "splits": splits}
    writing.write_json(folder / "prepared.json", notes)
    (damage,) = check(tmp_path, progress=False).damages
    assert damage.problem.startswith("record 0 (a.png) cannot be decoded: not-an-image")
