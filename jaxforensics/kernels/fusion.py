"""Where XLA must not fuse, decided in one place for every backend."""

import contextlib
import functools

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def backend():
    """The platform that computes here: the default device's, where one is set."""
    device = jax.config.jax_default_device
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform


def stage(function):
    """Keep XLA:CPU from fusing `function` of arrays into its consumers.

    A consumer that reads each value at many offsets would compute it anew for each.
    Other backends fuse as they like.  `optimization_barrier` does not do this: it is
    gone before fusion.
    """
    compiled = jax.jit(function)

    @functools.wraps(function)
    def call(*arrays):
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
