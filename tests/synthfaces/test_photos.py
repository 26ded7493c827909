"""Many pictures at once: in order, compiled once, none changed by its company."""

import functools

import numpy as np
import pytest

from jaxforensics.synthfaces import photos

TRACED = []
PORTRAITS = {  # means over the quarters of the first three
    "studio": (
        (97.7, 99.5, 114.9, 126.1),
        (69.4, 75.3, 53.2, 61.7),
        (183.5, 159.9, 177.9, 154.4),
    ),
    "street": (
        (115.8, 117.8, 140.2, 175.8),
        (117.1, 84.4, 86.8, 70.9),
        (153.5, 129.1, 181.4, 137.6),
    ),
}


def doubled(number, *, plus):
    TRACED.append(number)  # while a program is made of it, not when that runs
    return 2 * number + plus


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_rows_keep_their_order(count):
    found = photos.in_chunks(functools.partial(doubled, plus=3), np.arange(count))
    np.testing.assert_array_equal(found, 2 * np.arange(count) + 3)


def test_a_function_is_compiled_once_for_all_cores():
    TRACED.clear()
    photos.in_chunks(functools.partial(doubled, plus=4), np.arange(100.0))
    once = len(TRACED)
    photos.in_chunks(functools.partial(doubled, plus=4), np.arange(200.0))
    assert 0 < once == len(TRACED) < 4  # mapped over, it is traced a few times


def test_a_picture_does_not_depend_on_its_company():
    settings = {"domain": "street", "size": 64}
    many, _, _ = photos.portraits(0, np.arange(19), **settings)
    for chosen in ([18], [3, 4], [11, 2, 7]):
        some, _, _ = photos.portraits(0, np.array(chosen), **settings)
        np.testing.assert_array_equal(some, many[chosen])


def test_portraits_stay():
    for domain, expected in PORTRAITS.items():
        pictures, _, _ = photos.portraits(0, np.arange(3), domain=domain, size=64)
        means = pictures.reshape(3, 2, 32, 2, 32, 3).mean((2, 4, 5))
        np.testing.assert_allclose(means.reshape(3, 4), expected, atol=0.2)
