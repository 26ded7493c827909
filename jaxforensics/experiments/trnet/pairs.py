"""Pairs of a fake and its original, which TR-Net learns from: Fig. 11 of its paper."""

import hashlib
from typing import NamedTuple

import numpy as np

from jaxforensics.reporting import figures

SHOWN = 6  # pairs of each source
NEAREST = "nearest real"
OWN = "original"


class Pairs(NamedTuple):
    """Fakes of one source with their originals, a few of which are kept."""

    fakes: np.ndarray  # (n, h, w, 3), 8 bits
    originals: np.ndarray
    count: int  # of all fakes of the source
    found: int  # of those whose original is a real picture of another group

    @property
    def way(self):
        """What stands for most of the originals: NEAREST or OWN."""
        if 2 * self.found > self.count:
            return NEAREST
        return OWN


def examples(test, *, shown=SHOWN):
    """{source: Pairs} of the fakes of an Examination.

    What a fake was made from shows the same person, or is no picture of the set; where
    a real picture of another group stands for it, pairing has found that.
    """
    groups = {}  # {content: groups of the reals that have it}
    for real in _pictures(test.labelled(0), "image", "group"):
        groups.setdefault(_content(real["image"]), set()).add(real["group"])

    pairs = {}
    columns = "image", "real", "source", "group"
    for fake in _pictures(test.labelled(1), *columns):
        source = test.sources[fake["source"]]
        first = Pairs((), (), count=0, found=0)
        so_far = pairs.get(source, first)
        same = groups.get(_content(fake["real"]), {fake["group"]})
        so_far = so_far._replace(
            count=so_far.count + 1,
            found=so_far.found + (fake["group"] not in same),
        )
        if so_far.count <= shown:
            so_far = so_far._replace(
                fakes=(*so_far.fakes, fake["image"]),
                originals=(*so_far.originals, fake["real"]),
            )
        pairs[source] = so_far
    return {
        source: pairs[source]._replace(
            fakes=np.stack(pairs[source].fakes),
            originals=np.stack(pairs[source].originals),
        )
        for source in test.sources
        if source in pairs
    }


def report(pairs, report):
    """A figure of pairs, if there are any: fakes of each source above originals."""
    if not pairs:
        return
    names = []
    pictures = []
    for source, part in pairs.items():
        names += [source, part.way]
        pictures += [list(part.fakes), list(part.originals)]
    figure = figures.pictures(pictures, names=names)
    ways = "; ".join(map(_described, pairs, pairs.values()))
    caption = (
        f"Pairs of the test split, a fake above its original, as in Fig. 11. {ways}."
    )
    report.figure("pairs", figure, caption=caption)


def _described(source, pairs):
    """How the fakes of a source came to their originals, in words."""
    found = "the real picture of the split that pairing found most alike"
    own = "the picture that it was made from"
    if pairs.found == pairs.count:
        return f"{source}: {found}"
    if pairs.found == 0:
        return f"{source}: {own}"
    return f"{source}: {found} for {pairs.found} of {pairs.count}, else {own}"


def _pictures(examination, *columns):
    """These columns of every picture, one by one."""
    for batch in examination.batches():
        for row in np.flatnonzero(batch["valid"]):
            yield {name: batch[name][row] for name in columns}


def _content(picture):
    """What tells a picture from others: a digest of its pixels."""
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).digest()
