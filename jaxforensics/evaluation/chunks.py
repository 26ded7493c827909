"""A function of pictures over many of them, a compiled chunk at a time."""

import jax
import numpy as np

from jaxforensics.ops.color import to_float


def each(function, pictures, *, chunk=64):
    """What `function` gives for every picture: 8 bits (n, h, w, 3) -> (n, ...).

    `function` takes float32 images (chunk, h, w, 3) in [0, 1], is compiled once, and
    has to give one row per image.
    """
    if not len(pictures):
        raise ValueError("there are no pictures to apply a function to")
    compiled = jax.jit(function)
    parts = []
    for start in range(0, len(pictures), chunk):
        part = pictures[start : start + chunk]
        # The last chunk is filled with copies of its last picture: one shape, one
        # compilation.
        missing = chunk - len(part)
        padded = np.pad(part, [(0, missing), (0, 0), (0, 0), (0, 0)], mode="edge")
        parts.append(np.asarray(compiled(to_float(padded)))[: len(part)])
    return np.concatenate(parts)


def mean(function, pictures, *, chunk=64):
    """The mean of `each` over pictures, in float64: 8 bits (n, h, w, 3) -> (...)."""
    return each(function, pictures, chunk=chunk).mean(0, dtype=np.float64)
