"""Train a method in a directory: resumable, guarded, logged, best kept."""

import contextlib
from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

from jaxforensics.settings import choose
from jaxforensics.training import loop, weights
from jaxforensics.training import mesh as meshes
from jaxforensics.training import watch as watches
from jaxforensics.training.checkpoints import Checkpoints
from jaxforensics.training.hooks import (
    Evaluate,
    Evaluation,
    Every,
    Guard,
    Log,
    Profile,
    Save,
)
from jaxforensics.training.nets import State
from jaxforensics.training.predict import Predictor


class Intervals(NamedTuple):
    """How often a training logs, evaluates and saves, in steps unless it says else.

    Zero steps mean never, apart from the last step.  `profile` is (first step, steps),
    or None.
    """

    log_every: int = 50
    evaluate_every: int = 0
    save_every: int = 0
    save_seconds: float = 600.0
    keep: int = 2
    profile: tuple[int, int] | None = None


class Fitted(NamedTuple):
    """A finished training: the chosen state and how it was chosen.

    `note` has 'best', {'stage', 'step', 'name', 'value'} of this state, or None if it
    is the last one; and 'bests', the same for each watched stage by its name, or for
    one Watch over all stages by ''.
    """

    state: State
    note: dict


def check(intervals):
    """Refuse intervals that mean nothing, in one line that names the setting.

    Called when a config is read, before any data is opened, and again by `fit`.
    """
    for name in ("log_every", "evaluate_every", "save_every"):
        steps = getattr(intervals, name)
        if not _is_whole(steps) or steps < 0:
            raise ValueError(
                f"{name}={steps!r}: it takes a whole number of steps, "
                "or 0 for the last step only"
            )
    seconds = intervals.save_seconds
    if isinstance(seconds, bool) or not isinstance(seconds, Real) or not seconds > 0:
        raise ValueError(f"save_seconds={seconds!r}: it takes a number above 0")
    if not _is_whole(intervals.keep) or intervals.keep < 1:
        raise ValueError(
            f"keep={intervals.keep!r}: at least one checkpoint has to be kept"
        )
    window = intervals.profile
    if window is None:
        return
    if not isinstance(window, tuple | list) or not (
        len(window) == 2 and all(_is_whole(steps) and steps > 0 for steps in window)
    ):
        raise ValueError(
            f"profile={window!r}: it takes (first step, steps), both above 0"
        )


def check_method(method):
    """Refuse a method that would train for no step, naming its stage."""
    if not method.stages:
        raise ValueError("the method has no stage to train")
    for stage in method.stages:
        if not _is_whole(stage.steps) or stage.steps < 1:
            raise ValueError(
                f"steps={stage.steps!r}: stage {stage.name!r} has to take at least one"
            )


def _is_whole(number):
    return isinstance(number, Integral) and not isinstance(number, bool)


def fit(
    directory,
    method,
    streams,
    *,
    seed,
    name="",
    watch=None,
    start=None,
    intervals=None,
    mesh=None,
):
    """Train `method` on `streams` {name: Training}, all kept in `directory`.

    Run again after a kill, it goes on from the newest sound checkpoint and ends as if
    it had never stopped.  `watch` says what is validated and which state is chosen:
    one Watch over all stages (on the first stage's stream, unless it names another),
    or {stage name: Watch}, each on its stage's stream; then a stage hands its chosen
    state to the next one, and the last stage's is returned.  `start` {role: weights}
    gives nets their first weights, see `weights.begin`; a checkpoint comes first.
    """
    mesh = meshes.data_mesh() if mesh is None else mesh
    intervals = Intervals() if intervals is None else intervals
    check(intervals)
    check_method(method)
    watches.check(watch, method)
    template = loop.initial_state(method, streams, seed=seed, mesh=mesh)
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(
            Checkpoints(directory, keep=intervals.keep, labels=_labels(watch))
        )
        restored = checkpoints.restore(template)
        if restored is None:
            restored = weights.begin(template, start), {"best": None, "bests": {}}
        state, note = restored
        log = Log(
            directory,
            every=intervals.log_every,
            start=int(state.step),
            batch_size=streams[method.stages[0].data].batch_size,
            name=name,
        )
        guard = Guard(newest=checkpoints.newest)
        hooks = [guard, stack.enter_context(log)]
        if watch is not None:
            evaluate = Evaluate(
                _evaluations(watch, method, streams, state, mesh),
                every=Every(steps=intervals.evaluate_every),
                note=note,
                guard=guard,
                log=log,
                checkpoints=checkpoints,
            )
            hooks.append(evaluate)
        if intervals.profile:
            profile = Profile(f"{directory}/profile", *intervals.profile)
            hooks.append(stack.enter_context(profile))
        every = Every(steps=intervals.save_every, seconds=intervals.save_seconds)
        save = Save(checkpoints, every=every, guard=guard, note=note, name=name)
        hooks.append(stack.enter_context(save))
        chosen = partial(_chosen, checkpoints, template, watch, note)
        enter = None
        if isinstance(watch, dict):
            enter = partial(_hand_over, chosen, note)
        state = loop.train(
            method, streams, state, seed=seed, hooks=hooks, enter=enter, mesh=mesh
        )
        return Fitted(chosen(state), note)


