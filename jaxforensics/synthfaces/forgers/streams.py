"""Rendered training streams for the forgers: studio scenes that no set contains.

A stream shows a fixed number of scenes, rendered when they are first asked for and kept
in memory, in an order that is a function of (seed, epoch).  What a batch holds beside
its numbers depends on the stream's kind, see `KINDS`.
"""

import functools
from typing import NamedTuple

import numpy as np

from jaxforensics.settings import choose, digest
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.forgers import pairs

SEED = 10_000  # of the scenes: the benchmark's own have other seeds
REVISION = 1  # of the pictures: nets trained on other pictures are not reused
FIRST = {"train": 0, "validation": 1_000_000, "test": 2_000_000}  # scenes of the parts
SIZES = (64, 128)


def portraits(indices):
    """Faces as they are: {'image_64', 'image_128'}, uint8."""
    return {
        f"image_{size}": photos.portraits(SEED, indices, domain="studio", size=size)[0]
        for size in SIZES
    }


KINDS = {"portraits": portraits} | pairs.KINDS


class Streams(NamedTuple):
    """What `data.corpus.open` returns, of scenes rendered on the fly."""

    train: "Rendered"
    test: "Rendered"


def open(*, batch_size, scenes, held_out, seed=0, kind="portraits"):
    """Streams of `scenes` training scenes, and as many for validation and test each.

    Args:
      batch_size: pictures, or pairs, in a batch.
      scenes: number of training scenes.
      held_out: number of validation scenes, and of test scenes.
      seed: of the order; the scenes themselves are always the same.
      kind: what a batch shows, a name in `KINDS`.
    """
    parts = {"train": scenes, "validation": held_out, "test": held_out}
    for name, count in parts.items():
        if count < batch_size or count % batch_size:
            raise ValueError(
                f"{count} {name} scenes do not fill batches of {batch_size}"
            )
    common = {"batch_size": batch_size, "seed": seed, "kind": kind}
    return Streams(
        Rendered(parts, shown="train", checked="validation", **common),
        Rendered(parts, shown="test", checked="test", **common),
    )


class Rendered:
    """A stream of rendered batches: endless training, one pass of validation."""

    sources = ("real",)

    def __init__(self, parts, *, shown, checked, batch_size, seed, kind):
        choose(KINDS, kind, "stream")
        self._parts, self._shown, self._checked = parts, shown, checked
        self._seed, self.kind, self.batch_size = seed, kind, batch_size
        self.counts = {name: {"real": parts[name]} for name in {shown, checked}}
        known = (REVISION, parts, shown, batch_size, seed, kind)
        self.digest = digest(list(known))

    def showing(self, kind):
        """The same scenes in batches of another kind."""
        return Rendered(
            self._parts,
            shown=self._shown,
            checked=self._checked,
            batch_size=self.batch_size,
            seed=self._seed,
            kind=kind,
        )

    def batches(self, start=0):
        """Endless batches from step `start` on; a batch is a function of its step."""
        count = self._parts[self._shown]
        per_epoch = count // self.batch_size
        while True:
            epoch, place = divmod(start, per_epoch)
            order = np.random.default_rng([self._seed, epoch]).permutation(count)
            rows = order[place * self.batch_size :][: self.batch_size]
            yield self._batch(self._shown, rows)
            start += 1

    def validation(self):
        """Every scene of the held-out part once."""
        for first in range(0, self._parts[self._checked], self.batch_size):
            yield self._batch(self._checked, np.arange(first, first + self.batch_size))

    def _batch(self, part, rows):
        columns = _pool(self.kind, FIRST[part], self._parts[part])
        shown = {name: column[rows] for name, column in columns.items()}
        return shown | {
            "index": np.int32(FIRST[part] + rows),
            "label": np.zeros(len(rows), np.int32),
            "valid": np.ones(len(rows), np.float32),
        }


@functools.cache
def _pool(kind, first, count):
    """All columns of the scenes from `first` on, rendered once in a process."""
    return KINDS[kind](np.arange(first, first + count))
