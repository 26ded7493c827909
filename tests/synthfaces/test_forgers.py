"""Shipped whole-face forgers: complete, small; their pictures follow from numbers."""

import shutil

import numpy as np
import pytest

from jaxforensics.synthfaces import forgers, sources


def test_a_forgery_does_not_depend_on_its_company():
    several = forgers.sample("nearest", 5, [4, 7, 9], size=64)
    alone = forgers.sample("nearest", 5, [9], size=64)
    assert several.shape == (3, 64, 64, 3) and several.dtype == np.uint8
    assert np.array_equal(several[2:], alone)
    assert np.abs(np.int32(several[0]) - several[1]).mean() > 5  # different people


def test_all_forgers_are_shipped_and_small():
    found = {name: forgers.load(name) for name in forgers.NAMES}
    assert set(found) == set(forgers.NAMES)
    sizes = [path.stat().st_size for path in forgers.FOLDER.glob("*.safetensors")]
    assert len(sizes) >= len(forgers.NAMES) and sum(sizes) <= 4_000_000


@pytest.mark.parametrize(
    "name, size, message",
    [("nearst", 64, "did you mean 'nearest'"), ("nearest", 96, "not 96")],
)
def test_odd_requests_are_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        forgers.sample(name, 0, [0], size=size)


def test_marks_of_weights_cover_the_shared_encoder(tmp_path, monkeypatch):
    folder = shutil.copytree(forgers.FOLDER, tmp_path / "weights")
    monkeypatch.setattr(forgers, "FOLDER", folder)
    names = (*forgers.NAMES, "edit_deconv", "swap_graphic")
    before = {name: sources.digest(name) for name in names}
    with (folder / "deconv.safetensors").open("ab") as file:
        file.write(b"0")
    changed = {name for name in names if sources.digest(name) != before[name]}
    assert changed == set(forgers.NAMES)
    assert before["edit_deconv"] and not before["swap_graphic"]
