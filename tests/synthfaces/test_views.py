"""The sets of the benchmark: who is in them, what is stored, the same bytes again."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxforensics.commands import data_sets
from jaxforensics.data import corpus, records
from jaxforensics.synthfaces import photos, sources, views
from jaxforensics.synthfaces.drawing import render, scenes
from jaxforensics.synthfaces.forgers import neural

ROOT = Path(__file__).resolve().parents[2]
FACES = 20  # two tens: 14, 2 and 4
HAIR_PROPERTIES = ("blond", "black", "brown", "bald", "bangs", "long_hair")
ROOM = 16  # rows computed together: no set here has more faces in a split


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    """No time for rows that only fill up a chunk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "CHUNK", ROOM)
        yield


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def members(view, **settings):
    """{(source, split): identities} of a view's plan."""
    found = {}
    for item in views.items(view, **settings):
        place = found.setdefault((item.source, item.split), [])
        place += item.attributes["indices"]
    return found


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The view with every family of forgeries, at 64²."""
    return data_sets.synthfaces(tmp_path_factory.mktemp("pairs"), faces=FACES)


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    return data_sets.synthfaces(
        tmp_path_factory.mktemp("edits"), view="edits", faces=FACES
    )


@pytest.fixture(scope="module")
def by_property(tmp_path_factory):
    return data_sets.synthfaces(
        tmp_path_factory.mktemp("properties"),
        view="edits",
        faces=FACES,
        attributes=("bald", "smile"),
    )


def everything(report):
    return [r for split in report.splits for r in records.open(report.root, split)]


# Who is where


@pytest.mark.parametrize("view", views.VIEWS)
def test_identities_are_in_one_split_whatever_the_view_and_its_size(view):
    for faces in (20, 333):
        for (_, split), indices in members(view, faces=faces).items():
            assert {views.split_of(index) for index in indices} <= {split}
            assert len(set(indices)) == len(indices)
    shares = np.bincount(
        [("train", "validation", "test").index(views.split_of(i)) for i in range(1000)]
    )
    assert shares.tolist() == [700, 100, 200]


def test_every_face_of_pairs_is_in_one_fake_and_families_get_equal_shares():
    plan = views.VIEWS["pairs"]
    found = members("pairs", faces=600)
    for split, count in (("train", 420), ("validation", 60), ("test", 120)):
        shares = [found[source, split] for source in plan.fakes]
        assert sorted(sum(shares, [])) == sorted(found["real", split])
        assert {len(share) for share in shares} == {count // len(plan.fakes)}


def test_odd_requests_are_refused(tmp_path):
    for settings, message in (
        ({"view": "pears"}, "pears.*pairs"),
        ({"faces": 0}, "at least one face"),
        ({"fakes": ("swap_grafic",)}, "swap_grafic.*swap_graphic"),
        ({"size": 96}, "64 or 128"),
        ({"view": "edits", "attributes": ("blonde",)}, "blonde.*did you mean 'blond'"),
        ({"view": "edits", "attributes": "blond"}, "several names"),
        ({"view": "pairs", "attributes": ("blond",)}, "pairs.*no choice.*edits has"),
    ):
        with pytest.raises(ValueError, match=message):
            data_sets.synthfaces(tmp_path, **settings)


def test_what_paints_the_larger_pictures_is_part_of_their_sets_alone():
    blocks = {
        size: [
            item.attributes["made"]
            for item in views.items("pairs", faces=20, size=size, fakes=("nearest",))
        ]
        for size in (64, 128)
    }
    reals = {made for made in blocks[64] if not made}
    assert reals and set(blocks[64]) & set(blocks[128]) == reals


def test_enough_faces_lack_each_property():
    """FakeLocator's tables need 200 for training, 40 for validation, 80 for tests."""
    found = members("edits", faces=800, attributes=HAIR_PROPERTIES)
    assert len(found) == 3 + 3 * len(HAIR_PROPERTIES) * len(neural.EDITORS)
    least = {"train": 200, "validation": 40, "test": 80}
    for (_, split), indices in found.items():
        assert len(indices) >= least[split]


def test_properties_are_only_added():
    found = members("edits", faces=100, attributes=("bangs", "brown", "smile"))
    described = sources._each(
        scenes.describe, photos.poses(0, np.arange(100), domain="studio")
    )
    has = dict(zip(scenes.ATTRIBUTES, described.T > 0, strict=True))
    for chosen, there in (
        ("bangs", has["bangs"] | has["bald"]),
        ("brown", has["brown_hair"] | has["bald"]),
        ("smile", has["smile"]),
    ):
        for editor in neural.EDITORS:
            edited = sum(
                (found[f"{editor}/{chosen}", split] for split in set(views.TENTH)), []
            )
            assert sorted(edited) == np.flatnonzero(~there).tolist()


def test_chosen_editors_and_properties_are_the_sources():
    found = members(
        "edits", faces=20, fakes=("edit_skip",), attributes=("bald", "bald", "gray")
    )
    names = {source for source, _ in found}
    assert names == {"real", "edit_skip/bald", "edit_skip/gray"}
    for item in views.items("edits", faces=20, attributes=("bald",)):
        if item.label:
            editor = item.source.removesuffix("/bald")
            assert item.attributes["made"] == sources.digest(editor, size=64) != ""


# What is stored


