"""What victims say by their likeliest class and by a threshold, told side by side."""

import numpy as np
import pytest
import tiny_arena

from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.experiments import trnet
from jaxforensics.experiments.common.arena import (
    LIKELIEST,
    THRESHOLD,
    Results,
)
from jaxforensics.experiments.common.jobs import in_turn
from jaxforensics.experiments.common.study import Sets
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet import thresholds
from jaxforensics.workspace import Workspace

SOURCES = {  # a classifier of sources
    "method": "classifier",
    "model": "dcta",
    "target": "source",
    "steps": 1,
    "optimiser": {"name": "sgd", "rate": 1e-4},
    "decides": "threshold",
}
LABELS = SOURCES | {"model": "meso4", "target": "label"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_arena.pairs(tmp_path_factory.mktemp("trnet"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data):
    """(results, what was measured, the folder of the report), of NF and LF."""
    folder = tmp_path_factory.mktemp("thresholds")
    victims = ("LF", "NF")
    settings = tiny_arena.settings(
        victims={"LF": SOURCES, "NF": {"method": "fingerprint"}},
        attacks={"Noise": tiny_arena.NOISE, "TR-Net": tiny_arena.NOISE},
        classifier={"num_classes": 1, "loss": "binary_cross_entropy"},
        defences={
            "none": {"victims": victims, "attacks": ("Noise", "TR-Net"), "seeds": 1},
            "weak": tiny_arena.NOBODY,
            "strong": tiny_arena.NOBODY,
        },
    )
    workspace = Workspace(folder / "run")
    made = in_turn(trnet.jobs(settings, Sets(data, {})), workspace)
    measured = trnet.measure(made, settings, Sets(data, {}))
    report = workspace.new_report()
    trnet.report(measured, settings, report)
    workspace.write(report, trnet.TITLE)
    yield Results(made, rows.arena(settings, data)), measured, workspace
    workspace.close()


def test_both_rules_stand_side_by_side(finished):
    """By hand, from stored answers; NF has a threshold alone."""
    _, measured, workspace = finished
    rules = [(row.victim, row.rule, row.decides) for row in measured.thresholds]
    assert rules == [
        ("LF", LIKELIEST, False),
        ("LF", THRESHOLD, True),
        ("NF", THRESHOLD, True),
    ]
    folder = workspace.directory / "measurements/victims/LF/none/seed0"
    stored = {
        name: np.load(folder / f"{name}.npz")
        for name in ("validation", "test", "after/TR-Net")
    }
    limit = choose_threshold(
        stored["validation"]["label"], stored["validation"]["score"]
    ).value
    likeliest, threshold = measured.thresholds[:2]
    for name, label, of_likeliest, of_threshold in (
        ("test", 0, likeliest.real, threshold.real),
        ("test", 1, likeliest.fake, threshold.fake),
        ("after/TR-Net", 1, likeliest.attacked, threshold.attacked),
    ):
        of_label = stored[name]["label"] == label
        says_fake = stored[name]["logits"][of_label].argmax(-1) > 0
        assert of_likeliest == [np.mean(says_fake == label)]
        says_fake = stored[name]["score"][of_label] >= limit
        assert of_threshold == [np.mean(says_fake == label)]


def test_other_tables_have_the_rule_of_the_row(finished):
    _, measured, workspace = finished
    accuracies = measured.accuracies["LF", "TR-Net", "none"]
    threshold = measured.thresholds[1]
    assert accuracies.real == threshold.real and accuracies.fake == threshold.fake
    assert accuracies.attacked == threshold.attacked
    table = (workspace.directory / "report/tables/thresholds.csv").read_text()
    first, *lines = table.splitlines()
    assert first == "victim,decided by,in other tables,real,fake,after TR-Net"
    assert [line.split(",")[:3] for line in lines] == [
        ["LF", LIKELIEST, ""],
        ["LF", THRESHOLD, "yes"],
        ["NF", THRESHOLD, "yes"],
    ]


def test_without_removal_there_is_no_column_of_it(finished):
    """Nor a section without victims."""
    results, _, workspace = finished
    nf = {"victims": ("NF",), "attacks": ("Noise",), "seeds": 1}
    settings = tiny_arena.settings(defences={"none": nf})
    (row,) = thresholds.measure(results, settings)
    assert row.attacked is None
    report = workspace.new_report()
    thresholds.report([row], report)
    thresholds.report([], report)


def test_victims_decide_as_their_row_says(data):
    chosen = tiny_arena.settings(classifier={"num_classes": 1})

    def victim(row):
        return rows.victim(row, "Mine", chosen, data)

    assert victim(SOURCES).decides == THRESHOLD
    assert victim(SOURCES | {"decides": "likeliest"}).decides == LIKELIEST
    plain = {key: value for key, value in LABELS.items() if key != "decides"}
    assert victim(plain).decides == LIKELIEST
    assert victim({"method": "fingerprint", "decides": "threshold"}).rules == (
        THRESHOLD,
    )
    with pytest.raises(ValueError, match="Mine.decides: correlations take a 'thresh"):
        victim({"method": "fingerprint", "decides": "likeliest"})
    with pytest.raises(ValueError, match="'treshold' .did you mean 'threshold'"):
        victim(SOURCES | {"decides": "treshold"})


def test_all_undefended_victims_are_asked_about_validation(data):
    """Those with a defence only if a threshold decides."""
    both = {"victims": ("LF", "NF"), "attacks": ("Noise",), "seeds": 1}
    settings = tiny_arena.settings(
        victims={
            "LF": SOURCES | {"decides": "likeliest"},
            "NF": {"method": "fingerprint"},
        },
        classifier={"num_classes": 1, "loss": "binary_cross_entropy"},
        defences={"none": both, "weak": both, "strong": tiny_arena.NOBODY},
    )
    jobs = trnet.jobs(settings, Sets(data, {}))
    asked = {job.name for job in jobs if job.name.endswith("/validation")}
    assert asked == {
        "victims/LF/none/seed0/validation",
        "victims/NF/none/seed0/validation",
        "victims/NF/weak/seed0/validation",
    }
