import io
import logging
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.data import decode
from jaxforensics.data.decode import BadPicture
from jaxforensics.data.items import Item
from jaxforensics.prepare.convert import convert_picture

REASONS = {"empty", "not-an-image", "truncated", "unreadable", "unsupported"}
REASONS |= {"too-large", "too-small"}
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (9, 14, 3), np.uint8)


def saved(image, kind="PNG", **settings):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def refusal(data, **settings):
    with pytest.raises(BadPicture) as caught:
        decode.decode(data, **settings)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_keep_every_pixel(kind):
    settings = {"lossless": True} if kind == "WEBP" else {}
    pixels = decode.decode(saved(RGB, kind, **settings))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, RGB)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_is_read_as_pillow_reads_it(subsampling):
    data = saved(RGB, "JPEG", quality=80, subsampling=subsampling)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode.decode(data), expected)
    np.testing.assert_array_equal(decode.plain(data), expected)


# EXIF 2.3, section 4.6.4: where row 0 and column 0 of the file are on the screen.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],
    8: lambda x: x.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_orientation_is_applied(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(RGB, kind, exif=exif)
    stored = np.asarray(Image.open(io.BytesIO(saved(RGB, kind))))
    np.testing.assert_array_equal(decode.decode(data), UPRIGHT[orientation](stored))
    assert (decode.plain(data) is None) == (orientation != 1 or kind == "TIFF")


def test_a_damaged_exif_block_does_not_matter():
    data = saved(
        RGB, "JPEG", exif=b"Exif\0\0" + b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 9
    )
    expected = np.asarray(Image.open(io.BytesIO(saved(RGB, "JPEG"))))
    np.testing.assert_array_equal(decode.plain(data), expected)
    np.testing.assert_array_equal(decode.decode(data), expected)


def test_gray_becomes_three_equal_channels():
    gray = RGB[..., 0]
    for kind in ("PNG", "JPEG"):
        expected = np.asarray(Image.open(io.BytesIO(saved(gray, kind))))
        pixels = decode.decode(saved(gray, kind))
        np.testing.assert_array_equal(pixels, np.stack([expected] * 3, -1))


def test_sixteen_bits_are_scaled_to_the_nearest_eight():
    gray = np.linspace(0, 65535, 9 * 14).round().astype(np.uint16).reshape(9, 14)
    expected = np.round(gray.astype(np.float64) * 255 / 65535).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        pixels = decode.decode(saved(gray, kind))
        np.testing.assert_array_equal(pixels[..., 1], expected)
    np.testing.assert_array_equal(decode.decode_gray(saved(gray)), expected)


def test_sixteen_bit_colour_loses_its_low_byte():
    high = (RGB.astype(np.uint16) * 256 + 77).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in high)

    def chunk(name, body):
        check = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + check

    header = (14).to_bytes(4, "big") + (9).to_bytes(4, "big") + b"\x10\x02\0\0\0"
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    assert decode.plain(data) is None
    np.testing.assert_array_equal(decode.decode(data), RGB)


def test_one_bit_is_black_and_white():
    bits = RGB[..., 0] > 127
    pixels = decode.decode(saved(bits))
    np.testing.assert_array_equal(pixels[..., 2], bits * np.uint8(255))


def test_palette_is_looked_up():
    image = Image.fromarray(RGB).quantize(16)
    expected = np.asarray(image.convert("RGB"))
    for kind in ("PNG", "GIF"):
        np.testing.assert_array_equal(decode.decode(saved(image, kind)), expected)


def over_white(colour, alpha):
    colour, alpha = colour.astype(np.float64), alpha[..., None] / 255
    return colour * alpha + 255 * (1 - alpha)


def test_transparency_is_laid_over_white():
    alpha = np.linspace(0, 255, 9 * 14).astype(np.uint8).reshape(9, 14)
    rgba = np.concatenate([RGB, alpha[..., None]], -1)
    expected = over_white(RGB, alpha)
    np.testing.assert_allclose(decode.decode(saved(rgba)), expected, atol=1)
    gray = np.stack([RGB[..., 0], alpha], -1)
    image = Image.frombytes("LA", (14, 9), gray.tobytes())
    expected = over_white(RGB[..., :1], alpha)
    np.testing.assert_allclose(
        decode.decode(saved(image)), np.repeat(expected, 3, -1), atol=1
    )


def test_one_transparent_colour_is_white():
    blue = np.full((8, 8, 3), (0, 0, 200), np.uint8)
    blue[:4] = (10, 20, 30)
    data = saved(blue, transparency=(0, 0, 200))
    expected = np.where(np.arange(8)[:, None, None] < 4, blue, np.uint8(255))
    np.testing.assert_array_equal(decode.decode(data), expected)
    image = Image.fromarray(blue).quantize(2)
    clear = np.asarray(image)[7, 7]
    data = saved(image, "GIF", transparency=int(clear))
    np.testing.assert_array_equal(decode.decode(data)[4:], 255)


