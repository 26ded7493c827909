"""A robustness grid in one compiled pass, against one evaluation for each of its cells.

Meso-4 at 64 x 64 in batches of 64, from JPEG files in memory, under all of AMTEN's
operations at all severities.  The peer decodes, degrades and predicts for every cell
anew, as if each were a test set of its own.  The first time, with compilation, is
printed apart: without programs kept from an earlier run.
"""

import io

import jax
import numpy as np
from harness import compare, milliseconds, save
from PIL import Image
from skimage import data

from jaxforensics import models
from jaxforensics.data.decode import decode
from jaxforensics.methods.classifier import score
from jaxforensics.ops import degrade
from jaxforensics.training.predict import Predictor

SIDE, BATCH, BATCHES = 64, 64, 2


def draw():
    """Parts of a photograph as JPEG files."""
    picture = data.astronaut()
    corners = np.random.default_rng(0).integers(0, 512 - SIDE, (BATCH * BATCHES, 2))
    files = [io.BytesIO() for _ in corners]
    for file, (y, x) in zip(files, corners, strict=True):
        part = Image.fromarray(picture[y : y + SIDE, x : x + SIDE])
        part.save(file, format="JPEG", quality=95)
    return [file.getvalue() for file in files]


def read(files):
    """Batches of decoded files, in their order."""
    for start in range(0, len(files), BATCH):
        images = [decode(file) for file in files[start : start + BATCH]]
        index = start + np.arange(BATCH)
        yield {"image": np.stack(images), "index": index, "valid": np.ones(BATCH)}


def detector():
    net = models.build("meso4", num_classes=1)
    blank = np.zeros((1, SIDE, SIDE, 3), np.float32)
    state = jax.jit(net.init)(jax.random.key(0), blank)

    def predict(state, batch):
        return {"score": score(net.apply(state, batch["image"]))}

    return Predictor(predict, state)


def main():
    files, predictor, key = draw(), detector(), jax.random.key(0)
    grid = {f"{n} {s}": operation for (n, s), operation in degrade.amten_grid().items()}
    together = predictor.through(grid, key)
    alone = {name: predictor.through({name: grid[name]}, key) for name in grid}

    def one_pass():
        return together.over(read(files), outputs=tuple(grid))

    def cell_by_cell():
        return {
            name: cell.over(read(files), outputs=(name,))[name]
            for name, cell in alone.items()
        }

    name, peer_name = f"{len(grid)} cells of {len(files)} pictures", "cell by cell"
    first = [milliseconds(function) for function in (one_pass, cell_by_cell)]
    print(
        f"{name}, with compilation: ours {first[0]:.0f} ms, {peer_name} {first[1]:.0f} "
        f"ms, {first[1] / first[0]:.1f}x faster",
        flush=True,
    )
    found, expected = one_pass(), cell_by_cell()
    for cell in grid:
        np.testing.assert_allclose(found[cell], expected[cell], atol=1e-4, err_msg=cell)
    row = compare(name, one_pass, cell_by_cell, peer_name=peer_name, goal=1, rounds=5)
    save([row | {"ours_first_ms": first[0], "peer_first_ms": first[1]}], "robustness")


if __name__ == "__main__":
    main()
