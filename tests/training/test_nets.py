"""`descend` moves the nets it names, exactly as the optimiser says, and no other."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tiny

from jaxforensics.training.loop import initial_state
from jaxforensics.training.mesh import data_mesh
from jaxforensics.training.nets import (
    Net,
    descend,
    forward,
    masked_mean,
    new_net,
    shared_forward,
)


def test_descend_equals_hand_written_momentum():
    tx = optax.sgd(0.1, momentum=0.5)
    start = {"w": jnp.array([1.0, -2.0]), "v": jnp.array([3.0])}
    nets = {name: Net({name: x}, {}, tx.init({name: x})) for name, x in start.items()}

    def loss(params):
        value = jnp.sum(params["w"]["w"] ** 2) * nets["v"].params["v"][0]
        return value, ({}, {"loss": value})

    weight = np.array([1.0, -2.0])
    speed = np.zeros(2)
    for _ in range(3):
        nets, metrics = descend({"w": tx}, nets, loss, "w")
        assert np.allclose(metrics["loss"], 3 * np.sum(weight**2), atol=1e-5)
        speed = 0.5 * speed + 6 * weight
        weight = weight - 0.1 * speed
        assert np.allclose(nets["w"].params["w"], weight, atol=1e-5)
    assert np.array_equal(nets["v"].params["v"], start["v"])


def test_pace_multiplies_the_step():
    tx = optax.adam(0.1)
    nets = {"a": Net(jnp.array([2.0, -1.0]), {}, tx.init(jnp.zeros(2)))}

    def loss(params):
        return jnp.sum(params["a"] ** 2), ({}, {})

    whole, half, none = (
        descend({"a": tx}, nets, loss, "a", pace=pace)[0]["a"] for pace in (1, 0.5, 0)
    )
    way = whole.params - nets["a"].params
    np.testing.assert_allclose(half.params, nets["a"].params + way / 2, rtol=1e-6)
    np.testing.assert_array_equal(none.params, nets["a"].params)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, whole.opt, half.opt))


def test_a_shared_forward_pass_has_the_value_and_gradient_of_its_function():
    weights, x = np.random.default_rng(0).normal(size=(2, 5, 5))

    def both(weights):
        (output, aux), same_function = shared_forward(
            lambda w: (jnp.sin(x @ w), 2 * w), weights
        )

        def loss(weights):
            output, aux = same_function(weights)
            return jnp.sum(output**3), aux

        return output, aux, jax.value_and_grad(loss, has_aux=True)(weights)

    weights = jnp.float32(weights)
    output, aux, ((value, reused_aux), slope) = both(weights)
    np.testing.assert_allclose(output, np.sin(x @ weights), atol=1e-5)
    assert value == jnp.sum(output**3)
    np.testing.assert_array_equal(aux, reused_aux)
    expected = x.T @ (3 * np.sin(x @ weights) ** 2 * np.cos(x @ weights))
    np.testing.assert_allclose(slope, expected, atol=1e-4)
    products = str(jax.make_jaxpr(both)(weights)).count("dot_general")
    assert products == 2  # forth and back


def test_joint_descent_moves_both_from_the_same_point():
    tx = optax.sgd(1.0)
    nets = {
        n: Net(jnp.array(x), {}, tx.init(jnp.array(x)))
        for n, x in (("a", 2.0), ("b", 3.0))
    }

    def product(params):
        return params["a"] * params["b"], ({}, {})

    moved, _ = descend({"a": tx, "b": tx}, nets, product, "a", "b")
    assert (moved["a"].params, moved["b"].params) == (-1.0, 1.0)


def test_each_stage_moves_only_its_net(key):
    method = tiny.method()
    stream = tiny.Stream()
    state = initial_state(method, {"train": stream}, seed=0, mesh=data_mesh())
    batch = next(stream.batches())
    batch = batch | {"image": batch["image"].astype(np.float32) / 255}
    for stage, mover in zip(method.stages, "ab", strict=True):
        after, _ = jax.jit(stage.step)(key, state, batch)
        for name in "ab":
            same = jax.tree.map(np.array_equal, after.nets[name], state.nets[name])
            assert all(jax.tree.leaves(same)) == (name != mover)


def test_frozen_nets_have_no_optimiser_and_statistics_stay_in_prediction(key):
    net = new_net(key, tiny.Small(), None, jnp.zeros((1, 8, 8, 3)))
    assert net.opt == ()
    image = jax.random.uniform(key, (2, 8, 8, 3))
    _, still = forward(tiny.Small(), net.params, net.stats, image)
    _, moved = forward(tiny.Small(), net.params, net.stats, image, train=True, key=key)
    assert still is net.stats
    assert not np.array_equal(
        moved["BatchNorm_0"]["mean"], net.stats["BatchNorm_0"]["mean"]
    )


def test_a_masked_mean_is_numpys_weighted_average():
    values = np.array([1.0, 5.0, -3.0, 7.0], np.float32)
    valid = np.array([1.0, 0.0, 1.0, 1.0], np.float32)
    expected = np.average(values, weights=valid)
    np.testing.assert_allclose(masked_mean(values, valid), expected, rtol=1e-6)
    assert masked_mean(values, 0 * valid) == 0
