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
from jaxforensics.data.records import text_hash
from jaxforensics.data.splits import NAMES
from jaxforensics.settings import choose


class Corpus(NamedTuple):
    """The two sides of a data set; hand `train` alone to whatever trains."""

    train: "TrainingData"
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
    frames=None,
    namespace="",
):
    """Open a prepared data set: Corpus(train, test).

    Published sets that are tests alone have an empty `train`, which gives no batches.

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
      frames: of one video in every example: pictures are (b, frames, h, w, 3), and a
        batch tells which video and which of its records each is.  In training, one
        frame is drawn from each of so many equal parts of the video; else they are
        evenly spaced.  Single records if None.
      namespace: groups of the same name in two data sets are taken for the same people
        if both have the same namespace, see `check_disjoint`.
    """
    if crop is None:
        crop = size
    if not 0 < size <= crop:
        raise ValueError(f"crop {crop} is smaller than size {size}")
    if not 0 <= process_index < process_count <= batch_size:
        raise ValueError(
            f"process {process_index} of {process_count}, batch_size {batch_size}"
        )
    if frames is not None and frames < 1:
        raise ValueError(f"an example has at least 1 frame, not {frames}")
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"there are no parts {unknown}; there are {list(PARTS)}")
    splits = {name: records.open(root, name).only(sources) for name in NAMES}
    _check_disjoint(splits)
    train, validation, test = splits.values()
    if not len(train) + len(test):
        raise ValueError(f"{root} has no training picture, and none to test")
    reading = batches.Reading(
        size=size,
        crop=crop,
        flip=flip,
        batch_size=batch_size,
        parts=tuple(parts),
        threads=threads,
        process_index=process_index,
        process_count=process_count,
        frames=frames,
    )
    return Corpus(
        TrainingData(
            train,
            validation,
            reading,
            seed=seed,
            balance=balance,
            namespace=namespace,
        ),
        Examination(test, reading, namespace=namespace),
    )


def check_disjoint(corpora):
    """Raise ValueError if what one corpus learns from is in the test of another.

    `corpora` {name: Corpus} are all that a run opens.  A group may be in several of
    them (a clip in two qualities is one group), but not in training or validation here
    and in the test split there.  Where names of groups agree only by chance, open one
    of the corpora with a `namespace` of its own.
    """
    for (name, learnt), (other, tested) in itertools.permutations(corpora.items(), 2):
        if learnt.train.namespace != tested.test.namespace:
            continue
        test = tested.test._test
        for split, learnt_from in (
            ("training", learnt.train._train),
            ("validation", learnt.train._validation),
        ):
            shared = np.intersect1d(learnt_from.index["group"], test.index["group"])
            if len(shared):
                first = _first_of(learnt_from, shared)
                second = _first_of(test, np.array([text_hash(first.group)], np.uint64))
                raise ValueError(
                    f"{len(shared)} groups are in {split} of {name} and in the test "
                    f"split of {other}, among them {first.group!r} ({first.name} and "
                    f"{second.name}): prepare both with the same splits or, if only "
                    "names agree, give one of them a namespace of its own"
                )


class TrainingData:
    """TrainingData and validation batches; nothing here leads to the test split."""

    def __init__(
        self,
        train,
        validation,
        reading,
        *,
        seed,
        balance,
        namespace="",
        substitutes=None,
    ):
        self._train = train
        self._validation = validation
        self._seed = seed
        self._whole = reading  # with all parts that were asked for
        self._balance = balance
        self._substitutes = substitutes
        self._reading = _with_parts(reading, train, validation)
        self._examples = batches.examples_of(train, reading)
        self._validated = batches.examples_of(validation, reading)
        self._order = None  # of a set that is a test alone
        if len(train):
            self._order = Order(
                self._examples.index["source"], train.kept, seed=seed, balance=balance
            )
        self.namespace = namespace
        self.sources = train.sources
        self.batch_size = reading.batch_size
        # Whether reals and fakes alternate in every training batch.
        self.labels_in_turn = balance == "label" and reading.batch_size % 2 == 0
        self.size = reading.size
        self.frames = reading.frames
        self.parts = self._reading.parts
        self.counts = {
            "train": self._examples.counts(),
            "validation": self._validated.counts(),
        }
        self.num_train = len(self._examples)
        self.num_validation = len(self._validated)
        settings = {
            "seed": seed,
            "balance": balance,
            "batch_size": reading.batch_size,
        }
        if substitutes:
            settings["shown"] = substitutes.identity  # digests knew it as this
        self.digest = _digest((train, validation), self._reading, **settings)

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
        of_label = {name: split.labelled(label) for name, split in splits.items()}
        return self._with(of_label | {"balance": None})

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
        return self._with({"reading": _degraded(self._whole, alternatives, copies)})

    def shown_as(self, pictures, rows, digest, *, share=0.5):
        """The same, but training shows `pictures` in place of the records `rows`.

        The picture (size, size, 3), uint8, that stands for the record of that `index`
        is shown with probability `share`; `digest` says what the pictures are.
        """
        substitutes = _substitutes(self._whole, pictures, rows, digest, share)
        return self._with({"substitutes": substitutes})

    def batches(self, start=0):
        """Endless training batches from step `start` on."""
        if self._order is None:
            raise ValueError("the data set has no training picture: it is a test alone")
        reading = self._reading._replace(substitutes=self._substitutes)
        return batches.shuffled(
            self._examples, self._order, reading, seed=self._seed, start=start
        )

    def once(self):
        """Every training example once, as it is; batches as of validation."""
        return batches.in_order(self._examples, self._reading)

    def validation(self):
        """Every validation example once; the last batch is padded with `valid` = 0."""
        return batches.in_order(self._validated, self._reading)

    def _with(self, changed):
        settings = {
            "train": self._train,
            "validation": self._validation,
            "reading": self._whole,
            "seed": self._seed,
            "balance": self._balance,
            "namespace": self.namespace,
            "substitutes": self._substitutes,
        }
        return TrainingData(**(settings | changed))


