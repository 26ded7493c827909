"""A few pictures of every source, to look at."""

import numpy as np

from jaxforensics.data import decode
from jaxforensics.prepare import convert, folders


def first(split, *, count):
    """{source: uint8 (n, h, w, 3)}, the first `count` test pictures of each or all."""
    totals = split.counts["test"]
    wanted = {source: min(count, total) for source, total in totals.items() if total}
    pictures = {source: [] for source in wanted}
    for batch in split.batches():
        for row in np.flatnonzero(batch["valid"]):
            source = split.sources[batch["source"][row]]
            if len(pictures[source]) < count:
                pictures[source].append(batch["image"][row])
        # Sources may come one after the other: only now are there enough of all.
        if all(len(pictures[source]) == wanted[source] for source in wanted):
            break
    return {source: np.stack(images) for source, images in pictures.items()}


def folder(path, *, size, count):
    """{source: uint8 (n, size, size, 3)} of class folders, as `folders.class_folders`.

    The middle of each picture is cut out, not resized: resizing would move and remove
    what one looks for in a spectrum.  Files that are no pictures or smaller than `size`
    are passed over.
    """
    pictures = {}
    for item in folders.class_folders(path, real=()).items:
        chosen = pictures.setdefault(item.source, [])
        if len(chosen) == count:
            continue
        picture = _middle(item.path, size)
        if picture is not None:
            chosen.append(picture)
    if empty := [source for source, chosen in pictures.items() if not chosen]:
        raise ValueError(f"{path}/{empty[0]} has no picture of {size} x {size} pixels")
    return {source: np.stack(chosen) for source, chosen in pictures.items()}


def _middle(path, size):
    """The middle `size` squared pixels of a picture; None where it has fewer."""
    try:
        pixels = decode.decode(convert.read(path), min_side=size)
    except decode.BadPicture:
        return None
    height, width = pixels.shape[:2]
    top = (height - size) // 2
    first_column = (width - size) // 2
    return pixels[top : top + size, first_column : first_column + size]
