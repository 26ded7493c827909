"""Tables 1 to 3 and Fig. 12, with gaps and with what has not been learned."""

import csv

import numpy as np
import pytest
import tiny_arena

from jaxforensics.experiments import trnet
from jaxforensics.experiments.trnet.claims import Claims
from jaxforensics.experiments.trnet.measure import Accuracies, Measured
from jaxforensics.reporting.report import Report

ALL = {"victims": ("A", "B", "NF"), "attacks": ("x", "y"), "seeds": 2}
ALL_AGAINST_Y = ALL | {"attacks": ("y",)}
NF_AGAINST_ALL = ALL | {"victims": ("NF",)}


class Page(Report):
    """A report that keeps its figures to be looked at."""

    def __init__(self, directory):
        super().__init__(directory)
        self.drawn = {}

    def figure(self, name, figure, *, caption, texts=None):
        self.drawn[name] = figure, caption

    def rows(self, name):
        """{first cell: the other cells} of a table."""
        with (self.directory / f"tables/{name}.csv").open() as file:
            _, *lines = csv.reader(file)
        return {first: others for first, *others in lines}

    def caption(self, name):
        return (self.directory / f"tables/{name}.md").read_text().partition("\n")[0]

    def cells(self, name):
        """The numbers of a heat map, row by row, with the names of rows and columns."""
        axes = self.drawn[name][0].axes[0]
        rows = [text.get_text() for text in axes.get_yticklabels()]
        columns = [text.get_text() for text in axes.get_xticklabels()]
        numbers = [text.get_text() for text in axes.texts]
        return rows, columns, numbers


def accuracies(real, fake, attacked):
    """Those of two seeds, 0.02 apart."""
    both = (np.array([v - 0.01, v + 0.01]) for v in (real, fake, attacked))
    return Accuracies(*both)


@pytest.fixture
def report(tmp_path):
    """(cells {(victim, attack, defence): Accuracies}, defences) -> a `Page`."""

    def draw(cells, **defences):
        nothing = dict.fromkeys(("none", "weak", "strong"), tiny_arena.NOBODY)
        settings = tiny_arena.settings(
            attacks=dict.fromkeys("xy", tiny_arena.NOISE), defences=nothing | defences
        )
        interval = {"attacked": (0.5, 0.4, 0.6)}
        psnr = {"psnr": (30.0, 1.0), "ssim": (0.9, 0.1)}
        measured = Measured(
            counts=[],
            pairs={},
            accuracies=cells,
            intervals=dict.fromkeys(cells, interval),
            quality=dict.fromkeys("xy", psnr),
            examples={"s": dict.fromkeys(("fake", "x", "y"), np.zeros((8, 8, 3)))},
            fractions={},
            left_out=[],
            critics=None,
            traces=None,
            claims=Claims([], [], []),
        )
        page = Page(tmp_path)
        trnet.report(measured, settings, page)
        return page

    return draw


def test_victims_that_have_not_learned_have_no_accuracy_after_attacks(report):
    cells = {}
    for attack, lower in (("x", 0.0), ("y", 0.2)):
        cells["A", attack, "weak"] = accuracies(0.95, 0.9, 0.6 - lower)
        cells["B", attack, "weak"] = accuracies(0.95, 0.84, 0.5)
        cells["NF", attack, "weak"] = accuracies(0.75, 0.7, 0.3)  # enough for NF
    page = report(cells, weak=ALL)
    rows = page.rows("accuracy_weak")
    assert rows["B"] == ["0.950 ± 0.014", "0.840 ± 0.014", "not learned", "not learned"]
    assert rows["NF"][2:] == ["0.300 ± 0.014"] * 2
    assert [cell.split()[0] for cell in rows["average"]] == [
        *("0.850", "0.800", "0.450", "0.350")
    ]
    caption = page.caption("accuracy_weak")
    assert "less than 85 % (NF: 70 %) of the fakes without attack" in caption
    assert caption.endswith("Averages are over A, NF.")
    rows, columns, numbers = page.cells("accuracy_weak")
    assert (rows, columns) == (["A", "NF"], ["real", "fake", "x", "y"])
    assert numbers == [
        *("0.950", "0.900", "0.600", "0.400"),
        *("0.750", "0.700", "0.300", "0.300"),
    ]

    # For programs every number stays.
    with (page.directory / "tables/transfer.csv").open() as file:
        lines = [*csv.DictReader(file)]
    assert len(lines) == 6 and all(line["attacked"] == "0.5" for line in lines)
    learned = {line["victim"]: line["learned"] for line in lines}
    assert learned == {"A": "yes", "B": "no", "NF": "yes"}


