"""A function over many pictures: the same as at once, compiled once."""

import numpy as np
import pytest

from jaxforensics.evaluation import chunks


@pytest.mark.parametrize("count", [1, 4, 7, 8])
def test_chunks_do_not_show(count):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, 5, 6, 3), np.uint8)
    shapes = []

    def columns(image):
        shapes.append(image.shape)  # once for each compilation
        return image.mean(axis=1)

    got = chunks.each(columns, pictures, chunk=4)
    floats = np.float64(pictures) / 255
    np.testing.assert_allclose(got, floats.mean(axis=1), atol=1e-6)
    assert shapes == [(4, 5, 6, 3)]
    mean = chunks.mean(columns, pictures, chunk=4)
    assert mean.dtype == np.float64
    np.testing.assert_allclose(mean, floats.mean(axis=(0, 1)), atol=1e-6)


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="no pictures"):
        chunks.each(np.mean, np.zeros((0, 5, 6, 3), np.uint8))
