"""Several processes train the nets of one run, each on cores of its own.

On CPUs two processes of one core each take more steps in an hour than one process of
two cores: much of a step runs on one core.  docs/performance.md has figures.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxforensics.training.hooks import leave

CORES = "JAXFORENSICS_CORES"  # in a helper's environment


def begin(processes, experiment):
    """Take this process's part in a team, and decide what SIGTERM does.

    Returns the helpers' shares of the cores, and the settings of a Workspace.  Shares
    are equal, as sums depend on the number of cores.  Before devices are looked at.
    """
    if os.environ.get(CORES):
        _keep_to(os.environ[CORES])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        threading.Thread(target=_follow, daemon=True).start()
        return [], {"helper": True}
    signal.signal(signal.SIGTERM, leave)
    if processes == 1:
        return [], {}
    if not getattr(experiment, "SHARED", False):
        raise ValueError("--processes: nets of this study start from each other")
    if jax.distributed.is_initialized():
        raise ValueError("--processes divides the cores of one machine, not of several")
    alone = _alone()
    if alone:
        print(f"one process trains everything: {alone}", flush=True)
        return [], {}
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= processes <= len(cores):
        raise ValueError(f"--processes={processes}: there are {len(cores)} cores")
    many = len(cores) // processes
    own, *others = (
        ",".join(map(str, cores[i * many : (i + 1) * many])) for i in range(processes)
    )
    _keep_to(own)
    return others, {"processes": processes}


@contextmanager
def helped(shares):
    """Meanwhile the same command runs as a helper on each of these shares of cores."""
    crew = [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            env=os.environ | {CORES: cores},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for cores in shares
    ]
    try:
        yield
    finally:
        for helper in crew:
            helper.stdin.close()
        for helper in crew:
            if helper.wait():
                print(f"a helper had ended early, with {helper.returncode}", flush=True)


def _alone():
    """Why one process is all that makes sense, or ''."""
    if not hasattr(os, "sched_setaffinity"):
        return "this system does not bind processes to cores"
    found = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("accel[0-9]*")]
    if found and os.environ.get("JAX_PLATFORMS") != "cpu":
        return "there is an accelerator"
    return ""


def _follow():
    """Ask this process to leave once the one that started it is gone."""
    os.read(sys.stdin.fileno(), 1)  # nothing is written: it returns at the end
    os.kill(os.getpid(), signal.SIGTERM)


def _keep_to(cores):
    os.sched_setaffinity(0, map(int, cores.split(",")))
