"""A prepared data set as batches: training and validation here, the test split there.

A batch is a function of (seed, step), its random crops and flips included, so a run may
start at any step, on any number of threads and processes, and sees the same pictures.
"""

import hashlib
import itertools
import json
from typing import NamedTuple

import numpy as np

from jaxforensics.data import batches, host_degrade, records
from jaxforensics.data.decode import PARTS
from jaxforensics.data.order import Order
from jaxforensics.data.splits import NAMES
from jaxforensics.settings import choose


class Corpus(NamedTuple):
    """The two sides of a data set; hand `train` alone to whatever trains."""

    train: "Training"
    test: "Examination"


def open(
    root,
    *,
    size,
    batch_size,
    seed=0,
    sources=None,
    balance=None,
    flip=False,
    crop=None,
    parts=("pair", "mask", "parsing"),
    threads=4,
    process_index=0,
    process_count=1,
):
    """Open a prepared data set: Corpus(train, test).

    Args:
      root: what `prepare` reported, or a folder with one data set below it.
      size: height and width of the pictures in a batch.
      batch_size: of the global batch; every process yields its contiguous part of it.
      seed: of the order, the crops and the flips.
      sources: names of the fakes to keep; all of them if None. Reals always stay.
      balance: None, 'label' or 'source': equal shares in every training batch.
      flip: mirror half of the training pictures left to right.
      crop: side to resize to before a window of `size` is taken; `size` if None.
      parts: which of pair, mask and parsing to read, where a split has them for every
        fake (for real pictures, the pair is the picture and the mask is zero).
      threads: that read and decode ahead; 0 reads when asked.
      process_index: of this process.
      process_count: of all processes.
    """
    crop = size if crop is None else crop
    if not 0 < size <= crop:
        raise ValueError(f"crop {crop} is smaller than size {size}")
    if not 0 <= process_index < process_count <= batch_size:
        raise ValueError(
            f"process {process_index} of {process_count}, batch_size {batch_size}"
        )
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"there are no parts {unknown}; there are {list(PARTS)}")
    splits = {name: records.open(root, name).only(sources) for name in NAMES}
    _check_disjoint(splits)
    train, validation, test = splits.values()
    if not len(train):
        raise ValueError(f"{root} has no training picture")
    reading = batches.Reading(
        size=size,
        crop=crop,
        flip=flip,
        batch_size=batch_size,
        parts=tuple(parts),
        threads=threads,
        process_index=process_index,
        process_count=process_count,
    )
    return Corpus(
        Training(train, validation, reading, seed=seed, balance=balance),
        Examination(test, reading),
    )


class Training:
    """Training and validation batches; nothing here leads to the test split."""

    def __init__(self, train, validation, reading, *, seed, balance, shown=None):
        self._train, self._validation, self._seed = train, validation, seed
        self._whole, self._balance, self._shown = reading, balance, shown
        self._reading = _with_parts(reading, train, validation)
        number = train.index["source"]
        self._order = Order(number, train.kept, seed=seed, balance=balance)
        self.sources, self.batch_size = train.sources, reading.batch_size
        self.size, self.parts = reading.size, self._reading.parts
        self.counts = {"train": train.counts(), "validation": validation.counts()}
        self.num_train, self.num_validation = len(train), len(validation)
        self.digest = _digest(
            (train, validation),
            self._reading,
            seed=seed,
            balance=balance,
            batch_size=reading.batch_size,
            **({"shown": shown.identity} if shown else {}),
        )

    def only(self, sources):
        """The same with the fakes of these sources alone, and all reals."""
        splits = {"train": self._train, "validation": self._validation}
        return self._with({name: s.only(sources) for name, s in splits.items()})

    def share(self, fraction):
        """The same with this fraction of the training groups; validation stays."""
        return self._with({"train": self._train.share(fraction)})

    def labelled(self, label):
        """The reals (0) or the fakes (1) alone, each as often as any other."""
        splits = {"train": self._train, "validation": self._validation}
        some = {name: split.labelled(label) for name, split in splits.items()}
        return self._with(some | {"balance": None})

    def plain(self):
        """The same, nothing mirrored and every picture as often as any other."""
        reading = self._whole._replace(flip=False)
        return self._with({"reading": reading, "balance": None})

    def degraded(self, *alternatives, copies=1):
        """The same as if it had been saved after one of the alternatives.

        They are (name, values) for `host_degrade.apply`, None for pictures as they are.
        A picture's value is drawn once and for all.  Of each there are `copies` on
        average, with different alternatives; training draws among them.
        """
        reading = _degraded(self._whole, alternatives, copies)
        return self._with({"reading": reading})

    def shown_as(self, pictures, rows, mark, *, share=0.5):
        """The same, but training shows `pictures` in place of the records `rows`.

        The picture (size, size, 3), uint8, that stands for the record of that `index`
        is shown with probability `share`; `mark` says what the pictures are.
        """
        shown = _shown(self._whole, pictures, rows, mark, share)
        return self._with({"shown": shown})

    def batches(self, start=0):
        """Endless training batches from step `start` on."""
        reading = self._reading._replace(shown=self._shown)
        return batches.shuffled(
            self._train, self._order, reading, seed=self._seed, start=start
        )

    def once(self):
        """Every training record once, as it is; batches as of validation."""
        return batches.in_order(self._train, self._reading)

    def validation(self):
        """Every validation record once; the last batch is padded with `valid` = 0."""
        return batches.in_order(self._validation, self._reading)

    def _with(self, changed):
        own = {
            "train": self._train,
            "validation": self._validation,
            "reading": self._whole,
            "seed": self._seed,
            "balance": self._balance,
            "shown": self._shown,
        }
        return Training(**(own | changed))


