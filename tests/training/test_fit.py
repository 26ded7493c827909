"""A training that is interrupted, damaged or poisoned loses nothing and says why."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

from jaxforensics.training import checkpoints, hooks, loop
from jaxforensics.training.fit import Intervals, check, check_method, fit, load
from jaxforensics.training.hooks import every as every_module
from jaxforensics.training.mesh import data_mesh

SETTINGS = {"watch": tiny.WATCH}
OFTEN = {"log_every": 1, "evaluate_every": 4, "save_every": 4}


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the library may catch it."""


class DyingStream(tiny.Stream):
    """A stream during whose batch `last` the process dies."""

    def __init__(self, last):
        super().__init__()
        self.last = last
        self.drawn = 0

    def batches(self, start=0):
        for batch in super().batches(start):
            if self.drawn > self.last:
                raise Killed
            self.drawn += 1
            yield batch


def run(directory, *, stream=None, devices=1, seed=3, watch=None, **changes):
    mesh = data_mesh(devices=jax.devices()[:devices])
    stream = stream or tiny.Stream()
    settings = SETTINGS | {"seed": seed, "intervals": Intervals(**OFTEN | changes)}
    if watch is not None:
        settings["watch"] = watch
    return fit(directory, tiny.method(), {"train": stream}, mesh=mesh, **settings)


