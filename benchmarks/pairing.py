"""The exact nearest of many pictures for every query, against scikit-learn's search.

Distances are those of 16 x 16 colour pictures, 768 numbers each; both sides search by
blocks of matrix products and must agree.  Rates are in products a second (queries x
candidates x numbers), and tell how long 22,000 fakes among 200,000 reals would take.
"""

import jax
import numpy as np
from harness import compare, save
from sklearn.neighbors import NearestNeighbors

from jaxforensics.ops.nearest import nearest

QUERIES = 1024
WIDTH = 16 * 16 * 3  # numbers of a picture
WHOLE = 22_000 * 200_000  # fakes times reals of a large set
CANDIDATES = (4096, 16384)


def thumbnails(rng, count):
    """Smooth random pictures as colour: neighbouring pixels alike, as in faces."""
    coarse = rng.random((count, 4, 4, 3), np.float32)
    smooth = coarse.repeat(4, axis=1).repeat(4, axis=2)
    fine = smooth + 0.05 * rng.standard_normal((count, 16, 16, 3), np.float32)
    return fine.reshape(count, WIDTH)


def search(candidates):
    rng = np.random.default_rng(0)
    here, there = (thumbnails(rng, count) for count in (QUERIES, candidates))
    device = jax.device_put((here, there))
    brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(there)

    def peer():
        return brute.kneighbors(here, return_distance=False)

    numbers, _ = nearest(*device)
    assert (np.asarray(numbers) == peer()[:, 0]).all()
    row = compare(
        f"nearest, {QUERIES} x {candidates} x {WIDTH}",
        lambda: nearest(*device),
        peer,
        peer_name="scikit-learn, brute",
        goal=1,
        rounds=3,
    )
    for name in ("ours", "peer"):
        seconds = row[f"{name}_ms"] / 1e3
        row[f"{name}_products_per_s"] = QUERIES * candidates * WIDTH / seconds
        row[f"{name}_whole_s"] = seconds * WHOLE / (QUERIES * candidates)
    print(
        f"{row['ours_products_per_s']:.3g} products/s, scikit-learn "
        f"{row['peer_products_per_s']:.3g}; 22k x 200k in {row['ours_whole_s']:.0f} s, "
        f"scikit-learn {row['peer_whole_s']:.0f} s",
        flush=True,
    )
    return row


def main():
    print(f"{jax.devices()[0].device_kind}, {len(jax.devices())} device(s)")
    save([search(candidates) for candidates in CANDIDATES], "pairing")


if __name__ == "__main__":
    main()
