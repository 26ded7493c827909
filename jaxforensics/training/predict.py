"""Predictions over a whole split: sharded, gathered once, padding dropped."""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import Partial

from jaxforensics.settings import digest
from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

WIDTH = 256  # bytes of a name that travel between processes


class Predictor:
    """A trained method: `predictor(batch)` runs it, `over(batches)` gathers a split.

    `narrow(outputs)` is a `predict` of these alone, for a compiler that would not see
    that others are unused.  `notice` goes with what is stored of its predictions.
    """

    notice = ""

    def __init__(self, predict, state, *, mesh=None, digest="", narrow=None):
        self.mesh = meshes.data_mesh() if mesh is None else mesh
        self.state = jax.device_put(state, meshes.whole(self.mesh))
        self.digest = digest
        self._predict = predict
        self._narrow = narrow or (lambda outputs: predict)
        self._compiled = {}

    def at(self, state):
        """This predictor with another state; what was compiled is kept."""
        self.state = state
        return self

    def __call__(self, batch):
        """Every output for a batch of float pictures; traceable, differentiable."""
        return self._predict(self.state, batch)

    def function(self, output):
        """images -> one output, as a `Partial` of the state.

        What is compiled for it serves all predictors of the method.
        """
        return Partial(_only(self._predict, output), self.state)

    def through(self, operations, key, *, output="score"):
        """A predictor of scores under {name: (key, image) -> image}, in one pass.

        Its outputs are named as the operations, and 'none 0' for the picture as it is;
        each is the method's `output` of degraded pictures.
        Batches draw from `key` and the record they start with: all operations see the
        same random numbers.  Those of `ops.degrade` that differ in numbers alone share
        a compiled program, and all share that of the method.
        """
        operations = {"none 0": Partial(_unchanged)} | operations

        def narrow(outputs):
            chosen = {k: operations[k] for k in outputs if k in operations}
            return partial(_degraded, self._predict, chosen, output, key)

        mark = digest(
            {
                name: [np.asarray(x).tolist() for x in _numbers(operation)[0]]
                for name, operation in operations.items()
            }
        )
        return Predictor(
            narrow(operations),
            self.state,
            mesh=self.mesh,
            digest=f"{self.digest} through {mark} {key} {output}",
            narrow=narrow,
        )

    def over(self, batches, *, outputs=("logits", "score"), measures=None):
        """{name: numpy array} for the valid examples of `batches`, in their order.

        Beside the outputs come what `measures` makes of all outputs and each batch,
        (outputs, batch) -> {name: (b,)}, on the device; and the batches' own columns,
        pictures and maps excepted.
        """
        run = self._compile(tuple(outputs), measures)
        parts = []
        for host, batch in ahead(batches, self.mesh):
            gathered = run(self.state, batch)
            columns = {
                k: meshes.fetch(v)
                for k, v in batch.items()
                if k not in (*meshes.PICTURES, "parsing")
            }
            text = {k: _everywhere(v) for k, v in host.items() if k not in batch}
            parts.append(
                columns | text | {k: meshes.fetch(v) for k, v in gathered.items()}
            )
        if not parts:
            raise ValueError("there is nothing to predict: the split is empty")
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        return {k: v[whole["valid"] > 0] for k, v in whole.items() if k != "valid"}

    def measured(self, measures, batch):
        """Names of what `measures` gives for a host batch; nothing is computed."""
        if measures is None:
            return ()
        measure = partial(_measured, self._predict, measures)
        return tuple(jax.eval_shape(measure, self.state, meshes.example(batch)))

    def _compile(self, outputs, measures):
        key = outputs, measures
        if key not in self._compiled:
            # Measures may read any output, so that nothing is narrowed for them.
            predict = self._predict if measures else self._narrow(outputs)
            self._compiled[key] = _compiled(predict, outputs, measures, self.mesh)
        return self._compiled[key]


@lru_cache(maxsize=32)
def _only(predict, output):
    return lambda state, image: predict(state, {"image": image})[output]


@lru_cache(maxsize=32)
def _compiled(predict, outputs, measures, mesh):
    """A pass that keeps some outputs; all predictors of one method share it."""

    def chosen(state, batch):
        batch = meshes.floats(batch)
        predicted = predict(state, batch)
        kept = {k: predicted[k] for k in outputs if k in predicted}
        if measures is None:
            return kept
        return kept | _per_example(measures, predicted, batch)

    whole, split = meshes.whole(mesh), meshes.split(mesh)
    return jax.jit(chosen, in_shardings=(whole, split), out_shardings=split)


def _measured(predict, measures, state, batch):
    """{name: (b,)}, all that `measures` says of a batch."""
    batch = meshes.floats(batch)
    return _per_example(measures, predict(state, batch), batch)


def _per_example(measures, outputs, batch):
    """measures(outputs, batch), refused unless it is one value per example."""
    values = measures(outputs, batch)
    length = len(batch["valid"])
    for name, value in values.items():
        if jnp.shape(value) != (length,):
            raise ValueError(
                f"measure {name!r} has shape {jnp.shape(value)}: it has to be one "
                f"value per example, {(length,)}"
            )
        if name in outputs or name in batch:
            raise ValueError(
                f"measure {name!r} is also called an output or a column of the batch"
            )
    return values


def _degraded(predict, operations, output, key, state, batch):
    """{name: output} under each operation, one after the other in a compiled loop.

    A switch chooses the program, and numbers are looked up: what is compiled grows with
    the kinds of operations, not with their number, and one result is held at a time.
    """
    if not operations:
        return {}
    key = jax.random.fold_in(key, batch["index"][0])
    programs, names, cells = [], [], []
    for (structure, _), rows in _kinds(operations).items():
        cells += [(len(programs), row) for row in range(len(rows))]
        programs.append(_program(structure, rows.values()))
        names += rows

    def found(cell):
        image = lax.switch(cell[0], programs, cell[1], key, batch["image"])
        return predict(state, batch | {"image": image})[output]

    return dict(zip(names, lax.map(found, jnp.array(cells)), strict=True))


def _kinds(operations):
    """{structure and shapes: {name: numbers}}: each kind differs in numbers alone."""
    kinds = {}
    for name, operation in operations.items():
        numbers, structure = _numbers(operation)
        kind = structure, tuple(map(np.shape, numbers))
        kinds.setdefault(kind, {})[name] = numbers
    return kinds


def _program(structure, rows):
    """(row, key, image) -> image, an operation with the numbers of one of `rows`."""
    tables = [np.stack(column) for column in zip(*rows, strict=True)]

    def apply(row, key, image):
        numbers = [jnp.asarray(table)[row] for table in tables]
        return jax.tree.unflatten(structure, numbers)(key, image)

    return apply


def _unchanged(key, image):
    return image


def _numbers(operation):
    """An operation's numbers and the rest of it; only pytrees of numbers have any."""
    numbers, structure = jax.tree.flatten(operation)
    if any(map(callable, numbers)):
        return [], jax.tree.structure(Partial(operation))
    return numbers, structure


def _everywhere(names):
    """A column of text from every process, in the order of the global batch."""
    if jax.process_count() == 1:
        return np.asarray(names)
    from jax.experimental import multihost_utils

    encoded = np.asarray([str(n).encode()[:WIDTH] for n in names], f"S{WIDTH}")
    raw = encoded.view(np.uint8).reshape(len(names), WIDTH)
    gathered = np.asarray(multihost_utils.process_allgather(raw, tiled=True))
    return np.asarray([bytes(row).rstrip(b"\0").decode() for row in gathered])