def digest(fitted):
    return checkpoints.digest(checkpoints.host_copy(fitted.state))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Uninterrupted runs on one and on four devices: {devices: (directory, digest)}."""
    runs = {}
    for devices in (1, 4):
        directory = tmp_path_factory.mktemp(f"whole{devices}")
        runs[devices] = directory, digest(run(directory, devices=devices))
    return runs


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("last", [2, 5, 8])
def test_interrupted_runs_end_bit_equal(whole, tmp_path, devices, last):
    with pytest.raises(Killed):
        run(tmp_path, stream=DyingStream(last), devices=devices)
    resumed = run(tmp_path, devices=devices)
    directory, expected = whole[devices]
    assert digest(resumed) == expected
    metrics = "metrics.jsonl"
    assert (tmp_path / metrics).read_bytes() == (directory / metrics).read_bytes()


def test_same_seed_same_metrics_file_and_other_seed_another(whole, tmp_path):
    repeated = run(tmp_path / "a")
    other = run(tmp_path / "b", seed=4)
    directory, expected = whole[1]
    assert digest(repeated) == expected != digest(other)
    metrics = "metrics.jsonl"
    assert (tmp_path / "a" / metrics).read_bytes() == (directory / metrics).read_bytes()


def test_finished_runs_load_their_best_state(whole):
    directory, expected = whole[1]
    loaded = load(
        directory,
        tiny.method(),
        {"train": tiny.Stream()},
        watch=tiny.WATCH,
        mesh=data_mesh(devices=jax.devices()[:1]),
    )
    assert digest(loaded) == expected
    rows = [
        json.loads(r)
        for r in (directory / "metrics.jsonl").read_text().split("\n")
        if r
    ]
    values = {r["step"]: r["validation/accuracy"] for r in rows if len(r) == 2}
    assert set(values) == {4, 8, 12}
    assert loaded.note["best"]["value"] == max(values.values())
    assert loaded.note["best"]["step"] == max(values, key=lambda s: (values[s], -s))


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    whole, tmp_path, damage, caplog
):
    with pytest.raises(Killed):
        run(tmp_path, stream=DyingStream(9))
    newest = tmp_path / "last" / "8"
    largest = max(
        (f for f in (newest / "state").rglob("*") if f.is_file()),
        key=lambda f: f.stat().st_size,
    )
    data = bytearray(largest.read_bytes())
    if damage == "truncate":
        largest.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 0xFF
        largest.write_bytes(data)
    else:
        largest.unlink()
    resumed = run(tmp_path)
    assert digest(resumed) == whole[1][1]
    assert "falling back" in caplog.text
    assert (tmp_path / "last" / "damaged-8").is_dir()


def test_nan_stops_with_step_records_and_last_good_checkpoint(tmp_path):
    with pytest.raises(hooks.NotFinite) as caught:
        run(tmp_path, stream=tiny.Stream(poison=3))
    text = str(caught.value)
    assert "step 4:" in text
    assert str(list(range(24, 32))) in text
    assert checkpoints.Checkpoints(tmp_path).newest() is None


def test_a_state_spoilt_behind_finite_metrics_is_not_saved(tmp_path):
    with pytest.raises(hooks.NotFinite, match=r"step 4: .*params.* is not finite"):
        fit(
            tmp_path,
            tiny.spoilt(4),
            {"train": tiny.Stream()},
            seed=3,
            intervals=Intervals(**OFTEN),
            **SETTINGS,
        )
    kept = checkpoints.Checkpoints(tmp_path)
    assert kept.newest() is None and not kept._bests[""].all_steps()


def test_killed_between_best_and_last(whole, tmp_path, monkeypatch):
    """Step 8 is evaluated and may be the best, but is not saved as the newest."""
    save = checkpoints.Checkpoints.save

    def killed(self, state, note):
        if int(state.step) == 8:
            raise Killed
        return save(self, state, note)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "save", killed)
        with pytest.raises(Killed):
            run(tmp_path)
    assert digest(run(tmp_path)) == whole[1][1]


def test_killed_in_the_middle_of_a_save(whole, tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, stream=DyingStream(6))
    partial = tmp_path / "last" / "8.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "last" / "4", partial)
    shutil.rmtree(partial / "note")
    assert digest(run(tmp_path)) == whole[1][1]


def test_a_best_without_a_newest_is_forgotten(whole, tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, stream=DyingStream(9), save_every=0)
    kept = checkpoints.Checkpoints(tmp_path)
    assert kept._bests[""].all_steps() and kept.newest() is None
    assert kept.restore(None) is None and not kept._bests[""].all_steps()
    assert digest(run(tmp_path)) == whole[1][1]


def test_nothing_kept_is_refused(tmp_path):
    with pytest.raises(ValueError, match="keep=0"):
        checkpoints.Checkpoints(tmp_path, keep=0)


@pytest.mark.parametrize(
    "name, values",
    [
        ("log_every", [-1, 2.5, None, True]),
        ("evaluate_every", [-1, float("nan"), "often"]),
        ("save_every", [-5]),
        ("save_seconds", [0, -1.0, float("nan"), None, "60"]),
        ("keep", [0, -1, 1.5]),
        ("profile", [(0, 2), (3, 0), (1,), (1, 2, 3), 5, (1.5, 2), "ab", ()]),
    ],
)
def test_intervals_that_mean_nothing_are_refused(tmp_path, name, values):
    for value in values:
        intervals = Intervals(**{name: value})
        with pytest.raises(ValueError, match=rf"^{name}=[^\n]*$"):
            check(intervals)
        with pytest.raises(ValueError, match=f"^{name}="):
            fit(tmp_path, None, {}, seed=0, intervals=intervals)
    assert not any(tmp_path.iterdir())


def test_intervals_that_mean_something_pass():
    check(Intervals())
    check(Intervals(0, 0, 0, float("inf"), 1, (1, 1)))
    check(Intervals(np.int64(1), save_seconds=np.float32(1), profile=[2, 3]))


@pytest.mark.parametrize("steps", [0, -3, 2.5, None])
def test_a_stage_without_steps_is_refused(tmp_path, steps):
    method = tiny.method()
    stages = (method.stages[0], method.stages[1]._replace(steps=steps))
    method = method._replace(stages=stages)
    with pytest.raises(ValueError, match=r"^steps=[^\n]* 'second' [^\n]*$"):
        check_method(method)
    with pytest.raises(ValueError, match="'second'"):
        fit(tmp_path, method, {}, seed=0)
    with pytest.raises(ValueError, match="no stage"):
        check_method(method._replace(stages=()))


def test_sigterm_saves_and_ends_well(whole, tmp_path, capfd):
    class Terminated(tiny.Stream):
        def batches(self, start=0):
            for i, batch in enumerate(super().batches(start)):
                if i == 4:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield batch

    with pytest.raises(SystemExit) as ending:
        run(tmp_path, stream=Terminated(), save_every=0)
    assert ending.value.code == 0
    assert "resume with the same command" in capfd.readouterr().out
    assert digest(run(tmp_path)) == whole[1][1]


def test_a_full_disk_is_one_clear_message(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    kept = checkpoints.Checkpoints(tmp_path)
    state = loop.initial_state(
        tiny.method(), {"train": tiny.Stream()}, seed=0, mesh=data_mesh()
    )
    kept.save(state, {})
    monkeypatch.setattr(kept._last, "save", full)
    later = state.replace(step=state.step + 5)
    with pytest.raises(SystemExit, match="disk full .* last good checkpoint is step 0"):
        kept.save(later, {})


def test_training_compiles_each_stage_once(tmp_path):
    traces = []

    def counted(stage):
        def step(*args):
            traces.append(stage.name)
            return stage.step(*args)

        return stage._replace(step=step)

    method = tiny.method()
    method = method._replace(stages=tuple(counted(s) for s in method.stages))
    fit(tmp_path, method, {"train": tiny.Stream()}, seed=0)
    assert traces == ["first", "second"]


def test_batches_that_do_not_divide_are_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple of 4"):
        run(tmp_path, stream=tiny.Stream(part=slice(0, 6)), devices=4)


def test_intervals_by_step_and_by_clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(every_module.time, "monotonic", lambda: now[0])
    moment = loop.Moment(0, 100, "train", None, {}, {})
    every = hooks.Every(seconds=10)
    assert not every(moment._replace(step=1))
    now[0] = 11.0
    assert every(moment._replace(step=2))
    assert not every(moment._replace(step=3))
    assert [hooks.Every(steps=4)(moment._replace(step=s)) for s in (3, 4, 100)] == [
        False,
        True,
        True,
    ]


def test_a_metrics_file_cut_by_a_kill_is_mended(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    with hooks.Log(tmp_path, every=1, start=2) as log:
        log.write(3, {"loss": 1.0})
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [1, 2, 3]


def test_a_kill_while_the_metrics_file_is_mended_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')

    def killed(self, target):
        raise Killed

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(Killed):
        hooks.Log(tmp_path, every=1, start=2)
    assert path.read_text().count("step") == 3


def test_sigterm_is_not_lost_when_a_training_diverges():
    """Who listened before hears it then, and the run ends."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(True))
    try:
        with pytest.raises(hooks.NotFinite):
            with hooks.Save(None, every=None, guard=None, note={}):
                signal.raise_signal(signal.SIGTERM)
                assert not heard
                raise hooks.NotFinite("step 1", "")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [True]


