"""The hook that measures a state on validation, and keeps the best one."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from absl import logging

from jaxforensics.training.watch import check_selected


class Evaluation(NamedTuple):
    """How `Evaluate` measures the states of one stage."""

    values: Callable  # (state) -> {name: value}, measured on validation
    select: str | None  # the value whose highest state is kept
    last: int  # the step after which it is measured whatever the interval says
    label: str = ""  # under which the best is kept: '' for one watch over all stages


class Evaluate:
    """Measures the state on validation and keeps the best one.

    `evaluations` {stage name: Evaluation}; stages without one pass unmeasured.  The
    first of equal values wins, and a value that is not finite never does.  `note`
    tells of the best state so far ('best'), and of the best per label ('bests').
    """

    def __init__(self, evaluations, *, every, guard, log, checkpoints, note):
        self._evaluations = evaluations
        self._every = every
        self._guard = guard
        self._log = log
        self._checkpoints = checkpoints
        self._note = note

    def __call__(self, moment):
        """Evaluate if due; keep the state if it is the best so far."""
        evaluation = self._evaluations.get(moment.stage)
        if evaluation is None:
            return
        # The end that counts is that of what is watched: of a stage, or of them all.
        if not self._every(moment._replace(total=evaluation.last)):
            return
        # A state that is not finite would only give values that are not.
        self._guard.settle(moment)
        values = evaluation.values(moment.state)
        self._tell(moment.step, values)
        if evaluation.select is not None:
            check_selected(evaluation.select, values)
            self._choose(moment, evaluation, float(values[evaluation.select]))

    def _tell(self, step, values):
        """The values in the metrics file and on the console."""
        self._log.write(
            step, {f"validation/{name}": float(value) for name, value in values.items()}
        )
        if jax.process_index() == 0:
            text = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            print(f"{self._log.name} validation: {text}", flush=True)

    def _choose(self, moment, evaluation, value):
        """Keep the state of this moment if its value is the highest so far."""
        best = self._note["best"]
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
            self._note["best"] = best
            self._note["bests"] = self._note["bests"] | {evaluation.label: best}
            # Saved before the newest checkpoint: a kill in between leaves a best that
            # is ahead of it, which the resumed run forgets and meets again.
            self._checkpoints.save_best(
                moment.state, dict(self._note), label=evaluation.label
            )