def test_without_defence_every_victim_is_shown(report):
    """Whether they are sound is said elsewhere."""
    cells = {("B", "x", "none"): accuracies(0.95, 0.3, 0.2)}
    page = report(cells, none=ALL | {"victims": ("B",), "attacks": ("x",)})
    assert page.rows("accuracy_none")["B"][2] == "0.200 ± 0.014"
    assert "Not learned" not in page.caption("accuracy_none")
    assert "defences" not in page.drawn  # one level of defence is no comparison


def test_a_table_of_several_selections_has_gaps(report):
    cells = {
        ("A", "y", "strong"): accuracies(0.9, 0.95, 0.99),
        ("B", "y", "strong"): accuracies(0.8, 0.5, 0.9),
        ("NF", "x", "strong"): accuracies(0.7, 0.9, 0.6),
        ("NF", "y", "strong"): accuracies(0.6, 0.9, 0.7),
    }
    page = report(cells, strong=(ALL_AGAINST_Y, NF_AGAINST_ALL))
    attacked = page.rows("accuracy_strong_attacked")
    assert attacked["A"] == ["", "0.990 ± 0.014"]  # a dash for people
    markdown = (page.directory / "tables/accuracy_strong_attacked.md").read_text()
    assert "| –             | 0.990 ± 0.014 |" in markdown
    assert attacked["B"] == ["", "not learned"]
    assert attacked["average"] == ["0.600 ± 0.014", "0.845 ± 0.014"]
    caption = page.caption("accuracy_strong_attacked")
    assert "Here: B against y." in caption
    assert caption.endswith("Averages are over NF (x); A, NF (y).")
    assert page.cells("accuracy_strong_attacked") == (
        ["A", "NF"],
        ["x", "y"],
        ["–", "0.990", "0.600", "0.700"],
    )
    # Without attack every number stands, and the same ones are averaged.
    fakes = page.rows("accuracy_strong_fake")
    assert fakes["B"] == ["", "0.500 ± 0.014"]
    assert fakes["average"] == ["0.900 ± 0.014", "0.925 ± 0.014"]


def test_defences_are_averaged_over_the_same_victims(report):
    """Of each attack over those that all its defences have, and that have learned."""
    cells = {}
    for attack in "xy":
        for victim, attacked in (("A", 0.2), ("B", 0.3), ("NF", 0.4)):
            cells[victim, attack, "none"] = accuracies(0.95, 0.95, attacked)
    cells["A", "y", "strong"] = accuracies(0.9, 0.95, 0.9)
    cells["B", "y", "strong"] = accuracies(0.9, 0.5, 0.9)
    cells["NF", "x", "strong"] = accuracies(0.9, 0.9, 0.6)
    cells["NF", "y", "strong"] = accuracies(0.9, 0.9, 0.7)
    page = report(cells, none=ALL, strong=(ALL_AGAINST_Y, NF_AGAINST_ALL))
    figure, caption = page.drawn["defences"]
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    np.testing.assert_allclose(heights, [0.4, 0.3, 0.6, 0.8])  # x, y without, then with
    assert caption.endswith("as in Fig. 12: NF (x); A, NF (y).")


def test_a_defence_that_nobody_learned_has_a_table_alone(report):
    cells = {
        (victim, attack, "weak"): accuracies(0.9, 0.2, 0.1)
        for victim in ("A", "B", "NF")
        for attack in "xy"
    }
    page = report(cells, weak=ALL)
    assert page.drawn.keys() == {"attacked"}
    assert "average" not in page.rows("accuracy_weak")
    assert "Averages" not in page.caption("accuracy_weak")
