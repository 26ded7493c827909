"""A training step on one CPU device against two that share the batch, by network.

Forward, backward and SGD, float32, 16 pictures.  Every cell is a process of its own, as
the number of devices is fixed before JAX starts.
"""

import os
import statistics
import subprocess
import sys

import jax
import numpy as np
from harness import milliseconds, save

from jaxforensics.methods import classifier
from jaxforensics.training import mesh

BATCH, CLASSES, ROUNDS = 16, 8, 10
CASES = [
    ("amtennet", 64),
    ("amtennet", 128),
    ("model_base", 128),
    ("meso4", 128),
    ("mesoinception4", 64),
    ("mislnet", 64),
    ("handcrafted_res", 64),
    ("xception", 64),
]
SGD = {"name": "sgd", "rate": 1e-4, "settings": {"momentum": 0.95}}


def measure(model, size):
    """The median of a step, in milliseconds, on the devices of this process."""
    generator = np.random.default_rng(0)
    batch = {
        "image": generator.random((BATCH, size, size, 3), dtype=np.float32),
        "source": generator.integers(CLASSES, size=BATCH),
        "valid": np.ones(BATCH, np.float32),
    }
    settings = {"num_classes": CLASSES, "target": "source", "loss": "cross_entropy"}
    method = classifier.make(model=model, optimiser=SGD, steps=1, **settings)
    devices = mesh.data_mesh()
    key = jax.random.key(0)
    whole = mesh.whole(devices)
    state = jax.jit(method.init, out_shardings=whole)(key, batch)
    step = jax.jit(method.stages[0].step, donate_argnums=1)
    on_devices = mesh.put(batch, devices)
    held = [state]  # replaced by every step, whose memory is that of the last one

    def one_step():
        held[0], metrics = step(key, held[0], on_devices)
        return metrics["loss"]

    for _ in range(2):  # the second compiles for the state as a step leaves it
        milliseconds(one_step)
    return statistics.median(milliseconds(one_step) for _ in range(ROUNDS))


def main():
    """Run the comparison."""
    rows = []
    for model, size in CASES:
        one, two = (
            float(
                subprocess.run(
                    [sys.executable, __file__, model, str(size)],
                    env=os.environ | {"JAX_NUM_CPU_DEVICES": str(number)},
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for number in (1, 2)
        )
        print(
            f"{model:16s} {size:4d}   one device {one:8.1f} ms   "
            f"two devices {two:8.1f} ms   {one / two:5.2f}x faster",
            flush=True,
        )
        rows.append({"name": f"{model} {size}", "one_ms": one, "two_ms": two})
    save(rows, "devices")


if __name__ == "__main__":
    mesh.start()
    if sys.argv[1:]:
        print(measure(sys.argv[1], int(sys.argv[2])))
    else:
        main()
