"""A study in a file of its own runs on what is there, and is close to its steps."""

import signal
from pathlib import Path

import jax
import numpy as np
import pytest
import toy_study
from ml_collections import ConfigDict
from tiny_set import SIDE, opened, pictures, prepare_in

from configs import common
from jaxforensics.commands import studies
from jaxforensics.experiments.common import study
from jaxforensics.experiments.common.study import Sets
from jaxforensics.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
FRAMES = 10  # at most, of this project, from the command to a training step


def toy_config(root):
    """A config as files in configs/ make them."""
    data = common.folder(size=SIDE, batch_size=8) | {"root": str(root), "flip": False}
    return common.config(
        data=data,
        experiment={"name": "toy_study", "steps": 4, "seeds": (0,)},
        run=common.run(evaluate_every=2, log_every=2),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    return prepare_in(folder, pictures(folder, parts=True))


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """The directory of a run by the command, and the stack above its first step."""
    workdir = tmp_path_factory.mktemp("run")
    before = signal.getsignal(signal.SIGTERM)
    config = toy_config(root)
    config.unlock()
    config.experiment.name = f"{toy_study.__name__}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(studies, "find", lambda name: toy_study)
            studies.run(config.lock(), workdir)
    finally:
        signal.signal(signal.SIGTERM, before)
    return workdir, list(toy_study.STACK)


def test_a_study_needs_nothing_but_its_own_file_and_config(finished):
    workdir, _ = finished
    readme = (workdir / "report/README.md").read_text()
    assert readme.index("What was found") < readme.index("## Attacks")
    table = (workdir / "report/tables/attacks.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in table[1:]] == [
        ["Toy", "Darken", "none"],
        ["Toy", "Push", "none"],
        ["Toy", "Push", "strong"],
    ]
    done = (workdir / "nets/locator/done.json").read_text()
    assert '"stage": "locate"' in done and '"name": "iou"' in done
    log = (workdir / "nets/locator/metrics.jsonl").read_text()
    assert "validation/margin" in log and "validation/iou" in log


def test_the_command_is_close_to_a_training_step(finished):
    _, stack = finished
    places = [Path(frame.filename) for frame in stack]
    ours = [
        path
        for path in places
        if path.is_relative_to(ROOT / "jaxforensics") or path.name == "toy_study.py"
    ]
    # launch/main.py calls `studies.run`, from which this stack was taken; the last
    # frame is the toy's own step.
    assert places[-1].name == "toy_study.py"
    assert len(ours) + 1 <= FRAMES, "\n".join(map(str, ours))


def test_run_again_it_reads_everything_back(finished, root):
    workdir, _ = finished
    stamps = {p: p.stat().st_mtime_ns for p in workdir.glob("nets/**/metrics.jsonl")}
    data = Sets(opened(root, balance="label"), {})
    workspace = Workspace(workdir, evaluate_every=2, log_every=2)
    try:
        page = study.run(
            toy_study, workspace, toy_study.Settings(steps=4, seeds=(0,)), data
        )
    finally:
        workspace.close()
    assert page.exists()
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_maps_see_the_device_alone():
    """The toy's measures run inside jit, one value per example."""
    maps = np.random.default_rng(0).random((3, 8, 8), np.float32)
    measured = jax.jit(toy_study.overlap)({"mask": maps}, {"mask": maps})
    assert measured["iou"].shape == (3,)
    np.testing.assert_allclose(measured["iou"], 1)


def test_studies_are_found_by_name():
    assert studies.find("detection").TITLE == "Detection"
    assert studies.find("jaxforensics.experiments.trnet").TITLE == "TR-Net"
    with pytest.raises(ValueError, match="no study 'detektion' .*'detection'"):
        studies.find("detektion")


def test_configs_are_locked(root):
    with pytest.raises(AttributeError):
        toy_config(root).experiment.stesp = 3
    assert isinstance(toy_config(root), ConfigDict)
