"""The hook that tells how a training goes: console, metrics file, TensorBoard."""

import json
import time
from pathlib import Path

import jax

from jaxforensics.files import replacing
from jaxforensics.training.hooks.every import Every


class Log:
    """Metrics to the console, a JSON-lines file and TensorBoard.

    The file holds nothing that depends on the clock: equal seeds give equal bytes.
    Lines past the step from which a run goes on are dropped, not repeated.
    """

    def __init__(self, directory, *, every, start=0, batch_size=None, name=""):
        self.name = name
        self._every = Every(steps=every)
        self._batch_size = batch_size
        self._first_step = start + 1
        # Where the rate was last taken.
        self._last_time = time.monotonic()
        self._last_step = start
        # Of several processes the first alone writes and prints.
        self._writes = jax.process_index() == 0
        self._file = None
        self._board = None
        if self._writes:
            from tensorboardX import SummaryWriter

            self._file = _open_after(Path(directory) / "metrics.jsonl", start)
            board = Path(directory) / "tensorboard"
            self._board = SummaryWriter(str(board), purge_step=start or None)

    def __call__(self, moment):
        """Log a step if it is due; the first step is printed in any case."""
        due = self._every(moment)
        is_first = moment.step == self._first_step
        if not (due or is_first):
            return
        # Reading the metrics waits for the step: a rate taken before would be too high.
        metrics = jax.device_get(moment.metrics)
        values = {name: float(value) for name, value in metrics.items()}
        rate = self._rate(moment.step)
        if is_first:
            rate = 0.0  # most of the first step is compilation
        if due:
            self.write(moment.step, {"stage": moment.stage} | values)
        if self._writes and rate:
            self._board.add_scalar("steps_per_second", rate, moment.step)
        self._print(moment, values, rate)

    def write(self, step, values):
        """A line of the metrics file, and the same on TensorBoard."""
        if not self._writes:
            return
        self._file.write(json.dumps({"step": step} | values) + "\n")
        self._file.flush()  # for who looks on, and against a kill
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, step)

    def __enter__(self):
        """The files are open already."""
        return self

    def __exit__(self, *_):
        """Flush and close the files."""
        if self._writes:
            self._file.close()
            self._board.close()

    def _rate(self, step):
        """Steps per second since this was last asked."""
        now = time.monotonic()
        rate = (step - self._last_step) / (now - self._last_time)
        self._last_time = now
        self._last_step = step
        return rate

    def _print(self, moment, values, rate):
        if not self._writes:
            return
        speed = "compiled"
        if rate:
            images = ""
            if self._batch_size:
                images = f", {rate * self._batch_size:.0f} images/s"
            remaining = _duration((moment.total - moment.step) / rate)
            speed = f"{rate:.2f} steps/s{images}, {remaining} left"
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(
            f"{self.name} {moment.step}/{moment.total}  {metrics}  [{speed}]",
            flush=True,
        )


def _open_after(path, step):
    """The metrics file open for appending, without lines after `step`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
    kept = []
    for line in lines:
        try:
            if json.loads(line)["step"] > step:
                break
        except (KeyError, TypeError, ValueError):  # a line cut by a kill
            break
        kept.append(line)
    # Rewritten beside and renamed: a kill meanwhile must not cost the history.
    if kept != lines:
        with replacing(path) as partial:
            partial.write_text("".join(kept))
    return path.open("a")


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
