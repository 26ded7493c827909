"""TR-Net's study from jobs to report, which trains and predicts nothing itself."""

import pytest
import tiny_arena

from jaxforensics.experiments import trnet
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.common.study import Sets
from jaxforensics.workspace import Workspace

SELECTION = {"victims": ("NF",), "attacks": ("Noise",), "seeds": 1}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """(settings, a workspace whose jobs are made, what was measured)."""
    folder = tmp_path_factory.mktemp("trnet")
    data = Sets(tiny_arena.pairs(folder), {})
    settings = tiny_arena.settings(
        seeds=(0, 1),
        defences=dict.fromkeys(("none", "weak", "strong"), SELECTION),
    )
    workspace = Workspace(folder / "run")
    made = in_turn(trnet.jobs(settings, data), workspace)
    yield settings, workspace, trnet.measure(made, settings, data)
    workspace.close()


def test_a_report_trains_and_predicts_nothing(measured, monkeypatch):
    settings, workspace, numbers = measured

    def refused(*_, **__):
        raise AssertionError("a report computes nothing")

    for name in ("train", "predict", "measure", "arrays"):
        monkeypatch.setattr(Workspace, name, refused)
    pages = []
    for _ in range(2):
        report = workspace.new_report()
        trnet.report(numbers, settings, report)
        workspace.write(report, trnet.TITLE)
        folder = workspace.directory / "report"
        pages.append(
            {path: path.read_bytes() for path in sorted(folder.rglob("*.[cm]*"))}
        )
    assert pages[0] == pages[1]
    names = {path.name for path in pages[0]}
    assert {"accuracy_none.csv", "accuracy_strong_attacked.csv", "claims.md"} <= names
    assert "fractions.csv" not in names
    readme = (folder / "README.md").read_text()
    assert "What was found" in readme and "without attack" in readme


def test_every_accuracy_is_that_of_its_cell(measured):
    _, _, numbers = measured
    cells = {("NF", "Noise", defence) for defence in ("none", "weak", "strong")}
    assert numbers.accuracies.keys() == numbers.intervals.keys() == cells
    for cell, values in numbers.accuracies.items():
        assert len(values.real) == 1
        for name in ("real", "fake", "attacked"):
            point, low, high = numbers.intervals[cell][name]
            assert getattr(values, name)[0] == pytest.approx(point)
            assert low <= point <= high
    assert numbers.examples.keys() == {"began", "pggan"}
    assert 20 < numbers.quality["Noise"]["psnr"][0] < 40
