"""What the tests of forgers' trainings share."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def batch():
    """Two noisy pictures of both sizes."""
    draw = np.random.default_rng(0)
    return {
        f"image_{size}": draw.integers(90, 160, (2, size, size, 3), np.uint8)
        for size in (64, 128)
    } | {"index": np.arange(2)}
