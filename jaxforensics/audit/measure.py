"""What can be told of a picture without looking at what it shows."""

import functools
import hashlib
import io
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from jaxforensics.audit import hashing
from jaxforensics.data import decode

# Of the trivial classifier: the families are judged one by one and together.
FAMILIES = {
    "dimensions": ("width", "height", "aspect"),
    "file size": ("bytes", "bytes per pixel"),
    "compression": (
        *("format", "mode", "quality", "sampling", "progressive"),
        *("luma table", "luma first", "luma last", "chroma table", "chroma first"),
    ),
    "mean colour": ("mean red", "mean green", "mean blue"),
    "contrast": ("deviation red", "deviation green", "deviation blue"),
    "sharpness": ("detail",),
    "border": tuple(
        f"{what} {side}"
        for what in ("mean", "deviation")
        for side in ("top", "bottom", "left", "right")
    ),
}
FEATURES = [name for family in FAMILIES.values() for name in family]
FORMATS = [*decode.FORMATS, "MPO"]  # MPO: what Pillow calls some cameras' JPEGs
SHRUNK = 4  # factor by which a picture shrinks to see what an enlargement lacks
SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"]

# ITU-T T.81 (1992), tables K.1 and K.2, in rows.
LUMA = """
 16 11 10 16  24  40  51  61   12 12 14 19  26  58  60  55
 14 13 16 24  40  57  69  56   14 17 22 29  51  87  80  62
 18 22 37 56  68 109 103  77   24 35 55 64  81 104 113  92
 49 64 78 87 103 121 120 101   72 92 95 98 112 100 103  99
"""
CHROMA = """
 17 18 24 47 99 99 99 99   18 21 26 66 99 99 99 99
 24 26 56 99 99 99 99 99   47 66 99 99 99 99 99 99
""" + (32 * " 99")


class Compression(NamedTuple):
    """How a file is compressed."""

    quality: str  # of a JPEG, in words: '75', or 'custom (~75)'; else ''
    sampling: str  # of a JPEG's chroma: '4:2:0'; else ''
    features: dict  # of the family "compression", -1 where a format has none


class Picture(NamedTuple):
    """The audit's view of one picture."""

    name: str
    label: int
    source: str
    group: str
    split: str
    width: int
    height: int
    bytes: int
    format: str
    mode: str
    quality: str  # JPEG: '75', or 'custom (~75)'
    sampling: str
    file_hash: str
    pixel_hash: str
    thumbnail: np.ndarray
    features: np.ndarray  # in the order of FEATURES


def measure(data, *, name, label, source, group, split):
    """The Picture of encoded bytes; BadPicture if they cannot be decoded."""
    pixels = decode.decode(data)
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        # About metadata; the pixels are decoded already.
        warnings.simplefilter("ignore")
        compression = _compression(image)
        file_format = image.format
        mode = image.mode
    height, width = pixels.shape[:2]
    features = {
        "width": width,
        "height": height,
        "aspect": width / height,
        "bytes": len(data),
        "bytes per pixel": len(data) / (width * height),
        **compression.features,
        **_appearance(pixels),
    }
    # Pictures of other shapes may have the same bytes of pixels.
    shape = np.array(pixels.shape, "<u4").tobytes()
    return Picture(
        name=name,
        label=label,
        source=source,
        group=group,
        split=split,
        width=width,
        height=height,
        bytes=len(data),
        format=file_format,
        mode=mode,
        quality=compression.quality,
        sampling=compression.sampling,
        file_hash=hashlib.sha256(data).hexdigest(),
        pixel_hash=hashlib.sha256(shape + pixels.tobytes()).hexdigest(),
        thumbnail=hashing.thumbnail(pixels),
        features=np.array([features[name] for name in FEATURES], np.float32),
    )


def standard_tables(quality):
    """The two tables that libjpeg derives from quality 1 to 100: (2, 64), in rows."""
    scale = 200 - 2 * quality  # jpeg_quality_scaling of libjpeg's jcparam.c
    if quality < 50:
        scale = 5000 // quality
    tables = np.array([LUMA.split(), CHROMA.split()], int)
    return np.clip((tables * scale + 50) // 100, 1, 255)


def jpeg_quality(tables):
    """(nearest quality, whether libjpeg's tables for it are exactly these).

    `tables` is luma's, or luma's and chroma's, 64 numbers each.
    """
    tables = np.array(tables[:2], int)
    gaps = np.abs(_all_tables()[:, : len(tables)] - tables).sum(axis=(1, 2))
    return int(gaps.argmin()) + 1, bool(gaps.min() == 0)


@functools.cache
def _all_tables():
    """The tables of every quality, (100, 2, 64)."""
    return np.stack([standard_tables(quality) for quality in range(1, 101)])


def _compression(image):
    """The Compression of an opened picture."""
    numbers = dict.fromkeys(FAMILIES["compression"], -1)
    if image.format in FORMATS:
        numbers["format"] = FORMATS.index(image.format)
    if image.mode in MODES:
        numbers["mode"] = MODES.index(image.mode)
    numbers["progressive"] = bool(image.info.get("progressive"))

    # Pillow has the tables in rows already, not in the file's zigzag.
    tables = [list(t) for _, t in sorted(getattr(image, "quantization", {}).items())]
    if not tables:
        return Compression("", "", numbers)
    quality, is_exact = jpeg_quality(tables)
    luma = tables[0]
    chroma = tables[
        min(1, len(tables) - 1)
    ]  # gray pictures, and some encoders, have one
    sampling = JpegImagePlugin.get_sampling(image)
    numbers |= {
        "quality": quality,
        "sampling": sampling,
        "luma table": sum(luma),
        "luma first": luma[0],
        "luma last": luma[-1],
        "chroma table": sum(chroma),
        "chroma first": chroma[0],
    }
    words = str(quality)
    if not is_exact:
        words = f"custom (~{quality})"
    return Compression(words, SAMPLINGS.get(sampling, ""), numbers)


def _detail(pixels):
    """Mean size of what is lost when pixels shrink fourfold and are enlarged again.

    Generated pictures may be softer than photographs, or re-sharpened: then this alone
    tells them, and a detector may look at nothing else.
    """
    height, width = pixels.shape[:2]
    small = max(width // SHRUNK, 1), max(height // SHRUNK, 1)
    shrunk = Image.fromarray(pixels).resize(small, Image.Resampling.BOX)
    enlarged = shrunk.resize((width, height), Image.Resampling.BICUBIC)
    return np.abs(np.float32(pixels) - np.asarray(enlarged, np.float32)).mean()


def _appearance(pixels):
    """{feature: value} of the families of sharpness, colour, contrast and border."""
    values = {"detail": _detail(pixels)}
    for number, channel in enumerate(("red", "green", "blue")):
        values[f"mean {channel}"] = pixels[..., number].mean()
        values[f"deviation {channel}"] = pixels[..., number].std()
    gray = pixels.mean(axis=-1)
    border = {
        "top": gray[0],
        "bottom": gray[-1],
        "left": gray[:, 0],
        "right": gray[:, -1],
    }
    for side, line in border.items():
        values[f"mean {side}"] = line.mean()
        values[f"deviation {side}"] = line.std()
    return values
