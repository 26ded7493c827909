"""Shipped whole-face forgers: complete, small; their pictures follow from numbers."""

import shutil

import numpy as np
import pytest

from jaxforensics.synthfaces import sources
from jaxforensics.synthfaces.forgers import whole_faces


def test_a_forgery_does_not_depend_on_its_company():
    several = whole_faces.sample("nearest", 5, [4, 7, 9], size=64)
    alone = whole_faces.sample("nearest", 5, [9], size=64)
    assert several.shape == (3, 64, 64, 3) and several.dtype == np.uint8
    assert np.array_equal(several[2:], alone)
    assert np.abs(np.int32(several[0]) - several[1]).mean() > 5  # different people


def test_all_forgers_are_shipped_and_small():
    found = {name: whole_faces.load(name) for name in whole_faces.NAMES}
    assert set(found) == set(whole_faces.NAMES)
    sizes = [path.stat().st_size for path in whole_faces.FOLDER.glob("*.safetensors")]
    assert len(sizes) >= len(whole_faces.NAMES) and sum(sizes) <= 4_000_000


@pytest.mark.parametrize(
    "name, size, message",
    [("nearst", 64, "did you mean 'nearest'"), ("nearest", 96, "not 96")],
)
def test_odd_requests_are_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        whole_faces.sample(name, 0, [0], size=size)


def test_marks_of_weights_cover_the_shared_encoder(tmp_path, monkeypatch):
    folder = shutil.copytree(whole_faces.FOLDER, tmp_path / "weights")
    monkeypatch.setattr(whole_faces, "FOLDER", folder)
    names = (*whole_faces.NAMES, "edit_deconv", "swap_graphic")
    before = {name: sources.digest(name) for name in names}
    with (folder / "deconv.safetensors").open("ab") as file:
        file.write(b"0")
    changed = {name for name in names if sources.digest(name) != before[name]}
    assert changed == set(whole_faces.NAMES)
    assert before["edit_deconv"] and not before["swap_graphic"]
