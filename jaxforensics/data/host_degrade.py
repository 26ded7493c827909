"""Degradations of one uint8 picture (h, w, 3) on the host, as files undergo them.

For pictures that are prepared, and what `ops.degrade` is compared with: the names and
values are its.  Every result is rounded to 8 bits; borders reflect without repeating
the edge pixel.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxforensics.settings import choose

BICUBIC = Image.Resampling.BICUBIC


def mean(pixels, size):
    """Mean over size x size pixels."""
    return _filter(pixels, np.full(size, 1 / size))


def blur(pixels, size):
    """Gaussian over size x size pixels, sigma by OpenCV's rule."""
    sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    taps = np.exp(-0.5 * ((np.arange(size) - size // 2) / sigma) ** 2)
    return _filter(pixels, taps / taps.sum())


def median(pixels, size):
    """Median over size x size pixels, channel by channel."""
    return ndimage.median_filter(pixels, (size, size, 1), mode="mirror")


def gamma(pixels, power):
    """Values in [0, 1] to a power."""
    return _rounded(255 * (np.arange(256) / 255) ** power)[pixels]


def scale(pixels, factor):
    """Resize by a factor and back, bicubic with antialiasing."""
    height, width = pixels.shape[:2]
    shape = max(round(width * factor), 1), max(round(height * factor), 1)
    scaled = Image.fromarray(pixels).resize(shape, BICUBIC)
    return np.asarray(scaled.resize((width, height), BICUBIC))


def jpeg(pixels, quality):
    """Baseline JPEG at a quality of libjpeg's, chroma at half the resolution."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(file))


def jpeg2000(pixels, ratio):
    """JPEG 2000 at a compression ratio, as `encode_jpeg2000`."""
    return np.asarray(Image.open(io.BytesIO(encode_jpeg2000(pixels, ratio))))


def encode_jpeg2000(pixels, ratio):
    """A JPEG 2000 codestream of `ratio` times fewer bytes than the pixels have.

    By OpenJPEG, with colour transform and 9/7 wavelet; within 10 % from about 24 pixels
    a side.  Its headers count, some 170 bytes, more than tiny pictures may have.  Where
    all coefficients (about 50 dB) take fewer bytes than allowed, the ratio is higher.
    """
    if ratio < 1:
        raise ValueError(f"a compression ratio is at least 1, not {ratio}")
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file,
        format="JPEG2000",
        no_jp2=True,
        irreversible=True,
        mct=1,
        quality_mode="rates",
        quality_layers=[ratio],
    )
    return file.getvalue()


OPS = {f.__name__: f for f in (mean, blur, median, gamma, scale, jpeg, jpeg2000)}


def apply(pixels, name, values, *, rng):
    """The picture after operation `name` at one of `values`, all equally likely."""
    operation = choose(OPS, name, "degradation on the host")
    return operation(pixels, values[rng.integers(len(values))])


def _filter(pixels, taps):
    filtered = np.float64(pixels)
    for axis in (0, 1):
        filtered = ndimage.correlate1d(filtered, taps, axis, mode="mirror")
    return _rounded(filtered)


def _rounded(values):
    return np.uint8(np.clip(np.round(values), 0, 255))
