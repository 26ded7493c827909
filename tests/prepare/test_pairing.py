import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxforensics.commands import pairs
from jaxforensics.data import corpus, decode, records
from jaxforensics.data.items import Item
from jaxforensics.data.splits import NAMES
from jaxforensics.prepare import pairing
from jaxforensics.prepare.dataset import prepare

SIDE = 12
SPLITS = ["train", "train", "train", "validation", "test"]
COUNTS = {"real": 20, "real/street": 5, "began": 10, "swap": 5}  # swaps have originals


def listed(folder):
    """Items of random pictures of many shapes; fakes are noisy reals of any split."""
    rng, items, reals = np.random.default_rng(0), [], []

    def save(name, pixels):
        path = folder / name.replace("/", "_")
        Image.fromarray(np.uint8(pixels.clip(0, 255))).save(path)
        return str(path)

    for source, count in COUNTS.items():
        for i in range(count):
            name, extra = f"{source}_{i}.png", {}
            if source.startswith("real"):
                coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
                shape = SIDE + int(rng.integers(5)), SIDE + int(rng.integers(5))
                pixels = np.asarray(coarse.resize(shape), np.float64)
                reals.append(pixels)
            else:
                pixels = reals[rng.integers(len(reals))]
                pixels = pixels + rng.normal(0, 20, pixels.shape)
            if source == "swap":
                other = rng.integers(0, 256, pixels.shape)
                extra["pair"] = save(f"original_{i}.png", other)
            label, group, split = int(source in ("began", "swap")), name, SPLITS[i % 5]
            about = {"group": group, "split": split, "name": name} | extra
            items.append(Item(save(name, pixels), label, source, **about))
    return items


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A prepared data set in which one kind of fakes has no originals."""
    folder = tmp_path_factory.mktemp("plain")
    settings = {"name": "tiny", "workers": 1, "progress": False}
    return Path(prepare(listed(folder), folder / "out", **settings).root)


@pytest.fixture(scope="module")
def paired(plain, tmp_path_factory):
    """(its copy with pairs, what `pair` returned)."""
    root = shutil.copytree(plain, tmp_path_factory.mktemp("paired") / "set")
    return root, pairing.pair(root, side=4, chunk=3, progress=False)


def thumbnail(record, side=4):
    pixels = np.asarray(Image.open(io.BytesIO(record.image)))
    height, width = pixels.shape[:2]
    n = min(height, width)
    top, left = (height - n) // 2, (width - n) // 2
    square = Image.fromarray(pixels[top : top + n, left : left + n])
    return np.float64(square.resize((side, side), Image.Resampling.BOX))


def test_every_fake_gets_the_nearest_real_of_its_split(plain, paired):
    root, rows = paired
    for split in NAMES:
        bare = list(records.open(plain, split))
        pairs = np.load(root / f"pairs-{split}.npy")
        assert pairs.shape == (len(bare),)
        reals = [i for i, record in enumerate(bare) if not record.label]
        for record, found, row in zip(
            records.open(root, split), pairs, bare, strict=True
        ):
            if not row.label or row.pair:
                assert found == -1 and record == row
                continue
            far = [np.sum((thumbnail(row) - thumbnail(bare[i])) ** 2) for i in reals]
            assert found == reals[int(np.argmin(far))]
            assert record == row._replace(pair=bare[found].image)
    assert [(r["split"], r["fakes"], r["paired"], r["reals"]) for r in rows] == [
        ("train", 9, 6, 15), ("validation", 3, 2, 5), ("test", 3, 2, 5)
    ]  # fmt: skip
    assert all(1 <= row["reals used"] <= row["paired"] for row in rows)


def test_the_index_and_the_digest_know_of_pairs(plain, paired, tmp_path):
    root, _ = paired
    for split in NAMES:
        bare, found = records.open(plain, split), records.open(root, split)
        held = found.index["parts"] & records.BITS["pair"] > 0
        fake = found.labels[found.index["source"]] == 1
        np.testing.assert_array_equal(held, fake)
        assert found.sha256 != bare.sha256
        ignored = records.open(root, split, pairs=False)
        assert ignored.sha256 == bare.sha256 and list(ignored) == list(bare)
    other = shutil.copytree(root, tmp_path / "set")
    pairs = np.load(other / "pairs-train.npy")
    row = int(np.flatnonzero(pairs >= 0)[0])
    reals = np.flatnonzero(records.open(plain, "train").index["source"] == 0)
    pairs[row] = reals[reals != pairs[row]][0]
    np.save(other / "pairs-train.npy", pairs)
    prints = [records.open(r, "train").sha256 for r in (root, other, plain)]
    assert len(set(prints)) == 3


def test_views_keep_the_pairs_of_stored_rows(paired):
    root, _ = paired
    whole = records.open(root, "train")
    view = whole.only(["began"])
    assert 0 < len(view) < len(whole)
    assert list(view) == [whole[int(row)] for row in view.rows]
    assert all(record.pair for record in view if record.label)


def test_batches_hold_the_nearest_real(plain, paired):
    root, _ = paired
    settings = {"size": SIDE, "batch_size": 8, "threads": 0}
    lacking = corpus.open(plain, **settings)
    assert "real" not in next(lacking.train.batches())
    data = corpus.open(root, **settings)
    assert data.train.digest != lacking.train.digest
    assert data.test.digest != lacking.test.digest
    sides = {"train": data.train.batches(), "test": data.test.batches()}
    seen = 0
    for split, batches in sides.items():
        stored, batch = records.open(root, split), next(batches)
        for row in np.flatnonzero(batch["valid"]):
            record = stored[int(batch["index"][row])]
            pixels = decode.decode(record.pair or record.image)
            np.testing.assert_array_equal(
                batch["real"][row], decode.square(pixels, SIDE)
            )
            seen += int(record.label)
    assert seen >= 3
    only = corpus.open(root, sources=["began"], **settings)
    assert "real" in next(only.train.batches())


def test_what_is_finished_is_kept_until_settings_or_files_change(plain, tmp_path):
    root = shutil.copytree(plain, tmp_path / "set")
    path = root / "pairs-train.npy"

    def times():
        return [path.stat().st_mtime_ns, (root / "pairs-test.npy").stat().st_mtime_ns]

    rows = pairing.pair(root, side=2, progress=False)
    before, expected = times(), path.read_bytes()
    assert pairing.pair(root, side=2, progress=False) == rows and times() == before
    np.save(path, np.full(24, -1))  # another file: made again
    assert pairing.pair(root, side=2, progress=False) == rows
    assert path.read_bytes() == expected and times()[1] == before[1]
    pairing.pair(root, side=3, progress=False)
    assert times()[1] != before[1]
    note = json.loads((root / "pairs-test.json").read_text())
    assert note["side"] == 3 and note["embedding"] == "colour"
    assert not [p for p in os.listdir(root) if "partial" in p or p.endswith(".tmp")]


def test_an_embedding_of_the_caller_decides(plain, tmp_path):
    root, shapes = shutil.copytree(plain, tmp_path / "set"), set()

    def darkness(pictures):
        shapes.add((pictures.shape, pictures.dtype))
        assert 0 <= pictures.min() and 0.1 < pictures.max() <= 1
        return pictures.mean((1, 2, 3))

    pairing.pair(root, side=6, embed=darkness, name="darkness", progress=False)
    assert shapes == {((pairing.BATCH, 6, 6, 3), np.dtype(np.float32))}
    stored, pairs = records.open(plain, "train"), np.load(root / "pairs-train.npy")
    dark = np.array([
        decode.square(decode.decode(r.image), 6).mean(dtype=np.float64) for r in stored
    ])  # fmt: skip
    reals = np.flatnonzero([not r.label for r in stored])
    for row in np.flatnonzero(pairs >= 0):
        gaps = np.abs(dark[reals] - dark[row])
        assert np.abs(dark[pairs[row]] - dark[row]) <= gaps.min() + 1e-3
    assert (
        json.loads((root / "pairs-train.json").read_text())["embedding"] == "darkness"
    )
    with pytest.raises(ValueError, match="embed and name go together"):
        pairing.pair(root, embed=darkness, progress=False)
    with pytest.raises(ValueError, match="infinite: some values are not finite"):
        pairing.pair(
            root,
            embed=lambda p: p.mean((1, 2)) * np.inf,
            name="infinite",
            progress=False,
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pairs: pairs[:-1], r"has \(23,\) int32 pairs, the split 24 records"),
        (lambda pairs: pairs.astype(float), "has .* float64 pairs"),
        (lambda pairs: np.where(pairs >= 0, 24, -1), "no real of the split"),
        (lambda pairs: np.where(pairs >= 0, np.argmax(pairs >= 0), -1), "no real of"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(paired, tmp_path, change, message):
    root = shutil.copytree(paired[0], tmp_path / "set")
    path = root / "pairs-train.npy"
    np.save(path, change(np.load(path)))
    with pytest.raises(ValueError, match=f"{path} .*{message}.*run again: .* pairs"):
        records.open(root, "train")
    pairing.pair(root, side=4, progress=False)  # as the message says
    assert list(records.open(root, "train")) == list(records.open(paired[0], "train"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="is damaged"):
        records.open(root, "train")


def test_the_command_tells_what_it_did(plain, tmp_path):
    root = shutil.copytree(plain, tmp_path / "set")
    text = pairs.run("pairs", {"path": root.parent, "side": 4})
    assert "| train " in text and "reals used" in text
    assert text.endswith(f"pairs: beside {root}")
    with pytest.raises(ValueError, match="pairs has no setting 'sides'.*'side'"):
        pairs.run("pairs", {"path": root, "sides": 4})
    with pytest.raises(ValueError, match="--side is at least 1, not 0"):
        pairs.run("pairs", {"path": root, "side": 0})


def made(folder, *rows):
    """A data set of pictures (source, split, with a pair)."""
    rng, items = np.random.default_rng(0), []
    for i, (source, split, whole) in enumerate(rows):
        path = str(folder / f"{i}.png")
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).save(path)
        label, pair = int(source != "real"), path if whole else ""
        items.append(Item(path, label, source, split=split, name=f"{i}", pair=pair))
    settings = {"name": "few", "workers": 1, "progress": False}
    return Path(prepare(items, folder / "out", **settings).root)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("real", "train", 0), ("gan", "train", 0), ("gan", "test", 0)],
            "split test of .* has no real picture for its 1 fakes",
        ),
        ([("real", "train", 0), ("gan", "train", 1)], "nothing to pair"),
        ([("real", "train", 0)], "nothing to pair"),
    ],
)
def test_empty_classes_are_told_before_the_work(tmp_path, rows, message):
    root = made(tmp_path, *rows)
    with pytest.raises(ValueError, match=message):
        pairing.pair(root, progress=False)
    assert not list(root.glob("pairs-*"))


def test_a_damaged_picture_is_named(tmp_path, monkeypatch):
    root = made(tmp_path, ("real", "train", 0), ("gan", "train", 0))
    read = records.Records.__getitem__

    def damaged(self, number):
        record = read(self, number)
        return record._replace(image=record.image[: len(record.image) // 2])

    monkeypatch.setattr(records.Records, "__getitem__", damaged)
    with pytest.raises(ValueError, match="record . of .*train.array_record.* damaged"):
        pairing.pair(root, progress=False)
    assert not list(root.glob("pairs-*"))
