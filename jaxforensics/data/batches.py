"""Records to batches of pictures, ahead of whoever uses them."""

import sys
from typing import NamedTuple

import grain
import numpy as np

from jaxforensics.data import decode, host_degrade
from jaxforensics.data.decode import BICUBIC, PARTS
from jaxforensics.data.records import AGAIN

ALTERNATIVE = 1  # of the streams of random numbers that a picture has, see `_degraded`
KEYS = {"pair": "real", "mask": "mask", "parsing": "parsing"}  # in a batch


class Shown(NamedTuple):
    """Pictures that are shown in place of those of some records."""

    pictures: np.ndarray  # (n, size, size, 3), uint8
    places: dict  # {index of a record: which of the pictures}
    mark: str
    share: float  # how often; else the record's own picture

    @property
    def identity(self):
        """What values depend on."""
        return [self.mark, self.share]


class Reading(NamedTuple):
    """How records become the pictures of a batch.

    A picture that is not `crop` squared is cut to its centre square and resized to it;
    a window of `size` is taken from that: random in training, else the middle.
    """

    size: int
    crop: int
    flip: bool
    batch_size: int
    parts: tuple  # of pair, mask, parsing: those to decode
    threads: int
    process_index: int
    process_count: int
    alternatives: tuple = ()  # (name, values) of `host_degrade`, None for none
    copies: float = 1  # how many of the alternatives there are of a picture, on average
    shown: Shown | None = None

    @property
    def mine(self):
        """The contiguous part of a global batch that this process yields."""
        size, index, count = self.batch_size, self.process_index, self.process_count
        return slice(size * index // count, size * (index + 1) // count)

    @property
    def identity(self):
        """The settings that values depend on."""
        known = {k: getattr(self, k) for k in ("size", "crop", "flip", "parts")}
        if self.alternatives:
            known |= {"alternatives": self.alternatives, "copies": self.copies}
        return known


def shuffled(records, order, reading, *, seed, start):
    """Endless training batches from step `start` on; a batch is a function of step."""
    size, slack = reading.batch_size, reading.crop - reading.size

    def batch(step):
        numbers = order(step * size + np.arange(size))
        rng = np.random.default_rng([seed, 1, step])
        corners = rng.integers(0, slack, (size, 2), endpoint=True)
        flips = (rng.random(size) < 0.5) & reading.flip
        draws, mine = rng.random(size), reading.mine
        chosen = corners[mine], flips[mine], draws[mine]
        return read(records, numbers[mine], reading, *chosen)

    return _ahead(batch, start, sys.maxsize, reading.threads)


def in_order(records, reading):
    """Every record once, with groups and names; padding has `valid` 0, index -1."""
    size = reading.batch_size
    middle = np.full((size, 2), (reading.crop - reading.size) // 2)
    flips, draws = np.zeros(size, bool), np.zeros(size)

    def batch(step):
        numbers = step * size + np.arange(size)
        numbers = np.where(numbers < len(records), numbers, -1)[reading.mine]
        return read(records, numbers, reading, middle, flips, draws, names=True)

    return _ahead(batch, 0, -(-len(records) // size), reading.threads)


def read(records, numbers, reading, corners, flips, draws, *, names=False):
    """The batch of these records (-1 is padding) with their windows and mirrorings.

    `draws` in [0, 1) choose among the alternatives of each picture.
    """
    count, area, valid = len(numbers), (reading.size, reading.size), numbers >= 0
    source = np.where(valid, records.index["source"][numbers], 0).astype(np.int32)
    batch = {
        "image": np.zeros((count, *area, 3), np.uint8),
        "label": np.where(valid, records.labels[source], 0).astype(np.int32),
        "source": source,
        "valid": valid.astype(np.float32),
        "index": np.where(valid, records.rows[numbers], -1),
    }
    for part in reading.parts:
        channels = (3,) if part == "pair" else ()
        batch[KEYS[part]] = np.zeros((count, *area, *channels), np.uint8)
    labels = {name: [""] * count for name in ("group", "name") if names}
    corners, flips = corners.tolist(), flips.tolist()
    for row in np.flatnonzero(valid).tolist():
        record = records[numbers[row]]
        for name, column in labels.items():
            column[row] = getattr(record, name)
        try:
            _fill(batch, row, record, reading, corners[row], flips[row], draws[row])
        except decode.BadPicture as bad:
            raise ValueError(
                f"{records.place(numbers[row])} ({record.name}) is damaged ({bad}): "
                f"{AGAIN}"
            ) from None
    return batch | {name: np.array(column) for name, column in labels.items()}


def _fill(batch, row, record, reading, corner, flip, draw):
    """Decode a record into one row of the batch, all its parts at the same place."""
    image = _picture(record, int(batch["index"][row]), reading, draw)
    batch["image"][row] = _window(image, reading, corner, flip, BICUBIC)
    for part in reading.parts:
        data = getattr(record, part)
        if data:
            decoder, method = PARTS[part]
            pixels = _window(decoder(data), reading, corner, flip, method)
        else:  # a real picture is its own original, and nothing in it is masked
            pixels = batch["image"][row] if part == "pair" else 0
        batch[KEYS[part]][row] = pixels


def _picture(record, number, reading, draw):
    """A record's picture, degraded if it is to be, or what is shown in its place."""
    shown = reading.shown
    if shown and number in shown.places and draw < shown.share:
        return shown.pictures[shown.places[number]]
    image = decode.plain(record.image, prepared=True)
    if image is None:  # damaged, or never prepared
        image = decode.decode(record.image)
    if not reading.alternatives:
        return image
    return _degraded(image, number, draw, reading.alternatives, reading.copies)


def _degraded(image, number, draw, alternatives, copies):
    """The picture of a record as it was saved after one of the alternatives.

    Which of them there are of a record, and with what value each, follows from its
    number alone: a picture is degraded once and for all, as in a stored set.
    """
    rng = np.random.default_rng([number, ALTERNATIVE])
    order = rng.permutation(len(alternatives))
    count = min(max(int(copies + rng.random()), 1), len(alternatives))
    chosen = order[int(draw * count)]
    if alternatives[chosen] is None:
        return image
    rng = np.random.default_rng([number, ALTERNATIVE, chosen + 1])
    return host_degrade.apply(image, *alternatives[chosen], rng=rng)


def _window(pixels, reading, corner, flip, method):
    if pixels.shape[:2] != (reading.crop, reading.crop):
        pixels = decode.square(pixels, reading.crop, method=method)
    top, left = corner
    pixels = pixels[top : top + reading.size, left : left + reading.size]
    if not flip:
        return pixels
    if pixels.ndim == 2:
        return pixels[:, ::-1]
    # Pixels, not bytes, change places: numpy is twice as fast at it.
    return np.ascontiguousarray(pixels.view("V3")[:, ::-1]).view(np.uint8)


def _ahead(batch, start, stop, threads):
    """batch(start), batch(start + 1), …, made on threads; grain keeps their order."""
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    return iter(grain.MapDataset.range(start, stop).map(batch).to_iter_dataset(options))
