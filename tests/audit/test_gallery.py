import numpy as np
import pytest
from PIL import Image

from jaxforensics.audit import gallery
from jaxforensics.data import corpus
from jaxforensics.prepare import dataset, folders

random = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path):
    """Seven real and three fake pictures, 20 x 16; beside them what is no picture."""
    for source, count in (("real", 7), ("gan", 3)):
        (tmp_path / source).mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (16, 20, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / source / f"{number}.png")
    (tmp_path / "gan" / "4.png").write_bytes(b"no picture")
    Image.new("RGB", (8, 8)).save(tmp_path / "gan" / "5.png")
    return tmp_path


def read(path):
    return np.asarray(Image.open(path))


def test_the_first_pictures_of_folders_are_cut_not_resized(root):
    found = gallery.folder(root, size=12, count=5)
    assert {name: len(pictures) for name, pictures in found.items()} == {
        "real": 5,
        "gan": 3,
    }
    np.testing.assert_array_equal(
        found["gan"][1], read(root / "gan" / "1.png")[2:14, 4:16]
    )


def test_a_folder_without_large_pictures_is_named(root):
    with pytest.raises(ValueError, match="gan has no picture of 64 x 64 pixels"):
        gallery.folder(root, size=64, count=5)


def test_the_first_pictures_of_a_test_split(root, tmp_path):
    listing = folders.class_folders(root)
    report = dataset.prepare(
        listing.items, tmp_path / "out", name="a", workers=1, fractions=(0.3, 0, 0.7)
    )
    split = corpus.open(report.root, size=16, batch_size=3).test
    found = gallery.first(split, count=4)
    held = {s: min(4, n) for s, n in split.counts["test"].items() if n}
    assert {name: len(pictures) for name, pictures in found.items()} == held
    originals = {read(p)[:, 2:18].tobytes() for p in (root / "real").iterdir()}
    assert {picture.tobytes() for picture in found["real"]} <= originals
