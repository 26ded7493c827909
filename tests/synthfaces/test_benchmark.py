"""A benchmark, not a giveaway: nothing trivial tells fakes, and detectors have room."""

import csv
from contextlib import closing

import pytest

from configs import synthfaces as study
from jaxforensics.data import audit
from jaxforensics.experiments import embedded
from jaxforensics.experiments import synthfaces as experiment
from jaxforensics.settings import call
from jaxforensics.workspace import Workspace

LIMIT = 0.6  # AUC of what says nothing of forgery


@pytest.mark.slow
@pytest.mark.parametrize("view", ("pairs", "generators"))
def test_no_shortcuts(view, tmp_path):
    report = embedded.synthfaces(tmp_path, view=view, faces=600)
    found = audit.audit(report.root, progress=False).report
    leaks = [row for row in found["leaks"] if row["fakes"] == "all fakes"]
    assert {row["family"] for row in leaks} >= {"file size", "contrast", "border"}
    alone = [row for row in leaks if row["family"] != "all together"]
    assert not [row for row in alone if row["auc"] > LIMIT]


@pytest.mark.slow
def test_room_to_measure(tmp_path):
    """The study of docs/synthfaces.md, with one generator to learn and two seeds."""
    config = study.get_config()
    data = dict(config.data) | {"view": dict(config.data.view) | {"faces": 500}}
    settings = dict(config.experiment) | {"generators": ("bilinear",), "seeds": (0, 1)}
    settings["editors"] = ("deconv", "nearest", "shuffle", *study.EDITORS)
    del settings["name"]
    opened = embedded.open_data(directory=tmp_path / "data", **data)
    with closing(call(Workspace, config.run, tmp_path / "run")) as workspace:
        call(experiment.run, settings, workspace, opened, where="experiment")
    with (tmp_path / "run/report/tables/room.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["detector"] for row in rows} == set(config.experiment.detectors)
    for row in rows:
        found = {name: value.split(" ")[0] for name, value in row.items()}
        assert 0.85 <= float(found["accuracy, seen"]) <= 0.999, row
        assert float(found["points lost, unseen"]) >= 10, row
        assert float(found["points lost, JPEG"]) >= 5, row