def load(directory, method, streams, *, watch=None, mesh=None):
    """The state that a finished `fit` chose, read back."""
    mesh = meshes.data_mesh() if mesh is None else mesh
    template = loop.state_shapes(method, streams, mesh=mesh)
    last = method.stages[-1].name
    with Checkpoints(directory, labels=_labels(watch)) as checkpoints:
        restored = None
        if _selects(watch, last):
            restored = checkpoints.restore_best(template, label=_label(watch, last))
        if restored is None:
            restored = checkpoints.restore(template)
    if restored is None:
        raise FileNotFoundError(f"there is no checkpoint under {directory}")
    return Fitted(*restored)


def salvage(directory, method, streams, *, seed, watch=None, start=None, mesh=None):
    """What a `fit` that met NaN leaves: its best state, or the one that it began with.

    Of stages watched one by one, the best of the last one that has any.  The newest
    checkpoint is no answer: when that was written depends on the clock.
    """
    mesh = meshes.data_mesh() if mesh is None else mesh
    template = loop.state_shapes(method, streams, mesh=mesh)
    with Checkpoints(directory, labels=_labels(watch)) as checkpoints:
        for stage in reversed(method.stages):
            if not _selects(watch, stage.name):
                continue
            label = _label(watch, stage.name)
            if restored := checkpoints.restore_best(template, label=label):
                return Fitted(*restored)
    first = loop.initial_state(method, streams, seed=seed, mesh=mesh)
    return Fitted(weights.begin(first, start), {"best": None, "bests": {}})


def _watch_of(watch, stage):
    """The Watch of the stage of this name, or None."""
    return watch.get(stage) if isinstance(watch, dict) else watch


def _selects(watch, stage):
    """Whether the best state of this stage is kept."""
    watch = _watch_of(watch, stage)
    return watch is not None and watch.select is not None


def _label(watch, stage):
    """Under which the best state of a stage is kept: one Watch has one best for all."""
    return stage if isinstance(watch, dict) else ""


def _labels(watch):
    return tuple(watch) if isinstance(watch, dict) else ("",)


def _evaluations(watch, method, streams, state, mesh):
    """{stage name: Evaluation} of the watched stages."""
    predictor = Predictor(method.predict, state, mesh=mesh)
    spans = loop.spans(method)

    def values(one, stage):
        stream = choose(streams, one.stream or stage.data, "stream")
        return watches.validation(one, predictor, stream)

    if isinstance(watch, dict):
        return {
            stage.name: Evaluation(
                values(watch[stage.name], stage),
                watch[stage.name].select,
                last=stop,
                label=stage.name,
            )
            for stage, _, stop in spans
            if stage.name in watch
        }
    over_all = Evaluation(
        values(watch, method.stages[0]), watch.select, last=spans[-1].stop
    )
    return {stage.name: over_all for stage in method.stages}


def _chosen(checkpoints, template, watch, note, state):
    """The best state that `note` tells of, or this one if none was chosen."""
    best = note["best"]
    if best is None:
        return state
    label = _label(watch, best["stage"])
    return checkpoints.restore_best(template, label=label)[0]


def _hand_over(chosen, note, stage, state):
    """What `stage` starts from: the chosen state of the stage before it.

    Nothing is written here.  A run that goes on from the last step of the stage before
    meets the same note and the same best state, and hands over the same.
    """
    del stage
    best_nets = chosen(state).nets
    note["best"] = None
    return state.replace(nets=best_nets)
