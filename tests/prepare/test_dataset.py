import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxforensics.data import decode, records
from jaxforensics.prepare import convert, folders, shards, writing
from jaxforensics.prepare.dataset import Failure, Item, convert_picture, prepare

ROOT = Path(__file__).resolve().parents[2]


def picture(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(pixels, kind="PNG", **settings):
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def save(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def folder_of(root, count, sources=("real", "gan")):
    """A class folder with `count` little JPEG pictures."""
    for i in range(count):
        path = root / sources[i % len(sources)] / f"{i:04d}.jpg"
        save(path, encoded(picture(i, 9, 8, 3), "JPEG"))
    return root


def run(items, out, **settings):
    settings = {"name": "tiny", "workers": 1, "progress": False} | settings
    return prepare(items, out, **settings)


def contents(root):
    """Every file below a folder with its bytes."""
    root = Path(root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def listed(root):
    return json.loads((Path(root) / "failures.json").read_text())


def opened(report):
    parts = [records.open(report.root, split) for split in report.splits]
    return {record.name: record for part in parts for record in part}


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


# One picture


def test_plain_jpeg_and_png_keep_their_bytes(tmp_path):
    for kind in ("JPEG", "PNG"):
        data = encoded(picture(0, 9, 13, 3), kind)
        item = Item(save(tmp_path / "x", data), 1, "gan", "g", name="n")
        for size in (None, 9):
            (record,), failures = convert_picture(item, size=size)
            assert (record.image == data) == (size is None)
            assert (record.label, record.group, record.name) == (1, "g", "n")
            assert failures == []
    square = encoded(picture(0, 8, 8, 3), "JPEG")
    item = Item(save(tmp_path / "square", square), 1, "gan")
    assert convert_picture(item, size=8)[0][0].image == square


def test_other_pictures_become_rgb_png_of_the_same_pixels(tmp_path):
    rotated = Image.Exif()
    rotated[0x0112] = 6
    rgb, gray = picture(0, 9, 13, 3), picture(1, 9, 13)
    for data in (
        encoded(gray, "JPEG"),
        encoded(rgb, "JPEG", exif=rotated),
        encoded(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        encoded(Image.fromarray(rgb).quantize(8)),
        encoded(rgb, "WEBP"),
        encoded(gray.astype(np.uint16) * 250),
    ):
        item = Item(save(tmp_path / "x", data), 0, "real")
        (record,), _ = convert_picture(item, size=None)
        stored = Image.open(io.BytesIO(record.image))
        assert (stored.format, stored.mode) == ("PNG", "RGB")
        np.testing.assert_array_equal(np.asarray(stored), decode.decode(data))


def test_size_cuts_the_centre_and_resizes(tmp_path):
    rgb = picture(0, 21, 16, 3)
    item = Item(save(tmp_path / "x", encoded(rgb)), 0, "real")
    (record,), _ = convert_picture(item, size=8)
    expected = Image.fromarray(rgb[2:18]).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pixels(record.image), expected)


def test_pair_mask_and_parsing_lie_on_the_picture(tmp_path):
    image, pair, numbers = (
        picture(0, 20, 16, 3),
        picture(1, 20, 16, 3),
        picture(2, 20, 16),
    )
    half = np.zeros((20, 16), np.uint8)
    half[:, 8:] = 255
    item = Item(
        save(tmp_path / "a", encoded(image)),
        1,
        "gan",
        pair=save(tmp_path / "b", encoded(pair)),
        mask=save(tmp_path / "c", encoded(half)),
        parsing=save(tmp_path / "d", encoded(numbers % 5)),
        attributes={"b": 1, "a": [2]},
    )
    (record,), _ = convert_picture(item, size=None)
    np.testing.assert_array_equal(pixels(record.pair), pair)
    np.testing.assert_array_equal(pixels(record.mask), half)
    np.testing.assert_array_equal(pixels(record.parsing), numbers % 5)
    assert record.attributes == '{"a": [2], "b": 1}'
    (record,), _ = convert_picture(item, size=8)
    np.testing.assert_array_equal(pixels(record.pair), decode.square(pair, 8))
    mask = pixels(record.mask)
    assert mask.shape == (8, 8) and mask[:, :3].max() == 0 and mask[:, 5:].min() == 255
    nearest = (numbers % 5)[2:18][1::2, 1::2]
    np.testing.assert_array_equal(pixels(record.parsing), nearest)


def test_a_picture_with_an_unusable_part_is_a_failure(tmp_path):
    good = save(tmp_path / "a", encoded(picture(0, 12, 12, 3)))
    wide = save(tmp_path / "b", encoded(picture(0, 12, 16, 3)))
    large = save(tmp_path / "c", encoded(picture(0, 24, 24, 3)))
    cut = save(tmp_path / "d", encoded(picture(0, 24, 24, 3))[:-100])

    def reason(size=None, path=good, **parts):
        kept, failures = convert_picture(Item(path, 1, "x", **parts), size=size)
        assert len(kept) + len(failures) == 1
        return failures[0].reason if failures else None

    assert reason(pair=wide) == reason(pair=wide, size=8) == "unequal-sizes"
    assert reason(pair=large) == "unequal-sizes"
    assert reason(pair=large, size=8) is None
    assert reason(pair=cut) == reason(mask=cut) == "truncated"
    assert reason(pair=str(tmp_path / "gone")) == "missing"
    assert reason(parsing=wide) == "unsupported"
    assert (
        reason(path=save(tmp_path / "e", encoded(picture(0, 7, 9, 3)))) == "too-small"
    )


# Damaged, odd and mislabelled files


def bad_files(root, count, seed=0):
    """`count` files, about half of them usable; some are no files at all."""
    rng = np.random.default_rng(seed)
    exif = Image.Exif()
    exif[0x0112] = 8
    rgb, gray = picture(0, 11, 12, 3), picture(1, 11, 12)
    whole = [
        encoded(rgb, "JPEG"),
        encoded(rgb, "JPEG", exif=exif, progressive=True),
        encoded(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        encoded(rgb),
        encoded(gray.astype(np.uint16) * 257),
        encoded(gray > 99),
        encoded(np.dstack([rgb, gray])),
        encoded(Image.fromarray(rgb).quantize(9), "GIF"),
        encoded(rgb, "WEBP"),
        encoded(rgb, "TIFF"),
        encoded(rgb, "BMP"),
        encoded(gray[:1, :1]),
    ]
    texts = [b"", b"\0", b"<html></html>", b"{}", b"GIF89a", b"\xff\xd8\xff", b"PK\3\4"]
    names = ["ü ñ.png", "a\nb.jpg", "c'\"\\.png", "no suffix", "x.TXT", ".jpg.png "]
    for i in range(count):
        data = bytearray(whole[rng.integers(len(whole))])
        kind = rng.integers(7)
        if kind == 0:
            data = data[: rng.integers(len(data))]
        elif kind == 1:
            for place in rng.integers(0, len(data), rng.integers(1, 9)):
                data[place] = rng.integers(256)
        elif kind == 2:
            data = bytearray(texts[rng.integers(len(texts))])
        elif kind == 3:
            data = bytearray(rng.bytes(rng.integers(200)))
        suffix = names[i % len(names)] if kind == 4 else ".jpg"
        # Names need not be UTF-8.
        path = os.fsencode(root / ("real", "gan")[i % 2] / f"{i}{suffix}")
        path += b"\xff.png" if i % 50 == 7 else b""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if i % 97 == 11:
            os.symlink("nowhere", path)
        elif i % 97 == 12:
            os.mkfifo(path)
        elif i % 97 == 13:
            os.symlink(path, path)
        else:
            with open(path, "wb") as file:
                file.write(data)
    return root


def test_10000_bad_files_stop_nothing_and_are_accounted_for(tmp_path):
    listing = folders.class_folders(bad_files(tmp_path / "in", 10_000))
    assert len(listing.items) + len(listing.left_out) == 10_000
    left_out = listing.left_out
    report = run(listing.items, tmp_path / "out", workers=2, left_out=left_out)
    failures = listed(report.root)["failures"]
    assert report.items == len(listing.items) == report.records + report.failures
    assert len(failures) == report.failures
    assert sum(report.reasons.values()) == len(failures) + len(left_out)
    kept, missed = opened(report), {failure["name"] for failure in failures}
    assert len(kept) == report.records and len(missed) == report.failures
    assert not kept.keys() & missed
    expected = {"not-an-image", "truncated", "empty", "too-small", "missing"}
    assert expected | {"not-a-file", "unreadable"} <= report.reasons.keys()
    assert 0.3 < report.records / 10_000 < 0.8
    assert all(decode.plain(record.image) is not None for record in kept.values())


def test_strict_makes_failures_an_error_that_lists_them(tmp_path):
    root = folder_of(tmp_path / "in", 40)
    (root / "real" / "bad.jpg").write_text("no picture")
    items = folders.class_folders(root).items
    with pytest.raises(ValueError, match="strict: 1 not-an-image; listed in (.*)") as e:
        run(items, tmp_path / "out", strict=True)
    path = str(e.value).rpartition("listed in ")[2]
    assert listed(Path(path).parent)["failures"][0]["name"] == "real/bad.jpg"
    assert not (tmp_path / "out/tiny/1.0.0").exists()
    (root / "real" / "bad.jpg").unlink()
    items = folders.class_folders(root).items
    assert run(items, tmp_path / "out", strict=True).records == 40


def test_files_left_out_count_too(tmp_path):
    root = folder_of(tmp_path / "in", 4)
    (root / "real" / ".hidden").touch()
    listing = folders.class_folders(root)
    report = run(listing.items, tmp_path / "a", left_out=listing.left_out)
    assert report.reasons == {"hidden": 1} and report.failures == 0
    assert listed(report.root)["left_out"][0]["name"] == "real/.hidden"
    for out in ("a", "b"):  # already made without strict, and not yet
        with pytest.raises(ValueError, match="strict: 1 hidden"):
            run(listing.items, tmp_path / out, left_out=listing.left_out, strict=True)


# What is written


def test_the_report_tells_what_there_is(tmp_path):
    root = folder_of(tmp_path / "in", 30, sources=("real", "pggan", "began"))
    report = run(folders.class_folders(root).items, tmp_path / "out", size=8)
    assert report.root == str(tmp_path / "out/tiny/1.0.0")
    assert report.sources == ("real", "began", "pggan")
    assert report.items == report.records == 30
    kept = opened(report)
    counts = Counter(report.sources[record.source] for record in kept.values())
    total = Counter()
    for count in report.splits.values():
        total.update(count)
    assert counts == total == {"real": 10, "began": 10, "pggan": 10}
    for name, record in kept.items():
        assert record.label == int(not name.startswith("real"))
        assert report.sources[record.source] == name.split("/")[0]
        assert pixels(record.image).shape == (8, 8, 3)


def test_groups_stay_in_one_split(tmp_path):
    items = [
        Item(
            save(tmp_path / f"{i}.png", encoded(picture(i, 8, 8, 3))),
            i % 2,
            "gan",
            group=f"clip {i // 6}",
            name=str(i),
        )
        for i in range(120)
    ]
    report = run(items, tmp_path / "out", fractions=(0.5, 0.2, 0.3))
    groups = [
        {record.group for record in records.open(report.root, split)}
        for split in ("train", "validation", "test")
    ]
    assert all(groups) and sum(map(len, groups)) == len(set.union(*groups)) == 20
    mixed = [items[0]._replace(split="train"), items[1]._replace(split="test")]
    with pytest.raises(ValueError, match="'clip 0' "):
        run(mixed, tmp_path / "mixed")


def test_limit_takes_equal_shares_by_group(tmp_path):
    pair = ["real", "a", "b"]
    items = [
        Item(
            save(tmp_path / f"{s}{g}.png", encoded(picture(g, 8, 8, 3))),
            int(s != "real"),
            s,
            group=str(g),
            name=f"{s}{g}",
        )
        for s in pair
        for g in range(20)
    ]
    report = run(items, tmp_path / "out", limit=15)
    kept = opened(report).values()
    assert Counter(record.source for record in kept) == {0: 5, 1: 5, 2: 5}
    assert len({record.group for record in kept}) == 5
    other = run(items, tmp_path / "other", limit=15, seed=1)
    assert opened(other).keys() != opened(report).keys()


def test_limit_takes_from_every_split(tmp_path):
    path = save(tmp_path / "a.png", encoded(picture(0, 8, 8, 3)))
    items = [Item(path, 0, "real", name=str(i)) for i in range(1000)]
    report = run(items, tmp_path / "out", limit=200)
    shares = {split: count["real"] for split, count in report.splits.items()}
    assert 130 < shares["train"] < 170 and 25 < shares["test"] < 55
    assert 2 < shares["validation"] < 20


def test_odd_requests_are_refused(tmp_path):
    path = save(tmp_path / "a.png", encoded(picture(0, 8, 8, 3)))
    item = Item(path, 0, "real", name="a")
    bad = save(tmp_path / "b.png", b"no")
    for items, settings, message in (
        ([], {}, "no items"),
        ([item, item], {}, "a is listed twice"),
        ([item._replace(label=2)], {}, "label 2"),
        ([item._replace(label=1)], {}, "label 1 with source 'real'"),
        ([item._replace(label=1, source="real/scan")], {}, "label 1 with .*real/scan"),
        ([item], {"name": "My set"}, "made of a-z"),
        ([item], {"limit": 0}, "limit is at least 1, not 0"),
        ([item], {"limit": -1}, "limit is at least 1, not -1"),
        ([item._replace(path=bad)], {}, "not one of the pictures .* 1 not-an-image"),
    ):
        with pytest.raises(ValueError, match=message):
            run(items, tmp_path / "out", **settings)


def test_remarks_say_what_is_lacking(tmp_path):
    good = save(tmp_path / "a.png", encoded(picture(0, 8, 8, 3)))
    bad = save(tmp_path / "b.png", b"no")
    items = [
        Item(good, 0, "real", split="train", name="1"),
        Item(good, 1, "began", split="test", name="2"),
        Item(bad, 1, "pggan", split="test", name="3"),
    ]
    assert set(run(items, tmp_path / "out").remarks) == {
        "split validation is empty",
        "split train has no fake picture",
        "split test has no real picture",
        "not one picture of pggan can be used",
    }


# Interruptions


def test_a_finished_data_set_is_reported_not_made_again(tmp_path, monkeypatch):
    items = folders.class_folders(folder_of(tmp_path / "in", 40)).items
    report = run(items, tmp_path / "out")
    monkeypatch.setattr(shards, "make", None)
    assert run(items, tmp_path / "out") == report
    for changed in ({"size": 8}, {"seed": 1}, {"convert": lossless}):
        with pytest.raises(FileExistsError, match="other settings"):
            run(items, tmp_path / "out", **changed)
    os.utime(items[0].path, (0, 0))
    with pytest.raises(FileExistsError, match="holds other pictures"):
        run(items, tmp_path / "out")


def lossless(item, *, size):
    return convert_picture(item, size=size)


def test_workers_change_no_byte(tmp_path):
    items = folders.class_folders(folder_of(tmp_path / "in", 150)).items
    items.append(Item(save(tmp_path / "bad", b""), 1, "gan", name="bad"))
    first = contents(run(items, tmp_path / "a").root)
    assert contents(run(items[::-1], tmp_path / "b", workers=2).root) == first
    assert list((tmp_path / "a/tiny").iterdir()) == [tmp_path / "a/tiny/1.0.0"]


class Power(BaseException):
    """The power cut of the tests; nothing catches it."""


@pytest.mark.parametrize("target", ["settle", "os.replace", "Shard.write", "np.save"])
def test_a_cut_at_any_write_changes_no_byte(tmp_path, monkeypatch, target):
    items = folders.class_folders(folder_of(tmp_path / "in", 70)).items
    expected = contents(run(items, tmp_path / "whole").root)
    left, name = 0, f"jaxforensics.prepare.writing.{target}"
    owner = {"os.replace": os, "Shard.write": writing.Shard, "np.save": np}
    owner = owner.get(target, writing)
    real = getattr(owner, target.rpartition(".")[2])

    def failing(*args, **kwargs):
        nonlocal left
        left -= 1
        if left < 0:
            raise Power
        return real(*args, **kwargs)

    cuts = 0
    while True:  # each attempt gets one write further before the power goes
        with monkeypatch.context() as patch:
            patch.setattr(name, failing)
            left = cuts if target != "Shard.write" else 9 * cuts
            try:
                report = run(items, tmp_path / f"cut{cuts}")
            except Power:
                left = 10**9
                report = run(items, tmp_path / f"cut{cuts}")
            else:
                break
        assert contents(report.root) == expected
        cuts += 1
    assert cuts >= (3 if target == "np.save" else 7)


def test_other_items_after_a_cut_start_afresh(tmp_path, monkeypatch):
    items = folders.class_folders(folder_of(tmp_path / "in", 110)).items
    expected = contents(run(items[:20], tmp_path / "whole").root)
    real = os.replace

    def failing(source, target):
        if "train.array_record-00001" in str(target):  # others have their last names
            raise Power
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(Power):
            run(items, tmp_path / "out")
    assert len(list(tmp_path.glob("out/tiny/*/*train*"))) == 1
    assert contents(run(items[:20], tmp_path / "out").root) == expected


def test_finished_shards_are_not_made_again(tmp_path, monkeypatch):
    items = folders.class_folders(folder_of(tmp_path / "in", 200)).items
    made = []

    def counting(task, *, tick):
        if len(made) == 3:
            raise Power
        made.append(task.path)
        return real(task, tick=tick)

    real = shards.make
    monkeypatch.setattr(shards, "make", counting)
    with pytest.raises(Power):
        run(items, tmp_path / "out")
    monkeypatch.setattr(shards, "make", real)
    assert len(list(tmp_path.rglob("*.json"))) == 3
    again = []
    monkeypatch.setattr(
        shards, "make", lambda t, *, tick: again.append(t) or real(t, tick=tick)
    )
    # A file more: only the shard that it falls into is affected.
    save(tmp_path / "in/real/new.jpg", encoded(picture(7, 9, 8, 3), "JPEG"))
    items = folders.class_folders(tmp_path / "in").items
    report = run(items, tmp_path / "out")
    assert report.records == 201
    total = len(list(Path(report.root).glob("*array_record*")))
    assert total - 3 <= len(again) <= total - 2


SCRIPT = """
import os, resource, signal, sys, time
from pathlib import Path
from jaxforensics.prepare import folders, writing
from jaxforensics.prepare.dataset import Failure, convert_picture, prepare

def slowly(item, *, size):
    Path(sys.argv[2], 'pids', str(os.getpid())).touch()
    time.sleep(0.004)
    return convert_picture(item, size=size)

def deadly(item, *, size):
    if item.name.endswith(('0007.jpg', '0008.jpg')):
        os.kill(os.getpid(), signal.SIGKILL)
    return convert_picture(item, size=size)

if __name__ == '__main__':
    kind, out = sys.argv[1:3]
    if kind == 'full':
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    convert = {'slow': slowly, 'deadly': deadly}.get(kind, convert_picture)
    items = folders.class_folders(sys.argv[3]).items
    print(prepare(items, out, name='tiny', convert=convert, progress=False))
"""


def script(tmp_path, *arguments):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, path, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_killed_run_leaves_nothing_running_and_loses_nothing(tmp_path):
    folder_of(tmp_path / "in", 400)
    (tmp_path / "out/pids").mkdir(parents=True)
    kills = 0
    for shards_done in (1, 4):
        process = script(tmp_path, "slow", tmp_path / "out", tmp_path / "in")
        while process.poll() is None:
            if len(list(tmp_path.glob("out/tiny/*/shards/*.json"))) >= shards_done:
                process.kill()
                kills += process.wait() == -signal.SIGKILL
            time.sleep(0.02)
        process.communicate()
        pids = [int(path.name) for path in (tmp_path / "out/pids").iterdir()]
        deadline = time.monotonic() + 20
        while any(map(alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, pids))
    assert kills == 2
    last = script(tmp_path, "slow", tmp_path / "out", tmp_path / "in")
    assert "records=400" in last.communicate()[0]
    (tmp_path / "whole/pids").mkdir(parents=True)
    whole = script(tmp_path, "slow", tmp_path / "whole", tmp_path / "in")
    whole.communicate()
    assert contents(tmp_path / "out/tiny") == contents(tmp_path / "whole/tiny")


def test_one_process_at_a_time_makes_a_data_set(tmp_path):
    folder_of(tmp_path / "in", 400)
    for out in ("out", "whole"):
        (tmp_path / out / "pids").mkdir(parents=True)
    runs = [script(tmp_path, "slow", tmp_path / "out", tmp_path / "in") for _ in "ab"]
    told = [run.communicate()[0] for run in runs]
    assert all("records=400" in text for text in told)
    assert sum("another process prepares" in text for text in told) == 1
    script(tmp_path, "slow", tmp_path / "whole", tmp_path / "in").communicate()
    assert contents(tmp_path / "out/tiny") == contents(tmp_path / "whole/tiny")


def test_an_item_that_kills_its_worker_is_one_failure(tmp_path):
    folder_of(tmp_path / "in", 100)
    process = script(tmp_path, "deadly", tmp_path / "out", tmp_path / "in")
    assert "records=98" in process.communicate()[0]
    failures = listed(tmp_path / "out/tiny/1.0.0")["failures"]
    assert {(f["name"], f["reason"]) for f in failures} == {
        ("gan/0007.jpg", "crash"),
        ("real/0008.jpg", "crash"),
    }


def test_a_full_disk_is_one_sentence_and_no_loss(tmp_path):
    items = folders.class_folders(folder_of(tmp_path / "in", 300)).items
    process = script(tmp_path, "full", tmp_path / "out", tmp_path / "in")
    output = process.communicate()[0]
    assert process.returncode == 1
    assert "DiskFull: [Errno 28] no space left below" in output.splitlines()[-1]
    assert not (tmp_path / "out/tiny/1.0.0").exists()
    report = run(items, tmp_path / "out")
    assert report.records == 300
    expected = contents(run(items, tmp_path / "whole").root)
    assert contents(report.root) == expected


def test_errors_of_a_converter_name_the_file(tmp_path):
    items = folders.class_folders(folder_of(tmp_path / "in", 2)).items

    def broken(item, *, size):
        raise KeyError("oops")

    def silent(item, *, size):
        return [], []

    task = shards.Task(str(tmp_path / "t"), tuple(items), broken, None, ("real", "gan"))
    with pytest.raises(KeyError) as caught:
        shards.make(task)
    assert items[0].path in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="neither record nor failure"):
        shards.make(task._replace(convert=silent))


def test_settings_of_a_converter_count(tmp_path):
    items = tuple(folders.class_folders(folder_of(tmp_path / "in", 2)).items)

    def path(convert):
        return shards.task("", items, convert, None, ("real", "gan")).path

    bound = functools.partial(twice, size=3)
    assert path(bound) == path(functools.partial(twice, size=3))
    others = [twice, lossless, functools.partial(twice, size=4)]
    others += [
        functools.partial(lossless, size=3),
        functools.partial(twice, size=twice),
    ]
    assert len({path(convert) for convert in (bound, *others)}) == 6


def test_a_converter_may_give_many_records(tmp_path):
    items = folders.class_folders(folder_of(tmp_path / "in", 6)).items
    report = run(items, tmp_path / "out", convert=twice)
    assert (report.items, report.records, report.failures) == (6, 12, 6)
    assert report.reasons == {"no-face": 6}
    assert "gan/0001.jpg#1" in opened(report)


def twice(item, *, size):
    (record,), _ = convert_picture(item, size=size)
    frames = [record._replace(name=f"{item.name}#{i}") for i in range(2)]
    return frames, [Failure(f"{item.name}#2", "no-face")]


def test_workers_need_no_jax():
    code = (
        "import sys, jaxforensics.prepare.dataset, jaxforensics.prepare.folders\n"
        "print({'jax', 'grain', 'tensorflow', 'torch', 'cv2'} & sys.modules.keys())"
    )
    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert output.strip() == "set()"


def test_large_files_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "MAX_BYTES", 10)
    item = Item(save(tmp_path / "a", b"x" * 11), 0, "real")
    assert convert_picture(item, size=None)[1][0].reason == "too-large"
    _, failures = convert_picture(Item(str(tmp_path), 0, "real"), size=None)
    assert failures[0].reason == "not-a-file"
