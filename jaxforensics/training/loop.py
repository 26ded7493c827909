"""The loop that every method shares; it knows nothing of losses or players."""

import functools
import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax

from jaxforensics.training import mesh as meshes
from jaxforensics.training.nets import Stage, State


class Moment(NamedTuple):
    """What a hook sees after a step: `metrics` were measured during that step."""

    step: int  # steps done, over all stages
    total: int
    stage: str
    state: State
    metrics: dict[str, jax.Array]
    batch: dict[str, Any]  # as the pipeline gave it, on the host


class Span(NamedTuple):
    """A stage, and its steps counted over all stages: `first` are done before it."""

    stage: Stage
    first: int
    stop: int


def spans(method):
    """The stages of a method in order, each with the steps that it takes."""
    stops = itertools.accumulate(stage.steps for stage in method.stages)
    return [
        Span(stage, stop - stage.steps, stop)
        for stage, stop in zip(method.stages, stops, strict=True)
    ]


def train(method, streams, state, *, seed, hooks=(), enter=None, mesh):
    """Run the stages of `method` in order, from wherever `state` is to their end.

    `streams` maps the stages' data names to objects with `batches(start)`, in which a
    batch is a function of its step.  A hook is called after every step, in the order
    given; a state is valid until the hooks return (its memory is then reused).
    `enter(state) -> state` is called before the first step of every stage, also by a
    run that goes on from exactly there; it may not change `state.step`.
    """
    step_key = jax.random.key(seed)
    done = int(state.step)
    all_spans = spans(method)
    total = all_spans[-1].stop

    for stage, first, stop in all_spans:
        if done >= stop:
            continue
        if done == first and enter is not None:
            state = enter(state)
        step = _compiled(stage.step, mesh)
        batches = streams[stage.data].batches(start=done - first)
        for host, batch in ahead(itertools.islice(batches, stop - done), mesh):
            # A step's key depends on the seed and the step alone, so that a resumed
            # run draws as an undisturbed one.
            key = jax.random.fold_in(step_key, done)
            state, metrics = step(key, state, batch)
            done += 1
            moment = Moment(done, total, stage.name, state, metrics, host)
            for hook in hooks:
                hook(moment)
    return state


def initial_state(method, streams, *, seed, mesh):
    """The state before the first step, born replicated over the mesh."""
    # The last of 2³² steps, so that no step shares a key with the initial weights.
    key = jax.random.fold_in(jax.random.key(seed), 2**32 - 1)
    return _born(method.init, mesh)(key, _example(method, streams))


def state_shapes(method, streams, *, mesh):
    """Shapes, types and placement of the state: nothing is compiled or computed."""
    sharding = meshes.whole(mesh)
    example = _example(method, streams)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        _born(method.init, mesh).eval_shape(jax.random.key(0), example),
    )


def ahead(batches, mesh, *, depth=2):
    """Pairs (host batch, device batch), of which `depth` are prepared in advance.

    One thread draws batches and copies them to the devices while a step runs.
    """
    with ThreadPoolExecutor(1) as pool:
        source = iter(batches)

        def fetch():
            host = next(source, None)
            if host is None:
                return None  # after the last batch
            return host, meshes.put(host, mesh)

        queue = deque(pool.submit(fetch) for _ in range(depth))
        try:
            while (pair := queue.popleft().result()) is not None:
                queue.append(pool.submit(fetch))
                yield pair
        finally:
            for future in queue:
                future.cancel()


def _example(method, streams):
    """A blank example of the batches that the first stage is trained on."""
    host = next(iter(streams[method.stages[0].data].batches(start=0)))
    return meshes.example(host)


# The same function gives the same compiled one, so that the next training of the same
# method need not compile again.
@functools.lru_cache(maxsize=16)
def _born(init, mesh):
    return jax.jit(init, out_shardings=meshes.whole(mesh))


@functools.lru_cache(maxsize=16)
def _compiled(step, mesh):
    """A step on float pictures: state whole on every device, batches split."""

    def floated(key, state, batch):
        return step(key, state, meshes.floats(batch))

    whole = meshes.whole(mesh)
    return jax.jit(
        floated,
        in_shardings=(whole, whole, meshes.split(mesh)),
        out_shardings=whole,
        donate_argnums=1,  # the new state takes the memory of the old one
    )
