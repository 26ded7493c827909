"""Devices: start-up, the `('data',)` mesh, and moving batches onto it."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxforensics.ops.color import to_float

# Columns that the pipeline gives as bytes, and that steps see as floats in [0, 1].
PICTURES = ("image", "real", "mask")
# Columns with a value per pixel: too big to be gathered on the host with predictions.
PER_PIXEL = (*PICTURES, "parsing")
# Environment variables of runs that may have several processes: JAX's own, those of a
# batch system, of a TPU pod.  The latter two are also set where there is only one.
SEVERAL = ("JAX_COORDINATOR_ADDRESS", "SLURM_JOB_NUM_NODES", "TPU_WORKER_HOSTNAMES")
ALONE = ("1", "localhost")  # what they hold then
NUMERIC_KINDS = "biuf"  # numpy's letters for truths, integers and floats


def start():
    """Join the other processes, if there are any, and keep compiled programs.

    Several processes are recognised by the environment: `JAX_COORDINATOR_ADDRESS` with
    `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, a SLURM job of several nodes, a TPU pod.
    """
    # Whoever set a folder by JAX's own variable keeps it.
    if jax.config.jax_compilation_cache_dir is None:
        home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(home / "jaxforensics/xla"))
    if not jax.distributed.is_initialized() and _several_processes():
        # None lets JAX find out, which it can on SLURM and TPU pods.
        jax.distributed.initialize(
            num_processes=_number("JAX_NUM_PROCESSES"),
            process_id=_number("JAX_PROCESS_ID"),
        )


def _several_processes():
    values = [os.environ[name] for name in SEVERAL if os.environ.get(name)]
    return any(value not in ALONE for value in values)


def _number(name):
    """An environment variable as a number, or None where it is not set."""
    if name in os.environ:
        return int(os.environ[name])
    return None


def data_mesh(*, devices=None):
    """All devices (or those given) along one axis, `data`."""
    if devices is None:
        devices = jax.devices()
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
    # The mesh may hold some of all devices, of which each process then has its share.
    devices_here = len(jax.local_devices()) * mesh.size // jax.device_count()
    devices_here = max(1, devices_here)
    length = len(next(iter(arrays.values())))
    if length % devices_here:
        raise ValueError(
            f"a batch of {length} does not divide over {devices_here} devices: "
            f"set batch_size to a multiple of {mesh.size}"
        )
    sharding = split(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, np.asarray(column))
        for name, column in arrays.items()
    }


def numeric(batch):
    """The columns of a host batch that a device can hold."""
    return {
        name: column
        for name, column in batch.items()
        if np.asarray(column).dtype.kind in NUMERIC_KINDS
    }


def example(batch):
    """One blank example shaped like those of a host batch, as a step would see it."""
    blank = {
        name: np.zeros((1, *column.shape[1:]), column.dtype)
        for name, column in numeric(batch).items()
    }
    return {name: np.asarray(column) for name, column in floats(blank).items()}


def floats(batch):
    """Eight-bit pictures of a batch as float32 in [0, 1]; for use inside jit.

    Bytes travel to the devices, a quarter of the size.  Pictures are (b, h, w, 3), or
    (b, frames, h, w, 3) in batches of clips.
    """
    pictures = {
        name: to_float(batch[name])
        for name in PICTURES
        if name in batch and batch[name].dtype == jnp.uint8
    }
    return batch | pictures


def fetch(array):
    """A global array as numpy, on every process; what is numpy already, as it is."""
    if isinstance(array, np.ndarray):
        return array
    if array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    # Parts of it lie on devices of other processes, all of which have to take part.
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def place(array, like):
    """A host array as a global array, on the devices that hold `like`."""
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return array
    return jax.make_array_from_callback(array.shape, sharding, lambda i: array[i])
