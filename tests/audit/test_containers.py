"""What the files of clips give away, and that what they do not is not found."""

import numpy as np
import pytest

from jaxforensics.audit import containers
from jaxforensics.data.items import Item
from jaxforensics.synthfaces import codec

COUNT = 16  # clips of either class
GOOD = codec.lossy(23)
NAMES = [name for family in containers.FAMILIES.values() for name in family]


def clip(seed, frames=12):
    random = np.random.default_rng(seed)
    scene = np.kron(random.integers(40, 200, (8, 8, 3)), np.ones((4, 4, 1)))
    moving = [np.roll(scene, step, axis=1) for step in range(frames)]
    noise = random.normal(0, 4, (frames, 32, 32, 3))
    return np.uint8(np.clip(np.stack(moving) + noise, 0, 255))


def written(folder, *, forged=GOOD):
    """Items of clips that differ by chance, fakes encoded in their own way."""
    items = []
    for number in range(2 * COUNT):
        label = number % 2
        encoder = (GOOD, forged)[label]
        path = folder / f"{number}.mp4"
        path.write_bytes(codec.encode(clip(number), encoder))
        source = ("real", "fake")[label]
        items.append(Item(str(path), label, source, group=str(number)))
    return items


def found(items):
    return {leak.family: leak.auc for leak in containers.container_leaks(items)}


def test_measures(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(codec.encode(clip(0), GOOD))
    values = dict(zip(NAMES, containers.measure(path), strict=True))
    size = path.stat().st_size
    assert values["bytes"] == size and values["packets"] == 12
    assert values["duration"] == 1
    assert values["bit rate"] == pytest.approx(8 * size, 0.01)
    assert (values["width"], values["height"], values["frame rate"]) == (32, 32, 12)
    assert values["I"] == values["key frames"] == 1
    assert values["I"] + values["P"] + values["B"] == 12
    assert values["first packet"] == values["largest packet"] < size
    assert values["mean packet"] * 12 < size
    raw = tmp_path / "raw.mp4"
    raw.write_bytes(codec.encode(clip(0), codec.LOSSLESS))
    other = dict(zip(NAMES, containers.measure(raw), strict=True))
    for name in ("encoder", "headers", "profile", "pixel format"):
        assert other[name] != values[name]


def test_files_of_one_encoder_tell_nothing(tmp_path):
    assert found(written(tmp_path))["stream"] == 0.5


def test_another_encoder_is_found(tmp_path):
    quick = GOOD._replace(options={"crf": "23", "preset": "ultrafast"})
    leaks = found(written(tmp_path, forged=quick))
    assert leaks["stream"] == leaks["frame types"] == 1
    assert leaks["all together"] > 0.9


def test_another_quality_is_found(tmp_path):
    assert found(written(tmp_path, forged=codec.lossy(40)))["file size"] > 0.95