def test_a_training_that_diverges_closes_its_profile(tmp_path, monkeypatch):
    calls = []
    for name in ("start", "stop"):
        called = functools.partial(lambda name, *_: calls.append(name), name)
        monkeypatch.setattr(jax.profiler, f"{name}_trace", called)
    with pytest.raises(hooks.NotFinite):
        run(tmp_path, stream=tiny.Stream(poison=3), profile=(1, 9))
    assert calls == ["start", "stop"]


def test_a_profile_window_leaves_a_trace(tmp_path):
    run(tmp_path, profile=(2, 2))
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def launch(directory, processes, *, stop=0):
    """Rows and output of a run in `processes` processes, four devices in all."""
    port = str(29_000 + os.getpid() % 2_000)
    environment = os.environ | {"PYTHONPATH": f"{Path.cwd()}"}
    running = [
        subprocess.Popen(
            [
                sys.executable,
                tiny.__file__,
                *(directory, str(processes), str(i), port, str(stop)),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(processes)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes, outputs
    lines = (Path(directory) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], outputs


def test_two_processes_train_like_one(tmp_path):
    one, _ = launch(str(tmp_path / "one"), 1)
    two, _ = launch(str(tmp_path / "two"), 2)
    assert [r.keys() for r in one] == [r.keys() for r in two]
    for a, b in zip(one, two, strict=True):
        for name in a.keys() - {"stage"}:
            assert np.allclose(a[name], b[name], rtol=1e-5, atol=1e-6), (name, a, b)


@pytest.mark.slow
def test_sigterm_to_one_of_two_processes_stops_both(tmp_path):
    """The first gets it at its fourth batch; they agree on a step to stop at."""
    rows, outputs = launch(str(tmp_path), 2, stop=4)
    step = int(outputs[0].partition("stopped at step ")[2].partition(",")[0])
    assert 4 <= step == rows[-1]["step"] < 80
    assert (tmp_path / "last" / str(step)).is_dir()
    assert "stopped" not in outputs[1]


def test_an_undefined_choice_is_said_and_never_the_best(tmp_path, caplog):
    nan = tiny.WATCH._replace(summary=lambda columns: {"accuracy": float("nan")})
    fitted = run(tmp_path, watch=nan)
    assert fitted.note["best"] is None
    assert "validation accuracy is nan at step 12" in caplog.text


def test_a_damaged_best_state_names_the_folder(tmp_path):
    run(tmp_path)
    for file in (tmp_path / "best").rglob("*"):
        if file.is_file() and file.stat().st_size > 1000:
            file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(checkpoints.Damaged, match=f"delete {tmp_path} to train again"):
        run(tmp_path)
