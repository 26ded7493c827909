"""H.264: what it costs, and that only it needs PyAV."""

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from jaxforensics.synthfaces import clips, codec

ROOT = Path(__file__).resolve().parents[2]


def test_one_picture_through_the_encoder():
    random = np.random.default_rng(0)
    pictures = random.integers(90, 160, (3, 32, 48, 3), dtype=np.uint8)
    good, bad = codec.h264(pictures, crf=10), codec.h264(pictures, crf=40)
    assert good.shape == bad.shape == pictures.shape and good.dtype == np.uint8
    errors = [np.abs(x.astype(int) - pictures).mean() for x in (good, bad)]
    assert 0 < errors[0] < errors[1] < 40


def test_coding_without_loss_keeps_every_bit():
    random = np.random.default_rng(1)
    frames = random.integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
    data = codec.encode(frames, codec.LOSSLESS)
    with av.open(io.BytesIO(data)) as container:
        decoded = [x.to_ndarray(format="rgb24") for x in container.decode(video=0)]
    np.testing.assert_array_equal(decoded, frames)
    assert codec.encode(frames, codec.LOSSLESS) == data


def test_bytes_do_not_depend_on_what_was_in_memory():
    """Narrow pictures, moving and noisy: what x264 looks ahead in."""
    random = np.random.default_rng(2)
    scene = np.kron(random.integers(40, 200, (12, 40, 3)), np.ones((8, 8, 1)))
    moving = [np.roll(scene, 2 * step, axis=1)[:64, :64] for step in range(16)]
    noise = random.normal(0, 4, (16, 64, 64, 3))
    clip = np.uint8(np.clip(np.stack(moving) + noise, 0, 255))

    def used():
        """Leave memory behind that was written to."""
        sizes = np.int64(2 ** random.uniform(6, 20, 200))
        kept = [np.full(size, random.integers(256), np.uint8) for size in sizes]
        random.shuffle(kept)

    written = set()
    for _ in range(20):
        used()
        written.add(codec.encode(clip.copy(), codec.lossy(23)))
    assert len(written) == 1


def test_pyav_is_named_before_anything_is_rendered(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # importing it fails
    for write in (clips.write, clips.write_unseen):
        with pytest.raises(ImportError, match=r"pip install 'jaxforensics\[video\]'"):
            write(tmp_path / "clips", clips=2, frames=2, size=64, seed=0)
    with pytest.raises(ImportError, match=r"pip install 'jaxforensics\[video\]'"):
        codec.h264(np.zeros((1, 32, 32, 3), np.uint8))
    assert not (tmp_path / "clips").exists()


def test_the_benchmark_imports_without_pyav():
    script = """
import sys
sys.modules["av"] = None
from jaxforensics.commands import data_sets
from jaxforensics.synthfaces import clips, codec, sources, views
from jaxforensics.synthfaces.forgers import streams, synthesis, translation
assert views.items("hybrid", faces=10) and data_sets.VIEWS
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
