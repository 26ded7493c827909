"""Encoded pictures to 8-bit RGB, or a counted refusal."""

import contextlib
import io
import logging
import re
import struct
import threading
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

MAX_PIXELS = 64 * 2**20
# Not every reader of Pillow: EPS starts a program, TGA accepts nearly any bytes.
FORMATS = "JPEG PNG WEBP AVIF GIF BMP TIFF PPM JPEG2000".split()
PNG = b"\x89PNG\r\n\x1a\n"
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: gray, RGB, palette, …
# Adam7: row and column of the first pixel of each pass, and the steps to the next.
PASSES = (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)
PASSES += (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)
INFLATED = 2**16  # bytes taken out of a compressed stream at a time
BICUBIC = Image.Resampling.BICUBIC
ORIENTATION = 0x0112  # EXIF tag
_lock = threading.Lock()


class BadPicture(ValueError):
    """A picture that cannot be used: a short `reason` to count by, and the detail.

    Reasons: empty, not-an-image, truncated, unreadable, unsupported, too-large,
    too-small; whoever reads files adds its own.
    """

    def __init__(self, reason, detail=""):
        super().__init__(f"{reason}: {detail}".removesuffix(": "))
        self.reason = reason
        self.detail = detail

    # Exceptions travel from workers by their `args`, which are not what made this one.
    def __reduce__(self):
        return type(self), (self.reason, self.detail)


def decode(data, *, max_pixels=MAX_PIXELS, min_side=1):
    """Picture bytes -> uint8 (h, w, 3); BadPicture says why not.

    EXIF orientation is applied; of several frames the first counts; gray, palette,
    1-bit, CMYK and YCbCr are converted as Pillow converts them; 16-bit gray is scaled
    to 8 bits (16-bit colour loses its low byte); transparency is laid over white.
    """
    pixels = plain(data, max_pixels=max_pixels)
    if pixels is None:
        pixels = _any_picture(data, max_pixels, _to_rgb)
    if min(pixels.shape[:2]) < min_side:
        height, width = pixels.shape[:2]
        raise BadPicture("too-small", f"{width}x{height}, need {min_side} a side")
    return pixels


def decode_gray(data, *, max_pixels=MAX_PIXELS):
    """Picture bytes -> uint8 (h, w), for masks: luma of colour, alpha ignored."""
    pixels = plain(data, mode="L", max_pixels=max_pixels)
    if pixels is None:
        pixels = _any_picture(data, max_pixels, _to_gray)
    return pixels


def decode_numbers(data, *, max_pixels=MAX_PIXELS):
    """Picture bytes -> uint8 (h, w), for maps of classes: palette indices or grays."""
    pixels = plain(data, mode="L", max_pixels=max_pixels)
    if pixels is None:
        pixels = _any_picture(data, max_pixels, _to_numbers)
    return pixels


# How each part of a record beside its image is decoded, and how it is resized.
PARTS = {
    "pair": (decode, BICUBIC),
    "mask": (decode_gray, Image.Resampling.BILINEAR),
    "parsing": (decode_numbers, Image.Resampling.NEAREST),
}


def plain(data, *, mode="RGB", max_pixels=MAX_PIXELS, prepared=False):
    """Pixels of a picture that every decoder shows alike, else None.

    That is 8-bit JPEG or PNG in this very mode, upright, opaque and still.  Such bytes
    are kept in records, and this is the fast way to read them, from any thread:
    Pillow's `open` would try every format, and may warn.  Of `prepared` bytes it is
    known that they are upright and whole.
    """
    try:
        if data[:3] == b"\xff\xd8\xff":
            image = _Jpeg(io.BytesIO(data))
        elif data[:8] == PNG and data[24] == 8:  # bits per sample
            if b"acTL" in data[: data.find(b"IDAT")]:  # animated
                return None
            image = PngImageFile(io.BytesIO(data))
        else:
            return None
        if image.mode != mode or "transparency" in image.info:
            return None
        if not 0 < image.width * image.height <= max_pixels:
            return None
        pixels = np.asarray(image)
        if prepared:
            return pixels
        if data[:8] == PNG and _lacks_rows(data):
            return None
        if image.info.keys() & {"exif", "xmp", "Raw profile type exif"}:
            with _quiet():
                if image.getexif().get(ORIENTATION, 1) != 1:
                    return None
        return pixels
    except Exception:  # the slow way finds the words for it
        return None