def test_inverted_cmyk_jpeg_has_the_right_colours():
    # Adobe's marker says the inks are stored inverted, as Photoshop and Pillow do.
    flat = np.zeros((16, 16, 4), np.uint8)
    flat[:8] = (0, 255, 255, 0)  # magenta and yellow ink: red
    flat[8:] = (255, 0, 0, 51)  # cyan with a fifth of black
    image = Image.frombytes("CMYK", (16, 16), flat.tobytes())
    data = saved(image, "JPEG", quality=100)
    assert b"Adobe" in data
    pixels = decode.decode(data)
    np.testing.assert_allclose(pixels[2, 2], (255, 0, 0), atol=2)
    np.testing.assert_allclose(pixels[13, 2], (0, 204, 204), atol=2)


def test_of_several_frames_the_first_counts():
    frames = [Image.fromarray(np.full((8, 9, 3), c, np.uint8)) for c in (10, 200)]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        extra = {"lossless": True} if kind == "WEBP" else {}
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], **extra)
        np.testing.assert_array_equal(decode.decode(data), 10)


def test_masks_are_gray_and_numbers_stay_numbers():
    image = Image.fromarray(RGB).quantize(7)
    numbers = np.asarray(image)
    np.testing.assert_array_equal(decode.decode_numbers(saved(image)), numbers)
    np.testing.assert_array_equal(decode.decode_numbers(saved(numbers)), numbers)
    with pytest.raises(BadPicture, match="class numbers"):
        decode.decode_numbers(saved(RGB))
    luma = RGB @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(decode.decode_gray(saved(RGB)), luma, atol=1)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"hello, world", "not-an-image"),
        (b"\xff\xd8\xff\xe0", "not-an-image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not-an-image"),  # would start a program
        (saved(RGB)[:-30], "truncated"),
        (saved(RGB, "JPEG")[:-200], "truncated"),
        (saved(RGB, "BMP")[:-50], "truncated"),
        (saved(RGB.astype(np.float32).sum(-1), "TIFF"), "unsupported"),
        (saved(np.full((8, 8), 70000, np.int32), "TIFF"), "unsupported"),
    ],
)
def test_refusals_name_their_reason(data, reason):
    assert refusal(data) == reason


def test_pictures_beyond_the_limits_are_refused_from_the_header():
    header = bytearray(saved(RGB))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    assert refusal(bytes(header)) == "too-large"
    assert refusal(saved(RGB), max_pixels=9 * 14 - 1) == "too-large"
    assert decode.decode(saved(RGB), max_pixels=9 * 14).shape == (9, 14, 3)
    assert refusal(saved(RGB), min_side=10) == "too-small"


def test_a_refusal_travels_between_processes():
    copy = pickle.loads(pickle.dumps(BadPicture("empty", "no bytes")))
    assert (copy.reason, copy.detail, str(copy)) == (
        "empty",
        "no bytes",
        "empty: no bytes",
    )


