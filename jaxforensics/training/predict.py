"""Predictions over a whole split: sharded, gathered once, padding dropped."""

import jax
import numpy as np

from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

WIDTH = 256  # bytes of a name that travel between processes


class Predictor:
    """A trained method: `predictor(batch)` runs it, `over(batches)` gathers a split."""

    def __init__(self, predict, state, *, mesh=None, fingerprint=""):
        self.mesh = meshes.data_mesh() if mesh is None else mesh
        self.state = jax.device_put(state, meshes.whole(self.mesh))
        self.fingerprint = fingerprint
        self._predict = predict
        self._compiled = {}

    def at(self, state):
        """This predictor with another state; what was compiled is kept."""
        self.state = state
        return self

    def __call__(self, batch):
        """Every output for a batch of float pictures; traceable, differentiable."""
        return self._predict(self.state, batch)

    def through(self, operations, key):
        """A predictor of scores under {name: (key, image) -> image}, in one pass.

        Its outputs are named as the operations, and 'none 0' for the picture as it is.
        Batches draw from `key` and the record they start with.
        """

        def predict(state, batch):
            drawn = jax.random.fold_in(key, batch["index"][0])
            cells = {"none 0": lambda key, image: image} | operations
            return {
                name: self._predict(
                    state, batch | {"image": operation(drawn, batch["image"])}
                )["score"]
                for name, operation in cells.items()
            }

        mark = f"{self.fingerprint} through {sorted(operations)} {key}"
        return Predictor(predict, self.state, mesh=self.mesh, fingerprint=mark)

    def over(self, batches, *, outputs=("logits", "score")):
        """{name: numpy array} for the valid examples of `batches`, in their order.

        Beside the outputs come the batches' own columns, pictures and maps excepted.
        """
        parts = []
        for host, batch in ahead(batches, self.mesh):
            found = self._compile(outputs)(self.state, batch)
            columns = {
                k: meshes.fetch(v)
                for k, v in batch.items()
                if k not in (*meshes.PICTURES, "parsing")
            }
            text = {k: _everywhere(v) for k, v in host.items() if k not in batch}
            parts.append(
                columns | text | {k: meshes.fetch(v) for k, v in found.items()}
            )
        if not parts:
            raise ValueError("there is nothing to predict: the split is empty")
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        return {k: v[whole["valid"] > 0] for k, v in whole.items() if k != "valid"}

    def _compile(self, outputs):
        if outputs not in self._compiled:

            def chosen(state, batch):
                found = self._predict(state, meshes.floats(batch))
                return {k: found[k] for k in outputs if k in found}

            whole, split = meshes.whole(self.mesh), meshes.split(self.mesh)
            self._compiled[outputs] = jax.jit(
                chosen, in_shardings=(whole, split), out_shardings=split
            )
        return self._compiled[outputs]


def _everywhere(names):
    """A column of text from every process, in the order of the global batch."""
    if jax.process_count() == 1:
        return np.asarray(names)
    from jax.experimental import multihost_utils

    encoded = np.asarray([str(n).encode()[:WIDTH] for n in names], f"S{WIDTH}")
    raw = encoded.view(np.uint8).reshape(len(names), WIDTH)
    gathered = np.asarray(multihost_utils.process_allgather(raw, tiled=True))
    return np.asarray([bytes(row).rstrip(b"\0").decode() for row in gathered])
