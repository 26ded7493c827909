"""Records to batches of pictures, ahead of whoever uses them."""

import sys
from typing import NamedTuple

import grain
import numpy as np

from jaxforensics.data import decode, host_degrade
from jaxforensics.data.decode import BICUBIC, PARTS
from jaxforensics.data.frames import Videos, middles
from jaxforensics.data.records import PREPARE_AGAIN, video

# Streams of random numbers, told apart by the second number of their seeds.
PLACEMENTS = 1  # [seed, 1, step]: windows and mirrorings of a batch
MOMENTS = 2  # [seed, 2, step]: which frames of its videos a batch shows
ALTERNATIVE = 1  # [record, 1, …]: how a record is degraded, see `_degraded`

KEYS = {"pair": "real", "mask": "mask", "parsing": "parsing"}  # in a batch
OF_FRAMES = ("image", "index", "name", *KEYS.values())  # others are of whole videos


class Substitutes(NamedTuple):
    """Pictures that are shown in place of those of some records."""

    pictures: np.ndarray  # (n, size, size, 3), uint8
    places: dict  # {index of a record: which of the pictures}
    digest: str  # of what the pictures are
    share: float  # how often; else the record's own picture

    @property
    def identity(self):
        """What a digest of the batches must know of these pictures."""
        return [self.digest, self.share]


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
    frames: int | None = None  # of each video, in an example; None: single records
    alternatives: tuple = ()  # (name, values) of `host_degrade`, None for none
    copies: float = 1  # how many of the alternatives there are of a picture, on average
    substitutes: Substitutes | None = None

    @property
    def mine(self):
        """The contiguous part of a global batch that this process yields."""
        start = self.batch_size * self.process_index // self.process_count
        stop = self.batch_size * (self.process_index + 1) // self.process_count
        return slice(start, stop)

    @property
    def identity(self):
        """The settings that change the pixels of a record, or which records belong.

        These alone enter digests: threads and processes change no batch, and settings
        at their defaults are left out, so that digests outlive new settings.
        """
        identity = {
            "size": self.size,
            "crop": self.crop,
            "flip": self.flip,
            "parts": self.parts,
        }
        if self.frames is not None:
            identity["frames"] = self.frames
        if self.alternatives:
            identity["alternatives"] = self.alternatives
            identity["copies"] = self.copies
        return identity


class Placement(NamedTuple):
    """What is drawn for each picture of a batch."""

    corners: np.ndarray  # (n, 2): row and column of the window's corner
    flips: np.ndarray  # (n,): whether it is mirrored
    draws: np.ndarray  # (n,) in [0, 1): which alternative, whether shown

    def rows(self, chosen):
        """The same of some pictures: a slice, or numbers."""
        return Placement(*(column[chosen] for column in self))


def shuffled(examples, order, reading, *, seed, start):
    """Endless training batches from step `start` on; a batch is a function of step.

    `examples` are Records, or the Videos of some.
    """
    size = reading.batch_size
    slack = reading.crop - reading.size

    def batch(step):
        numbers = order(step * size + np.arange(size))
        random = np.random.default_rng([seed, PLACEMENTS, step])
        placement = Placement(
            corners=random.integers(0, slack, (size, 2), endpoint=True),
            flips=(random.random(size) < 0.5) & reading.flip,
            draws=random.random(size),
        )
        mine = reading.mine
        if reading.frames is None:
            return read(examples, numbers[mine], reading, placement.rows(mine))
        random = np.random.default_rng([seed, MOMENTS, step])
        moments = random.random((size, reading.frames))
        return read_frames(
            examples, numbers[mine], moments[mine], reading, placement.rows(mine)
        )

    return _ahead(batch, start, sys.maxsize, reading.threads)


