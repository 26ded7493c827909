"""What happens between steps: guard, log, evaluate, save, profile, stop."""

import json
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from jaxforensics.files import replacing
from jaxforensics.training.watch import check_selected


class NotFinite(FloatingPointError):
    """Training produced NaN or infinity; `what` says where, the same in every run."""

    def __init__(self, what, advice):
        super().__init__(f"{what} {advice}")
        self.what = what


class Every:
    """True at each multiple of `steps`, after each `seconds`, and at the last step."""

    def __init__(self, *, steps=0, seconds=0.0):
        self.steps, self.seconds, self._since = steps, seconds, time.monotonic()

    def __call__(self, moment):
        """Whether it is time at this moment."""
        return self.counted(moment) or bool(self.seconds) and self._waited(moment)

    def counted(self, moment):
        """Whether it is time whatever the clock says."""
        last = moment.step == moment.total
        return last or bool(self.steps) and moment.step % self.steps == 0

    def _waited(self, moment):
        late = time.monotonic() - self._since >= self.seconds
        if jax.process_count() > 1:  # clocks differ: the first process decides
            if moment.step % 16:
                return False
            from jax.experimental import multihost_utils

            late = bool(multihost_utils.broadcast_one_to_all(np.asarray(late)))
        if late:
            self._since = time.monotonic()
        return late


class Guard:
    """Stops training when a metric is not finite, naming the step and the records.

    Metrics are looked at two steps late, so that devices never wait for the host;
    `settle` is called before anything is measured or kept: it looks at the rest, and
    at the state, which a step may spoil although its metrics were finite.  Where the
    clock decides, `sound` asks the same and stops nothing: a training stops at the same
    step in every run.
    """

    def __init__(self, *, newest=lambda: None, lag=2):
        self._newest, self._lag, self._pending = newest, lag, deque()

    def __call__(self, moment):
        """Queue this step's metrics, look at those of some steps ago."""
        self._pending.append((moment.step, moment.metrics, moment.batch))
        while len(self._pending) > self._lag:
            self._look(*self._pending.popleft())

    def settle(self, moment):
        """Look at everything queued, and at the state after this moment's step."""
        while self._pending:
            self._look(*self._pending.popleft())
        if wrong := _spoilt(moment.state):
            what = f"{wrong[0]} ({len(wrong)} arrays in all)"
            self._stop(moment.step, what, moment.batch)

    def sound(self, moment):
        """Whether all that `settle` would look at is finite."""
        seen = any(_wrong(metrics) for _, metrics, _ in self._pending)
        return not (seen or _spoilt(moment.state))

    def _look(self, step, metrics, batch):
        if wrong := _wrong(metrics):
            self._stop(step, wrong, batch)

    def _stop(self, step, what, batch):
        records = np.asarray(batch.get("index", ())).tolist()
        raise NotFinite(
            f"step {step}: {what} is not finite. Records of that batch: {records}.",
            f"Last good checkpoint: {self._newest() or 'none'}. Lower the learning "
            "rate or inspect those records; nothing bad was saved.",
        )


def _wrong(metrics):
    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
    return {k: v for k, v in values.items() if not np.isfinite(v)}


def _spoilt(state):
    """Names of the arrays that are not finite."""
    finite = jax.device_get(_finite(state.nets))
    leaves = jax.tree_util.tree_leaves_with_path(finite)
    return [jax.tree_util.keystr(path) for path, fine in leaves if not fine]


@jax.jit
def _finite(tree):
    return jax.tree.map(lambda x: jnp.isfinite(x).all(), tree)


class Log:
    """Metrics to the console, a JSON-lines file and TensorBoard.

    The file holds nothing that depends on the clock: equal seeds give equal bytes.
    Lines past the step from which a run goes on are dropped, not repeated.
    """

    def __init__(self, directory, *, every, start=0, batch_size=None, name=""):
        self._every, self._batch, self.name = Every(steps=every), batch_size, name
        self._clock, self._step, self._start = time.monotonic(), start, start
        self._lead = jax.process_index() == 0
        self._file = self._board = None
        if self._lead:
            from tensorboardX import SummaryWriter

            self._file = _truncated(Path(directory) / "metrics.jsonl", start)
            board = Path(directory) / "tensorboard"
            self._board = SummaryWriter(str(board), purge_step=start or None)

    def __call__(self, moment):
        """Log a step if it is due."""
        if not (self._every(moment) or moment.step == self._start + 1):
            return
        values = {k: float(v) for k, v in jax.device_get(moment.metrics).items()}
        rate = (moment.step - self._step) / (time.monotonic() - self._clock)
        if moment.step == self._start + 1:  # compilation is not a rate
            rate = 0.0
        self._clock, self._step = time.monotonic(), moment.step
        if self._every(moment):
            self.write(moment.step, {"stage": moment.stage} | values)
        if self._lead and rate:
            self._board.add_scalar("steps_per_second", rate, moment.step)
        self._print(moment, values, rate)

    def write(self, step, values):
        """A line of the metrics file, and the same on TensorBoard."""
        if not self._lead:
            return
        self._file.write(json.dumps({"step": step} | values) + "\n")
        self._file.flush()
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)

    def __enter__(self):
        """The files are open already."""
        return self

    def __exit__(self, *_):
        """Flush and close the files."""
        if self._lead:
            self._file.close()
            self._board.close()

    def _print(self, moment, values, rate):
        if not self._lead:
            return
        speed = "compiled"
        if rate:
            pictures = f", {rate * self._batch:.0f} images/s" if self._batch else ""
            left = _duration((moment.total - moment.step) / rate)
            speed = f"{rate:.2f} steps/s{pictures}, {left} left"
        metrics = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
        print(
            f"{self.name} {moment.step}/{moment.total}  {metrics}  [{speed}]",
            flush=True,
        )


