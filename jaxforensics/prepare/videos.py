"""Frames of video clips, evenly spaced, with the face cut out of each.

Needs PyAV, which is imported when a clip is first opened.  Positions are presentation
times read from the container, so clips without a frame count, with B-frames or a
variable rate give exactly the frames asked for.
"""

import bisect
import json

import numpy as np
from PIL.Image import Resampling

from jaxforensics.data import decode
from jaxforensics.data.records import Record
from jaxforensics.prepare import faces
from jaxforensics.prepare.dataset import Failure

BICUBIC, BILINEAR = Resampling.BICUBIC, Resampling.BILINEAR


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
    packets, cut = [], False
    with _open(path) as container:
        stream = _stream(container)
        announced = stream.frames
        timeless = container.format.name == "avi"  # its times are those of decoding
        for packet in _packets(container, stream):
            if packet.size:
                packets.append((packet.pts, packet.is_keyframe, packet.is_discard))
                cut = packet.is_corrupt
    if cut and len(packets) < announced:
        raise decode.BadPicture("truncated", f"{len(packets)} of {announced} frames")
    times = {time for time, _, _ in packets}
    if timeless or None in times or len(times) < len(packets):
        return list(range(sum(1 for _ in _frames(path, numbered=True)))), None
    shown = [
        (time, is_key) for time, is_key, is_discarded in packets if not is_discarded
    ]
    return sorted(t for t, _ in shown), sorted(t for t, is_key in shown if is_key)


def read(path, numbers, *, index=None):
    """Yield (seconds, uint8 RGB (h, w, 3), upright) of each frame of sorted `numbers`.

    A frame that the clip lacks, or that cannot be decoded without damage, is None.
    `index` is the clip's `timeline` where it is known already.
    """
    times, keys = index or timeline(path)
    frames, time, frame = iter(()), None, None
    for number in numbers:
        wanted = times[number] if number < len(times) else np.inf
        earlier = bisect.bisect_right(keys or [], wanted)
        key = keys[earlier - 1] if earlier else None
        if frame is None or (key is not None and key > time):
            frames = _frames(path, start=key, numbered=keys is None)
            time, frame = next(frames, (None, None))
            if frame is None or time > wanted:  # an inexact seek
                frames = _frames(path, numbered=keys is None)
                time, frame = next(frames, (None, None))
        while frame is not None and time < wanted:
            time, frame = next(frames, (None, None))
        intact = frame is not None and time == wanted
        yield (frame.time, _upright(frame)) if intact else None


def convert_clip(item, *, size, frames=32, detector="lbp", margin=1.3):
    """The records of one clip: ([Record], [Failure]), one entry per frame looked at.

    The largest face is cut out; where several are found, the one that overlaps the
    face of the frame before.  A frame without a face is a failure, never a guess from
    its neighbours.  The paired original and the mask are cut at the same place.  For
    `prepare`, bind settings by `functools.partial(convert_clip, frames=10)`.
    """
    find = detector if callable(detector) else faces.detector(detector)
    records, failures, face = [], [], None
    try:
        index = timeline(item.path)
        numbers = spread(len(index[0]), frames)
        if not len(numbers):
            raise decode.BadPicture("no-frames")
        main = read(item.path, numbers, index=index)
        others = [read(path, numbers) for path in (item.pair, item.mask) if path]
        for number, now, *also in zip(numbers, main, *others, strict=True):
            name = f"{item.name}#{number:06d}"
            try:
                face, box = _locate(now, face, find, margin)
                records.append(_record(item, name, number, now, also, box, size))
            except decode.BadPicture as error:
                failures.append(Failure(name, error.reason, error.detail))
    except decode.BadPicture as error:
        failures.append(Failure(item.name, error.reason, error.detail))
    return records, failures


# In the identity of every set made with it: stays, wherever the code moves.
convert_clip.fixed_name = "jaxforensics.data.videos.convert_clip"


def _locate(now, previous, find, margin):
    if now is None:
        raise decode.BadPicture("damaged-frame")
    image = now[1]
    face = faces.choose(find(image), previous=previous)
    if face is None:
        raise decode.BadPicture("no-face")
    return face, faces.square(face, image.shape, margin=margin)


def _record(item, name, number, now, others, box, size):
    seconds, image = now
    if any(other is None or other[1].shape != image.shape for other in others):
        raise decode.BadPicture("no-companion")
    others = [other[1] for other in others]
    pair = _cut(others[0], box, size) if item.pair else b""
    mask = _cut(others[-1].max(axis=-1), box, size, BILINEAR) if item.mask else b""
    where = {"frame": int(number), "seconds": round(seconds, 3), "box": box}
    return Record(
        image=_cut(image, box, size),
        label=item.label,
        group=item.group,
        pair=pair,
        mask=mask,
        attributes=json.dumps(item.attributes | where, sort_keys=True),
        name=name,
    )


def _cut(image, box, size, method=BICUBIC):
    """PNG bytes of the square, resized if there is a size."""
    left, top, side = box
    image = image[top : top + side, left : left + side]
    return decode.encode_png(decode.square(image, size or side, method=method))


def _open(path):
    av = pyav()
    try:
        return av.open(path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise decode.BadPicture("unreadable", str(error)) from error


def _stream(container):
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
            yield number if numbered else frame.pts, frame


def _decoded(container, stream):
    """Yield intact frames: after damage none until the next key frame starts afresh."""
    stream.codec_context.options = {"err_detect": "explode"}  # report, do not conceal
    broken = pyav().error.FFmpegError
    damaged = False
    for packet in _packets(container, stream):
        try:
            for frame in packet.decode():
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
    image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))
