"""Shipped whole-face forgers: complete, small; their pictures follow from numbers."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxforensics.models import weights
from jaxforensics.synthfaces import photos, sources
from jaxforensics.synthfaces.forgers import whole_faces


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """No time for rows that only fill up a chunk."""
    monkeypatch.setattr(photos, "CHUNK", 4)


@pytest.mark.parametrize("size", [64, 128])
def test_a_forgery_does_not_depend_on_its_company(size):
    several = whole_faces.sample("nearest", 5, [4, 7, 9], size=size)
    alone = whole_faces.sample("nearest", 5, [9], size=size)
    assert several.shape == (3, size, size, 3) and several.dtype == np.uint8
    assert np.array_equal(several[2:], alone)
    assert np.abs(np.int32(several[0]) - several[1]).mean() > 5  # different people


def test_all_forgers_are_shipped_and_small():
    for name in whole_faces.NAMES:
        assert set(whole_faces.load(name)) == {"encoder", "decoder"}
        assert set(whole_faces.load_enlarger(name)) == {"details", "enlarger"}
    files = list(whole_faces.FOLDER.glob("*.safetensors"))
    assert sum(path.stat().st_size for path in files) <= 10_000_000
    arrays = [array for path in files for array in weights.read(path).values()]
    assert {array.dtype for array in arrays} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    "name, size, message",
    [("nearst", 64, "did you mean 'nearest'"), ("nearest", 96, "not 96")],
)
def test_odd_requests_are_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        whole_faces.sample(name, 0, [0], size=size)


def test_twins_share_latents_and_noise(tmp_path, monkeypatch):
    """With the same weights a forger in disguise would forge the same pictures."""
    folder = shutil.copytree(whole_faces.FOLDER, tmp_path / "weights")
    for suffix in ("", "_128"):
        twin, other = (folder / f"{n}{suffix}.safetensors" for n in ("nearest", "x"))
        disguised = folder / f"nearest_r{suffix}.safetensors"
        disguised.unlink()
        shutil.copy(twin, disguised)
        assert not other.exists()
    monkeypatch.setattr(whole_faces, "FOLDER", folder)
    for size in (64, 128):
        whole_faces.load.cache_clear()
        whole_faces.load_enlarger.cache_clear()
        photos._compiled.cache_clear()
        pair = [
            whole_faces.sample(name, 5, [3, 4], size=size)
            for name in ("nearest", "nearest_r")
        ]
        np.testing.assert_array_equal(*pair)
    whole_faces.load.cache_clear()
    whole_faces.load_enlarger.cache_clear()
    photos._compiled.cache_clear()


def test_street_forgeries_are_compressed_as_street_photographs():
    """JPEG changes hardly anything in what it has written itself."""
    found = {}
    for source in ("real/street", "street_nearest", "nearest"):
        pictures = sources.SOURCES[source](3, np.arange(4), size=64).image
        changes = [np.abs(np.int32(p) - _again(p)).mean() for p in pictures]
        found[source] = np.mean(changes)
    assert found["street_nearest"] < 0.6 * found["nearest"]
    assert found["street_nearest"] < 1.5 * found["real/street"]


def _again(picture):
    """The least changed of what JPEG makes of a picture at the street's qualities."""
    written = []
    for quality in range(80, 96):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        written.append(np.int32(Image.open(buffer)))
    return min(written, key=lambda pixels: np.abs(pixels - picture).mean())


def test_truncated_forgeries_vary_less():
    whole, truncated = (
        sources.SOURCES[name](3, np.arange(12), size=64)
        for name in ("street_bilinear", "street_bilinear_truncated")
    )
    assert truncated.attributes[0] == {"forger": "street_bilinear", "truncation": 0.5}
    assert whole.attributes[0] == {"forger": "street_bilinear"}
    assert truncated.image.shape == whole.image.shape
    assert not np.array_equal(truncated.image, whole.image)


def test_marks_of_weights_cover_all_that_a_picture_is_made_with(tmp_path, monkeypatch):
    folder = shutil.copytree(whole_faces.FOLDER, tmp_path / "weights")
    monkeypatch.setattr(whole_faces, "FOLDER", folder)
    studio = {n for n, row in whole_faces.FORGERS.items() if row.domain == "studio"}
    names = (*whole_faces.NAMES, "edit_deconv", "swap_graphic")

    def digests(size):
        return {name: sources.digest(name, size=size) for name in names}

    def changed(before, size):
        after = digests(size)
        return {name for name in names if after[name] != before[name]}

    before = {size: digests(size) for size in (64, 128)}
    with (folder / "deconv.safetensors").open("ab") as file:
        file.write(b"0")
    assert changed(before[64], 64) == studio
    before = {size: digests(size) for size in (64, 128)}
    with (folder / "nearest_128.safetensors").open("ab") as file:
        file.write(b"0")
    assert changed(before[64], 64) == set() and changed(before[128], 128) == {"nearest"}
    assert before[64]["edit_deconv"] and not before[64]["swap_graphic"]