class Evaluation(NamedTuple):
    """What `Evaluate` does in the steps of one stage."""

    values: Callable  # (state) -> {name: value}, measured on validation
    select: str | None  # the value whose highest state is kept
    last: int  # the step after which it is measured whatever the interval says
    label: str = ""  # under which the best is kept: '' for one watch over all stages


class Evaluate:
    """Measures the state on validation and keeps the best one.

    `evaluations` {stage name: Evaluation}; stages without one pass unmeasured.  The
    first of equal values wins, and a value that is not finite never does.  `note`
    tells of the best state so far, and of the best per label.
    """

    def __init__(self, evaluations, *, every, guard, log, checkpoints, note):
        self._evaluations = evaluations
        self._every = every
        self._guard = guard
        self._log = log
        self._checkpoints = checkpoints
        self.note = note

    def __call__(self, moment):
        """Evaluate if due; keep the state if it is the best so far."""
        evaluation = self._evaluations.get(moment.stage)
        if evaluation is None:
            return
        if not self._every(moment._replace(total=evaluation.last)):
            return
        self._guard.settle(moment)
        values = evaluation.values(moment.state)
        self._tell(moment.step, values)
        if evaluation.select is not None:
            check_selected(evaluation.select, values)
            self._choose(moment, evaluation, float(values[evaluation.select]))

    def _tell(self, step, values):
        """The values in the metrics file and on the console."""
        self._log.write(step, {f"validation/{k}": float(v) for k, v in values.items()})
        if jax.process_index() == 0:
            text = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
            print(f"{self._log.name} validation: {text}", flush=True)

    def _choose(self, moment, evaluation, value):
        """Keep the state of this moment if its value is the highest so far."""
        best = self.note["best"]
        if not np.isfinite(value):
            logging.warning(
                "validation %s is %s at step %d, so this state cannot be the best; a "
                "validation split of one class only has no AUC",
                evaluation.select,
                value,
                moment.step,
            )
        elif best is None or value > best["value"]:
            best = {
                "stage": moment.stage,
                "step": moment.step,
                "name": evaluation.select,
                "value": value,
            }
            self.note["best"] = best
            self.note["bests"] = self.note["bests"] | {evaluation.label: best}
            self._checkpoints.save_best(
                moment.state, dict(self.note), label=evaluation.label
            )


class Save:
    """Writes checkpoints when due, and on SIGTERM; then ends the run in good order."""

    def __init__(self, checkpoints, *, every, guard, note, name=""):
        self._checkpoints, self._every, self._name = checkpoints, every, name
        self._guard, self._note = guard, note
        self._asked = threading.Event()
        self._previous = None

    def __enter__(self):
        """Start to listen for SIGTERM (in the main thread, where Python can).

        Of several processes JAX itself listens, and must not be displaced.
        """
        main = threading.current_thread() is threading.main_thread()
        if main and jax.process_count() == 1:
            handler = signal.signal(signal.SIGTERM, lambda *_: self._asked.set())
            self._previous = handler
        return self

    def __exit__(self, kind, *_):
        """Give SIGTERM back to whoever had it, with one that was not acted upon."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            if self._asked.is_set() and kind is not SystemExit:
                signal.raise_signal(signal.SIGTERM)

    def __call__(self, moment):
        """Save if due; leave if asked to."""
        leave = self._leave(moment.step)
        if not (self._every(moment) or leave):
            return
        if counted := self._every.counted(moment):
            self._guard.settle(moment)
        sound = counted or self._guard.sound(moment)
        if sound:
            self._checkpoints.save(moment.state, dict(self._note))
        if leave:
            if jax.process_index() == 0:
                kept = "saved" if sound else "not saved, as it is not finite"
                print(
                    f"{self._name} stopped at step {moment.step}, {kept}: "
                    "resume with the same command",
                    flush=True,
                )
            sys.exit(0)

    def _leave(self, step):
        if jax.process_count() == 1:
            return self._asked.is_set()
        from jax.experimental import multihost_utils

        return multihost_utils.reached_preemption_sync_point(step)


def leave(*_):
    """Ends the process on SIGTERM outside of training, where nothing is unsaved."""
    print("stopped: resume with the same command", flush=True)
    sys.exit(0)


class Profile:
    """Records a profiler trace of `steps` steps after step `first`."""

    def __init__(self, directory, first, steps):
        self._directory, self._first, self._last = directory, first, first + steps
        self._open = False

    def __call__(self, moment):
        """Open or close the window."""
        if moment.step == self._first:
            jax.profiler.start_trace(str(self._directory))
            self._open = True
        if moment.step == min(self._last, moment.total) and self._open:
            jax.block_until_ready(moment.state)
            self._stop()
            print(f"profile of steps up to {moment.step}: {self._directory}")

    def __enter__(self):
        """Nothing is open before the first step."""
        return self

    def __exit__(self, *_):
        """Close the window that a training which ended early leaves open."""
        if self._open:
            self._stop()

    def _stop(self):
        jax.profiler.stop_trace()
        self._open = False


def _truncated(path, step):
    """The metrics file open for appending, without lines after `step`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = []
    for line in lines:
        try:
            if json.loads(line)["step"] > step:
                break
        except (KeyError, TypeError, ValueError):  # a line cut by a kill
            break
        kept.append(line)
    if kept != lines:
        with replacing(path) as partial:
            partial.write_text("".join(kept))
    return path.open("a")


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
