"""What pictures are compared by while forgers learn: by hand, and by meaning."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import block_reduce

from jaxforensics.synthfaces.forgers import painting


def test_content_compares_blurred_copies_by_their_means(key):
    truth, picture = pair = np.asarray(jax.random.uniform(key, (2, 4, 16, 16, 3)))
    gap = [np.abs(picture - truth).mean()]
    for cell in (2, 4):
        means = (block_reduce(x, (1, cell, cell, 1), np.mean) for x in pair)
        gap.append(np.abs(np.subtract(*means)).mean())
    assert np.isclose(painting.content_loss(picture, picture, truth), sum(gap), 1e-4)


def test_texture_does_not_mind_where_grain_lies_but_how_strong_it_is(key):
    base = jnp.full((4, 64, 64, 3), 0.5)
    noises = 0.05 * jax.random.normal(key, (2, *base.shape))
    other = painting.texture_loss(base + noises[0], base + noises[1])
    louder = painting.texture_loss(base + noises[0], base + 2 * noises[1])
    missing = painting.texture_loss(base + noises[0], base)
    assert other < 1.5 and louder > other + 2 and missing > louder


def test_texture_tells_the_positions_of_the_mosaic_apart(key):
    """White noise against noise of the same power on half of the positions."""
    white = 0.05 * jax.random.normal(key, (4, 64, 64, 3))
    board = np.indices((64, 64)).sum(0) % 2
    moved = white * np.float32(np.sqrt(2) * board)[None, :, :, None]
    levels = [painting.grain_level(0.5 + x).mean() for x in (white, moved)]
    assert np.isclose(*levels, atol=0.25)
    same = painting.texture_loss(0.5 + white, 0.5 + white[::-1])
    assert painting.texture_loss(0.5 + white, 0.5 + moved[::-1]) > same + 0.15


def test_sharpness_is_missed_by_blur_and_made_up_for_by_other_edges(key):
    """Other detail of the same strength is as good, less of it is not."""
    noises = np.asarray(jax.random.normal(key, (2, 4, 64, 64, 3)))
    truth, other = 0.5 + 0.1 * gaussian_filter(noises, (0, 0, 1, 1, 0))
    softer = gaussian_filter(truth, (0, 1, 1, 0))
    distance = [painting.sharpness_loss(x, truth) for x in (truth, other, softer)]
    assert distance[0] == 0 and distance[1] < 0.3 and distance[2] > 2 * distance[1]


def test_spectra_are_compared_size_by_size(key):
    """Too much power at one size does not make up for too little at the other."""
    truth = 0.5 + 0.05 * jax.random.normal(key, (4, 64, 64, 3))
    louder = 0.5 + 2 * (truth[:2] - 0.5)
    softer = 0.5 + 0.5 * (truth[2:] - 0.5)
    picture = jnp.concatenate([louder, softer])
    apart = painting.spectrum_loss(picture, truth, sizes=2)
    together = painting.spectrum_loss(picture, truth, sizes=1)
    assert apart > 0.5 and together < 0.1
