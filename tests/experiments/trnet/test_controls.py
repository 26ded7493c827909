"""TR-Net's tables with an attack's control, and with each victim's own gradients."""

import numpy as np
import pytest
import tiny_arena
from skimage.metrics import peak_signal_noise_ratio

from jaxforensics.experiments import trnet
from jaxforensics.experiments.common.arena import Cell, Results
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.workspace import Workspace

ATTACKS = {
    "Noise": tiny_arena.NOISE,
    "Equal": {"attack": "noise_of_psnr", "equals": "Noise"},
    "Itself": {"attack": "fgsm", "follows": "itself", "epsilon": 0.05},
}
SELECTION = {"victims": ("NF",), "attacks": tuple(ATTACKS), "seeds": 1}
DEFENCES = "none", "weak", "strong"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(settings, results, what was measured, the folder of the report)."""
    folder = tmp_path_factory.mktemp("controls")
    data = Sets(tiny_arena.pairs(folder), {})
    settings = tiny_arena.settings(
        attacks=ATTACKS,
        weak=({"name": "noise", "low": 9.0, "high": 9.0},),
        defences=dict.fromkeys(DEFENCES, SELECTION),
    )
    workspace = Workspace(folder / "run")
    made = in_turn(trnet.jobs(settings, data), workspace)
    measured = trnet.measure(made, settings, data)
    report = workspace.new_report()
    trnet.report(measured, settings, report)
    workspace.write(report, trnet.TITLE)
    results = Results(made, rows.arena(settings, data.main))
    yield settings, results, measured, workspace.directory / "report"
    workspace.close()


def test_the_control_has_the_psnr_of_its_attack(finished):
    """Picture by picture, by scikit-image; so Table 4 shows that they agree."""
    _, results, measured, _ = finished
    noise, equal = (results.attacked(title, 0) for title in ("Noise", "Equal"))
    np.testing.assert_array_equal(noise["index"], equal["index"])
    batch = next(results.arena.fakes.batches())
    fakes = batch["image"][batch["valid"] > 0]
    for fake, first, second in zip(fakes, noise["image"], equal["image"], strict=True):
        assert (first != second).any()
        wanted, reached = (
            peak_signal_noise_ratio(fake, changed) for changed in (first, second)
        )
        assert reached == pytest.approx(wanted, abs=0.05)
    quality = measured.quality
    assert quality["Equal"]["psnr"] == pytest.approx(quality["Noise"]["psnr"], abs=0.05)


def test_gradients_of_the_victim_itself_are_of_the_one_in_the_cell(finished):
    """Each defence has pictures of its own; Table 4 is about all of them."""
    settings, results, measured, _ = finished
    cells = rows.cells_of(settings, "Itself", 0)
    assert cells == [Cell("NF", "Itself", 0, defence) for defence in DEFENCES]
    sets = [results.shown(cell) for cell in cells]
    for first, second in zip(sets, sets[1:], strict=False):
        assert (first["image"] != second["image"]).any()
    values = np.concatenate([columns["psnr"] for columns in sets])
    assert measured.quality["Itself"]["psnr"] == pytest.approx(
        (values.mean(), values.std())
    )
    # One step of 0.05 in every value that is not at its end.
    assert values.mean() == pytest.approx(-20 * np.log10(0.05), abs=1)
    for pictures in measured.examples.values():
        assert pictures.keys() == {"fake", "Noise", "Equal"}


def test_the_report_says_who_is_followed(finished):
    _, _, measured, folder = finished
    assert len(measured.accuracies) == len(DEFENCES) * len(ATTACKS)
    page = (folder / "README.md").read_text()
    assert "“Itself” follows the victim of the row." in page
    assert "Equal has the PSNR of Noise." in page
    quality = (folder / "tables" / "quality.csv").read_text()
    assert {line.split(",")[0] for line in quality.splitlines()[1:]} == set(ATTACKS)
