"""Pairs by features: nearest by what VGG-16 sees, in float64, and clear refusals."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_set import pictures, prepare_in

from jaxforensics.commands import pairs
from jaxforensics.data import records
from jaxforensics.data.decode import decode
from jaxforensics.models import vgg

random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of the first two layers, under torchvision's names."""
    arrays = {}
    for place, (width, depth) in {0: (64, 3), 2: (64, 64)}.items():
        kernel = random.normal(0, np.sqrt(2 / (9 * depth)), (width, depth, 3, 3))
        arrays[f"features.{place}.weight"] = np.float32(kernel)
        arrays[f"features.{place}.bias"] = np.float32(random.normal(0, 0.1, width))
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file(arrays, path)
    return path, arrays


def seen(image, arrays):
    """Both layers in float64, averaged over places."""
    x = (np.float64(image) / 255 - vgg.MEAN) / vgg.DEVIATION
    for place in (0, 2):
        kernel = np.float64(arrays[f"features.{place}.weight"])
        padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
        bias = arrays[f"features.{place}.bias"]
        x = np.maximum(np.einsum("hwcij,ocij->hwo", windows, kernel) + bias, 0)
    return x.mean((0, 1))


def test_the_nearest_by_features(tmp_path, weights):
    path, arrays = weights
    root = prepare_in(tmp_path, pictures(tmp_path))
    flags = {"path": str(root), "weights": str(path), "layer": "relu1_2", "side": 12}
    assert "pairs: beside" in pairs.run("pairs", flags)
    for split in ("validation", "test"):
        opened = list(records.open(root, split, pairs=False))
        found = np.load(root / f"pairs-{split}.npy")
        maps = [seen(decode(record.image), arrays) for record in opened]
        reals = [i for i, record in enumerate(opened) if not record.label]
        for i, record in enumerate(opened):
            far = [np.sum((maps[i] - maps[j]) ** 2) for j in reals]
            assert found[i] == (reals[int(np.argmin(far))] if record.label else -1)
        assert "vgg16 relu1_2 of" in (root / f"pairs-{split}.json").read_text()


def test_a_layer_needs_weights(tmp_path):
    with pytest.raises(ValueError, match="--layer belongs to --weights"):
        pairs.run("pairs", {"path": str(tmp_path), "layer": "relu1_2"})
