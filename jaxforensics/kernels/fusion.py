"""Which backend computes, and where XLA must not fuse.

`stage(function)` equals `function`, and `keep(tree)` equals `tree`: they tell XLA:CPU
where to write to memory.  Without them it computes a producer anew for every shifted
slice that reads it; AMTEN's five layers with gradients, 64 pictures at 128², took 1,104
ms so, and 732 to 873 ms with staged planes.  Other backends fuse as they like.
"""

import contextlib
import functools

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def backend():
    """The platform that computes here: the default device's, where one is set."""
    device = jax.config.jax_default_device
    if device is None:
        return jax.default_backend()
    if isinstance(device, str):
        return device
    return device.platform


def stage(function):
    """Keep XLA:CPU from fusing `function` of arrays into its consumers.

    A consumer that reads each value at many offsets would compute it anew for each.
    `optimization_barrier` does not prevent that: it is gone before fusion.
    """
    compiled = jax.jit(function)

    @functools.wraps(function)
    def call(*arrays):
        # Asked at every call: the default device may change between two of them.
        if backend() == "cpu":
            context = set_xla_metadata(inlineable="false")
        else:
            context = contextlib.nullcontext()
        with context:
            return compiled(*arrays)

    return call


def keep(tree):
    """Write arrays to memory here, instead of computing them anew where they are used.

    For what several later expressions read: XLA:CPU copies cheap-looking producers into
    every one of them, and those into theirs.
    """
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, _same(*leaves))


_same = stage(lambda *arrays: arrays)
