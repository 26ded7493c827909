"""One picture file to one record, or to the reason why not."""

import json
import os
import stat

from jaxforensics.data import decode
from jaxforensics.data.items import Failure
from jaxforensics.data.records import Record

MIN_SIDE = 8  # pixels: what is smaller is an icon, or a mistake
MAX_BYTES = 2**29  # of a file, which is read whole


def convert_picture(item, *, size):
    """The records of one picture: ([Record], []) or ([], [Failure]).

    Without `size`, an upright RGB JPEG or PNG keeps its bytes, anything else becomes
    PNG.  With it, pictures of another size are cut to their centre square, resized
    (Pillow's antialiased bicubic; masks bilinear, class numbers nearest) and stored as
    PNG.
    """
    try:
        image, shape = encoded(read(item.path), size)
        parts = {}
        for part, (decoder, method) in decode.PARTS.items():
            if path := getattr(item, part):
                parts[part], other = encoded(
                    read(path), size, decoder=decoder, method=method
                )
                _check_shapes(part, shape, other, size)
    except decode.BadPicture as bad:
        return [], [Failure(item.name, bad.reason, bad.detail)]
    attributes = json.dumps(item.attributes, sort_keys=True)
    record = Record(
        image,
        item.label,
        group=item.group,
        attributes=attributes,
        name=item.name,
        **parts,
    )
    return [record], []


# In the identity of every set made with it: stays, wherever the code moves.
convert_picture.fixed_name = "jaxforensics.data.convert.convert_picture"


def encoded(data, size, *, decoder=decode.decode, method=decode.BICUBIC):
    """Bytes to store for the bytes of a file, and the shape that its picture has."""
    # Of pictures that every decoder shows alike, the bytes themselves can be stored.
    pixels = None
    if decoder is decode.decode:
        pixels = decode.plain(data)
    may_stay = pixels is not None
    if pixels is None:
        pixels = decoder(data)
    shape = pixels.shape[:2]
    if min(shape) < MIN_SIDE:
        raise decode.BadPicture("too-small", f"{shape[1]}x{shape[0]}")
    if size is not None and shape != (size, size):
        pixels = decode.square(pixels, size, method=method)
    elif may_stay:
        return data, shape
    return decode.encode_png(pixels), shape


def _check_shapes(part, image, other, size):
    """Refuse what does not lie pixel on pixel, or would not once resized."""
    if size is None:
        is_equal = image == other
    else:  # the same proportions become the same square
        is_equal = image[0] * other[1] == image[1] * other[0]
    if not is_equal:
        sizes = f"image {image[1]}x{image[0]}, {part} {other[1]}x{other[0]}"
        raise decode.BadPicture("unequal-sizes", sizes)


def read(path):
    """The bytes of a file of bearable size, or BadPicture."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise decode.BadPicture("not-a-file")
        if status.st_size > MAX_BYTES:
            raise decode.BadPicture("too-large", f"{status.st_size} bytes")
        with open(path, "rb") as file:
            return file.read()
    except decode.BadPicture:
        raise
    # ValueError: a name with a null byte, which no file has.
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise decode.BadPicture("missing") from None
    except OSError as error:
        raise decode.BadPicture("unreadable-file", error.strerror) from None
