"""Train a method in a directory: resumable, guarded, logged, best kept."""

import contextlib
from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

from jaxforensics.settings import choose
from jaxforensics.training import loop, weights
from jaxforensics.training import mesh as meshes
from jaxforensics.training import watch as watches
from jaxforensics.training.checkpoints import Checkpoints, no_best
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

    Zero steps mean never, apart from the last step.  A stage that is watched by itself
    is also evaluated after its own last step.
    """

    log_every: int = 50
    evaluate_every: int = 0
    save_every: int = 0
    save_seconds: float = 600.0
    keep: int = 2  # so many of the newest checkpoints
    profile: tuple[int, int] | None = None  # (first step, steps) to trace


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
    """Train `method` on `streams` {name: TrainingData}, all kept in `directory`.

    Run again after a kill, it goes on from the newest sound checkpoint and ends as if
    it had never stopped.  `watch` says what is validated and which state is chosen:
    one Watch over all stages (on the first stage's stream, unless it names another),
    or {stage name: Watch}, each on its stage's stream; then a stage hands its chosen
    state to the next one, and the last stage's is returned.  `start` {role: weights}
    gives nets their first weights, see `weights.begin`; a checkpoint comes first.
    """
    if mesh is None:
        mesh = meshes.data_mesh()
    if intervals is None:
        intervals = Intervals()
    check(intervals)
    check_method(method)
    watches.check(watch, method)
    watched = watches.by_stage(watch, method)

    template = loop.initial_state(method, streams, seed=seed, mesh=mesh)
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(
            Checkpoints(directory, keep=intervals.keep, labels=_labels(watched))
        )
        restored = checkpoints.restore(template)
        if restored is None:  # nothing was saved before: begin
            restored = weights.begin(template, start), no_best()
        state, note = restored

        guard = Guard(newest=checkpoints.newest)
        log = Log(
            directory,
            every=intervals.log_every,
            start=int(state.step),
            batch_size=streams[method.stages[0].data].batch_size,
            name=name,
        )
        stack.enter_context(log)
        # The order matters: what is measured is guarded, and saved with its values.
        hooks = [guard, log]
        if watched:
            evaluate = Evaluate(
                _evaluations(watched, method, streams, state, mesh),
                every=Every(steps=intervals.evaluate_every),
                guard=guard,
                log=log,
                checkpoints=checkpoints,
                note=note,
            )
            hooks.append(evaluate)
        if intervals.profile:
            profile = Profile(f"{directory}/profile", *intervals.profile)
            hooks.append(stack.enter_context(profile))
        save = Save(
            checkpoints,
            every=Every(steps=intervals.save_every, seconds=intervals.save_seconds),
            guard=guard,
            note=note,
            name=name,
        )
        hooks.append(stack.enter_context(save))

        chosen = partial(_chosen, checkpoints, template, watched, note)
        enter = None
        if isinstance(watch, dict):
            enter = partial(_hand_over, chosen, note)
        state = loop.train(
            method, streams, state, seed=seed, hooks=hooks, enter=enter, mesh=mesh
        )
        # Also for a run that was killed after its last step: nothing is trained then.
        return Fitted(chosen(state), note)


def load(directory, method, streams, *, watch=None, mesh=None):
    """The state that a finished `fit` chose, read back."""
    if mesh is None:
        mesh = meshes.data_mesh()
    template = loop.state_shapes(method, streams, mesh=mesh)
    watched = watches.by_stage(watch, method)
    last = watched.get(method.stages[-1].name)
    with Checkpoints(directory, labels=_labels(watched)) as checkpoints:
        # The best of the last stage, if it selects and a value was ever finite.
        restored = None
        if last is not None and last.watch.select is not None:
            restored = checkpoints.restore_best(template, label=last.label)
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
    if mesh is None:
        mesh = meshes.data_mesh()
    template = loop.state_shapes(method, streams, mesh=mesh)
    watched = watches.by_stage(watch, method)
    with Checkpoints(directory, labels=_labels(watched)) as checkpoints:
        for label in reversed(_labels(watched)):
            if restored := checkpoints.restore_best(template, label=label):
                return Fitted(*restored)
    initial = loop.initial_state(method, streams, seed=seed, mesh=mesh)
    return Fitted(weights.begin(initial, start), no_best())


def _labels(watched):
    """Names of the best states that are kept, in the order of stages."""
    labels = [
        stage.label for stage in watched.values() if stage.watch.select is not None
    ]
    return tuple(dict.fromkeys(labels))


def _evaluations(watched, method, streams, state, mesh):
    """{stage name: Evaluation} of the watched stages."""
    predictor = Predictor(method.predict, state, mesh=mesh)
    # One Watch over all stages is one function, whose names are looked up once.
    by_label = {stage.label: stage for stage in watched.values()}
    functions = {
        label: watches.validation(
            stage.watch, predictor, choose(streams, stage.stream, "stream")
        )
        for label, stage in by_label.items()
    }
    return {
        name: Evaluation(
            values=functions[stage.label],
            select=stage.watch.select,
            last=stage.last,
            label=stage.label,
        )
        for name, stage in watched.items()
    }


def _chosen(checkpoints, template, watched, note, state):
    """The best state that `note` tells of, or this one if none was chosen."""
    best = note["best"]
    if best is None:
        return state
    label = watched[best["stage"]].label
    return checkpoints.restore_best(template, label=label)[0]


def _hand_over(chosen, note, state):
    """What a stage starts from: the chosen state of the stage before it.

    Nothing is written here.  A run that goes on from the last step of the stage before
    meets the same note and the same best state, and hands over the same.
    """
    best_nets = chosen(state).nets
    note["best"] = None
    return state.replace(nets=best_nets)