def in_order(examples, reading):
    """Every example once, with the names of groups, videos and records.

    The last batch is padded: `valid` 0, index -1.  Of videos, evenly spaced frames.
    """
    size = reading.batch_size
    placement = Placement(
        corners=np.full((size, 2), (reading.crop - reading.size) // 2),
        flips=np.zeros(size, bool),
        draws=np.zeros(size),
    )

    def batch(step):
        numbers = step * size + np.arange(size)
        numbers = np.where(numbers < len(examples), numbers, -1)[reading.mine]
        placed = placement.rows(reading.mine)
        if reading.frames is None:
            return read(examples, numbers, reading, placed, names=True)
        moments = middles(len(numbers), reading.frames)
        return read_frames(examples, numbers, moments, reading, placed, names=True)

    return _ahead(batch, 0, -(-len(examples) // size), reading.threads)


def examples_of(records, reading):
    """What a reading makes examples of: single records, or videos."""
    if reading.frames is None:
        return records
    return Videos(records, reading.frames)


def read(records, numbers, reading, placement, *, names=False, lots=None):
    """The batch of these records (-1 is padding).

    `lots` (n,) are the numbers by which the degradation of a picture is drawn, those of
    the records themselves if None.
    """
    count = len(numbers)
    area = (reading.size, reading.size)
    valid = numbers >= 0
    source = np.where(valid, records.index["source"][numbers], 0).astype(np.int32)
    batch = {
        "image": np.zeros((count, *area, 3), np.uint8),
        "label": np.where(valid, records.labels[source], 0).astype(np.int32),
        "source": source,
        "valid": valid.astype(np.float32),
        "index": np.where(valid, records.rows[numbers], -1),
    }
    for part in reading.parts:
        shape = (count, *area)
        if part == "pair":
            shape += (3,)
        batch[KEYS[part]] = np.zeros(shape, np.uint8)
    texts = {name: [""] * count for name in ("group", "video", "name")}
    if lots is None:
        lots = batch["index"]
    # Python's numbers: those of numpy are slow to get one by one.
    corners = placement.corners.tolist()
    flips = placement.flips.tolist()
    for row in np.flatnonzero(valid).tolist():
        record = records[numbers[row]]
        if names:
            texts["group"][row] = record.group
            texts["video"][row] = video(record)
            texts["name"][row] = record.name
        try:
            image = _picture(
                record,
                int(batch["index"][row]),
                reading,
                placement.draws[row],
                lot=int(lots[row]),
            )
            _fill(batch, row, record, image, reading, corners[row], flips[row])
        except decode.BadPicture as bad:
            raise ValueError(
                f"{records.place(numbers[row])} ({record.name}) is damaged ({bad}): "
                f"{PREPARE_AGAIN}"
            ) from None
    if not names:
        return batch
    return batch | {name: np.array(column) for name, column in texts.items()}


def read_frames(videos, numbers, moments, reading, placement, *, names=False):
    """The batch of these videos (-1 is padding) at these moments, see `Videos.at`.

    Pictures, and what is known of single frames, are (b, frames, …); the rest is (b,).
    All frames of a video are cut, mirrored and degraded alike.
    """
    chosen = videos.at(numbers, moments)
    count, frames = chosen.shape
    every_frame = np.repeat(np.arange(count), frames)  # the video of each picture
    first_rows = np.where(chosen[:, 0] >= 0, videos.records.rows[chosen[:, 0]], -1)
    batch = read(
        videos.records,
        chosen.reshape(-1),
        reading,
        placement.rows(every_frame),
        names=names,
        lots=first_rows[every_frame],
    )
    stacked = {
        name: column.reshape(count, frames, *column.shape[1:])
        for name, column in batch.items()
    }
    return {
        name: column if name in OF_FRAMES else column[:, 0]
        for name, column in stacked.items()
    }


def _fill(batch, row, record, image, reading, corner, flip):
    """Put a record into one row of the batch, all its parts at the same place."""
    batch["image"][row] = _window(image, reading, corner, flip, BICUBIC)
    for part in reading.parts:
        data = getattr(record, part)
        if data:
            decoder, method = PARTS[part]
            pixels = _window(decoder(data), reading, corner, flip, method)
            batch[KEYS[part]][row] = pixels
        elif part == "pair":  # a real picture is its own original,
            batch["real"][row] = batch["image"][row]
        # and nothing in it is masked: zeros stay.


def _picture(record, number, reading, draw, *, lot):
    """A record's picture, degraded if it is to be, or what is shown in its place."""
    substitutes = reading.substitutes
    if substitutes and number in substitutes.places and draw < substitutes.share:
        return substitutes.pictures[substitutes.places[number]]
    image = decode.plain(record.image, prepared=True)
    if image is None:  # damaged, or never prepared
        image = decode.decode(record.image)
    if not reading.alternatives:
        return image
    return _degraded(image, lot, draw, reading.alternatives, reading.copies)


def _degraded(image, number, draw, alternatives, copies):
    """The picture of a record as it was saved after one of the alternatives.

    Which of them there are of a record, and with what value each, follows from its
    number alone: a picture is degraded once and for all, as in a stored set.
    """
    random = np.random.default_rng([number, ALTERNATIVE])
    order = random.permutation(len(alternatives))
    # Of 1.25 copies every fourth picture has two: the fraction is that probability.
    count = min(max(int(copies + random.random()), 1), len(alternatives))
    chosen = order[int(draw * count)]
    if alternatives[chosen] is None:
        return image
    random = np.random.default_rng([number, ALTERNATIVE, chosen + 1])
    return host_degrade.apply(image, *alternatives[chosen], rng=random)


def _window(pixels, reading, corner, flip, method):
    """The window of a picture, mirrored or not: (h, w[, 3]) -> (size, size[, 3])."""
    if pixels.shape[:2] != (reading.crop, reading.crop):
        pixels = decode.square(pixels, reading.crop, method=method)
    row, column = corner
    pixels = pixels[row : row + reading.size, column : column + reading.size]
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
