"""Pictures by number: (seed, index) says who sits, who photographs, and every grain.

A picture's key gives its scene, its camera and its noise.  `shoot` takes the scene as
an argument, so that a changed scene can be photographed as if nothing else had
happened: that is what makes before/after pairs exact.

`pose`, `shoot`, `view` and `portrait` make one picture and can be traced; `poses`,
`shots`, `views` and `portraits` make many, on the host, through `in_chunks`.
"""

import contextlib
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels import fusion
from jaxforensics.ops.color import to_float
from jaxforensics.synthfaces import cameras
from jaxforensics.synthfaces.drawing import landscapes, render, scenes

DOMAINS = (*scenes.DOMAINS, "scenes")
CHUNK = 32  # pictures computed together, so that no picture depends on its company
CPU_PART = 16  # on CPUs instead: parts of a chunk, one for every core
CPU_BATCH = 2  # of a part at a time: the planes of more do not fit the cache


@contextlib.contextmanager
def on_cpu():
    """Compute on the CPU meanwhile, so that an accelerator does not change the bytes.

    Without effect where JAX_PLATFORMS leaves the CPU out.
    """
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        device = None
    with jax.default_device(device):
        yield


def pose(seed, index, *, domain):
    """The scene of picture `index` in a domain of faces, not photographed yet."""
    return scenes.sample(_keys(seed, index)[0], domain=domain)


def shoot(seed, index, scene, *, domain, size, compress=True):
    """(picture, parsing) of a scene, by the camera and with the noise of `index`."""
    light, parsing = render.render(scene, size=size)
    picture = _develop(seed, index, light, domain=domain, compress=compress)
    return picture, parsing


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
    posed = poses(seed, indices, domain=domain)
    return *shots(seed, indices, posed, domain=domain, size=size), posed


def poses(seed, indices, *, domain):
    """The stacked scenes of `indices`."""
    function = functools.partial(pose, domain=domain)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices))


def shots(seed, indices, posed, *, domain, size, compress=True):
    """uint8 pictures and parsing of stacked scenes, photographed as `indices` are.

    The camera and its noise are those of picture (seed, index), whatever the scene.
    Unless they `compress`, pictures are as before the JPEG of those cameras that write
    it.
    """
    function = functools.partial(_shot, domain=domain, size=size, compress=compress)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices), posed)


def views(seed, indices, *, size):
    """uint8 pictures (n, size, size, 3) of the domain `scenes`."""
    function = functools.partial(_view, size=size)
    return in_chunks(function, np.full(len(indices), seed), np.asarray(indices))


def uncompressed(seed, indices, *, domain, size, truncation=1.0):
    """uint8 pictures (n, size, size, 3) of any domain, as they are before JPEG.

    With a `truncation` below 1 faces are closer to the average, see `scenes.averaged`.
    """
    if domain == "scenes":
        return views(seed, indices, size=size)
    posed = poses(seed, indices, domain=domain)
    if truncation < 1:
        posed = scenes.averaged(posed, truncation, domain=domain)
    # Where there is no JPEG to leave out, what is compiled for `shots` serves.
    compress = domain not in cameras.JPEG_QUALITIES
    pictures, _ = shots(
        seed, indices, posed, domain=domain, size=size, compress=compress
    )
    return pictures


def compressed(seed, indices, pictures, *, domain):
    """uint8 pictures after the JPEG of the cameras that take the pictures `indices`."""
    if domain not in cameras.JPEG_QUALITIES:
        return pictures
    function = functools.partial(_compressed, domain=domain)
    return in_chunks(
        function, np.full(len(indices), seed), np.asarray(indices), pictures
    )


def to_bytes(picture):
    """A picture on the 8-bit grid as uint8."""
    return jnp.round(jnp.clip(picture, 0.0, 1.0) * 255).astype(jnp.uint8)


def in_chunks(function, *arrays):
    """The results of `function` for the rows of stacked arguments, stacked.

    `function` (a partial of a module's function) takes and returns one example; it is
    compiled once, for `CHUNK` rows, on CPUs for the `CPU_PART` that a core computes
    beside the others.  The last chunk is filled up with copies of its last row.
    Arguments and results are trees of arrays, on the host.
    """
    settings = tuple(sorted(function.keywords.items()))
    compiled = _compiled(function.func, settings, fusion.backend())
    total = len(jax.tree.leaves(arrays)[0])
    length = CHUNK
    cores = 1
    if fusion.backend() == "cpu":
        length = CPU_PART
        cores = os.cpu_count()
    device = jax.config.jax_default_device  # of this thread alone

    def chunk(start):
        rows = np.minimum(np.arange(start, start + length), total - 1)
        part = jax.tree.map(lambda a: a[rows], arrays)
        with jax.default_device(device):
            return jax.tree.map(np.asarray, compiled(*part))

    # One of XLA's programs keeps little more than a core busy.
    with ThreadPoolExecutor(cores) as pool:
        chunks = list(pool.map(chunk, range(0, total, length)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:total], *chunks)


def batched(function):
    """`function` of one example as a compiled one of stacked arguments.

    The same as `jax.jit(jax.vmap(function))`; on CPUs a few examples at a time.
    """
    if fusion.backend() != "cpu":
        return jax.jit(jax.vmap(function))

    def mapped(*stacked):
        return jax.lax.map(lambda row: function(*row), stacked, batch_size=CPU_BATCH)

    return jax.jit(mapped)


@functools.cache
def _compiled(function, settings, backend):
    """`batched` of a function with settings, made once per backend.

    `batched` asks for the backend itself; it can change in a process, see `on_cpu`.
    """
    return batched(functools.partial(function, **dict(settings)))


def _shot(seed, index, scene, *, domain, size, compress):
    picture, parsing = shoot(
        seed, index, scene, domain=domain, size=size, compress=compress
    )
    return to_bytes(picture), parsing.astype(jnp.uint8)


def _view(seed, index, *, size):
    return to_bytes(view(seed, index, size=size))


def _compressed(seed, index, picture, *, domain):
    _, _, shot_key = _keys(seed, index)
    return to_bytes(cameras.compress(shot_key, to_float(picture), domain=domain))


def _develop(seed, index, light, *, domain, compress=True):
    """Light as the camera of picture `index` takes it."""
    _, camera_key, shot_key = _keys(seed, index)
    camera = cameras.choose(camera_key, domain=domain)
    return cameras.photograph(
        shot_key, light, camera, domain=domain, compressed=compress
    )


def _keys(seed, index):
    """Keys of the scene, of the choice of a camera, and of the shot."""
    return jax.random.split(scenes.key_of(seed, index), 3)
