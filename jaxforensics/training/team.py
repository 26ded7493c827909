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

import jax
import numpy as np

from jaxforensics.training.hooks import leave

CORES = "JAXFORENSICS_HELPER"


def begin(processes):
    """Keep to this process's cores, before devices are looked at.

    Returns those of its helpers, one string each, and the Workspace's settings.  A
    helper, which has its own in the environment, leaves when what started it does.
    """
    if os.environ.get(CORES):
        _keep_to(os.environ[CORES])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        threading.Thread(target=_follow, daemon=True).start()
        return [], {"helper": True}
    signal.signal(signal.SIGTERM, leave)
    if processes == 1:
        return [], {}
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError("--processes: this system does not bind processes to cores")
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= processes <= len(cores):
        raise ValueError(f"--processes={processes}: there are {len(cores)} cores")
    own, *others = (
        ",".join(map(str, part)) for part in np.array_split(cores, processes)
    )
    _keep_to(own)
    return others, {"helpers": len(others)}


@contextmanager
def helped(others, experiment):
    """Meanwhile the same command runs as a helper on each of these shares of cores."""
    if others and not experiment.SHARED:
        raise ValueError("--processes: what is trained here builds on each other")
    if others and jax.process_count() > 1:
        raise ValueError("--processes divides the cores of one machine, not of several")
    if others and jax.default_backend() != "cpu":
        print("one process trains everything, as there is an accelerator", flush=True)
        os.sched_setaffinity(0, range(os.cpu_count()))
        others = []
    crew = [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            env=os.environ | {CORES: cores},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for cores in others
    ]
    try:
        yield
    finally:
        for helper in crew:
            helper.stdin.close()
        for helper in crew:
            helper.wait()


def _follow():
    """Ask this process to leave once the one that started it is gone."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _keep_to(cores):
    os.sched_setaffinity(0, map(int, cores.split(",")))
