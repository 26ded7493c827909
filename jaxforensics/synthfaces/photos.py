"""Pictures by number: (seed, index) says who sits, who photographs, and every grain.

A picture's key gives its scene, its camera and its noise.  `shoot` takes the scene as
an argument, so that a changed scene can be photographed as if nothing else had
happened: that is what makes before/after pairs exact.
"""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels import fusion
from jaxforensics.synthfaces import cameras
from jaxforensics.synthfaces.drawing import landscapes, render, scenes

DOMAINS = (*scenes.DOMAINS, "scenes")
CHUNK = 32  # pictures computed together, so that no picture depends on its company
CPU_BATCH = 2  # of them at a time on CPUs: planes of more pictures leave the cache


@contextlib.contextmanager
def on_cpu():
    """Meanwhile nothing is computed on an accelerator, as on machines without one.

    Unless JAX_PLATFORMS leaves the CPU out.
    """
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        device = None
    with jax.default_device(device):
        yield


def pose(seed, index, *, domain):
    """The scene of picture `index` in a domain of faces."""
    return scenes.sample(_keys(seed, index)[0], domain=domain)


def shoot(seed, index, scene, *, domain, size):
    """(picture, parsing) of a scene, by the camera and with the noise of `index`."""
    light, parsing = render.render(scene, size=size)
    return _develop(seed, index, light, domain=domain), parsing


def view(seed, index, *, size):
    """A picture of the domain `scenes`: a landscape, nobody in it."""
    light = landscapes.render(_keys(seed, index)[0], size=size)
    return _develop(seed, index, light, domain="studio")


def portrait(seed, index, *, domain, size):
    """(picture, parsing, scene) of picture `index` of a domain of faces."""
    scene = pose(seed, index, domain=domain)
    return *shoot(seed, index, scene, domain=domain, size=size), scene


def portraits(seed, indices, *, domain, size):
    """uint8 pictures (n, size, size, 3), uint8 parsing and scenes of `indices`."""
    drawn = poses(seed, indices, domain=domain)
    return *shots(seed, indices, drawn, domain=domain, size=size), drawn


def poses(seed, indices, *, domain):
    """The stacked scenes of `indices`."""
    function = functools.partial(pose, domain=domain)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices))


def shots(seed, indices, drawn, *, domain, size):
    """uint8 pictures and parsing of stacked scenes, photographed as `indices` are."""
    function = functools.partial(_shot, domain=domain, size=size)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices), drawn)


def views(seed, indices, *, size):
    """uint8 pictures (n, size, size, 3) of the domain `scenes`."""
    function = functools.partial(_view, size=size)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices))


def to_bytes(picture):
    """A picture on the 8-bit grid as uint8."""
    return jnp.round(jnp.clip(picture, 0.0, 1.0) * 255).astype(jnp.uint8)


def in_chunks(function, *arrays):
    """function of stacked arguments, `CHUNK` rows at a time; the rest is padded.

    `function` (a partial of a module's function) takes and returns one example; it is
    compiled once.  Arguments and results are trees of arrays, on the host.
    """
    settings = tuple(sorted(function.keywords.items()))
    compiled = _compiled(function.func, settings, fusion.backend())
    total = len(jax.tree.leaves(arrays)[0])
    found = []
    for start in range(0, total, CHUNK):
        rows = np.minimum(np.arange(start, start + CHUNK), total - 1)
        part = jax.tree.map(lambda a, rows=rows: a[rows], arrays)
        found.append(jax.tree.map(np.asarray, compiled(*part)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:total], *found)


def batched(function):
    """`function` of one example as a compiled one of stacked arguments."""
    if fusion.backend() != "cpu":
        return jax.jit(jax.vmap(function))

    def mapped(*stacked):
        return jax.lax.map(lambda row: function(*row), stacked, batch_size=CPU_BATCH)

    return jax.jit(mapped)


@functools.cache
def _compiled(function, settings, _):  # once per backend
    return batched(functools.partial(function, **dict(settings)))


def _shot(seed, index, scene, *, domain, size):
    picture, parsing = shoot(seed, index, scene, domain=domain, size=size)
    return to_bytes(picture), parsing.astype(jnp.uint8)


def _view(seed, index, *, size):
    return to_bytes(view(seed, index, size=size))


def _develop(seed, index, light, *, domain):
    _, camera_key, shot_key = _keys(seed, index)
    camera = cameras.choose(camera_key, domain=domain)
    return cameras.photograph(shot_key, light, camera, domain=domain)


def _keys(seed, index):
    return jax.random.split(scenes.key_of(seed, index), 3)
