"""The spread of maps: nothing where a map moves with its picture, else by hand."""

import jax
import numpy as np

from jaxforensics.evaluation.reliability import map_spread

random = np.random.default_rng(0)
# Values that eight bits and JPEG's blocks of 8 x 8 (16 x 16 of colour) keep.
FLAT = np.float32(random.integers(60, 200, (2, 3, 4, 1)) / 255)
IMAGE = np.repeat(np.repeat(FLAT, 16, 1), 16, 2) * np.ones(3, np.float32)


def test_a_map_that_moves_with_its_picture_has_no_spread():
    spread = jax.jit(lambda image: map_spread(lambda x: x[..., 0], image))(IMAGE)
    assert spread.shape == IMAGE.shape[:3]
    np.testing.assert_allclose(spread, 0, atol=0.005)


def test_a_map_that_stays_where_it_is_spreads():
    """Right half 1: mirrored, the other way round; shifted, at the seam alone."""
    still = np.zeros(IMAGE.shape[1:3], np.float32)
    still[:, 32:] = 1
    spread = np.asarray(map_spread(lambda x: still * np.ones((len(x), 1, 1)), IMAGE))
    # Six copies, one of which is wrong; in the corner that one shift hides, five.
    np.testing.assert_allclose(spread[:, 20, 45], np.sqrt(5) / 6, rtol=1e-5)
    np.testing.assert_allclose(spread[:, 0, 0], 0.4, rtol=1e-5)
    np.testing.assert_allclose(spread[:, 20, 31], np.sqrt(2 * 4) / 6, rtol=1e-5)


def test_all_copies_are_drawn_in_one_pass():
    calls = []

    def draw(image):
        calls.append(image.shape)
        return image[..., 0]

    jax.eval_shape(lambda image: map_spread(draw, image), IMAGE)
    assert calls == [(12, 48, 64, 3)]
