"""Train a method in a directory: resumable, guarded, logged, best kept."""

import contextlib
from typing import NamedTuple

from jaxforensics.training import loop
from jaxforensics.training import mesh as meshes
from jaxforensics.training.checkpoints import Checkpoints
from jaxforensics.training.hooks import Evaluate, Every, Guard, Log, Profile, Save
from jaxforensics.training.nets import State
from jaxforensics.training.predict import Predictor


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
    log_every=50,
    evaluate_every=0,
    save_every=0,
    save_seconds=600.0,
    keep=2,
    profile=None,
    mesh=None,
):
    """Train `method` on the streams `data` {name: Training}, all kept in `directory`.

    Run again after a kill, it goes on from the newest sound checkpoint and ends as if
    it had never stopped.  `measure(outputs)` turns the gathered predictions on the
    first stream's validation split into {name: value}; `select` names the one whose
    best state is returned (None: the last state).  `profile` is (first step, steps).
    """
    mesh = meshes.data_mesh() if mesh is None else mesh
    first = data[method.stages[0].data]
    state = template = loop.initial_state(method, data, seed=seed, mesh=mesh)
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(Checkpoints(directory, keep=keep))
        state, note = checkpoints.restore(template) or (state, {"best": None})
        log = stack.enter_context(
            Log(
                directory,
                every=log_every,
                start=int(state.step),
                batch_size=first.batch_size,
                name=name,
            )
        )
        guard = Guard(newest=checkpoints.newest)
        hooks = [guard, log]
        if measure is not None:
            predictor = Predictor(method.predict, state, mesh=mesh)
            hooks.append(
                Evaluate(
                    lambda now: measure(predictor.at(now).over(first.validation())),
                    every=Every(steps=evaluate_every),
                    select=select,
                    note=note,
                    guard=guard,
                    log=log,
                    checkpoints=checkpoints,
                )
            )
        if profile is not None:
            hooks.append(Profile(f"{directory}/profile", *profile))
        every = Every(steps=save_every, seconds=save_seconds)
        save = Save(checkpoints, every=every, guard=guard, note=note)
        hooks.append(stack.enter_context(save))
        state = loop.train(method, data, state, seed=seed, hooks=hooks, mesh=mesh)
        best = checkpoints.restore_best(template) if note["best"] else None
        return Fitted(best[0] if best else state, note)


def load(directory, method, data, *, seed, select=None, mesh=None):
    """The state that a finished `fit` chose, read back."""
    mesh = meshes.data_mesh() if mesh is None else mesh
    template = loop.initial_state(method, data, seed=seed, mesh=mesh)
    with Checkpoints(directory) as checkpoints:
        found = None if select is None else checkpoints.restore_best(template)
        found = found or checkpoints.restore(template)
    if found is None:
        raise FileNotFoundError(f"there is no checkpoint under {directory}")
    return Fitted(*found)
