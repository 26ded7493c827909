"""The hook that stops a training when its numbers are no longer finite."""

from collections import deque

import jax
import jax.numpy as jnp
import numpy as np


class NotFinite(FloatingPointError):
    """Training produced NaN or infinity; `what` says where, the same in every run."""

    def __init__(self, what, advice):
        super().__init__(f"{what} {advice}")
        self.what = what


class Guard:
    """Stops training when a metric is not finite, naming the step and the records.

    Metrics are looked at `lag` steps late: reading one waits for its step, and by then
    the devices have the next ones queued.  `settle` is called before a state is
    measured or kept; it reads what is still queued, and then the state, which a step
    may spoil although its metrics were finite.

    A training has to stop at the same step in every run.  So where only the clock says
    that it is time to save, `sound` is asked instead, which looks at the same numbers
    and stops nothing.
    """

    def __init__(self, *, newest=lambda: None, lag=2):
        self._newest = newest  # () -> step of the newest checkpoint, for the message
        self._lag = lag
        self._pending = deque()  # (step, metrics, batch) not looked at yet

    def __call__(self, moment):
        """Queue this step's metrics, look at those of some steps ago."""
        self._pending.append((moment.step, moment.metrics, moment.batch))
        while len(self._pending) > self._lag:
            self._look(*self._pending.popleft())

    def settle(self, moment):
        """Stop unless all queued metrics, and this moment's state, are finite."""
        while self._pending:
            self._look(*self._pending.popleft())
        if spoilt := _not_finite_arrays(moment.state):
            what = f"{spoilt[0]} ({len(spoilt)} arrays in all)"
            self._stop(moment.step, what, moment.batch)

    def sound(self, moment):
        """Whether `settle` would let this moment pass."""
        if any(_not_finite_metrics(metrics) for _, metrics, _ in self._pending):
            return False
        return not _not_finite_arrays(moment.state)

    def _look(self, step, metrics, batch):
        if wrong := _not_finite_metrics(metrics):
            self._stop(step, wrong, batch)

    def _stop(self, step, what, batch):
        records = np.asarray(batch.get("index", ())).tolist()
        raise NotFinite(
            f"step {step}: {what} is not finite. Records of that batch: {records}.",
            f"Last good checkpoint: {self._newest() or 'none'}. Lower the learning "
            "rate or inspect those records; nothing bad was saved.",
        )


def _not_finite_metrics(metrics):
    values = {name: float(value) for name, value in jax.device_get(metrics).items()}
    return {name: value for name, value in values.items() if not np.isfinite(value)}


def _not_finite_arrays(state):
    """Names of the arrays of a state that are not finite."""
    finite = jax.device_get(_finite(state.nets))
    leaves = jax.tree_util.tree_leaves_with_path(finite)
    return [jax.tree_util.keystr(path) for path, is_finite in leaves if not is_finite]


@jax.jit
def _finite(tree):
    """One truth per array, so that the arrays themselves stay on the devices."""
    return jax.tree.map(lambda array: jnp.isfinite(array).all(), tree)
