"""The mark of attacked pictures, read with Pillow and byte by byte."""

import struct

import numpy as np
import pytest
from PIL import Image

from jaxforensics.data import marks
from jaxforensics.data.decode import decode

SETTINGS = {"epsilon": 8 / 255, "steps": 10}
TEXT = "attacked (pgd, {}); research use, not an authentic photograph"
pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "new" / "a.png"
    marks.save_attacked(path, pixels, attack="pgd", settings=SETTINGS)
    return path


def test_pillow_reads_the_mark_and_the_same_pixels(path):
    with Image.open(path) as image:
        mark = image.text["jaxforensics"]
        np.testing.assert_array_equal(image, pixels)
    digest = mark.removeprefix("attacked (pgd, ")[:16]
    assert mark == TEXT.format(digest) and int(digest, 16) >= 0
    assert marks.marked(path) == mark
    np.testing.assert_array_equal(decode(path.read_bytes()), pixels)


def test_the_mark_is_a_text_chunk_before_the_pixels(path):
    data, at, chunks = path.read_bytes(), 8, []
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    names = [name for name, _ in chunks]
    assert names.index(b"tEXt") < names.index(b"IDAT")
    assert dict(chunks)[b"tEXt"].startswith(b"jaxforensics\0attacked (pgd, ")


def test_other_settings_have_another_mark(path, tmp_path):
    other = tmp_path / "b.png"
    marks.save_attacked(other, pixels, attack="pgd", settings=SETTINGS | {"steps": 9})
    assert marks.marked(other) not in ("", marks.marked(path))


@pytest.mark.parametrize("name", ("plain.png", "plain.jpg", "note.txt"))
def test_other_files_carry_none(tmp_path, name):
    path = tmp_path / name
    if name == "note.txt":
        path.write_text("attacked")
    else:
        Image.fromarray(pixels).save(path)
    assert marks.marked(path) == ""


@pytest.mark.parametrize("wrong", (pixels / 255, pixels[..., 0], pixels[None]))
def test_only_8_bit_rgb_is_saved(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"uint8 \(h, w, 3\)"):
        marks.save_attacked(tmp_path / "a.png", wrong, attack="pgd", settings={})
    assert not list(tmp_path.iterdir())
