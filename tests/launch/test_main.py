"""The main command: a whole study in seconds, killed and resumed, and its typos."""

import filecmp
import importlib.util
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import QUICK

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(p for p in (ROOT / "configs").glob("*.py") if p.stem != "common")
# What is the same for every experiment is tried on one.
on_one = pytest.mark.parametrize(
    "finished",
    [path for path in CONFIGS if path.stem == "detection"],
    ids=lambda path: path.stem,
    indirect=True,
)


def command(config, *flags):
    return [sys.executable, "launch/main.py", f"--config={config}", *flags]


def environment(devices=1):
    settings = {
        "XLA_FLAGS": QUICK,
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache/jax-main"),
        "JAX_NUM_CPU_DEVICES": str(devices),
    }
    return os.environ | settings


def run(config, *flags, devices=1):
    return subprocess.run(
        command(config, *flags),
        cwd=ROOT,
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda path: path.stem)
def finished(request, tmp_path_factory, data_dir):
    """The quick preset of every config, run from beginning to end."""
    workdir = tmp_path_factory.mktemp(request.param.stem)
    flags = f"--workdir={workdir}", f"--data_dir={data_dir}"
    done = run(f"configs/{request.param.name}:quick", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    return f"configs/{request.param.name}:quick", flags, workdir


def results(workdir):
    """Every file whose bytes must not depend on how often the run was killed."""
    patterns = ("report/tables/*", "report/figures/*", "nets/**/metrics.jsonl")
    files = [path for pattern in patterns for path in workdir.glob(pattern)]
    assert len(files) > 6
    return {str(path.relative_to(workdir)): path for path in files}


def test_a_quick_run_ends_in_a_report(finished):
    _, _, workdir = finished
    page = (workdir / "report/index.html").read_text()
    assert "Reproduction" in page and "data:image/png" in page
    assert "http://" not in page and "https://" not in page


def test_a_finished_run_is_not_repeated(finished):
    config, flags, workdir = finished
    before = {name: path.stat().st_mtime_ns for name, path in results(workdir).items()}
    again = run(config, *flags)
    assert again.returncode == 0
    assert "compiled" not in again.stdout and "predicting" not in again.stdout
    metrics = [name for name in before if name.endswith("metrics.jsonl")]
    now = results(workdir)
    assert all(now[name].stat().st_mtime_ns == before[name] for name in metrics)


@on_one
def test_two_processes_share_a_run(finished, data_dir, tmp_path):
    """Each net is trained once, by one or the other.  (Before others add nets.)"""
    config, _, alone = finished
    flags = f"--workdir={tmp_path}", f"--data_dir={data_dir}", "--processes=2"
    done = run(config, *flags)
    assert done.returncode == 0, done.stderr
    assert results(alone).keys() == results(tmp_path).keys()
    begun = [line for line in done.stdout.splitlines() if "[compiled]" in line]
    assert len(begun) == len(list(alone.glob("nets/**/metrics.jsonl")))
    assert done.stdout.count("report: ") == 1 and "helper" not in done.stdout
    assert f"{len(begun)} trainings, 2 at a time" in (
        (tmp_path / "report/index.html").read_text()
    )


@on_one
def test_sigterm_outside_of_training_ends_well(finished):
    config, flags, workdir = finished
    stored = workdir / "config.json"
    before = stored.stat().st_mtime_ns
    process = subprocess.Popen(
        command(config, *flags),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    while stored.stat().st_mtime_ns == before and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    assert "resume with the same command" in process.communicate()[0]
    assert process.returncode == 0


@on_one
def test_other_settings_are_refused(finished):
    config, flags, _ = finished
    refused = run(
        config, *flags, "--config.run.seed=5", "--config.experiment.seeds=(7,)"
    )
    changed = run(config, *flags, "--config.run.evaluate_every=3")
    assert refused.returncode == 0, refused.stderr  # another seed is another net
    assert changed.returncode == 1
    assert "evaluate_every: 4 → 3" in changed.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "devices", "processes"),
    [("amten", 1, 1), ("detection", 4, 1), ("trnet", 1, 2)],
)
def test_killed_runs_end_in_the_same_report(
    tmp_path, data_dir, name, devices, processes
):
    """SIGKILL at two random moments of training, then to the end."""
    config = f"configs/{name}.py:quick"
    common = (
        f"--data_dir={data_dir}",
        f"--processes={processes}",
        "--config.run.save_every=2",
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = run(config, *common, f"--workdir={whole}", devices=devices)
    assert done.returncode == 0, done.stderr
    draw = random.Random(devices)
    for logged in draw.choices(range(1, 9), k=2):
        assert killed_after(config, common, broken, devices, logged=logged)
    done = run(config, *common, f"--workdir={broken}", devices=devices)
    assert done.returncode == 0, done.stderr
    first, second = results(whole), results(broken)
    assert first.keys() == second.keys()
    different = [
        n for n in first if not filecmp.cmp(first[n], second[n], shallow=False)
    ]
    assert not different


def killed_after(config, common, workdir, devices, *, logged):
    """SIGKILL after so many lines about training; whether there were as many."""
    with subprocess.Popen(
        command(config, *common, f"--workdir={workdir}"),
        cwd=ROOT,
        env=environment(devices),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        lines = (line for line in process.stdout if " loss " in line)
        for _ in itertools.islice(lines, logged - 1, logged):
            process.kill()
    return process.returncode == -signal.SIGKILL


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
