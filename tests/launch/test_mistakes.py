"""The main command's typos and help, and what every config has."""

import importlib.util
import subprocess
import sys

import pytest
from launching import CONFIGS, ROOT, environment, run


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_a_quick_preset_and_fixed_keys(path):
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config("quick")
    assert {"data", "experiment", "run"} <= set(config)
    assert "launch/main.py --config=configs/" in module.__doc__
    with pytest.raises(AttributeError):
        config.experiment.stesp = 3
    with pytest.raises(ValueError, match="there are: .*quick"):
        module.get_config("quik")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--config=configs/detection.py:quik"], "there are: default, quick"),
        (["--config=configs/detection.py", "--config.experiment.stesp=1"], "steps"),
        (
            ["--config=configs/detection.py", "--config.rum.seed=1"],
            "did you mean 'run'",
        ),
        (["--config=configs/detection.py", "--config.run.seed=one"], "seed"),
        (["--config=configs/detection.py:folder"], "--config.data.root=DIR"),
        (["--config=configs/absent.py"], "configs/absent.py"),
        ([], "--config=FILE"),
        (["--config=configs/detection.py", "--config.experiment.steps=0"], "steps=0"),
        (["--config=configs/detection.py", "--accept=cod"], "did you mean 'code'"),
    ],
)
def test_mistakes_are_one_clear_message(flags, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "launch/main.py", f"--workdir={tmp_path}", *flags],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert message in done.stderr and "Traceback" not in done.stderr


def test_raw_folders_are_answered_with_the_prepare_command(tmp_path):
    (tmp_path / "real").mkdir()
    config = "configs/detection.py:folder"
    done = run(config, f"--config.data.root={tmp_path}", f"--workdir={tmp_path}/w")
    assert done.returncode == 1
    assert f"launch/prepare.py folder {tmp_path}" in done.stderr


def test_help_shows_examples():
    done = subprocess.run(
        [sys.executable, "launch/main.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "launch/main.py --config=configs/" in done.stdout
