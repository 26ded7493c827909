"""AMTEN's printed tables: each derives its averages and error reductions."""

import numpy as np
import pytest

from jaxforensics.experiments.amten import paper


@pytest.mark.parametrize(
    ("title", "printed"),
    [
        ("model_base", 61.46),
        ("AMTEN_1", 48.25),
        ("AMTEN_2", 41.73),
        ("AMTEN_3", 42.64),
        ("AMTEN_4", 30.19),
        ("AMTEN_5", 32.42),
        ("AMTEN_6", 13.45),
        ("AMTENnet_7", 53.02),
        ("AMTENnet_8", 9.76),
    ],
)
def test_printed_accuracies_give_the_printed_error_reductions(title, printed):
    error, base_error = (1 - paper.MULTIPLE[t]["Raw"] for t in (title, "AMTENnet"))
    assert 100 * (1 - base_error / error) == pytest.approx(printed, abs=0.2)


def test_printed_averages():
    """Tables VII, VIII, XI and XII print averages of their cells."""

    def average(cells):
        return 100 * np.mean(list(cells))

    row = paper.MULTIPLE["MISLnet"]
    assert average(row[s] for s in ("Raw", "JP60", "ME5")) == pytest.approx(
        86.38, abs=0.006
    )
    row = paper.BINARY["AMTENnet"]
    assert average(row[s] for s in ("HQ", "LQ")) == pytest.approx(84.65, abs=0.006)
    for size, seen, unseen in (("Small", 88.67, 92.21), ("Large", 91.66, 95.17)):
        column = [row[size] for row in paper.MIXED.values()]
        assert average(column[:5]) == pytest.approx(seen, abs=0.006)
        assert average(column[5:]) == pytest.approx(unseen, abs=0.006)


def test_printed_averages_of_table_10():
    """The first row prints 81.54: with 76.41 twice it would be 80.76."""
    printed = {"JP60": 76.53, "JP-mix": 83.18, "ME5": 71.61, "ME-mix": 81.09}
    for name, average in printed.items():
        derived = 100 * np.mean(list(paper.CROSSED[name].values()))
        assert derived == pytest.approx(average, abs=0.006)
    first = 100 * np.mean(list(paper.CROSSED["Raw"].values()))
    assert first == pytest.approx(80.76, abs=0.006)
