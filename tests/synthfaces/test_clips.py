"""Clips: their files, their motion, their splits, and the same bytes again."""

import hashlib
import io
import json
from pathlib import Path

import av
import jax
import numpy as np
import pytest
from PIL import Image

from jaxforensics.data import splits
from jaxforensics.prepare import layouts, videos
from jaxforensics.synthfaces import clips, codec
from jaxforensics.synthfaces.drawing import scenes

SETTINGS = {"clips": 6, "frames": 6, "size": 64, "seed": 3, "progress": False}
FORGED = {"FaceSwap": clips.UNSEEN}  # no networks, and compiled once


def write(folder):
    clips.write(folder, **SETTINGS)
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
