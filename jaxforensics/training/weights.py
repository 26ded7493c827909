"""Weights of nets in files, and nets that start from weights of before.

A file holds flat names, "params/conv/kernel" and "stats/norm/mean", as safetensors:
arrays and nothing that could run.
"""

from pathlib import Path

import jax
import numpy as np
import safetensors.numpy

from jaxforensics.files import replacing
from jaxforensics.settings import choose, nearest_name
from jaxforensics.training.mesh import fetch, place
from jaxforensics.training.nets import Net


def save_net(path, net, *, half=False):
    """Write a net's params and stats as safetensors, the whole file or nothing.

    With `half` floats are written in half precision: half the size, for shipped files.
    """
    # safetensors copies memory as it lies, so that it must lie in C order.
    arrays = {
        name: np.asarray(fetch(value), order="C") for name, value in _flat(net).items()
    }
    if half:
        arrays = {
            name: np.float16(array) if array.dtype == np.float32 else array
            for name, array in arrays.items()
        }
    # Not by its `save_file`, whose files nobody else may read.
    with replacing(path) as partial:
        partial.write_bytes(safetensors.numpy.save(arrays))


def load_net(path, like):
    """The net `like` with params and stats from a file; its optimiser state stays.

    Arrays in half precision are widened where the net has single precision.  One error
    lists every array that is missing, unexpected or of another shape or type, with the
    nearest name.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: weights to start from are a .safetensors file")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        arrays = safetensors.numpy.load_file(path)
    except Exception as error:  # the reader has types of its own
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: damaged or not safetensors: {reason}") from error
    return _filled(like, arrays, where=str(path))


def begin(state, start):
    """A fresh state whose nets have the weights of `start` {role name: weights}.

    Weights are a path of `save_net`, or a Net of another training.  Params and stats
    start there; optimisers start fresh, as `state` has them.  None changes nothing.
    """
    nets = dict(state.nets)
    for role, weights in (start or {}).items():
        like = choose(nets, role, "net to start")
        if isinstance(weights, Net):
            arrays = {name: fetch(value) for name, value in _flat(weights).items()}
            nets[role] = _filled(like, arrays, where=f"start of {role!r}")
        else:
            nets[role] = load_net(weights, like)
    return state.replace(nets=nets)


def _flat(net):
    """{"params/…" or "stats/…": array} of a net."""
    leaves = jax.tree_util.tree_leaves_with_path(_trained(net))
    return {_name(path): leaf for path, leaf in leaves}


def _trained(net):
    return {"params": net.params, "stats": net.stats}


def _name(path):
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _filled(like, arrays, *, where):
    """The net `like` with other arrays, placed where its own are."""
    expected = _flat(like)
    arrays = {
        name: _widened(array, expected.get(name)) for name, array in arrays.items()
    }
    problems = _problems(expected, arrays)
    if problems:
        raise ValueError("\n  ".join([f"{where} does not fit the net:", *problems]))

    def fill(path, leaf):
        # A copy: training reuses the memory of its state, which others may hold.
        return place(np.array(arrays[_name(path)]), leaf)

    filled = jax.tree_util.tree_map_with_path(fill, _trained(like))
    return like.replace(params=filled["params"], stats=filled["stats"])


def _widened(array, like):
    """An array of half precision in the single precision of `like`."""
    if array.dtype == np.float16 and like is not None and like.dtype == np.float32:
        return np.float32(array)
    return array


def _problems(expected, arrays):
    """Lines that say what does not fit."""
    missing = [
        f"missing {name} ({_nearest(name, arrays, 'given')})"
        for name in expected
        if name not in arrays
    ]
    unexpected = [
        f"unexpected {name} ({_nearest(name, expected, 'in the net')})"
        for name in arrays
        if name not in expected
    ]
    other = [
        f"{name} is {_kind(arrays[name])}, in the net {_kind(value)}"
        for name, value in expected.items()
        if name in arrays and _kind(arrays[name]) != _kind(value)
    ]
    return missing + unexpected + other


def _kind(array):
    return f"{array.dtype} {tuple(array.shape)}"


def _nearest(name, names, where):
    near = nearest_name(name, names)
    if near is None:
        return f"nothing {where}"
    return f"nearest {where}: {near}"
