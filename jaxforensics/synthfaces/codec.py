"""H.264: pictures through an encoder, and clips as bytes that never change.

The only file of the benchmark that needs PyAV, which is imported when it is first
used: sets without compressed video are made without it.
"""

import functools
import io
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

RATE = 12  # frames per second


class Encoder(NamedTuple):
    """An encoder of FFmpeg, the pixels that it is given and its settings."""

    name: str
    pixels: str
    options: dict


# RGB pixels at quantiser 0: decoding gives back every bit.
LOSSLESS = Encoder("libx264rgb", "rgb24", {"qp": "0"})


def lossy(crf):
    """x264 at a constant rate factor, with chroma at half the resolution, as on sites.

    0 is the best quality, 51 the worst; FaceForensics++ has 23 and 40.
    """
    return Encoder("libx264", "yuv420p", {"crf": str(crf)})


def pyav():
    """The library `av`, or an error that says how to install it."""
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "compressed clips need PyAV: pip install 'jaxforensics[video]'"
        ) from error
    return av


def encode(frames, encoder):
    """The bytes of an MP4 clip of uint8 frames (n, h, w, 3), the same on every run.

    One thread, because x264 decides otherwise with several; no dates in the container.
    """
    av = pyav()
    data = io.BytesIO()
    options = encoder.options | _repeatable()
    with av.open(data, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(encoder.name, rate=RATE, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = encoder.pixels
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())  # what the encoder still holds back
    return data.getvalue()


@functools.cache
def _repeatable():
    """Options without which x264 is not the same on every run.

    Where it looks ahead in pictures as narrow as ours, its code for AVX-512 reads
    beyond its rows, hence what happened to lie in memory: two of five clips of c23
    differed from run to run.  Its code for AVX2 is as fast and does not.
    """
    about = Path("/proc/cpuinfo")
    if about.exists() and "avx512" in about.read_text():
        return {"x264-params": "asm=avx2"}
    return {}


def h264(pictures, *, crf=23):
    """uint8 pictures (n, h, w, 3), each encoded and decoded as a clip of its own."""
    av = pyav()
    decoded = []
    for picture in pictures:
        data = io.BytesIO(encode(picture[None], lossy(crf)))
        with av.open(data) as container:
            frame = next(container.decode(video=0))
            decoded.append(frame.to_ndarray(format="rgb24"))
    return np.stack(decoded)
