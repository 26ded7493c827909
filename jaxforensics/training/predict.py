"""Predictions over a whole split: sharded, gathered once, padding dropped."""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.tree_util import Partial

from jaxforensics import settings
from jaxforensics.progress import bar
from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

NAME_BYTES = 256  # of a name that travels between processes, where lengths are fixed
PATIENCE = 3.0  # seconds after which predictions show how far they are


class Predictor:
    """A trained method: `predictor(batch)` runs it, `over(batches)` gathers a split.

    `digest` identifies it where predictions are stored, and `notice` is stored with
    them.  `narrow(outputs)` gives a `predict` of these outputs alone, where a compiler
    would not see that the others are unused.
    """

    notice = ""

    def __init__(self, predict, state, *, mesh=None, digest="", narrow=None):
        self.mesh = mesh or meshes.data_mesh()
        self.state = jax.device_put(state, meshes.whole(self.mesh))
        self.digest = digest
        self._predict = predict
        self._narrow = narrow or (lambda outputs: predict)
        self._compiled = {}  # {(outputs, measures): a compiled pass}

    def at(self, state):
        """This predictor with another state; what was compiled is kept."""
        self.state = state
        return self

    def __call__(self, batch):
        """Every output for a batch of float pictures; traceable, differentiable."""
        return self._predict(self.state, batch)

    def function(self, output):
        """images -> one output, as a `Partial` of the state.

        The state is an argument of what is compiled, not a constant in it: all
        predictors of the method share that.
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
            wanted = {name: operations[name] for name in outputs if name in operations}
            return partial(_degraded, self._predict, wanted, output, key)

        numbers_digest = settings.digest(
            {
                name: [np.asarray(x).tolist() for x in _numbers(operation)[0]]
                for name, operation in operations.items()
            }
        )
        return Predictor(
            narrow(operations),
            self.state,
            mesh=self.mesh,
            digest=f"{self.digest} through {numbers_digest} {key} {output}",
            narrow=narrow,
        )

    def by(self, function, *, description):
        """A predictor of what `function(predict, state, batch)` says: {name: (b, ...)}.

        `predict(state, batch)` gives every output of the method.  Predictors of one
        method and `function` share what is compiled; `description` tells functions
        apart where predictions are stored.
        """
        return Predictor(
            _by(function, self._predict),
            self.state,
            mesh=self.mesh,
            digest=f"{self.digest} by {description}",
        )

    def over(self, batches, *, outputs=("logits", "score"), measures=None):
        """{name: numpy array} for the valid examples of `batches`, in their order.

        Beside the outputs come what `measures` makes of all outputs and each batch,
        (outputs, batch) -> {name: (b,)}, on the device; and the batches' own columns,
        pictures and maps excepted.
        """
        run = self._compile(tuple(outputs), measures)
        pairs = bar(
            ahead(batches, self.mesh),
            desc="predicting",
            unit="batch",
            shown=jax.process_index() == 0,
            delay=PATIENCE,
        )
        parts = [
            _columns(host, batch) | _fetched(run(self.state, batch))
            for host, batch in pairs
        ]
        if not parts:
            raise ValueError("there is nothing to predict: the split is empty")
        columns = {
            name: np.concatenate([part[name] for part in parts]) for name in parts[0]
        }
        is_example = columns.pop("valid") > 0
        return {name: column[is_example] for name, column in columns.items()}

    def names(self, batch, measures=None):
        """Names of all outputs for a host batch, and of what `measures` gives.

        Shapes are followed through the method; nothing is compiled or computed.
        """
        everything = partial(_everything, self._predict, measures)
        shapes = jax.eval_shape(everything, self.state, meshes.example(batch))
        return tuple(tuple(values) for values in shapes)

    def _compile(self, outputs, measures):
        key = outputs, measures
        if key not in self._compiled:
            predict = self._narrow(outputs)
            if measures is not None:  # which may read any output
                predict = self._predict
            self._compiled[key] = _compiled(predict, outputs, measures, self.mesh)
        return self._compiled[key]


def _columns(host, batch):
    """What a batch says of its examples: numbers from the devices, text from the host.

    Pictures and maps are left where they are.
    """
    numbers = {
        name: array for name, array in batch.items() if name not in meshes.PER_PIXEL
    }
    text = {
        name: _everywhere(column) for name, column in host.items() if name not in batch
    }
    return _fetched(numbers) | text


def _fetched(arrays):
    return {name: meshes.fetch(array) for name, array in arrays.items()}


# Two functions of the same arguments are one object, so that JAX compiles once.
@lru_cache(maxsize=32)
def _only(predict, output):
    return lambda state, image: predict(state, {"image": image})[output]


@lru_cache(maxsize=32)
def _by(function, predict):
    return partial(function, predict)


@lru_cache(maxsize=32)
def _compiled(predict, outputs, measures, mesh):
    """A pass that keeps some outputs; all predictors of one method share it."""

    def chosen(state, batch):
        batch = meshes.floats(batch)
        predicted = predict(state, batch)
        kept = {name: predicted[name] for name in outputs if name in predicted}
        if measures is None:
            return kept
        return kept | _per_example(measures, predicted, batch)

    split = meshes.split(mesh)
    return jax.jit(
        chosen, in_shardings=(meshes.whole(mesh), split), out_shardings=split
    )


def _everything(predict, measures, state, batch):
    """All outputs for a batch, and all that `measures` says of them."""
    batch = meshes.floats(batch)
    outputs = predict(state, batch)
    if measures is None:
        return outputs, {}
    return outputs, _per_example(measures, outputs, batch)


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
    programs = []
    names = []
    cells = []  # for each name, (its program, its row of numbers there)
    for (structure, _), rows in _alike(operations).items():
        cells += [(len(programs), row) for row in range(len(rows))]
        programs.append(_program(structure, rows.values()))
        names += rows

    def predicted(cell):
        program, row = cell
        image = lax.switch(program, programs, row, key, batch["image"])
        return predict(state, batch | {"image": image})[output]

    return dict(zip(names, lax.map(predicted, jnp.array(cells)), strict=True))


def _alike(operations):
    """{(structure, shapes): {name: numbers}} of operations alike but for numbers."""
    groups = {}
    for name, operation in operations.items():
        numbers, structure = _numbers(operation)
        form = structure, tuple(map(np.shape, numbers))
        groups.setdefault(form, {})[name] = numbers
    return groups


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

    # Only numbers travel between processes.
    rows = multihost_utils.process_allgather(_as_bytes(names), tiled=True)
    return _as_text(np.asarray(rows))


def _as_bytes(names):
    """Text as UTF-8, filled up with zeros: (b, ...) -> (b, ..., NAME_BYTES) uint8."""
    names = np.asarray(names)
    encoded = [str(name).encode()[:NAME_BYTES] for name in names.ravel()]
    padded = np.asarray(encoded, f"S{NAME_BYTES}")
    return padded.view(np.uint8).reshape(*names.shape, NAME_BYTES)


def _as_text(rows):
    """What `_as_bytes` was given: (b, ..., NAME_BYTES) uint8 -> (b, ...)."""
    flat = rows.reshape(-1, NAME_BYTES)
    # A long name may be cut within a character, which then is left out.
    names = [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in flat]
    return np.asarray(names).reshape(rows.shape[:-1])
