import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import cKDTree

from jaxforensics.ops.nearest import KEPT, nearest


def draw(seed, count, width, *, scale=1, offset=0):
    rng = np.random.default_rng(seed)
    return (scale * rng.standard_normal((count, width)) + offset).astype(np.float32)


def squared(queries, candidates):
    """All squared distances in float64, from differences."""
    q, c = np.float64(queries), np.float64(candidates)
    return np.stack([((c - row) ** 2).sum(1) for row in q])


def check(queries, candidates, **settings):
    numbers, distances = (
        np.asarray(a) for a in nearest(queries, candidates, **settings)
    )
    every = squared(queries, candidates)
    best = every.min(1)
    assert numbers.shape == distances.shape == (len(queries),)
    np.testing.assert_allclose(distances, best, rtol=1e-5)
    chosen = every[np.arange(len(queries)), numbers]
    np.testing.assert_allclose(chosen, best, rtol=1e-5)
    return numbers


@pytest.mark.parametrize(
    "shape, chunk",
    [((7, 5, 3), 4096), ((37, 101, 12), 16), ((1, 1, 1), 4), ((5, 64, 48), 64)],
)
def test_it_is_the_nearest_of_a_tree_whatever_the_blocks(shape, chunk):
    queries, candidates = draw(0, shape[0], shape[2]), draw(1, shape[1], shape[2])
    numbers = check(queries, candidates, chunk=chunk)
    _, expected = cKDTree(np.float64(candidates)).query(np.float64(queries))
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("offset", [1e3, 1e6, -3e4])
def test_a_large_common_offset_loses_nothing(offset):
    """Without care |q|² - 2 q·c + |c|² is wrong here by more than the distances."""
    queries, candidates = (draw(s, n, 9, offset=offset) for s, n in ((2, 31), (3, 53)))
    plain = np.square(candidates).sum(1) - 2 * queries @ candidates.T
    wrong = plain.argmin(1) != squared(queries, candidates).argmin(1)
    assert wrong.mean() > 0.3
    np.testing.assert_array_equal(
        check(queries, candidates, chunk=16), squared(queries, candidates).argmin(1)
    )


def test_queries_far_away_and_candidates_close_to_each_other():
    candidates = draw(4, 300, 5, scale=1e-3)
    queries = draw(5, 20, 5, scale=100)
    check(queries, candidates, chunk=64)


@pytest.mark.parametrize("chunk", [8, 4096])
def test_of_equal_candidates_the_first_counts(chunk):
    """There are more copies than are kept, spread over the blocks."""
    once = draw(6, 11, 33)
    order = np.random.default_rng(7).integers(0, len(once), 12 * KEPT)
    candidates = once[order]
    queries = np.concatenate([once, once + draw(8, len(once), 33, scale=0.01)])
    expected = [int(np.flatnonzero(order == i)[0]) for i in range(len(once))] * 2
    numbers, distances = nearest(queries, candidates, chunk=chunk)
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(distances[: len(once)], 0)


def test_one_candidate_many_times_is_the_first():
    numbers, _ = nearest(draw(9, 6, 4), np.tile(draw(10, 1, 4), (50, 1)), chunk=16)
    np.testing.assert_array_equal(numbers, 0)


def test_bytes_are_compared_as_numbers():
    rng = np.random.default_rng(11)
    queries, candidates = (rng.integers(0, 256, (n, 48), np.uint8) for n in (9, 40))
    np.testing.assert_array_equal(
        check(queries, candidates), squared(queries, candidates).argmin(1)
    )


def test_blocks_are_compiled_once():
    queries, candidates = draw(12, 70, 6), draw(13, 90, 6)
    nearest(queries, candidates, chunk=16)
    size = nearest._cache_size()
    nearest(queries + 1, candidates, chunk=16)
    assert nearest._cache_size() == size
    text = nearest.lower(queries, candidates, chunk=16).as_text()
    assert text.count("dot_general") == 1


def test_no_query_no_answer_and_no_candidate_an_error():
    numbers, distances = nearest(jnp.zeros((0, 3)), jnp.ones((2, 3)))
    assert numbers.shape == distances.shape == (0,)
    for queries, candidates in (((2, 3), (0, 3)), ((2, 3), (2, 4)), ((3,), (2, 3))):
        with pytest.raises(ValueError, match="candidates"):
            nearest(jnp.zeros(queries), jnp.zeros(candidates))
    with pytest.raises(ValueError, match="blocks of 0"):
        nearest(jnp.zeros((1, 1)), jnp.zeros((1, 1)), chunk=0)


def test_it_works_inside_jit():
    queries, candidates = draw(14, 7, 5), draw(15, 5, 5)
    inside = jax.jit(lambda q, c: nearest(q, c)[0])(queries, candidates)
    np.testing.assert_array_equal(inside, squared(queries, candidates).argmin(1))
