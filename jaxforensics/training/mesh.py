"""Devices: start-up, the `('data',)` mesh, and moving batches onto it."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

PICTURES = ("image", "real", "mask")
SEVERAL = ("JAX_COORDINATOR_ADDRESS", "SLURM_JOB_NUM_NODES", "TPU_WORKER_HOSTNAMES")


def start():
    """Join the other processes, if there are any, and keep compiled programs.

    Several processes are recognised by the environment: `JAX_COORDINATOR_ADDRESS` with
    `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, a SLURM job of several nodes, a TPU pod.
    """
    if jax.config.jax_compilation_cache_dir is None:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "jaxforensics/xla"))
    if not jax.distributed.is_initialized() and _several_processes():
        number, identity = (
            os.environ.get(f"JAX_{name}") for name in ("NUM_PROCESSES", "PROCESS_ID")
        )
        jax.distributed.initialize(
            num_processes=None if number is None else int(number),
            process_id=None if identity is None else int(identity),
        )


def _several_processes():
    found = [os.environ[name] for name in SEVERAL if os.environ.get(name)]
    return any(value not in ("1", "localhost") for value in found)


def data_mesh(*, devices=None):
    """All devices (or those given) along one axis, `data`."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh(
        (len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices
    )


def whole(mesh):
    """The sharding of what every device holds: states, keys, metrics."""
    return NamedSharding(mesh, P())


def split(mesh):
    """The sharding of batches: examples spread over the devices."""
    return NamedSharding(mesh, P("data"))


def put(batch, mesh):
    """This process's part of a batch, as arrays of the global batch on the mesh.

    Columns that no device can hold (names, groups) stay behind.  A batch that does not
    divide by the devices is refused: JAX would otherwise fail with a longer story.
    """
    arrays = numeric(batch)
    local = len(jax.local_devices()) * mesh.size // jax.device_count() or 1
    length = len(next(iter(arrays.values())))
    if length % local:
        raise ValueError(
            f"a batch of {length} does not divide over {local} devices: "
            f"set batch_size to a multiple of {mesh.size}"
        )
    sharding = split(mesh)
    return {
        k: jax.make_array_from_process_local_data(sharding, np.asarray(v))
        for k, v in arrays.items()
    }


def numeric(batch):
    """The columns of a host batch that a device can hold."""
    return {k: v for k, v in batch.items() if np.asarray(v).dtype.kind in "biuf"}


def example(batch):
    """One blank example shaped like those of a host batch, as a step would see it."""
    blank = {k: np.zeros((1, *v.shape[1:]), v.dtype) for k, v in numeric(batch).items()}
    return {k: np.asarray(v) for k, v in floats(blank).items()}


def floats(batch):
    """Eight-bit pictures of a batch as float32 in [0, 1]; for use inside jit."""
    return {
        k: v.astype(jnp.float32) / 255 if k in PICTURES and v.dtype == jnp.uint8 else v
        for k, v in batch.items()
    }


def fetch(array):
    """A global array as numpy, on every process."""
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def place(array, like):
    """A host array as a global array, on the devices that hold `like`."""
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return array
    return jax.make_array_from_callback(array.shape, sharding, lambda i: array[i])
