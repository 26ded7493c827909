"""Shipped whole-face forgers: complete, small; their pictures follow from numbers."""

import numpy as np
import pytest

from jaxforensics.synthfaces import forgers


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
