"""One critic or several: what is measured, and how it is shown."""

import csv

import numpy as np
import pytest
import tiny_arena

from jaxforensics.experiments import trnet
from jaxforensics.experiments.common.arena import Results
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.trnet import claims, critics_tables
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.measure import Critics, Outcome
from jaxforensics.reporting.report import Report
from jaxforensics.workspace import Workspace

GAME = tiny_arena.AUTOENCODER | {"method": "trnet"}


def autoencoder(row, where, data):
    """Stands for the game, whose critics need larger pictures."""
    settings = {name: value for name, value in row.items() if name != "critics"}
    return rows._reconstruction(settings, where, data)


def drawn(critics, folder):
    """(rows of the table, names of the figures) of a report."""
    page = Report(folder)
    critics_tables.report(critics, page)
    if not (folder / "tables").exists():
        return [], set()
    with (folder / "tables/critics.csv").open() as file:
        lines = [*csv.DictReader(file)]
    return lines, {path.stem for path in folder.glob("figures/*")}


@pytest.mark.parametrize("sound", [True, False])
def test_attacks_are_measured_by_sound_victims(tmp_path, monkeypatch, sound):
    monkeypatch.setitem(rows.REDRAWERS, "trnet", autoencoder)
    asked = 0.0
    if not sound:
        asked = 1.1  # more than there is
    monkeypatch.setitem(claims.SOUND_OF, "NF", asked)
    settings = tiny_arena.settings(
        attacks={
            "All": {"attack": "trnet", "network": "all"},
            "One": {"attack": "trnet", "network": "one"},
            "Noise": {"attack": "noise_of_psnr", "equals": "All"},
        },
        networks={"all": GAME, "one": GAME | {"critics": ("spectral",)}},
        defences=dict.fromkeys(("none", "weak", "strong"), tiny_arena.NOBODY),
        critics={"victims": ("NF",), "attacks": ("All", "One"), "seeds": 1},
    )
    data = Sets(tiny_arena.pairs(tmp_path), {})
    workspace = Workspace(tmp_path / "run")
    made = in_turn(trnet.jobs(settings, data), workspace)
    measured = trnet.measure(made, settings, data)
    critics = measured.critics
    everyone = ("spatial", "spectral", "fingerprint")
    assert critics.critics == {"All": everyone, "One": ("spectral",)}
    assert measured.quality == {}  # Table 4 is about the attacks of the other tables

    assert [*critics.noise] == ["All"]
    results = Results(made, rows.arena(settings, data.main))
    for title, outcome in critics.outcomes.items():
        columns = results.attacked(title, 0)
        assert outcome.psnr == [pytest.approx(columns["psnr"].mean())]
        assert outcome.ssim == [pytest.approx(columns["ssim"].mean())]
        expected = {}
        if sound:
            (cell,) = rows.critic_cells(settings, title)
            expected = {"NF": [results.attacked_accuracy(cell)]}
        assert outcome.accuracies == expected
    noise = results.attacked("Noise", 0)
    assert critics.noise["All"].psnr == [pytest.approx(noise["psnr"].mean())]

    workspace.close()
    lines, figures = drawn(critics, tmp_path / "page")
    assert [line["critics"] for line in lines] == [
        "spectral",
        "spatial, spectral and fingerprint",
    ]
    assert ("NF" in lines[0]) == ("mean" in lines[0]) == sound
    assert figures == ({"critics", "critics_mean"} if sound else set())


def test_means_stand_beside_noise_of_the_same_psnr(tmp_path):
    def outcome(first, second):
        accuracies = {"A": [first, first + 0.2], "B": [second, second]}
        return Outcome(accuracies, psnr=[30.0, 32.0], ssim=[0.9, 0.9])

    critics = Critics(
        critics={"three": ("x", "y", "z"), "two": ("x", "z"), "one": ("z",)},
        outcomes={
            "three": outcome(0.1, 0.3),
            "two": outcome(0.2, 0.4),
            "one": outcome(0.3, 0.5),
        },
        noise={"three": outcome(0.6, 0.8)},
    )
    lines, figures = drawn(critics, tmp_path)
    assert [(line["critics"], line["number"]) for line in lines] == [
        ("z", "1"),
        ("x and z", "2"),
        ("x, y and z", "3"),
    ]
    assert [line["mean"] for line in lines] == [
        "0.450 ± 0.071",
        "0.350 ± 0.071",
        "0.250 ± 0.071",
    ]
    noise = "mean after noise of the same PSNR"
    assert [line[noise] for line in lines] == ["", "", "0.750 ± 0.071"]
    assert lines[0]["PSNR"] == "31.00 ± 1.41" and lines[0]["B"] == "0.500 ± 0.000"
    spread = np.std([0.25 - 0.05, 0.25 + 0.05], ddof=1)
    assert spread == pytest.approx(0.071, abs=5e-4)
    assert figures == {"critics", "critics_mean"}


def test_no_selection_no_section(tmp_path):
    assert drawn(None, tmp_path) == ([], set())
