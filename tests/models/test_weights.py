"""Weight files: every reader, the tables, the diff, damage, and no pickle."""

import importlib
import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxforensics.models import weights

TREE = {
    "params": {
        "conv": {"kernel": np.arange(24.0, dtype=np.float32).reshape(2, 2, 3, 2)},
        "dense": {
            "kernel": np.arange(8.0, dtype=np.float32).reshape(4, 2),
            "bias": np.array([0.5, -0.5], np.float32),
        },
    },
    "batch_stats": {"norm": {"mean": np.ones(2, np.float32)}},
}
FLAT = {
    "params/conv/kernel": TREE["params"]["conv"]["kernel"],
    "params/dense/kernel": TREE["params"]["dense"]["kernel"],
    "params/dense/bias": TREE["params"]["dense"]["bias"],
    "batch_stats/norm/mean": TREE["batch_stats"]["norm"]["mean"],
}


def write(path, arrays):
    """The arrays in the format that the suffix names."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file[name] = value
    else:
        safetensors.numpy.save_file(arrays, path)
    return path


def same(tree, expected):
    jax.tree.map(np.testing.assert_array_equal, tree, expected)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".h5"])
def test_reads_what_others_wrote(tmp_path, suffix):
    arrays = weights.read(write(tmp_path / f"net{suffix}", FLAT))
    assert arrays.keys() == FLAT.keys()
    same(arrays, FLAT)


def test_save_and_load_are_inverse(tmp_path):
    path = tmp_path / "new" / "net.safetensors"
    tree = jax.tree.map(jnp.asarray, TREE)
    tree["params"]["conv"]["kernel"] = tree["params"]["conv"]["kernel"].T  # not C order
    tree["half"] = jnp.arange(3, dtype=jnp.bfloat16)
    tree["count"] = np.int32(7)
    weights.save(path, tree)
    same(weights.load(path, jax.eval_shape(lambda: tree)), tree)
    first = path.read_bytes()
    weights.save(path, tree)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.text("abc_µ", min_size=1, max_size=5),
        st.lists(st.integers(0, 3), max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_any_tree_survives(tmp_path_factory, shapes):
    random = np.random.default_rng(0)
    tree = {
        "params": {k: random.normal(size=s).astype("f4") for k, s in shapes.items()}
    }
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    weights.save(path, tree)
    same(weights.load(path, tree), tree)


def test_a_table_renames_and_transforms(tmp_path):
    """PyTorch's layouts: (out, in, h, w) and (out, in)."""
    path = write(
        tmp_path / "net.npz",
        {
            "conv.weight": FLAT["params/conv/kernel"].transpose(3, 2, 0, 1),
            "fc.weight": FLAT["params/dense/kernel"].T,
            "fc.bias": -FLAT["params/dense/bias"],
            "norm.running_mean": FLAT["batch_stats/norm/mean"].astype(np.float64),
            "norm.num_batches_tracked": np.int64(3),
        },
    )
    table = {
        "conv.weight": ("params/conv/kernel", lambda x: x.transpose(2, 3, 1, 0)),
        "fc.weight": ("params/dense/kernel", np.transpose),
        "fc.bias": ("params/dense/bias", np.negative),
        "norm.running_mean": ("batch_stats/norm/mean", None),
        "norm.num_batches_tracked": None,
    }
    loaded = weights.load(path, TREE, table=table)
    same(loaded, TREE)
    assert loaded["batch_stats"]["norm"]["mean"].dtype == np.float32


def test_the_diff_lists_everything_at_once(tmp_path):
    arrays = {
        "params/conv/kernels": FLAT["params/conv/kernel"],
        "params/dense/kernel": FLAT["params/dense/kernel"].T,
        "params/dense/bias": np.zeros(3, np.float32),
        "extra": np.zeros(1, np.float32),
    }
    path = write(tmp_path / "net.npz", arrays)
    with pytest.raises(ValueError) as error:
        weights.load(path, TREE)
    assert str(error.value).splitlines() == [
        f"{path} does not fit the model:",
        "  missing params/conv/kernel (nearest in the file: params/conv/kernels)",
        "  missing batch_stats/norm/mean (nearest in the file: params/dense/bias)",
        "  unexpected params/conv/kernels (nearest known: params/conv/kernel)",
        "  unexpected extra (nearest known: params/dense/bias)",
        "  wrong shape params/dense/kernel: (2, 4) in the file, (4, 2) in the model",
        "  wrong shape params/dense/bias: (3,) in the file, (2,) in the model",
    ]


def test_the_diff_blames_the_table_too(tmp_path):
    path = write(tmp_path / "net.npz", {"a": FLAT["params/dense/bias"]})
    table = {
        "a": ("params/dense/bias", lambda x: x.transpose(1, 0)),
        "b": ("params/dense/kernel", None),
        "c": ("params/dense/scale", None),
    }
    with pytest.raises(ValueError) as error:
        weights.load(path, TREE, table=table)
    text = str(error.value)
    assert "missing params/dense/kernel, from b (nearest in the file: a)" in text
    assert "missing params/conv/kernel: not in the table" in text
    assert "unexpected params/dense/scale, from c (nearest in the model: " in text
    assert text.endswith(
        "wrong shape params/dense/bias, from a: (2,) in the file, (2,) in the model "
        "after a transform"
    )