class Examination:
    """The test split, for what evaluates when training is over."""

    def __init__(self, test, reading, *, shown=None):
        self._test, self._whole, self._shown = test, reading, shown
        self._reading = _with_parts(reading, test)
        self.sources, self.num_test = test.sources, len(test)
        self.parts = self._reading.parts
        self.counts = {"test": test.counts()}
        known = {"shown": shown.identity} if shown else {}
        self.digest = _digest((test,), self._reading, **known)

    def only(self, sources):
        """The same with the fakes of these sources alone, and all reals."""
        return Examination(self._test.only(sources), self._whole, shown=self._shown)

    def labelled(self, label):
        """The reals (0) or the fakes (1) alone."""
        return Examination(self._test.labelled(label), self._whole, shown=self._shown)

    def degraded(self, *alternatives):
        """The same as if it had been saved after one of the alternatives."""
        reading = _degraded(self._whole, alternatives, 1)
        return Examination(self._test, reading, shown=self._shown)

    def shown_as(self, pictures, rows, mark):
        """The same with `pictures` in place of the records `rows`, see `Training`."""
        shown = _shown(self._whole, pictures, rows, mark, 1)
        return Examination(self._test, self._whole, shown=shown)

    def batches(self):
        """Every test record once; the last batch is padded with `valid` = 0."""
        reading = self._reading._replace(shown=self._shown)
        return batches.in_order(self._test, reading)


def _shown(reading, pictures, rows, mark, share):
    """The pictures to show, if they are as large as the reading's."""
    side = (reading.size, reading.size, 3)
    if reading.crop != reading.size:
        raise ValueError(
            f"windows of {reading.size} out of {reading.crop} pixels are taken anew "
            "each time: nothing else can be shown in place of a picture"
        )
    if pictures.shape != (len(rows), *side) or pictures.dtype != np.uint8:
        raise ValueError(
            f"{len(rows)} records of {side} cannot be shown as {pictures.dtype} "
            f"{pictures.shape}"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"a share is in [0, 1], not {share}")
    places = {int(row): place for place, row in enumerate(rows)}
    return batches.Shown(pictures, places, mark, share)


def _degraded(reading, alternatives, copies):
    if not 1 <= copies <= len(alternatives):
        raise ValueError(f"{copies} copies of {len(alternatives)} alternatives")
    plain = tuple(a and (a[0], tuple(a[1])) for a in alternatives)
    for name, _ in filter(None, plain):
        choose(host_degrade.OPS, name, "degradation on the host")
    return reading._replace(alternatives=plain, copies=copies)


def _with_parts(reading, *splits):
    """The reading with those parts alone that every fake (for parsing: all) has."""
    index = np.concatenate([split.index for split in splits])
    labels = splits[0].labels

    def complete(part):
        rows = index if part == "parsing" else index[labels[index["source"]] == 1]
        return len(rows) and bool((rows["parts"] & records.BITS[part]).all())

    return reading._replace(parts=tuple(p for p in reading.parts if complete(p)))


def _digest(splits, reading, **settings):
    """A short hash of the content of records and of all that changes what is read."""
    known = {
        "content": [split.sha256 for split in splits],
        "sources": splits[0].sources,
        "reading": reading.identity,
        **settings,
    }
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _check_disjoint(splits):
    for (first, a), (second, b) in itertools.combinations(splits.items(), 2):
        shared = np.intersect1d(a.index["group"], b.index["group"])
        if len(shared):
            found = a[int(np.flatnonzero(np.isin(a.index["group"], shared))[0])]
            raise ValueError(
                f"{len(shared)} groups are both in {first} and in {second}, among them "
                f"{found.group!r} ({found.name}): prepare the data set again"
            )
