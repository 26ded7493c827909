"""Rendered training streams for the forgers: scenes that no set contains.

A stream shows a fixed number of scenes, rendered when they are first needed and kept in
memory, in an order that is a function of (seed, epoch).  What a batch holds beside its
numbers depends on the stream's kind, see `KINDS`.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from jaxforensics.settings import choose, digest
from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.forgers import pairs

SEED = 10_000  # of the scenes: the benchmark's own have other seeds
REVISION = 1  # of the pictures: nets trained on other pictures are not reused
REVISED = {"edits": 2}  # kinds of a later revision
# Numbers of the first scenes of the parts, which are far enough apart to share none.
FIRST = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
SIZES = (64, 128)


def pictures(indices, *, domain):
    """Pictures of a domain before JPEG: {'image_64', 'image_128'}, uint8."""
    return {
        f"image_{size}": photos.uncompressed(SEED, indices, domain=domain, size=size)
        for size in SIZES
    }


portraits = functools.partial(pictures, domain="studio")
KINDS = {
    "portraits": portraits,
    "street": functools.partial(pictures, domain="street"),
    "scenes": functools.partial(pictures, domain="scenes"),
    **pairs.KINDS,
}


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
        Rendered(parts, endless="train", held_out="validation", **common),
        Rendered(parts, endless="test", held_out="test", **common),
    )


class Rendered:
    """A stream of rendered batches: endless training, one pass of validation.

    Attributes:
      sources: names of the sources, as a corpus has them; there is one, of reals.
      counts: {part: {source: number of scenes}}.
      kind: what a batch shows, a name in `KINDS`.
      batch_size: scenes in a batch.
      digest: of everything that batches depend on.
    """

    sources = ("real",)

    def __init__(self, parts, *, endless, held_out, batch_size, seed, kind):
        choose(KINDS, kind, "stream")
        self._parts = parts
        self._endless = endless
        self._held_out = held_out
        self._seed = seed
        self.kind = kind
        self.batch_size = batch_size
        self.counts = {name: {"real": parts[name]} for name in {endless, held_out}}
        revision = REVISED.get(kind, REVISION)
        self.digest = digest([revision, parts, endless, batch_size, seed, kind])

    def showing(self, kind):
        """The same scenes in batches of another kind."""
        return Rendered(
            self._parts,
            endless=self._endless,
            held_out=self._held_out,
            batch_size=self.batch_size,
            seed=self._seed,
            kind=kind,
        )

    def batches(self, start=0):
        """Endless batches from step `start` on; a batch is a function of its step."""
        count = self._parts[self._endless]
        per_epoch = count // self.batch_size
        for step in itertools.count(start):
            epoch, place = divmod(step, per_epoch)
            order = np.random.default_rng([self._seed, epoch]).permutation(count)
            rows = order[place * self.batch_size :][: self.batch_size]
            yield self._batch(self._endless, rows)

    def validation(self):
        """Every scene of the held-out part once, in order."""
        for first in range(0, self._parts[self._held_out], self.batch_size):
            rows = np.arange(first, first + self.batch_size)
            yield self._batch(self._held_out, rows)

    def _batch(self, part, rows):
        """The batch of some scenes of a part, by their numbers in it."""
        columns = _pool(self.kind, FIRST[part], self._parts[part])
        batch = {name: column[rows] for name, column in columns.items()}
        return batch | {
            "index": np.int32(FIRST[part] + rows),
            "label": np.zeros(len(rows), np.int32),
            "valid": np.ones(len(rows), np.float32),
        }


@functools.cache
def _pool(kind, first, count):
    """All columns of the scenes from `first` on, rendered once in a process."""
    return KINDS[kind](np.arange(first, first + count))