KERAS = {
    "conv2d_5/conv2d_5/kernel:0": np.zeros((3, 3, 3, 8), np.float32),
    "conv2d_12/conv2d_12/kernel:0": np.ones((3, 3, 8, 8), np.float32),
    "batch_normalization/batch_normalization/gamma:0": np.ones(8, np.float32),
    "block1_conv2/block1_conv2/bias:0": np.full(8, 2, np.float32),
    "dense_3/model/dense_3/bias:0": np.full(1, 3, np.float32),
}


@pytest.mark.parametrize("prefix", ["", "model_weights/"])
def test_keras_layers_are_counted_within_the_file(tmp_path, prefix):
    arrays = {prefix + name: value for name, value in KERAS.items()}
    path = write(tmp_path / "net.h5", arrays)
    with h5py.File(path, "a") as file:
        layers = [name.split("/")[0].encode() for name in KERAS]
        (file[prefix] if prefix else file).attrs["layer_names"] = layers
    renamed = [
        "conv2d_1/kernel",
        "conv2d_2/kernel",
        "batch_normalization_1/gamma",
        "block1_conv2/bias",
        "dense_1/bias",
    ]
    expected = dict(zip(renamed, KERAS.values(), strict=True))
    arrays = weights.read(path)
    assert arrays.keys() == expected.keys()
    same(arrays, expected)


def test_keras_names_that_collide_are_refused(tmp_path):
    names = ["a/block/kernel:0", "b/block/kernel:0"]
    path = write(tmp_path / "net.h5", {name: np.zeros(1) for name in names})
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [b"a", b"b"]
    with pytest.raises(ValueError, match="net.h5.*two arrays are called block/kernel"):
        weights.read(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".h5"])
def test_truncated_files_name_themselves(tmp_path, suffix):
    whole = write(tmp_path / f"whole{suffix}", FLAT).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for share in (0, 0.01, 0.2, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=f"cut{suffix}: damaged or not weights"):
            weights.read(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_bytes_never_escape(tmp_path_factory, suffix, data):
    """A changed byte gives numbers or a ValueError that names the file."""
    folder = tmp_path_factory.mktemp("damage")
    content = bytearray(write(folder / f"net{suffix}", FLAT).read_bytes())
    for _ in range(3):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    path = folder / f"bad{suffix}"
    path.write_bytes(content)
    try:
        arrays = weights.read(path)
    except ValueError as error:
        assert f"bad{suffix}" in str(error)
    else:
        assert all(isinstance(value, np.ndarray) for value in arrays.values())


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, a=np.array([{"b": 1}], dtype=object))
    with pytest.raises(ValueError, match="net.npz.*allow_pickle"):
        weights.read(path)
    np.save(tmp_path / "net.npy", np.zeros(2))
    (tmp_path / "net.npy").rename(path)
    with pytest.raises(ValueError, match="net.npz"):
        weights.read(path)
    np.savez(path, a=np.array(["text"]))
    with pytest.raises(ValueError, match="a holds <U4, not numbers"):
        weights.read(path)


def test_unknown_and_absent_files(tmp_path):
    with pytest.raises(ValueError, match=r"net.pkl.*known are .safetensors, .npz, .h5"):
        weights.read(tmp_path / "net.pkl")
    with pytest.raises(FileNotFoundError, match="net.npz"):
        weights.read(tmp_path / "net.npz")


@pytest.mark.parametrize(("suffix", "package"), [(".h5", "h5py"), (".pth", "torch")])
def test_absent_extras_say_what_to_install(tmp_path, monkeypatch, suffix, package):
    monkeypatch.setitem(sys.modules, package, None)  # makes its import fail
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"content")
    with pytest.raises(ImportError, match=rf"needs {package}.*jaxforensics\[weights\]"):
        weights.read(path)


def test_importing_reads_no_extra():
    """The library itself must not pull in PyTorch or h5py."""
    source = importlib.util.find_spec("jaxforensics.models.weights").origin
    with open(source) as file:
        lines = [line for line in file if line.startswith(("import", "from"))]
    assert not any("torch" in line or "h5py" in line for line in lines)


def test_pytorch_checkpoints(tmp_path):
    torch = pytest.importorskip("torch")
    state = {
        "conv.weight": torch.arange(6.0).reshape(1, 2, 3),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    path = tmp_path / "net.pth"
    for content in (state, {"model": state, "optimizer": {"lr": 1.0}, "step": 3}):
        torch.save(content, path)
        arrays = weights.read(path)
        assert arrays.keys() == state.keys()
        same(arrays["conv.weight"], np.arange(6.0).reshape(1, 2, 3))
        same(arrays["half"], np.ones(2, np.float32))
    torch.save({"generator": state, "critic": state}, path)
    with pytest.raises(ValueError, match="net.pth.*2 dictionaries of tensors"):
        weights.read(path)
    torch.save({"a": pytest.importorskip}, path)  # code, which a pickle would run
    with pytest.raises(ValueError, match="net.pth: damaged or not weights"):
        weights.read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="net.pth: damaged or not weights"):
        weights.read(path)
