"""Train a method in a directory: resumable, guarded, logged, best kept."""

import contextlib
from typing import NamedTuple

from jaxforensics.training import loop
from jaxforensics.training import mesh as meshes
from jaxforensics.training.checkpoints import Checkpoints
from jaxforensics.training.hooks import Evaluate, Every, Guard, Log, Profile, Save
from jaxforensics.training.nets import State
from jaxforensics.training.predict import Predictor


class Intervals(NamedTuple):
    """How often a training logs, evaluates and saves, in steps unless it says else.

    Zero means never, apart from the last step.  `profile` is (first step, steps),
    or None.
    """

    log_every: int = 50
    evaluate_every: int = 0
    save_every: int = 0
    save_seconds: float = 600.0
    keep: int = 2
    profile: tuple[int, int] | None = None


class Fitted(NamedTuple):
    """A finished training: the chosen state and how it was chosen."""

    state: State
    note: dict  # 'best': {'step', 'name', 'value'} or None


def fit(
    directory,
    method,
    data,
    *,
    seed,
    name="",
    measure=None,
    select=None,
    intervals=None,
    mesh=None,
):
    """Train `method` on the streams `data` {name: Training}, all kept in `directory`.

    Run again after a kill, it goes on from the newest sound checkpoint and ends as if
    it had never stopped.  `measure(outputs)` turns the gathered predictions on the
    first stream's validation split into {name: value}; `select` names the one whose
    best state is returned (None: the last state).
    """
    mesh = meshes.data_mesh() if mesh is None else mesh
    intervals = Intervals() if intervals is None else intervals
    first = data[method.stages[0].data]
    template = loop.initial_state(method, data, seed=seed, mesh=mesh)
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(Checkpoints(directory, keep=intervals.keep))
        state, note = checkpoints.restore(template) or (template, {"best": None})
        log = Log(
            directory,
            every=intervals.log_every,
            start=int(state.step),
            batch_size=first.batch_size,
            name=name,
        )
        guard = Guard(newest=checkpoints.newest)
        hooks = [guard, stack.enter_context(log)]
        if measure is not None:
            predictor = Predictor(method.predict, state, mesh=mesh)
            watch = Evaluate(
                lambda now: measure(predictor.at(now).over(first.validation())),
                every=Every(steps=intervals.evaluate_every),
                select=select,
                note=note,
                guard=guard,
                log=log,
                checkpoints=checkpoints,
            )
            hooks.append(watch)
        if intervals.profile:
            profile = Profile(f"{directory}/profile", *intervals.profile)
            hooks.append(stack.enter_context(profile))
        every = Every(steps=intervals.save_every, seconds=intervals.save_seconds)
        save = Save(checkpoints, every=every, guard=guard, note=note, name=name)
        hooks.append(stack.enter_context(save))
        state = loop.train(method, data, state, seed=seed, hooks=hooks, mesh=mesh)
        best = checkpoints.restore_best(template) if note["best"] else None
        return Fitted(best[0] if best else state, note)


def load(directory, method, data, *, select=None, mesh=None):
    """The state that a finished `fit` chose, read back."""
    mesh = meshes.data_mesh() if mesh is None else mesh
    template = loop.state_shapes(method, data, mesh=mesh)
    with Checkpoints(directory) as checkpoints:
        found = None if select is None else checkpoints.restore_best(template)
        found = found or checkpoints.restore(template)
    if found is None:
        raise FileNotFoundError(f"there is no checkpoint under {directory}")
    return Fitted(*found)


def salvage(directory, method, data, *, seed, select=None, mesh=None):
    """What a `fit` that met NaN leaves: its best state, or the one that it began with.

    Its newest checkpoint is no answer: when that was written depends on the clock.
    """
    mesh = meshes.data_mesh() if mesh is None else mesh
    if select is not None:
        template = loop.state_shapes(method, data, mesh=mesh)
        with Checkpoints(directory) as checkpoints:
            if found := checkpoints.restore_best(template):
                return Fitted(*found)
    begun = loop.initial_state(method, data, seed=seed, mesh=mesh)
    return Fitted(begun, {"best": None})