def square(pixels, size, *, method=BICUBIC):
    """Centre square, resized with antialiasing: (h, w[, 3]) -> (size, size[, 3])."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    first_row = (height - side) // 2
    first_column = (width - side) // 2
    pixels = pixels[first_row : first_row + side, first_column : first_column + side]
    if side == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size, size), method))


def encode_png(pixels):
    """uint8 (h, w, 3) or gray (h, w) -> PNG bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _any_picture(data, max_pixels, finish):
    """finish(image) of whatever Pillow can read, upright; BadPicture says why not."""
    if not data:
        raise BadPicture("empty", "no bytes")
    with _quiet():
        try:
            with Image.open(io.BytesIO(data), formats=_formats()) as image:
                if image.width * image.height == 0:
                    raise BadPicture("empty", f"{image.width}x{image.height}")
                if image.width * image.height > max_pixels:
                    raise BadPicture("too-large", f"{image.width}x{image.height}")
                image.load()
                if data[:8] == PNG and _lacks_rows(data):
                    raise BadPicture("truncated", "rows are missing")
                return finish(ImageOps.exif_transpose(image))
        except BadPicture:
            raise
        except UnidentifiedImageError:
            raise BadPicture("not-an-image", f"starts with {data[:8]!r}") from None
        except (Image.DecompressionBombError, MemoryError) as error:
            raise BadPicture("too-large", str(error)) from None
        except Exception as error:  # damaged files raise nearly anything
            reason = "unreadable"
            if "truncated" in str(error).lower() or isinstance(error, EOFError):
                reason = "truncated"
            # Without addresses, reports are the same every time.
            detail = re.sub(" at 0x[0-9a-f]+", "", f"{type(error).__name__}: {error}")
            raise BadPicture(reason, detail) from None


def _lacks_rows(data):
    """Whether the pixels of a PNG that Pillow reads end before its last row.

    Where the compressed stream is complete but holds whole rows too few, Pillow leaves
    the rest black and says nothing.
    """
    width, height, bits, colour_type = struct.unpack(">IIBB", data[16:26])
    interlaced = data[28] == 1
    missing = 0  # bytes of rows that are yet to come
    for top, left, down, right in PASSES if interlaced else ((0, 0, 1, 1),):
        rows = len(range(top, height, down))
        columns = len(range(left, width, right))
        if columns:  # a pass of no columns has no rows
            row_bits = columns * bits * PNG_CHANNELS[colour_type]
            missing += rows * (1 + -(-row_bits // 8))  # each begins with its filter
    stream = zlib.decompressobj()
    try:
        for part in _image_data(data):
            while part and missing > 0 and not stream.eof:
                missing -= len(stream.decompress(part, INFLATED))
                part = stream.unconsumed_tail
    except zlib.error:  # after the last row: Pillow would have complained otherwise
        pass
    return missing > 0


def _image_data(png):
    """Yield the content of the IDAT chunks of a PNG."""
    place = len(PNG)
    while place + 8 <= len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        place += 8
        if name == b"IDAT":
            yield png[place : place + length]
        place += length + 4  # the chunk's checksum


def _to_rgb(image):
    """Pixels (h, w, 3), transparency laid over white."""
    image = _eight_bits(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _to_gray(image):
    """Luma (h, w)."""
    return np.asarray(_eight_bits(image).convert("L"))


def _to_numbers(image):
    """Numbers of classes (h, w): what a palette's colours mean is not looked at."""
    if image.mode not in ("P", "L", "1"):
        raise BadPicture("unsupported", f"class numbers in mode {image.mode}")
    return np.asarray(image).astype(np.uint8)


def _eight_bits(image):
    """The picture, 16-bit gray scaled to 8 bits; Pillow would clip it to 255."""
    if image.mode in ("F", "LAB"):
        raise BadPicture("unsupported", f"mode {image.mode}")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    gray = np.asarray(image).astype(np.int64)
    if gray.min() < 0 or gray.max() > 65535:
        raise BadPicture("unsupported", "integers beyond 16 bits")
    # 65535 = 255 * 257: to the nearest of 256 values.
    return Image.fromarray(((gray + 128) // 257).astype(np.uint8))


class _Jpeg(JpegImageFile):
    """Without the resolution, for which Pillow reads EXIF, and warns of damaged one."""

    def _read_dpi_from_exif(self):
        pass


@contextlib.contextmanager
def _quiet():
    """Without Pillow's warnings and log: what it complains of is answered here.

    Both are switched for the whole process, hence the lock.
    """
    log = logging.getLogger("PIL")
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level = log.level
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            log.setLevel(level)


def _formats():
    """The formats of FORMATS that this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]
