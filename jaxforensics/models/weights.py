"""Weights from files and back, by explicit name tables and without pickle.

A table says, for each array of a file, where it goes and how it is transformed:
{source name: (path in the variables, function or None)}.  Paths are flax's, as in
"params/block_1/conv/kernel"; None instead of a pair means "known, not used here".
"""

import importlib
import re
from pathlib import Path

import flax.traverse_util
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from jaxforensics.files import replacing
from jaxforensics.settings import nearest_name

# Keras numbers these layers over a whole process: a model's first convolution may be
# called conv2d, conv2d_1 or conv2d_5.
_COUNTED = re.compile(r"(batch_normalization|conv2d|dense|depthwise_conv2d)(?:_(\d+))?")


def read(path):
    """Arrays of a .safetensors, .npz, .h5 or .pth file: {name: array}.

    Layers that Keras numbered are numbered from 1, as in "conv2d_1/kernel".  Keras
    files need h5py and PyTorch files need torch, both in the extra [weights].
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f"{path}: unknown kind; known are {', '.join(_READERS)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        arrays = _READERS[suffix](path)
        for name, value in arrays.items():
            if not jnp.issubdtype(value.dtype, np.number):
                raise ValueError(f"{name} holds {value.dtype}, not numbers")
    except ImportError:
        raise
    except Exception as error:  # each library complains in a dozen ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: damaged or not weights: {reason:.300}") from error
    return arrays


def load(path, template, *, table=None):
    """Variables with the paths, shapes and types of `template`, from a file.

    `template` is a tree of arrays or of `jax.ShapeDtypeStruct`.  Without a table the
    names in the file are the paths, as `save` writes them.  One error lists everything
    that is missing, unexpected or of a wrong shape.
    """
    wanted = flax.traverse_util.flatten_dict(template, sep="/")
    if table is None:
        table = {name: (name, None) for name in wanted}
    placed, problems = _place(read(path), wanted, table)
    if problems:
        raise ValueError("\n  ".join([f"{path} does not fit the model:", *problems]))
    typed = {name: placed[name].astype(value.dtype) for name, value in wanted.items()}
    return flax.traverse_util.unflatten_dict(typed, sep="/")


def save(path, variables):
    """Write variables as safetensors, the whole file or nothing."""
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    # safetensors copies memory as it lies, so that it must lie in C order
    arrays = {name: np.asarray(value, order="C") for name, value in flat.items()}
    # Not by its `save_file`, whose files nobody else may read.
    with replacing(path) as partial:
        partial.write_bytes(safetensors.numpy.save(arrays))


def _place(arrays, wanted, table):
    """({path: array}, [what does not fit]); the list is empty when all is well."""
    placed = {}
    problems = []
    used = {source: row for source, row in table.items() if row is not None}
    for source, (target, transform) in used.items():
        name = target
        if source != target:
            name = f"{target}, from {source}"
        if target not in wanted:
            problems.append(
                f"unexpected {name} ({_near(target, wanted, 'in the model')})"
            )
        elif source not in arrays:
            problems.append(f"missing {name} ({_near(source, arrays, 'in the file')})")
        else:
            shape = tuple(wanted[target].shape)
            placed[target] = _transformed(arrays[source], transform)
            if placed[target] is None or placed[target].shape != shape:
                shapes = f"{arrays[source].shape} in the file, {shape} in the model"
                if transform:
                    shapes += " after a transform"
                problems.append(f"wrong shape {name}: {shapes}")

    targets = {target for target, _ in used.values()}
    for name in wanted:
        if name not in targets:
            problems.append(f"missing {name}: not in the table")
    for name in arrays:
        if name not in table:
            problems.append(f"unexpected {name} ({_near(name, table, 'known')})")
    # Missing, unexpected, wrong: by kind, each in the order of the table or the file.
    return placed, sorted(problems, key=lambda text: text.split()[0])


def _transformed(value, transform):
    """The array as the model has it; None if the transform is for another rank."""
    if transform is None:
        return value
    try:
        return transform(value)
    except ValueError:
        return None


def _near(name, names, where):
    nearest = nearest_name(name, names)
    if nearest is None:
        return f"nothing {where}"
    return f"nearest {where}: {nearest}"


def _read_npz(path):
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read_hdf5(path):
    h5py = _extra("h5py", path)
    arrays = {}

    def visit(name, node):
        if isinstance(node, h5py.Dataset):
            arrays[name.removesuffix(":0")] = node[()]

    with h5py.File(path) as file:
        root = file.get("model_weights", file)  # a whole model, or its weights alone
        root.visititems(visit)
        is_keras = any(name.startswith("layer_names") for name in root.attrs)
    if is_keras:
        return _keras_names(arrays)
    return arrays


def _keras_names(arrays):
    """Such as conv2d_1/kernel for conv2d_5/conv2d_5/kernel, counted in this file."""
    # {conv2d: {conv2d_5: 5, conv2d_6: 6}}: the process's numbers of one type of layer.
    numbers = {}
    for name in arrays:
        layer = name.split("/")[-2]
        if match := _COUNTED.fullmatch(layer):
            numbers.setdefault(match[1], {})[layer] = int(match[2] or 0)
    layers = {
        layer: f"{layer_type}_{index}"
        for layer_type, counted in numbers.items()
        for index, layer in enumerate(sorted(counted, key=counted.get), 1)
    }
    renamed = {}
    for name, value in arrays.items():
        layer, leaf = name.split("/")[-2:]
        name = f"{layers.get(layer, layer)}/{leaf}"
        if name in renamed:
            raise ValueError(f"two arrays are called {name}")
        renamed[name] = value
    return renamed


def _read_torch(path):
    torch = _extra("torch", path)
    # Nothing but tensors and plain containers: a pickle could run what it reads.
    content = torch.load(path, map_location="cpu", weights_only=True)
    candidates = []
    if isinstance(content, dict):
        candidates = [content, *content.values()]

    def holds_tensors(candidate):
        return (
            isinstance(candidate, dict)
            and len(candidate) > 0
            and all(isinstance(value, torch.Tensor) for value in candidate.values())
        )

    states = [candidate for candidate in candidates if holds_tensors(candidate)]
    if len(states) != 1:
        raise ValueError(f"{len(states)} dictionaries of tensors instead of one")

    def array(tensor):
        if tensor.dtype == torch.bfloat16:  # numpy has no such type
            tensor = tensor.float()
        return tensor.numpy()

    return {name: array(tensor) for name, tensor in states[0].items()}


def _extra(name, path):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{path}: reading it needs {name}: pip install 'jaxforensics[weights]'"
        ) from error


_READERS = {
    ".safetensors": safetensors.numpy.load_file,
    ".npz": _read_npz,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
