"""Weights of nets: into a file and back, and where a training begins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import tiny

from jaxforensics.training import fit, loop, weights
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.nets import Net

MESH = data_mesh(devices=jax.devices()[:1])
DATA = {"train": tiny.Stream()}


def fresh(seed):
    return loop.initial_state(tiny.method(), DATA, seed=seed, mesh=MESH)


@pytest.fixture(scope="module")
def net():
    """One of a state that nobody trains."""
    return fresh(8).nets["a"]


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    return jax.tree.all(jax.tree.map(np.array_equal, first, second))


def test_a_net_comes_back_from_its_file(net, tmp_path):
    path = tmp_path / "deep" / "net.safetensors"
    weights.save_net(path, net)
    names = set(safetensors.numpy.load_file(path))
    assert {"params/Conv_0/kernel", "stats/BatchNorm_0/mean"} <= names
    other = fresh(9).nets["a"]
    read = weights.load_net(path, other)
    # As any file of this process: others may read it where its owner lets them.
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode
    assert same((read.params, read.stats), (net.params, net.stats))
    assert same(read.opt, other.opt) and not same(other.params, net.params)


def test_half_precision_and_named_tuples_come_back(tmp_path):
    half = jnp.arange(3, dtype=jnp.bfloat16) / 3
    net = Net({"list": [half, half.T]}, jnp.ones(()), ())
    weights.save_net(tmp_path / "net.safetensors", net)
    blank = jax.tree.map(jnp.zeros_like, net)
    assert same(weights.load_net(tmp_path / "net.safetensors", blank), net)


def test_a_file_in_half_precision_is_widened(net, tmp_path):
    path = tmp_path / "net.safetensors"
    weights.save_net(path, net, half=True)
    stored = safetensors.numpy.load_file(path)
    assert {array.dtype for array in stored.values()} == {np.dtype(np.float16)}
    read = weights.load_net(path, fresh(9).nets["a"])
    for given, expected in zip(
        jax.tree.leaves(read.params), jax.tree.leaves(net.params), strict=True
    ):
        assert given.dtype == np.float32
        np.testing.assert_array_equal(given, np.float32(np.float16(expected)))


def test_what_does_not_fit_is_listed_with_the_nearest_name(net, tmp_path):
    path = tmp_path / "net.safetensors"
    arrays = {
        "params/Conv_0/kernle": np.zeros((3, 3, 3, 4), np.float32),
        "params/Conv_0/bias": np.zeros(5, np.float32),
        "params/Dense_0/bias": np.zeros(1, np.int32),
    }
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(ValueError) as refusal:
        weights.load_net(path, net)
    text = str(refusal.value)
    assert f"{path} does not fit the net" in text
    assert "missing params/Conv_0/kernel (nearest given: params/Conv_0/kernle)" in text
    assert "unexpected params/Conv_0/kernle (nearest in the net: params/C" in text
    assert "params/Conv_0/bias is float32 (5,), in the net float32 (4,)" in text
    assert "params/Dense_0/bias is int32 (1,), in the net float32 (1,)" in text


@pytest.mark.parametrize(
    "name, content, error, message",
    [
        ("net.npz", b"", ValueError, "are a .safetensors file"),
        ("none.safetensors", None, FileNotFoundError, "no such file"),
        ("net.safetensors", b"damaged", ValueError, "damaged or not safetensors"),
    ],
)
def test_other_files_are_refused(net, tmp_path, name, content, error, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        weights.load_net(path, net)


@pytest.fixture(scope="module")
def begun(net, tmp_path_factory):
    """A finished training whose net `a` started elsewhere, with its directory."""
    directory = tmp_path_factory.mktemp("begun")
    return train(directory, start={"a": net}), directory


def train(directory, *, start, stream=None):
    return fit.fit(
        directory,
        tiny.method(),
        {"train": stream or tiny.Stream()},
        seed=3,
        start=start,
        intervals=fit.Intervals(save_every=4),
        mesh=MESH,
    )


def test_only_the_named_net_starts_elsewhere(net):
    state = fresh(3)
    begun = weights.begin(state, {"a": net})
    assert same(begun.nets["a"].params, net.params)
    assert same(begun.nets["a"].opt, state.nets["a"].opt)
    assert same(begun.nets["b"], state.nets["b"])
    assert weights.begin(state, None).nets == state.nets


def test_a_training_starts_alike_from_a_net_and_from_its_file(begun, net, tmp_path):
    path = tmp_path / "net.safetensors"
    weights.save_net(path, net)
    from_file = train(tmp_path / "run", start={"a": str(path)})
    assert same(from_file.state, begun[0].state)
    assert not same(from_file.state, train(tmp_path / "plain", start=None).state)
    # The given net is not used up: training reuses the memory of its own state alone.
    assert jnp.isfinite(net.params["Dense_0"]["kernel"]).all()


def test_a_resumed_training_ignores_where_it_started(begun, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, start={"a": fresh(8).nets["a"]}, stream=Dying())
    resumed = train(tmp_path, start={"a": tmp_path / "gone.safetensors"})
    assert same(resumed.state, begun[0].state)


class Dying(tiny.Stream):
    """A stream that ends with an interrupt in its sixth batch."""

    def batches(self, start=0):
        for step, batch in enumerate(super().batches(start)):
            if step == 5:
                raise KeyboardInterrupt
            yield batch


def test_a_training_that_diverges_at_once_leaves_where_it_started(net, tmp_path):
    salvaged = fit.salvage(
        tmp_path, tiny.method(), DATA, seed=3, start={"a": net}, mesh=MESH
    )
    assert same(salvaged.state.nets["a"].params, net.params)


def test_another_net_and_an_unknown_role_are_refused(net):
    state = fresh(3)
    other = net.replace(params={"weight": jnp.zeros(3)})
    with pytest.raises(ValueError, match="start of 'b' does not fit the net"):
        weights.begin(state, {"b": other})
    with pytest.raises(ValueError, match="there is no net to start 'c'"):
        weights.begin(state, {"c": net})
