"""What the file of a clip tells without its pictures: sizes, packets, frames, tags.

A detector that is trained on files of two encoders, or of two settings of one, learns
containers.  Needs PyAV, which is imported when a clip is first measured.
"""

import zlib
from pathlib import Path

import numpy as np

from jaxforensics.audit.leaks import leaks
from jaxforensics.prepare.videos import pyav

FAMILIES = {
    "file size": ("bytes", "bit rate"),
    "packets": (
        *("packets", "first packet", "mean packet"),
        *("smallest packet", "largest packet", "deviation of packets"),
    ),
    "frame types": ("I", "P", "B", "key frames", "reordered", "first B"),
    "stream": (
        *("streams", "width", "height", "duration", "frame rate", "time base"),
        *("start", "codec", "codec tag", "profile", "pixel format"),
        *("headers", "tags", "encoder"),  # the level is among the headers
    ),
}
SETTINGS = b"x264 - core"  # what x264 writes of itself and its settings begins with


def container_leaks(items, *, seed=0):
    """[Leak] of the families above, from the items of a listing (`prepare.layouts`).

    Clips of one group are never in two folds.  Compare clips of one quality: every
    difference between qualities is in the file.
    """
    return leaks(
        np.stack([measure(item.path) for item in items]),
        [item.label for item in items],
        [item.source for item in items],
        [item.group for item in items],
        families=FAMILIES,
        seed=seed,
    )


def measure(path):
    """The features of a clip, (n,) in the order of FAMILIES."""
    values = {"bytes": Path(path).stat().st_size}
    with pyav().open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        values |= _of_stream(container, stream) | _of_packets(packets)
        values["encoder"] = _number(_encoder(packets[0]))
    with pyav().open(str(path)) as container:
        values |= _of_frames(list(container.decode(video=0)))
    names = [name for family in FAMILIES.values() for name in family]
    return np.array([values[name] for name in names], np.float64)


def _of_stream(container, stream):
    """What the container and the decoder know before the first frame."""
    codec = stream.codec_context
    # Lists of brands are among the container's tags.
    tags = sorted((container.metadata | stream.metadata).items())
    return {
        "bit rate": container.bit_rate,
        "streams": len(container.streams),
        "width": stream.width,
        "height": stream.height,
        "duration": float(stream.duration * stream.time_base),
        "frame rate": float(stream.average_rate),
        "time base": float(stream.time_base),
        "start": float(stream.start_time * stream.time_base),
        "codec": _number(codec.name),
        "codec tag": _number(codec.codec_tag),
        "profile": _number(str(codec.profile)),
        "pixel format": _number(codec.pix_fmt),
        "headers": _number(codec.extradata),
        "tags": _number(str(tags)),
    }


def _of_packets(packets):
    sizes = np.array([packet.size for packet in packets])
    return {
        "packets": len(sizes),
        "first packet": sizes[0],
        "mean packet": sizes.mean(),
        "smallest packet": sizes.min(),
        "largest packet": sizes.max(),
        "deviation of packets": sizes.std(),
        "key frames": sum(packet.is_keyframe for packet in packets),
        "reordered": sum(packet.pts != packet.dts for packet in packets),
    }


def _of_frames(frames):
    """Counts of the types of frames, and the place of the first B."""
    # Some versions of PyAV give numbers, others members of an enumeration.
    types = pyav().video.frame.PictureType
    kinds = [types(int(frame.pict_type)).name for frame in frames]
    counts = {kind: kinds.count(kind) for kind in "IPB"}
    first = kinds.index("B") if "B" in kinds else len(kinds)
    return counts | {"first B": first}


def _encoder(packet):
    """What the encoder wrote of its settings into the first packet; b'' if nothing."""
    data = bytes(packet)
    start = data.find(SETTINGS)
    if start < 0:
        return b""
    return data[start : data.index(b"\0", start)]


def _number(text):
    """A number that stands for a text or bytes: equal ones have equal numbers."""
    if isinstance(text, str):
        text = text.encode()
    return zlib.crc32(text or b"")
