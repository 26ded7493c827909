"""Host degradations against plain numpy, the device, and the sizes they promise."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from jaxforensics.data import host_degrade
from jaxforensics.ops import degrade
from jaxforensics.training.predict import Predictor

SHAPES = [(64, 64), (128, 128), (65, 47), (127, 101), (24, 31)]


def photo(shape, top=100):
    """A textured part of a photograph."""
    return skimage.data.astronaut()[top : top + shape[0], 180 : 180 + shape[1]].copy()


def psnr(a, b):
    error = np.mean((np.float64(a) - np.float64(b)) ** 2)
    return 10 * np.log10(255**2 / error) if error else np.inf


def windows(pixels, size):
    """(h, w, 3, size, size), the border reflected without its own pixel."""
    edge = size // 2
    padded = np.pad(np.float64(pixels), [(edge, edge)] * 2 + [(0, 0)], mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), (0, 1))


@pytest.mark.parametrize("size", [3, 5, 7])
def test_windows(size):
    pixels = photo((17, 22))
    found = windows(pixels, size)
    x = np.arange(size) - size // 2
    taps = np.exp(-(x**2) / (2 * {3: 0.8, 5: 1.1, 7: 1.4}[size] ** 2))
    weights = np.outer(taps, taps) / taps.sum() ** 2
    expected = {
        "mean": found.mean((-2, -1)),
        "blur": (found * weights).sum((-2, -1)),
        "median": np.median(found, (-2, -1)),
    }
    for name, values in expected.items():
        result = host_degrade.OPS[name](pixels, size)
        assert result.dtype == np.uint8, name
        np.testing.assert_array_equal(result, np.round(values), err_msg=name)


@pytest.mark.parametrize("power", [0.6, 1.0, 2.0])
def test_gamma(power):
    pixels = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, -1)
    expected = [round(255 * (v / 255) ** power) for v in range(256)]
    result = host_degrade.gamma(pixels, power)
    np.testing.assert_array_equal(result[..., 1].ravel(), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_jpeg2000_reaches_its_ratio(shape):
    grain = np.random.default_rng(0).normal(0, 20, (*shape, 3))
    pixels = np.uint8(np.clip(photo(shape) + grain, 0, 255))
    quality = []
    for ratio in (2, 3.3, 4, 6, 8):
        data = host_degrade.encode_jpeg2000(pixels, ratio)
        assert data[:4] == b"\xff\x4f\xff\x51"  # a codestream, without a file around it
        assert pixels.size / len(data) == pytest.approx(ratio, rel=0.1)
        decoded = host_degrade.jpeg2000(pixels, ratio)
        assert decoded.shape == pixels.shape and decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, Image.open(io.BytesIO(data)))
        quality.append(psnr(decoded, pixels))
    assert sorted(quality, reverse=True) == quality
    assert quality[0] > 30 and quality[-1] > 20


def test_jpeg2000_of_little_content_takes_fewer_bytes():
    pixels = photo((128, 128))
    everything = host_degrade.encode_jpeg2000(pixels, 1)
    assert len(everything) < pixels.size / 2.5
    assert len(host_degrade.encode_jpeg2000(pixels, 2)) <= len(everything)
    assert psnr(host_degrade.jpeg2000(pixels, 2), pixels) > 50
    flat = np.full((64, 65, 3), 90, np.uint8)
    assert flat.size / len(host_degrade.encode_jpeg2000(flat, 2)) > 20
    np.testing.assert_array_equal(host_degrade.jpeg2000(flat, 2), flat)
    with pytest.raises(ValueError, match="at least 1, not 0.5"):
        host_degrade.jpeg2000(flat, 0.5)


# Nothing but ties of rounding may differ, except where Pillow rounds a scaled picture
# to 8 bits on the way, after either axis.
LEAST = {"ME": 70, "GB": 70, "MED": np.inf, "GC": 70, "JP": np.inf, "SC": 48}


def test_device_and_host_agree_at_every_severity(key):
    """PSNR of the device's result against the host's; printed, and bounded below."""
    pixels = np.stack([photo((33, 46), top=40 * i) for i in range(4)])
    grid = degrade.amten_grid()
    batch = {"image": pixels, "index": np.arange(4), "valid": np.ones(4)}
    found = Predictor(lambda state, batch: {"score": batch["image"]}, ())
    found = found.through({f"{n} {s}": op for (n, s), op in grid.items()}, key)
    found = found.over([batch], outputs=tuple(f"{n} {s}" for n, s in grid))
    assert {name for name, _ in grid} == set(LEAST)
    for name, severity in grid:
        operation = host_degrade.OPS[degrade.AMTEN[name].name]
        expected = np.stack([operation(picture, severity) for picture in pixels])
        result = 255 * found[f"{name} {severity}"]
        np.testing.assert_allclose(result, np.round(result), atol=1e-4)
        agreement = psnr(np.round(result), expected)
        print(f"{name:3s} {severity:5g}  {agreement:.1f} dB")
        assert agreement >= LEAST[name], (name, severity)
        if name in ("ME", "GB", "GC"):
            assert np.abs(result - expected).max() < 1.5


def test_host_knows_every_operation_of_the_table():
    pixels = photo((40, 33))
    for operation in degrade.AMTEN.values():
        for severity in (operation.severities[0], operation.mixed[-1]):
            result = host_degrade.OPS[operation.name](pixels, severity)
            assert result.shape == pixels.shape and result.dtype == np.uint8


def test_mixed_parameters_are_drawn_alike_for_each_picture():
    pixels, values = photo((12, 9)), degrade.AMTEN["GC"].mixed
    candidates = [host_degrade.gamma(pixels, value) for value in values]

    def draws(seed):
        rng = np.random.default_rng(seed)
        results = (
            host_degrade.apply(pixels, "gamma", values, rng=rng) for _ in range(400)
        )
        return [
            [np.array_equal(result, c) for c in candidates].index(True)
            for result in results
        ]

    counts = np.bincount(draws(0), minlength=len(values))
    assert (counts > 25).all() and (counts < 80).all()  # 50 each, sd 6.6
    assert draws(0) == draws(0) != draws(1)
    with pytest.raises(ValueError, match="did you mean 'jpeg2000'"):
        host_degrade.apply(pixels, "jpeg200", (2,), rng=np.random.default_rng(0))


def test_scale_keeps_the_size_of_any_picture():
    for shape in ((1, 1), (5, 8), (33, 46)):
        for factor in (0.05, 0.55, 1.9):
            assert host_degrade.scale(photo(shape), factor).shape == (*shape, 3)
