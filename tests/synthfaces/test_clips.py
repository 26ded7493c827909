"""Clips: their files, their motion, their splits, and the same bytes again."""

import functools
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import jax
import numpy as np
import pytest
from PIL import Image

from jaxforensics.commands import data_sets
from jaxforensics.data import corpus, splits
from jaxforensics.evaluation import protocols
from jaxforensics.prepare import dataset, layouts, videos
from jaxforensics.synthfaces import clips, codec
from jaxforensics.synthfaces.drawing import scenes
from jaxforensics.synthfaces.forgers import graphic

SETTINGS = {"clips": 6, "frames": 6, "size": 64, "seed": 3, "progress": False}
FORGED = {"FaceSwap": clips.UNSEEN}  # no networks, and compiled once
ROOT = Path(__file__).resolve().parents[2]


def write(folder, **changed):
    clips.write(folder, **SETTINGS | changed)
    return folder


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def frames(path):
    found = [frame for _, frame in videos.read(path, range(SETTINGS["frames"]))]
    return np.stack(found).astype(float)


@pytest.fixture(scope="module", autouse=True)
def without_networks():
    """What does not depend on trained weights is enough to write clips of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "MANIPULATIONS", FORGED)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clips") / "ff")


def test_compressions_fall_in_quality_and_size(folder):
    listing = {c: layouts.find(folder, compression=c).items for c in clips.COMPRESSIONS}
    for raw, *others in zip(*listing.values(), strict=True):
        assert raw.attributes["video"] == others[0].attributes["video"]
        original, sizes, quality = frames(raw.path), [], []
        for item in (raw, *others):
            sizes.append(Path(item.path).stat().st_size)
            error = np.mean((frames(item.path) - original) ** 2)
            quality.append(10 * np.log10(255**2 / max(error, 1e-9)))
        assert sizes[0] > sizes[1] > sizes[2]
        assert quality[0] > 60 and 20 < quality[2] < quality[1] - 2 < 45


def test_clips_are_h264(folder):
    for path in folder.rglob("*.mp4"):
        with av.open(str(path)) as container:
            (stream,) = container.streams
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height) == (SETTINGS["size"],) * 2
            assert stream.average_rate == codec.RATE
            assert stream.frames == SETTINGS["frames"]


def test_raw_is_lossless_and_a_forgery_stays_inside_its_mask(folder):
    fakes = [
        item for item in layouts.find(folder, compression="raw").items if item.label
    ]
    assert len(fakes) == len(FORGED) * SETTINGS["clips"]
    for item in fakes:
        fake, real, mask = (frames(p) for p in (item.path, item.pair, item.mask))
        assert set(np.unique(mask)) == {0, 255}
        np.testing.assert_array_equal(fake[mask == 0], real[mask == 0])
        assert np.abs(fake - real)[mask > 0].mean() > 1


def test_people_move_before_a_camera_that_does_not(folder):
    items = layouts.find(folder, compression="raw").items
    for item in (item for item in items if not item.label):
        found = frames(item.path)
        steps = np.abs(np.diff(found, axis=0)).mean((1, 2, 3))
        assert (steps > 0.5).all()  # noise at least
        far = np.abs(found[-1] - found[0]).mean()
        assert far > steps.mean() and steps.max() < 20


def test_official_splits_are_disjoint_and_donors_come_from_the_same(folder):
    listing = layouts.find(folder)
    assert not listing.left_out
    splits.check(listing.items)
    assert {item.split for item in listing.items} == set(splits.NAMES)
    where = {i.attributes["video"]: i.split for i in listing.items if not i.label}
    assert len(where) == SETTINGS["clips"]
    for item in (item for item in listing.items if item.label):
        target, donor = item.attributes["video"].split("_")
        assert where[target] == where[donor] == item.split


def test_most_pairs_train():
    pairs = clips._pairs(60, size=64)
    shares = [sum(pair.split == name for pair in pairs) for name in splits.NAMES]
    assert shares == [21, 3, 6]
    assert sorted(i for p in pairs for i in p[:2]) == list(range(60))


def test_the_same_bytes_again_and_after_an_interruption(folder, tmp_path):
    expected = digests(folder)
    again, first = tmp_path / "ff", ("000.mp4", "001.mp4", "000_001.mp4", "001_000.mp4")
    for name in expected:
        if not name.endswith(first) or "c40" in name:
            (again / name).parent.mkdir(parents=True, exist_ok=True)
            (again / name).write_bytes((folder / name).read_bytes())
    cut = again / "manipulated_sequences/FaceSwap/raw/videos/.000_001.mp4.partial"
    cut.parent.mkdir(parents=True, exist_ok=True)
    cut.write_bytes(b"half a clip")
    assert digests(write(again)) == expected


def test_what_is_there_is_left_alone(folder):
    path = folder / "original_sequences/youtube/c40/videos/000.mp4"
    before = path.stat().st_mtime_ns
    assert write(folder) == folder and path.stat().st_mtime_ns == before


@pytest.fixture
def like_this_process(monkeypatch):
    """Spawned processes find what is compiled in the cache, and this code."""
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_two_workers_write_the_same_bytes(folder, tmp_path, like_this_process):
    assert digests(write(tmp_path / "ff", workers=2)) == digests(folder)


def test_killed_workers_leave_whole_clips(folder, tmp_path, like_this_process):
    script = (
        "from jaxforensics.synthfaces import clips\n"
        f"clips.MANIPULATIONS = {FORGED}\n"
        f"clips.write({str(tmp_path / 'ff')!r}, workers=2, **{SETTINGS})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    while not list(tmp_path.rglob("[0-9]*.mp4")) and parent.poll() is None:
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    expected = digests(folder)
    # The workers end with their parent, in the middle of what they do.
    while len(found := digests(tmp_path / "ff")) < len(expected):
        time.sleep(0.5)
        if digests(tmp_path / "ff") == found:
            break
    assert len(found) < len(expected), "it had finished already"
    whole = {name: d for name, d in found.items() if not name.endswith(".partial")}
    assert whole.items() <= expected.items()
    assert digests(write(tmp_path / "ff")) == expected


def test_the_default_number_of_workers_grows_with_the_clips(monkeypatch, tmp_path):
    asked = []

    def written(folder, *, workers, **settings):
        asked.append(workers)
        raise InterruptedError

    monkeypatch.setitem(data_sets.WRITERS, "videos", written)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    for settings in ({}, {"clips": 80}, {"clips": 400}, {"clips": 2, "workers": 3}):
        with pytest.raises(InterruptedError):
            data_sets.videos(tmp_path, **settings)
    assert asked == [1, 2, 4, 3]


def test_names_of_sets_stay(folder):
    """Clips that were made before are found again, and not refused."""
    about = {"layout": "faceforensics", "frames": 6, "size": 64, "seed": 3}
    text = json.dumps(about | {"revision": clips.revision()})
    assert (folder / "clips.json").read_text() == text
    assert clips.REVISION == 2
    names = "".join(digests(folder)).encode()
    assert hashlib.sha256(names).hexdigest()[:12] == "74d5e8b6a081"


def test_pictures_stay(folder):
    """Means over quarters of the first and the last frame of a forgery."""
    clip = frames(folder / "manipulated_sequences/FaceSwap/raw/videos/000_001.mp4")
    means = clip[[0, -1]].reshape(2, 2, 32, 2, 32, 3).mean((2, 4, 5)).reshape(2, 4)
    expected = [[101.7, 108.6, 86.3, 99.0], [101.3, 109.6, 86.2, 99.6]]
    np.testing.assert_allclose(means, expected, atol=0.2)


def test_other_settings_are_refused(folder):
    with pytest.raises(FileExistsError, match="other settings"):
        clips.write(folder, **SETTINGS | {"seed": 4})


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"clips": 3}, {"size": 65}])
def test_numbers_that_are_not_even(tmp_path, wrong):
    with pytest.raises(ValueError, match="even"):
        clips.write(tmp_path / "ff", **SETTINGS | wrong)
    assert not (tmp_path / "ff").exists()


def test_the_unseen_set_is_a_test_of_other_people(folder, tmp_path, monkeypatch):
    film, filmed = clips._film, []

    def in_the_studio(pair, *, seed, domain, frames, size):  # compiled already
        filmed.append((seed, domain))
        return film(pair, seed=seed, domain="studio", frames=frames, size=size)

    monkeypatch.setattr(clips, "_film", in_the_studio)
    clips.write_unseen(tmp_path / "unseen", **SETTINGS | {"clips": 2})
    assert filmed == [(clips.STRANGERS + SETTINGS["seed"], "street")]
    listing = layouts.find(tmp_path / "unseen")
    assert layouts.recognise(tmp_path / "unseen") == "celebdf"
    assert not listing.left_out
    assert sorted(item.label for item in listing.items) == [0, 0, 1, 1]
    assert {item.split for item in listing.items} == {"test"}
    seen = frames(folder / "original_sequences/youtube/c23/videos/000.mp4")
    assert all(np.abs(frames(item.path) - seen).mean() > 10 for item in listing.items)


def test_the_acted_set_has_deepfakedetections_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "ACTED", clips.UNSEEN)  # compiled already
    clips.write_acted(tmp_path / "dfd", **SETTINGS | {"clips": 2})
    assert layouts.recognise(tmp_path / "dfd") == "dfd"
    for compression in clips.COMPRESSIONS:
        listing = layouts.find(tmp_path / "dfd", compression=compression)
        assert not listing.left_out
        assert {item.split for item in listing.items} == {"test"}
        real, other, fake, another = sorted(listing.items, key=lambda i: i.label)
        assert (real.label, other.label, fake.label, another.label) == (0, 0, 1, 1)
        for made, original in ((fake, real), (another, other)):
            assert (made.group, made.pair) == (original.group, original.path)
            assert made.source == "deepfakedetection" and Path(made.mask).exists()
            assert f"/{compression}/" in made.path


def test_the_unseen_sets_differ_in_people_and_manipulation():
    assert len({clips.FILMED, clips.STRANGERS, clips.ACTORS}) == 3
    manipulations = [*clips.MANIPULATIONS.values(), clips.UNSEEN, clips.ACTED]
    assert clips.UNSEEN != clips.ACTED and clips.ACTED in graphic.REPLACERS
    assert len(set(manipulations)) >= 2


def test_the_street_has_one_compression(tmp_path):
    with pytest.raises(ValueError, match="unseen are c23 alone"):
        data_sets.videos(tmp_path, view="unseen", compression="c40")
    with pytest.raises(ValueError, match="did you mean 'c23'"):
        data_sets.videos(tmp_path, compression="c40,c32")


def test_videos_of_mixed_qualities_have_names_of_their_own(folder, tmp_path):
    listing = layouts.find(folder, compression="raw,c23,c40")
    convert = functools.partial(videos.convert_clip, frames=2, detector="none")
    settings = {"size": 16, "workers": 1, "progress": False, "convert": convert}
    report = dataset.prepare(listing.items, tmp_path, name="mixed", **settings)
    data = corpus.open(report.root, size=16, batch_size=8)
    seen = [batch for batch in data.test.batches()]
    seen = {
        name: np.concatenate([batch[name][batch["valid"] == 1] for batch in seen])
        for name in ("label", "video", "group", "name")
    }
    assert {name for name in seen["video"] if name.endswith("004_005")} == {
        f"faceforensics/FaceSwap/{quality}/004_005" for quality in clips.COMPRESSIONS
    }
    pooled = protocols.pool_videos(
        np.arange(len(seen["label"]), dtype=float),
        seen["video"],
        labels=seen["label"],
        groups=seen["group"],
    )
    # A pair of clips, originals and one forgery of each, in three qualities.
    assert len(pooled.names) == 12 and (np.asarray(pooled.labels) == 1).sum() == 6
    assert set(pooled.groups) == {"faceforensics/004-005"}
    shown = corpus.open(report.root, size=16, batch_size=4, frames=2).test.batches()
    for batch in shown:
        assert len(set(batch["video"])) == len(batch["video"])


def test_clips_become_records(folder):
    item = next(item for item in layouts.find(folder).items if item.label)
    records, failures = videos.convert_clip(item, size=32, frames=3, detector="none")
    assert len(records) == 3 and not failures
    about = json.loads(records[0].attributes)
    assert about["manipulation"] == "FaceSwap" and about["compression"] == "c23"
    for part in (records[0].image, records[0].pair, records[0].mask):
        assert Image.open(io.BytesIO(part)).size == (32, 32)


def test_motion_is_smooth_and_keeps_the_person():
    scene = jax.jit(scenes.sample)(scenes.key_of(0, 0))
    times = np.linspace(0, 10, 241, dtype=np.float32)
    sway = jax.jit(jax.vmap(clips.sway, (None, None, 0)))
    moved = sway(jax.random.key(1), scene, times)
    face = moved.expression
    for part in (face.smile, face.mouth_open, face.lids):
        assert 0 <= part.min() and part.max() <= 1
    norms = np.linalg.norm(moved.light.direction, axis=-1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    for angle in (moved.pose.yaw, moved.pose.pitch, moved.pose.roll):
        assert 0.02 < np.ptp(angle) < 0.3
        assert np.abs(np.diff(angle)).max() < 0.03
    same = jax.tree.leaves((scene.identity, scene.setting))
    kept = jax.tree.leaves((moved.identity, moved.setting))
    for one, many in zip(same, kept, strict=True):
        np.testing.assert_array_equal(many, np.broadcast_to(one, many.shape))