def test_counts_of_pairs(pairs):
    plan = views.VIEWS["pairs"]
    assert pairs.sources == ("real", *sorted(plan.fakes))
    total = {s: sum(n[s] for n in pairs.splits.values()) for s in pairs.sources}
    assert total["real"] == FACES == sum(total.values()) - FACES
    assert not pairs.failures and pairs.records == 2 * FACES


def test_every_fake_of_pairs_has_a_real_of_its_split(pairs):
    for split in pairs.splits:
        stored = records.open(pairs.root, split)
        reals = {r.image for r in stored if r.label == 0}
        for record in stored:
            assert pixels(record.image).shape == (64, 64, 3)
            if record.label:
                assert record.pair in reals
                assert record.pair != record.image


def test_synthesised_faces_are_paired_with_the_nearest_real(pairs):
    """Brute force over thumbnails that Pillow makes."""

    def thumbnail(data):
        small = Image.open(io.BytesIO(data)).resize((16, 16), Image.Resampling.BOX)
        return np.asarray(small, np.float64)

    stored = list(records.open(pairs.root, "train"))
    bank = {r.image: thumbnail(r.image) for r in stored if r.label == 0}
    fakes = [r for r in stored if pairs.sources[r.source] in ("nearest", "bilinear")]
    assert fakes
    for record in fakes:
        distance = {
            image: np.sum((thumbnail(record.image) - other) ** 2)
            for image, other in bank.items()
        }
        best = min(distance.values())
        assert distance[record.pair] <= best * 1.02 + 50  # Pillow rounds to 8 bits


def test_masks_of_replacements_cover_what_changed(pairs):
    checked = 0
    for record in everything(pairs):
        if "swap" in pairs.sources[record.source]:
            image, pair = (pixels(d).astype(int) for d in (record.image, record.pair))
            changed = np.abs(image - pair).max(-1) > 8
            assert (pixels(record.mask)[changed] > 0).all()
            assert changed.mean() > 0.01
            checked += 1
    assert checked >= 4


def test_gray_maps_are_those_of_the_stored_pair(edits):
    for record in everything(edits):
        if record.label:
            image, pair = (pixels(d).astype(float) for d in (record.image, record.pair))
            gray = np.abs(image - pair) @ [0.299, 0.587, 0.114]
            assert np.abs(pixels(record.mask) - gray).max() <= 0.501


def test_parsing_names_the_edited_region(edits):
    """It has classes that the edit may change, also where they were taken away."""
    seen = set()
    for record in everything(edits):
        about = json.loads(record.attributes)
        if not record.label:
            continue
        region = [render.CLASSES.index(name) for name in about["region"]]
        parsing = pixels(record.parsing)
        assert parsing.shape == (64, 64) and parsing.max() < len(render.CLASSES)
        assert set(about["region"]) == set(sources.REGIONS[about["attribute"]])
        if about["attribute"] in ("glasses", "moustache", "bangs", "bald"):
            assert np.isin(parsing, region).any(), about
        seen.add(about["attribute"])
    assert len(seen) >= 2


def test_edits_by_property_say_what_was_added(by_property):
    counts = dict.fromkeys(by_property.sources, 0)
    for record in everything(by_property):
        name = by_property.sources[record.source]
        counts[name] += 1
        if record.label:
            about = json.loads(record.attributes)
            assert name == f"{about['forger']}/{about['attribute']}"
            was, now = set(about["was"]), set(about["is"])
            assert now - was == {about["attribute"]} and was - now <= {
                "bangs",
                "long_hair",
            }
            assert (pixels(record.image) != pixels(record.pair)).any()
            assert pixels(record.mask).max() > 0
    assert min(counts.values()) >= 5, counts


def test_edit_targets_change_something():
    for number, attribute in enumerate(scenes.ATTRIBUTES):
        for row in np.eye(len(scenes.ATTRIBUTES), dtype=np.float32):
            chosen = sources._attribute(row, 10 * number)
            wanted = sources.target(row, chosen)
            assert (wanted != row).any()
            assert wanted[: len(scenes.HAIR_COLOURS)].sum() <= 1
            assert chosen in scenes.ATTRIBUTES and attribute


def test_batches_hold_pairs_and_masks(pairs):
    data = corpus.open(pairs.root, size=64, batch_size=8, balance="label")
    batch = next(data.train.batches())
    fake = batch["label"] == 1
    assert batch["real"].shape == (8, 64, 64, 3) and batch["mask"].shape == (8, 64, 64)
    assert (batch["real"][~fake] == batch["image"][~fake]).all()
    assert (batch["real"][fake] != batch["image"][fake]).any((1, 2, 3)).all()


# The same bytes


def contents(root):
    root = Path(root)
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_killed_and_resumed_gives_the_same_bytes(pairs, tmp_path):
    script = (
        "from jaxforensics.commands import data_sets\n"
        "from jaxforensics.synthfaces import photos\n"
        f"photos.CHUNK = {ROOM}\n"
        f"data_sets.synthfaces({str(tmp_path)!r}, faces={FACES})\n"
    )
    # With as many devices as here, what is compiled is found in the cache.
    devices = str(jax.device_count())
    environment = os.environ | {
        "JAX_NUM_CPU_DEVICES": devices,
        "PYTHONPATH": str(ROOT),
    }
    worker = subprocess.Popen([sys.executable, "-c", script], env=environment)
    while not list(tmp_path.rglob("shards/*.json")) and worker.poll() is None:
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not list(tmp_path.rglob("prepared.json")), "it had finished already"
    report = data_sets.synthfaces(tmp_path, faces=FACES)
    assert contents(report.root) == contents(pairs.root)
