"""Frames of video clips, evenly spaced, with the face cut out of each.

Needs PyAV, which is imported when a clip is first opened.  Positions are presentation
times read from the container, so clips without a frame count, with B-frames or a
variable rate give exactly the frames asked for.
"""

import bisect
import json
from typing import NamedTuple

import numpy as np
from PIL.Image import Resampling

from jaxforensics.data import decode
from jaxforensics.data.items import Failure
from jaxforensics.data.records import Record
from jaxforensics.prepare import faces


class Frame(NamedTuple):
    """A decoded frame."""

    seconds: float
    pixels: np.ndarray  # uint8 RGB (h, w, 3), upright


def pyav():
    """The library `av`, or an error that says how to install it."""
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "videos need PyAV: pip install 'jaxforensics[video]'"
        ) from error
    return av


def spread(total, count):
    """Positions of `count` among `total` frames: the middles of equal parts."""
    count = min(count, total)
    return (np.arange(count) * 2 + 1) * total // (2 * max(count, 1))


def timeline(path):
    """Presentation times of all frames, sorted, and those where decoding can start.

    Read from the packets, without decoding; where a container keeps no times (AVI,
    raw streams), frames are decoded to count them, and their numbers serve as times.
    """
    packets = []
    is_cut = False
    with _open(path) as container:
        stream = _stream(container)
        announced = stream.frames
        timeless = container.format.name == "avi"  # its times are those of decoding
        for packet in _packets(container, stream):
            if packet.size:  # the last packet of a stream is an empty one
                packets.append((packet.pts, packet.is_keyframe, packet.is_discard))
                is_cut = packet.is_corrupt
    if is_cut and len(packets) < announced:
        raise decode.BadPicture("truncated", f"{len(packets)} of {announced} frames")
    # Without times, or with some that repeat, frames can only be counted.
    times = {time for time, _, _ in packets}
    if timeless or None in times or len(times) < len(packets):
        return list(range(sum(1 for _ in _frames(path, numbered=True)))), None
    # Discarded packets are decoded for others' sake and never displayed.
    displayed = [
        (time, is_key) for time, is_key, is_discarded in packets if not is_discarded
    ]
    key_times = sorted(time for time, is_key in displayed if is_key)
    return sorted(time for time, _ in displayed), key_times


def read(path, numbers, *, index=None):
    """Yield the Frame of each of the sorted `numbers`.

    A frame that the clip lacks, or that cannot be decoded without damage, is None.
    `index` is the clip's `timeline` where it is known already.
    """
    times, keys = index or timeline(path)
    frames = iter(())
    time = None  # of the frame that was decoded last
    frame = None
    for number in numbers:
        wanted = np.inf  # beyond the end, where `number` may be
        if number < len(times):
            wanted = times[number]
        # Decoding goes on from where it is, unless a key frame lies in between.
        key = None
        if earlier := bisect.bisect_right(keys or [], wanted):
            key = keys[earlier - 1]
        if frame is None or (key is not None and key > time):
            frames = _frames(path, start=key, numbered=keys is None)
            time, frame = next(frames, (None, None))
            if frame is None or time > wanted:  # an inexact seek
                frames = _frames(path, numbered=keys is None)
                time, frame = next(frames, (None, None))
        while frame is not None and time < wanted:
            time, frame = next(frames, (None, None))
        if frame is not None and time == wanted:
            yield Frame(frame.time, _upright(frame))
        else:
            yield None