class Examination:
    """The test split, for what evaluates when training is over."""

    def __init__(self, test, reading, *, namespace="", substitutes=None):
        self._test = test
        self._whole = reading  # with all parts that were asked for
        self._substitutes = substitutes
        self._reading = _with_parts(reading, test)
        self._examples = batches.examples_of(test, reading)
        self.namespace = namespace
        self.sources = test.sources
        self.frames = reading.frames
        self.parts = self._reading.parts
        self.counts = {"test": self._examples.counts()}
        self.num_test = len(self._examples)
        settings = {"shown": substitutes.identity} if substitutes else {}
        self.digest = _digest((test,), self._reading, **settings)

    def only(self, sources):
        """The same with the fakes of these sources alone, and all reals."""
        return self._with({"test": self._test.only(sources)})

    def labelled(self, label):
        """The reals (0) or the fakes (1) alone."""
        return self._with({"test": self._test.labelled(label)})

    def degraded(self, *alternatives):
        """The same as if it had been saved after one of the alternatives."""
        return self._with({"reading": _degraded(self._whole, alternatives, 1)})

    def shown_as(self, pictures, rows, digest):
        """The same with `pictures` for the records `rows`, see `TrainingData`."""
        substitutes = _substitutes(self._whole, pictures, rows, digest, 1)
        return self._with({"substitutes": substitutes})

    def batches(self):
        """Every test example once; the last batch is padded with `valid` = 0."""
        reading = self._reading._replace(substitutes=self._substitutes)
        return batches.in_order(self._examples, reading)

    def _with(self, changed):
        settings = {
            "test": self._test,
            "reading": self._whole,
            "namespace": self.namespace,
            "substitutes": self._substitutes,
        }
        return Examination(**(settings | changed))


def _substitutes(reading, pictures, rows, digest, share):
    """The pictures to show, if they are as large as the reading's."""
    shape = (reading.size, reading.size, 3)
    if reading.crop != reading.size:
        raise ValueError(
            f"windows of {reading.size} out of {reading.crop} pixels are taken anew "
            "each time: nothing else can be shown in place of a picture"
        )
    if pictures.shape != (len(rows), *shape) or pictures.dtype != np.uint8:
        raise ValueError(
            f"{len(rows)} records of {shape} cannot be shown as {pictures.dtype} "
            f"{pictures.shape}"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"a share is in [0, 1], not {share}")
    places = {int(row): place for place, row in enumerate(rows)}
    return batches.Substitutes(pictures, places, digest, share)


def _degraded(reading, alternatives, copies):
    """The reading of pictures as saved after one of the alternatives."""
    if not 1 <= copies <= len(alternatives):
        raise ValueError(f"{copies} copies of {len(alternatives)} alternatives")
    plain = tuple(
        alternative and (alternative[0], tuple(alternative[1]))
        for alternative in alternatives
    )
    for name, _ in filter(None, plain):
        choose(host_degrade.OPS, name, "degradation on the host")
    return reading._replace(alternatives=plain, copies=copies)


def _with_parts(reading, *splits):
    """The reading with those parts alone that every fake (for parsing: all) has."""
    index = np.concatenate([split.index for split in splits])
    labels = splits[0].labels

    fakes = index[labels[index["source"]] == 1]

    def is_complete(part):
        # A real picture is its own original and has an empty mask; no such parsing.
        rows = index if part == "parsing" else fakes
        return len(rows) and bool((rows["parts"] & records.BITS[part]).all())

    parts = tuple(part for part in reading.parts if is_complete(part))
    return reading._replace(parts=parts)


def _digest(splits, reading, **settings):
    """A short hash of the content of records and of all that changes what is read."""
    content = {
        "content": [split.sha256 for split in splits],
        "sources": splits[0].sources,
        "reading": reading.identity,
        **settings,
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _check_disjoint(splits):
    """Refuse splits of one data set that share a group."""
    for (name, split), (other, another) in itertools.combinations(splits.items(), 2):
        shared = np.intersect1d(split.index["group"], another.index["group"])
        if len(shared):
            record = _first_of(split, shared)
            raise ValueError(
                f"{len(shared)} groups are both in {name} and in {other}, among them "
                f"{record.group!r} ({record.name}): prepare the data set again"
            )


def _first_of(split, groups):
    """The first record of a split that is of one of these groups."""
    return split[int(np.flatnonzero(np.isin(split.index["group"], groups))[0])]
