"""The main command: a whole study in seconds, killed and resumed."""

import filecmp
import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from launching import CONFIGS, ROOT, command, environment, run

# What is the same for every experiment is tried on one.
on_one = pytest.mark.parametrize(
    "finished",
    [path for path in CONFIGS if path.stem == "detection"],
    ids=lambda path: path.stem,
    indirect=True,
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
    seeds = "--config.run.seed=5", "--config.experiment.seeds=(7,)"
    degradations = ("jpeg=(95,)", "blur=(3,)", "noise=(2,)")  # few, to be quick
    few = [f"--config.experiment.degradations.{each}" for each in degradations]
    reseeded = run(config, *flags, *seeds, *few)
    changed = run(config, *flags, "--config.run.evaluate_every=3")
    assert reseeded.returncode == 0, reseeded.stderr  # another seed is another net
    assert changed.returncode == 1
    assert "evaluate_every: 4 → 3" in changed.stderr


@on_one
def test_a_finished_run_of_other_code_is_refused_or_named(finished, tmp_path):
    """One net is deleted and a model's file changed: nets of two codes would mix."""
    config, flags, workdir = finished
    shutil.copytree(workdir, tmp_path / "run")
    for folder in ("jaxforensics", "configs", "launch"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    with (tmp_path / "jaxforensics/models/meso.py").open("a") as file:
        file.write("# changed\n")
    shutil.rmtree(tmp_path / "run/nets/model_base")
    flags = *flags[1:], "--workdir=run"

    refused = run(config, *flags, root=tmp_path)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert "nets/Meso-4/seed0 was trained with other code" in refused.stderr
    assert "--accept=code" in refused.stderr

    accepted = run(config, *flags, "--accept=code", root=tmp_path)
    assert accepted.returncode == 0, accepted.stderr
    readme = (tmp_path / "run/report/README.md").read_text()
    assert "Code and devices are mixed" in readme
    rows = [line for line in readme.splitlines() if line.startswith("| Meso-4")]
    assert rows and all("†" in row for row in rows)
    # The deleted net was trained by the code at hand; spectra know no model's file.
    for detector in ("model_base", "1-D spectrum"):
        others = [row for row in readme.splitlines() if row.startswith(f"| {detector}")]
        assert others and not any("†" in row for row in others)


@on_one
def test_a_run_begun_on_other_devices_is_refused_or_named(finished, data_dir, tmp_path):
    """Begun on four devices, killed, continued on one."""
    config, _, _ = finished
    common = f"--data_dir={data_dir}", "--config.run.save_every=2"
    assert killed_after(config, common, tmp_path, 4, logged=5)
    flags = *common, f"--workdir={tmp_path}"
    refused = run(config, *flags)
    assert refused.returncode == 1 and "devices: 4 × cpu" in refused.stderr
    accepted = run(config, *flags, "--accept=devices")
    assert accepted.returncode == 0, accepted.stderr
    readme = (tmp_path / "report/README.md").read_text()
    assert "4 × cpu" in readme and "†" in readme


@pytest.mark.slow
def test_a_killed_helper_changes_nothing(tmp_path, data_dir):
    """SIGKILL of the helper after its first logged step: the leader ends the run."""
    config = "configs/detection.py:quick"
    common = f"--data_dir={data_dir}", "--processes=2", "--config.run.save_every=2"
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = run(config, *common, f"--workdir={whole}")
    assert done.returncode == 0, done.stderr
    with subprocess.Popen(
        command(config, *common, f"--workdir={broken}"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if " loss " in line and (helpers := children(process.pid)):
                os.kill(helpers[0], signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == 0
    first, second = results(whole), results(broken)
    assert first.keys() == second.keys()
    assert not [n for n in first if not filecmp.cmp(first[n], second[n], shallow=False)]


def children(process):
    """Process numbers of the helpers that a process has started."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in text.split()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "devices", "processes"),
    [("detection", 4, 1), ("amten", 1, 2)],
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