def convert_clip(item, *, size, frames=32, detector="lbp", margin=1.3):
    """The records of one clip: ([Record], [Failure]), one entry per frame looked at.

    The largest face is cut out; where several are found, the one that overlaps the
    face of the frame before.  A frame without a face is a failure, never a guess from
    its neighbours.  The paired original and the mask are cut at the same place.  For
    `prepare`, bind settings by `functools.partial(convert_clip, frames=10)`.
    """
    find = detector
    if not callable(detector):
        find = faces.detector(detector)
    records = []
    failures = []
    face = None
    try:
        index = timeline(item.path)
        numbers = spread(len(index[0]), frames)
        if not len(numbers):
            raise decode.BadPicture("no-frames")
        main = read(item.path, numbers, index=index)
        # The original and the mask are read in step: the same numbers of frames.
        others = [read(path, numbers) for path in (item.pair, item.mask) if path]
        for number, frame, *companions in zip(numbers, main, *others, strict=True):
            name = f"{item.name}#{number:06d}"
            try:
                face, box = _locate(frame, face, find, margin)
                record = _record(item, name, number, frame, companions, box, size)
                records.append(record)
            except decode.BadPicture as error:
                failures.append(Failure(name, error.reason, error.detail))
    except decode.BadPicture as error:
        failures.append(Failure(item.name, error.reason, error.detail))
    return records, failures


# In the identity of every set made with it: stays, wherever the code moves.
convert_clip.fixed_name = "jaxforensics.data.videos.convert_clip"


def _locate(frame, previous, find, margin):
    """(the face's box, the square to cut out), of a frame or None."""
    if frame is None:
        raise decode.BadPicture("damaged-frame")
    face = faces.choose(find(frame.pixels), previous=previous)
    if face is None:
        raise decode.BadPicture("no-face")
    return face, faces.square(face, frame.pixels.shape, margin=margin)


def _record(item, name, number, frame, companions, box, size):
    """The Record of a frame, with the same square of the clips beside it."""
    shape = frame.pixels.shape
    if any(other is None or other.pixels.shape != shape for other in companions):
        raise decode.BadPicture("no-companion")
    parts = {}
    if item.pair:
        parts["pair"] = _cut(companions[0].pixels, box, size)
    if item.mask:
        # Masks are gray clips; where compression tinted them, the brightest channel.
        mask = companions[-1].pixels.max(axis=-1)
        parts["mask"] = _cut(mask, box, size, Resampling.BILINEAR)
    where = {"frame": int(number), "seconds": round(frame.seconds, 3), "box": box}
    return Record(
        image=_cut(frame.pixels, box, size),
        label=item.label,
        group=item.group,
        attributes=json.dumps(item.attributes | where, sort_keys=True),
        name=name,
        **parts,
    )


def _cut(image, box, size, method=Resampling.BICUBIC):
    """PNG bytes of the square, resized if there is a size."""
    column, row, side = box
    image = image[row : row + side, column : column + side]
    return decode.encode_png(decode.square(image, size or side, method=method))


def _open(path):
    av = pyav()
    try:
        return av.open(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise decode.BadPicture("unreadable", str(error)) from error


def _stream(container):
    """The first video stream: some containers hold a cover picture after it."""
    if not container.streams.video:
        raise decode.BadPicture("no-video", "no video stream")
    return container.streams.video[0]


def _frames(path, *, start=None, numbered=False):
    """Yield (time or number, frame) from the key frame at `start` or the beginning."""
    with _open(path) as container:
        stream = _stream(container)
        if start:
            # The first packet tells the decoder which x264 wrote the stream; some of
            # them write 4:4:4 that is read wrongly without knowing it.
            next(_decoded(container, stream), None)
            container.seek(start, stream=stream)
        for number, frame in enumerate(_decoded(container, stream)):
            if numbered:
                yield number, frame
            else:
                yield frame.pts, frame


def _decoded(container, stream):
    """Yield intact frames: after damage none until the next key frame starts afresh."""
    stream.codec_context.options = {"err_detect": "explode"}  # report, do not conceal
    broken = pyav().error.FFmpegError
    damaged = False
    for packet in _packets(container, stream):
        try:
            for frame in packet.decode():
                # Others lean on frames before them, which may have been damaged.
                damaged = frame.is_corrupt or (damaged and not frame.key_frame)
                if not damaged:
                    yield frame
        except broken:
            damaged = True


def _packets(container, stream):
    """Yield packets up to the end, or to where the container cannot be read on."""
    try:
        yield from container.demux(stream)
    except pyav().error.FFmpegError:
        return


def _upright(frame):
    """Pixels, turned as the container says that a camera was held."""
    # Phones film upright and write into the container how far to turn the picture.
    image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
