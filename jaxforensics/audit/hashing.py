"""Perceptual hashes of pictures, and the pairs that nearly agree."""

import itertools

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE = 32  # of the thumbnail
KEPT = 8  # frequencies of either axis that enter the hash
CHUNK = 1024  # rows compared at once: some MB of memory


def thumbnail(pixels):
    """uint8 (h, w[, 3]) -> uint8 luma (32, 32), antialiased."""
    gray = Image.fromarray(pixels).convert("L")
    return np.asarray(gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def perceptual(thumbnails):
    """64 bits per thumbnail: which of the 8 x 8 lowest frequencies exceed their median.

    uint8 (n, 32, 32) -> uint64 (n,); the hash of Zauner (2010), from a DCT-II without
    normalisation.  Scaling, recompression and small edits flip few of the bits.
    """
    frequencies = dctn(thumbnails.astype(np.float32), axes=(1, 2))
    low = frequencies[:, :KEPT, :KEPT].reshape(-1, KEPT**2)
    # The mean gray, at [0, 0], is among them; that it is always above costs one bit.
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1, bitorder="little").view("<u8")[:, 0]


def near_pairs(hashes, *, distance):
    """All pairs i < j of distinct uint64 hashes with at most `distance` unequal bits.

    Cut into distance + 1 bands of bits, two such hashes agree in one band at least, so
    only those that share a band are compared.  Returns an array (pairs, 2).
    """
    pairs = [np.empty((0, 2), np.int64)]
    # Pigeonholes: `distance` unequal bits cannot lie in all of distance + 1 bands.
    edges = np.linspace(0, 64, distance + 2).astype(np.uint64)
    for low, high in itertools.pairwise(edges):
        band = (hashes >> low) & np.uint64(2 ** int(high - low) - 1)
        # Hashes with equal bits in this band lie side by side once they are sorted.
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, starts):
            for start in range(0, len(bucket) - 1, CHUNK):
                rows = bucket[start : start + CHUNK]
                columns = bucket[start:]
                differ = np.bitwise_count(hashes[rows, None] ^ hashes[None, columns])
                # Columns begin where rows do: above the diagonal, each pair once.
                i, j = np.nonzero(np.triu(differ <= distance, 1))
                pairs.append(np.stack([rows[i], columns[j]], axis=1))
    # A pair that agrees in several bands was found in each.
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


def near_duplicates(thumbnails, *, distance=8, likeness=0.9):
    """Pairs of pictures whose hashes nearly agree and whose thumbnails correlate.

    uint8 (n, 32, 32) -> (pairs, 2).  The hash proposes, the correlation confirms: by
    the hash alone, faces that were aligned alike are often taken for each other.  Of
    pictures with the same hash each is compared with the first only.
    """
    hashes = perceptual(thumbnails)
    distinct, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.stack([first[which], np.arange(len(hashes))], axis=1)
    same = same[same[:, 0] != same[:, 1]]  # a first one is not its own duplicate
    near = first[near_pairs(distinct, distance=distance)]
    pairs = np.concatenate([same, near])
    alike = [
        _correlation(thumbnails[part[:, 0]], thumbnails[part[:, 1]]) >= likeness
        for part in np.split(pairs, range(CHUNK, len(pairs), CHUNK))
    ]
    return pairs[np.concatenate(alike)]


def _correlation(a, b):
    """Pearson's correlation of thumbnails (n, 32, 32) in pairs, (n,)."""
    a = _centred(a)
    b = _centred(b)
    power = (a * a).sum(axis=1) * (b * b).sum(axis=1)
    # Thumbnails of one gray have no power: they correlate with nothing.
    return (a * b).sum(axis=1) / np.sqrt(np.maximum(power, 1e-9))


def _centred(thumbnails):
    """(n, 32, 32) -> (n, 1024) less the mean of each."""
    flat = thumbnails.reshape(len(thumbnails), SIDE**2)
    return flat - thumbnails.mean(axis=(1, 2))[:, None]
