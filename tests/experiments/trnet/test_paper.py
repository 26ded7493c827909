"""The numbers that TR-Net's paper prints."""

import numpy as np
import pytest

from jaxforensics.experiments.trnet import paper


@pytest.mark.parametrize(
    ("table", "averages"),
    [
        (paper.NONE, (93.74, 90.89, 56.02, 23.97, 20.36, 60.58, 25.66)),
        (paper.WEAK, (94.69, 92.39, 89.72, 50.72, 45.61, 77.47, 43.18)),
        (
            paper.STRONG,
            (
                *(92.36, 90.89, 91.40, 75.40, 91.22),
                *(71.61, 94.37, 92.26, 66.84, 59.74),
            ),
        ),
    ],
    ids=["none", "weak", "strong"],
)
def test_printed_averages(table, averages):
    """Tables 1 to 3 print the averages of their columns."""
    columns = 100 * np.mean([list(row.values()) for row in table.values()], axis=0)
    np.testing.assert_allclose(columns, averages, atol=0.01)
