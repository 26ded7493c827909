"""Nearest neighbours, exact, as matrix products in blocks that fit on a device."""

import functools

import jax
import jax.numpy as jnp
from jax.lax import Precision

KEPT = 8  # candidates of a query whose distances are taken again, without products


@functools.partial(jax.jit, static_argnames="chunk")
def nearest(queries, candidates, *, chunk=4096):
    """The candidate next to every query by Euclidean distance, of equals the first.

    (n, d), (m, d) -> numbers (n,), squared distances (n,), of finite values; at most
    chunk x chunk products are held at once.  Equivalent to the smallest of
    scipy.spatial.distance.cdist(queries, candidates, "sqeuclidean") in each row.
    """
    # Refused with both shapes in the message, which chex has only of one.
    if queries.ndim != 2 or queries.shape[1:] != candidates.shape[1:]:
        shapes = f"{queries.shape} and {candidates.shape}"
        raise ValueError(f"queries and candidates are (n, d) and (m, d), not {shapes}")
    if not candidates.size or chunk < 1:
        raise ValueError(f"candidates {candidates.shape} in blocks of {chunk}: none")
    dtype = jnp.result_type(queries.dtype, candidates.dtype, jnp.float32)
    queries = queries.astype(dtype)
    candidates = candidates.astype(dtype)
    if not len(queries):
        return jnp.zeros(0, jnp.int32), jnp.zeros(0, dtype)

    # Around the mean, |c|² - 2 q·c loses the fewest digits.  The mean is taken of
    # differences, or an offset common to all values would spoil it.
    origin = candidates[:1]
    shift = jnp.mean(candidates - origin, axis=0, keepdims=True)
    moved = _blocks(candidates - origin - shift, chunk)
    number = jnp.arange(moved.shape[0] * moved.shape[1], dtype=jnp.int32)
    number = number.reshape(moved.shape[:2])
    squares = jnp.sum(moved**2, axis=-1)
    # Rows that only fill the last block are infinitely far away.
    is_candidate = number < len(candidates)
    blocks = moved, jnp.where(is_candidate, squares, jnp.inf), number
    reach = jnp.sqrt(squares.max())

    def search(block):
        centred = block - origin - shift
        kept, doubt = _kept(centred, blocks, reach)
        return _settled(block, candidates, kept, doubt)

    numbers, distances = jax.lax.map(search, _blocks(queries, chunk))
    return numbers.reshape(-1)[: len(queries)], distances.reshape(-1)[: len(queries)]


def _blocks(rows, chunk):
    """(n, d) -> (blocks, size, d), equal sizes up to `chunk`; the last row repeats."""
    count = -(-len(rows) // chunk)
    size = -(-len(rows) // count)
    padded = jnp.pad(rows, [(0, count * size - len(rows)), (0, 0)], mode="edge")
    return padded.reshape(count, size, rows.shape[1])


def _kept(queries, blocks, reach):
    """Numbers (n, KEPT) of likely candidates, or -1; whether others may be nearer.

    By closeness 2 q·c - |c|², whose rounding is at most half of `slack` (the worst case
    of a sum of d products; `reach` is the greatest |c|).
    """

    def closer(kept, block):
        moved, squares, number = block
        products = jnp.matmul(queries, moved.T, precision=Precision.HIGHEST)
        closeness, place = jax.lax.top_k(
            2 * products - squares[None], min(KEPT, len(number))
        )
        closeness = jnp.concatenate([kept[0], closeness], axis=1)
        number = jnp.concatenate([kept[1], number[place]], axis=1)
        closeness, place = jax.lax.top_k(closeness, KEPT)
        return (closeness, jnp.take_along_axis(number, place, axis=1)), None

    shape = len(queries), KEPT
    dtype = queries.dtype
    none = jnp.full(shape, -jnp.inf, dtype), jnp.full(shape, -1, jnp.int32)
    (closeness, number), _ = jax.lax.scan(closer, none, blocks)
    # What is left out is at most as close as the last one kept.  If that is closer to
    # the first than rounding reaches, another candidate may be the nearest.
    size = jnp.linalg.norm(queries, axis=1) + reach
    slack = jnp.finfo(dtype).eps * (queries.shape[1] + 16) * size**2
    number = jnp.where(jnp.isinf(closeness), -1, number)
    return number, closeness[:, 0] - closeness[:, -1] <= slack


def _settled(queries, candidates, kept, doubt):
    """The nearest of those kept, or of all candidates where there is `doubt`."""
    # Distances once more as sums of squares, which lose no digits between neighbours.
    exact = jnp.sum((queries[:, None] - candidates[kept]) ** 2, axis=-1)
    exact = jnp.where(kept < 0, jnp.inf, exact)
    least = exact.min(axis=1, keepdims=True)
    first = jnp.where(exact == least, kept, len(candidates)).min(axis=1)
    doubtful = jnp.nonzero(doubt, size=len(doubt), fill_value=0)[0]

    def settle(turn, settled):
        numbers, distances = settled
        row = doubtful[turn]
        every = jnp.sum((candidates - queries[row][None]) ** 2, axis=1)
        best = jnp.argmin(every).astype(first.dtype)
        return numbers.at[row].set(best), distances.at[row].set(every[best])

    return jax.lax.fori_loop(0, jnp.sum(doubt), settle, (first, least[:, 0]))
