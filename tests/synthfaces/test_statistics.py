"""Portraits have the statistics that 200 real faces of 128 x 128 have."""

import functools

import numpy as np
import pytest

from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.drawing import scenes

COUNT, SIZE = 192, 128
SLOPES, CORRELATIONS = (-3.6, -2.3), (0.88, 0.98)
LUMA = np.array([0.299, 0.587, 0.114])


@functools.cache
def luma(domain):
    pictures, *_ = photos.portraits(0, np.arange(COUNT), domain=domain, size=SIZE)
    return pictures.astype(np.float64) @ LUMA / 255


def slope(gray):
    """Of log mean |FFT|² over log radius, radii 4 to 55, under a Hann window."""
    window = np.hanning(SIZE)
    power = np.abs(np.fft.fft2((gray - gray.mean()) * np.outer(window, window))) ** 2
    frequency = np.fft.fftfreq(SIZE, 1 / SIZE)
    ring = np.round(np.hypot.outer(frequency, frequency)).astype(int).ravel()
    mean = np.bincount(ring, power.ravel()) / np.bincount(ring)
    radii = np.arange(4, 56)
    return np.polyfit(np.log(radii), np.log(mean[radii]), 1)[0]


def neighbours(gray):
    """Correlation of pixels with those to their right."""
    return np.corrcoef(gray[:, 1:].ravel(), gray[:, :-1].ravel())[0, 1]


@pytest.mark.parametrize("domain", scenes.DOMAINS)
@pytest.mark.parametrize(
    "measure, bounds", [(slope, SLOPES), (neighbours, CORRELATIONS)]
)
def test_statistics_are_those_of_photographs(domain, measure, bounds):
    """But for the sampling error of a percentile of so few: two standard errors."""
    values = np.array([measure(gray) for gray in luma(domain)])
    low, high = np.percentile(values, [2, 98])
    drawn = np.random.default_rng(0).choice(values, (500, COUNT))
    error = 2 * np.percentile(drawn, [2, 98], axis=1).std(axis=1)
    found = low, np.median(values), high
    assert bounds[0] - error[0] <= low and high <= bounds[1] + error[1], found
    assert bounds[0] < np.median(values) < bounds[1], found
