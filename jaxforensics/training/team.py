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


def begin(processes):
    """Take this process's part in a team, and decide what SIGTERM does.

    Returns the helpers' shares of the cores, and the settings of a Workspace.  Shares
    are equal, as sums depend on the number of cores.  It has to be called before JAX
    looks at devices, which counts cores once.
    """
    if os.environ.get(CORES):
        _keep_to(os.environ[CORES])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        threading.Thread(target=_follow, daemon=True).start()
        return [], {"helper": True}
    signal.signal(signal.SIGTERM, leave)
    if processes == 1:
        return [], {}
    if jax.distributed.is_initialized():
        raise ValueError("--processes divides the cores of one machine, not of several")
    alone = _alone()
    if alone:
        print(f"one process trains everything: {alone}", flush=True)
        return [], {}
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= processes <= len(cores):
        raise ValueError(f"--processes={processes}: there are {len(cores)} cores")
    # What does not divide is left idle: shares have to be equal.
    per_process = len(cores) // processes
    shares = [
        cores[number * per_process : (number + 1) * per_process]
        for number in range(processes)
    ]
    leaders, *helpers = (",".join(map(str, share)) for share in shares)
    _keep_to(leaders)
    return helpers, {"processes": processes}


@contextmanager
def helped(shares):
    """Meanwhile the same command runs as a helper on each of these shares of cores."""
    helpers = [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            env=os.environ | {CORES: cores},
            # Nothing is ever written: that it closes tells a helper to leave, however
            # this process ends.
            stdin=subprocess.PIPE,
            # Ctrl-C reaches this process alone, which then closes the pipes.
            start_new_session=True,
        )
        for cores in shares
    ]
    try:
        yield
    finally:
        for helper in helpers:
            helper.stdin.close()
        for helper in helpers:
            if helper.wait():
                print(f"a helper had ended early, with {helper.returncode}", flush=True)


def _alone():
    """Why one process is all that makes sense, or ''."""
    if not hasattr(os, "sched_setaffinity"):  # macOS
        return "this system does not bind processes to cores"
    # By their files: asking JAX would start it, on all cores.
    devices = Path("/dev")
    accelerators = [*devices.glob("nvidia[0-9]*"), *devices.glob("accel[0-9]*")]
    if accelerators and os.environ.get("JAX_PLATFORMS") != "cpu":
        return "there is an accelerator"
    return ""


def _follow():
    """Ask this process to leave once the one that started it is gone."""
    os.read(sys.stdin.fileno(), 1)  # returns when the pipe closes
    # A signal, so that a training saves its state first.
    os.kill(os.getpid(), signal.SIGTERM)


def _keep_to(cores):
    """Run on these cores alone, from now on: '0,1'."""
    os.sched_setaffinity(0, map(int, cores.split(",")))