def test_square_is_the_centre_resized_by_pillow():
    tall = RNG.integers(0, 256, (21, 16, 3), np.uint8)
    centre = tall[2:18]
    np.testing.assert_array_equal(decode.square(tall, 16), centre)
    expected = Image.fromarray(centre).resize((8, 8), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(decode.square(tall, 8), expected)
    np.testing.assert_array_equal(decode.decode(decode.encode_png(tall)), tall)


EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010F] = 1, "maker"
PICTURES = [
    saved(RGB),
    saved(RGB, "JPEG", exif=EXIF),
    saved(RGB, exif=EXIF),
    saved(RGB, save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
    saved(RGB, "JPEG"),
    saved(RGB, "JPEG", progressive=True, quality=30),
    saved(RGB, "WEBP"),
    saved(RGB, "TIFF", compression="tiff_lzw"),
    saved(Image.fromarray(RGB).quantize(9), "GIF"),
    saved(RGB, "BMP"),
    saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    saved(RGB, "JPEG2000"),
]


class Unwanted(logging.Handler):
    def emit(self, record):
        raise AssertionError(record.getMessage())


@pytest.fixture(autouse=True, scope="module")
def silent_log():
    """Whatever Pillow logs is an error."""
    handler = Unwanted()
    logging.getLogger("PIL").addHandler(handler)
    yield
    logging.getLogger("PIL").removeHandler(handler)


def decoded_or_refused(data):
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        try:
            pixels = decode.decode(data, max_pixels=10**5)
        except BadPicture as bad:
            assert bad.reason in REASONS
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size
    assert not leaked


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_pictures_decode_or_are_refused(data, edits, kept):
    damaged = bytearray(data)
    for place, value in edits:
        damaged[int(place * (len(damaged) - 1))] = value
    decoded_or_refused(bytes(damaged[: int(kept * len(damaged)) or None]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from([data[:24] for data in PICTURES] + [b""]), st.binary())
def test_any_bytes_decode_or_are_refused(start, rest):
    decoded_or_refused(start + rest)


def chunk(name, content):
    checksum = zlib.crc32(name + content)
    length = struct.pack(">I", len(content))
    return length + name + content + struct.pack(">I", checksum)


def png(shape, rows, *, colour_type=2, bits=8, interlaced=False, parts=1, end=True):
    """A valid PNG of these bytes of rows; without `end`, its stream is not closed."""
    height, width = shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, interlaced)
    pack = zlib.compressobj()
    stream = pack.compress(rows)
    stream += pack.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)
    step = -(-len(stream) // parts)
    pieces = [stream[i : i + step] for i in range(0, len(stream), step)]
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour_type == 3 else b""
    image = b"".join(chunk(b"IDAT", piece) for piece in pieces)
    return decode.PNG + chunk(b"IHDR", header) + palette + image + chunk(b"IEND", b"")


# Number of channels, by colour type, and a depth that it may have.
KINDS_OF_PNG = [(0, 1, 1), (0, 1, 8), (0, 1, 16), (2, 3, 8), (3, 1, 4), (4, 2, 8)]
KINDS_OF_PNG += [(6, 4, 8), (6, 4, 16)]
ADAM7 = [range(0, 64, 8), range(4, 64, 8), range(0, 64, 4), range(2, 64, 4)]
ADAM7 += [range(0, 64, 2), range(1, 64, 2), range(0, 64)]


def row_lengths(shape, bits, *, interlaced):
    """Bytes of every row, in the order of the file; PNG (ISO 15948), section 8.2."""
    height, width = shape
    if not interlaced:
        return [1 + -(-width * bits // 8)] * height
    lengths = []
    first_rows = (0, 0, 4, 0, 2, 0, 1)
    row_steps = (8, 8, 8, 4, 4, 2, 2)
    for number, columns in enumerate(ADAM7):
        count = len([column for column in columns if column < width])
        rows = range(first_rows[number], height, row_steps[number])
        lengths += [1 + -(-count * bits // 8)] * (len(rows) * bool(count))
    return lengths


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("shape", [(9, 13), (3, 2), (1, 40), (20, 1), (8, 8)])
@pytest.mark.parametrize("colour_type, channels, bits", KINDS_OF_PNG)
def test_a_png_that_lacks_rows_is_truncated(
    shape, colour_type, channels, bits, interlaced
):
    lengths = row_lengths(shape, bits * channels, interlaced=interlaced)
    rows = [b"\0" + RNG.bytes(length - 1) for length in lengths]
    settings = {"colour_type": colour_type, "bits": bits, "interlaced": interlaced}
    for parts in (1, 3):
        whole = png(shape, b"".join(rows), parts=parts, **settings)
        assert decode.decode(whole).shape == (*shape, 3)
        expected = Image.open(io.BytesIO(whole))
        if expected.mode in ("RGB", "L", "P", "1"):
            pixels = np.asarray(expected.convert("RGB"))
            np.testing.assert_array_equal(decode.decode(whole), pixels)
        longer = png(shape, b"".join([*rows, b"more"]), parts=parts, **settings)
        np.testing.assert_array_equal(decode.decode(longer), decode.decode(whole))
        for count in {0, 1, len(rows) // 2, len(rows) - 1} - {len(rows)}:
            cut = png(shape, b"".join(rows[:count]), parts=parts, **settings)
            assert refusal(cut) == "truncated"
            assert decode.plain(cut) is None
            for decoder in (decode.decode_gray, decode.decode_numbers):
                with pytest.raises(BadPicture):
                    decoder(cut)


def test_rows_that_are_cut_are_truncated_too():
    whole = b"".join(b"\0" + RNG.bytes(39) for _ in range(9))
    assert decode.plain(png((9, 13), whole)) is not None
    for length in (1, 39, 40, 41, 200, len(whole) - 1):
        for end in (True, False):
            assert refusal(png((9, 13), whole[:length], end=end)) == "truncated"


def test_pillow_shows_missing_rows_as_black():
    """Why rows are counted here; if this fails, Pillow counts them itself."""
    whole = b"".join(b"\0" + b"\xff" * 39 for _ in range(9))
    shown = np.asarray(Image.open(io.BytesIO(png((9, 13), whole[: 5 * 40]))))
    assert (shown[:5] == 255).all() and not shown[5:].any()


def test_a_picture_of_which_rows_are_missing_is_counted(tmp_path):
    path = tmp_path / "a.png"
    for interlaced in (False, True):
        lengths = row_lengths((9, 13), 24, interlaced=interlaced)
        rows = [b"\0" + RNG.bytes(length - 1) for length in lengths]
        path.write_bytes(png((9, 13), b"".join(rows[:-2]), interlaced=interlaced))
        records, (failure,) = convert_picture(Item(str(path), 0, "real"), size=None)
        assert not records
        assert failure.reason == "truncated"
