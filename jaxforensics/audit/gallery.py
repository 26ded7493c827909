"""A few pictures of every source, to look at."""

import numpy as np

from jaxforensics.data import decode
from jaxforensics.prepare import convert, folders


def first(split, *, count):
    """{source: uint8 (n, h, w, 3)}, the first `count` test pictures of each or all."""
    wanted = {s: min(count, held) for s, held in split.counts["test"].items() if held}
    found = {source: [] for source in wanted}
    for batch in split.batches():
        for row in np.flatnonzero(batch["valid"]):
            source = split.sources[batch["source"][row]]
            if len(found[source]) < count:
                found[source].append(batch["image"][row])
        if all(len(found[source]) == wanted[source] for source in wanted):
            break
    return {source: np.stack(pictures) for source, pictures in found.items()}


def folder(path, *, size, count):
    """{source: uint8 (n, size, size, 3)} of class folders, as `folders.class_folders`.

    The middle of each picture is cut out, not resized: resizing would move and remove
    what one looks for in a spectrum.  Files that are no pictures or smaller than `size`
    are passed over.
    """
    found = {}
    for item in folders.class_folders(path, real=()).items:
        chosen = found.setdefault(item.source, [])
        if len(chosen) < count and (picture := _middle(item.path, size)) is not None:
            chosen.append(picture)
    if empty := [source for source, pictures in found.items() if not pictures]:
        raise ValueError(f"{path}/{empty[0]} has no picture of {size} x {size} pixels")
    return {source: np.stack(pictures) for source, pictures in found.items()}


def _middle(path, size):
    try:
        pixels = decode.decode(convert.read(path), min_side=size)
    except decode.BadPicture:
        return None
    top, left = ((side - size) // 2 for side in pixels.shape[:2])
    return pixels[top : top + size, left : left + size]
