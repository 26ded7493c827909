"""Fig. 14: what an attack does that has learnt from less, by hand."""

import csv

import numpy as np
import pytest
import tiny_arena

from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.experiments import trnet
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.trnet import knowledge_tables
from jaxforensics.workspace import Workspace

KINDS = "began", "pggan"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """(a workspace, what was measured) of NF and an autoencoder's pictures."""
    folder = tmp_path_factory.mktemp("trnet")
    data = Sets(tiny_arena.pairs(folder), {})
    settings = tiny_arena.settings(
        attacks={"Redraw": tiny_arena.REDRAW},
        networks={"autoencoder": tiny_arena.AUTOENCODER},
        defences=dict.fromkeys(("none", "weak", "strong"), tiny_arena.NOBODY),
        limited={
            "attack": "Redraw",
            "victims": ("NF",),
            "fractions": (0.5, 1),
            "leave_out": None,
            "seeds": 1,
        },
    )
    workspace = Workspace(folder / "run")
    made = in_turn(trnet.jobs(settings, data), workspace)
    yield workspace, trnet.measure(made, settings, data)
    workspace.close()


def stored(workspace, name):
    return np.load(workspace.directory / f"measurements/{name}.npz")


def test_every_kind_of_fakes_is_asked_about_for_each_kind_left_out(measured):
    workspace, numbers = measured
    rows = {(row.kind, row.source): row for row in numbers.left_out}
    assert [*rows] == [(kind, source) for kind in KINDS for source in KINDS]

    victim = "victims/NF/none/seed0"
    validation = stored(workspace, f"{victim}/validation")
    limit = choose_threshold(validation["label"], validation["score"]).value
    for (kind, source), row in rows.items():
        for outcome, knowledge in (
            (row.known, ""),
            (row.lacking, f"/without {kind}"),
        ):
            after = stored(workspace, f"{victim}/after/Redraw{knowledge}")
            of_source = after["source"] == 1 + KINDS.index(source)
            accuracy = np.mean(after["score"][of_source] >= limit)
            assert outcome.accuracies == {"NF": [pytest.approx(accuracy)]}
            attacked = stored(workspace, f"attacks/Redraw{knowledge}/seed0/test")
            of_source = attacked["source"] == 1 + KINDS.index(source)
            for name in ("psnr", "ssim"):
                mean = attacked[name][of_source].mean()
                assert getattr(outcome, name) == [pytest.approx(mean)]


def test_the_kind_left_out_is_marked(measured):
    workspace, numbers = measured
    report = workspace.new_report()
    knowledge_tables.report(numbers, report)
    folder = workspace.directory / "report"
    with (folder / "tables/left_out.csv").open() as file:
        lines = [*csv.DictReader(file)]
    known = {(line["left out"], line["fakes"]): line["known"] for line in lines}
    assert known == {
        ("began", "began"): "no",
        ("began", "pggan"): "yes",
        ("pggan", "began"): "yes",
        ("pggan", "pggan"): "no",
    }
    for row, line in zip(numbers.left_out, lines, strict=True):
        for what, outcome in (("all kinds", row.known), ("without", row.lacking)):
            assert float(line[f"NF, {what}"]) == pytest.approx(
                outcome.accuracies["NF"][0], abs=5e-4
            )
            assert float(line[f"PSNR, {what}"]) == pytest.approx(
                outcome.psnr[0], abs=5e-3
            )
    names = {path.stem for path in (folder / "figures").iterdir()}
    of_kinds = {"left_out_NF", "left_out_PSNR", "left_out_SSIM"}
    assert names == of_kinds | {"fractions", "fractions_PSNR", "fractions_SSIM"}
    assert list(numbers.fractions) == [0.5, 1]
