"""Time functions in turn, in one process, and print their ratio."""

import json
import statistics
import time
from pathlib import Path

import jax

from jaxforensics.training import mesh


def milliseconds(function):
    """One call of `function`, its device work included."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return 1e3 * (time.perf_counter() - start)


def compare(name, ours, peer, *, peer_name, goal, rounds=7, row=1, better="faster"):
    """Print the medians of `ours` and `peer`, alternated, and peer/ours.

    `goal` is the least ratio peer/ours that the project claims.  With `row` each is
    called that often in a row, as the steps of a training are, and the first call does
    not count: the other's threads still wait for work then, and take time.
    """
    times = {"ours": [], "peer": []}
    milliseconds(ours), milliseconds(peer)  # compile, warm caches
    for _ in range(rounds):
        for who, function in {"ours": ours, "peer": peer}.items():
            taken = [milliseconds(function) for _ in range(row)]
            times[who] += taken[1:] or taken
    ours_ms, peer_ms = (statistics.median(times[k]) for k in ("ours", "peer"))
    ratio = peer_ms / ours_ms
    verdict = "ok" if ratio >= goal else "MISSED"
    print(
        f"{name:34s} ours {ours_ms:9.2f} ms   {peer_name:24s} {peer_ms:9.2f} ms   "
        f"{ratio:7.2f}x {better} (goal {goal:g}x)  {verdict}",
        flush=True,
    )
    return {
        "name": name,
        "ours_ms": ours_ms,
        "peer": peer_name,
        "peer_ms": peer_ms,
        "ratio": ratio,
        "goal": goal,
    }


def training_of(method, batch, *, key):
    """(the parameters that it begins with, a function that makes a step of it)."""
    devices = mesh.data_mesh()
    state = jax.jit(method.init, out_shardings=mesh.whole(devices))(key, batch)
    step = jax.jit(method.stages[0].step, donate_argnums=1)
    held = [state]  # the state after the last step; the one before is given away
    params = {name: net.params for name, net in jax.device_get(state.nets).items()}
    on_device = mesh.put(batch, devices)

    def make_step():
        held[0], metrics = step(key, held[0], on_device)
        return metrics

    return params, make_step


def torch_device(torch):
    """Where PyTorch's side runs: where ours does, both in float32 proper."""
    if jax.default_backend() != "gpu":
        return "cpu"
    jax.config.update("jax_default_matmul_precision", "float32")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return "cuda"


def save(rows, name):
    """Keep the rows as JSON beside other results of this machine."""
    path = Path("runs/benchmarks") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1))
