"""Perceptual hashes of pictures, and the pairs that nearly agree."""

import itertools

import numpy as np
from PIL import Image
from scipy.fft import dctn

SIDE = 32  # of the thumbnail
CHUNK = 1024  # rows compared at once


def thumbnail(pixels):
    """uint8 (h, w[, 3]) -> uint8 luma (32, 32), antialiased."""
    gray = Image.fromarray(pixels).convert("L")
    return np.asarray(gray.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def perceptual(thumbnails):
    """64 bits per thumbnail: which of the 8 x 8 lowest frequencies exceed their median.

    uint8 (n, 32, 32) -> uint64 (n,); the hash of Zauner (2010), from a DCT-II without
    normalisation.  Scaling, recompression and small edits flip few of the bits.
    """
    low = dctn(thumbnails.astype(np.float32), axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1, bitorder="little").view("<u8")[:, 0]


def near_pairs(hashes, *, distance):
    """All pairs i < j of distinct uint64 hashes with at most `distance` unequal bits.

    Cut into distance + 1 bands of bits, two such hashes agree in one band at least, so
    only those that share a band are compared.  Returns an array (pairs, 2).
    """
    found = [np.empty((0, 2), np.int64)]
    edges = np.linspace(0, 64, distance + 2).astype(np.uint64)
    for low, high in itertools.pairwise(edges):
        band = (hashes >> low) & np.uint64(2 ** int(high - low) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, starts):
            for start in range(0, len(bucket) - 1, CHUNK):
                rows, columns = bucket[start : start + CHUNK], bucket[start:]
                differ = np.bitwise_count(hashes[rows, None] ^ hashes[None, columns])
                i, j = np.nonzero(np.triu(differ <= distance, 1))
                found.append(np.stack([rows[i], columns[j]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def near_duplicates(thumbnails, *, distance=8, likeness=0.9):
    """Pairs of pictures whose hashes nearly agree and whose thumbnails correlate.

    uint8 (n, 32, 32) -> (pairs, 2).  The hash proposes, the correlation confirms: by
    the hash alone, faces that were aligned alike are often taken for each other.  Of
    pictures with the same hash each is compared with the first only.
    """
    hashes = perceptual(thumbnails)
    distinct, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    same = np.stack([first[which], np.arange(len(hashes))], axis=1)
    near = first[near_pairs(distinct, distance=distance)]
    pairs = np.concatenate([same[same[:, 0] != same[:, 1]], near])
    alike = [
        _correlation(thumbnails[part[:, 0]], thumbnails[part[:, 1]]) >= likeness
        for part in np.split(pairs, range(CHUNK, len(pairs), CHUNK))
    ]
    return pairs[np.concatenate(alike)]


def _correlation(a, b):
    a, b = (x.reshape(len(x), SIDE**2) - x.mean(axis=(1, 2))[:, None] for x in (a, b))
    power = (a * a).sum(axis=1) * (b * b).sum(axis=1)
    return (a * b).sum(axis=1) / np.sqrt(np.maximum(power, 1e-9))
