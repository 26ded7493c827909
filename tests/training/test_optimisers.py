"""Optimisers and schedules against their printed formulas in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxforensics.training.optimisers import (
    Plateau,
    biases,
    kernels,
    optimiser,
    plateau,
)

STEPS = 6


def gradients(step):
    return np.sin(np.arange(3) + step)


def walk(tx):
    """The kernel's path under `tx`, with gradients that do not depend on it."""
    params = {"kernel": jnp.array([1.0, -0.5, 2.0]), "bias": jnp.zeros(1)}
    opt = tx.init(params)
    path = []
    for step in range(STEPS):
        grads = {"kernel": jnp.asarray(gradients(step)), "bias": jnp.zeros(1)}
        updates, opt = tx.update(grads, opt, params)
        params = {k: params[k] + updates[k] for k in params}
        path.append(np.asarray(params["kernel"]))
    assert params["bias"] == 0
    return np.stack(path)


def momentum(w, g, memory, step):
    """Momentum without the rate inside it, as optax and PyTorch have it."""
    memory["v"] = 0.95 * memory.get("v", 0) + g + 0.005 * w
    return w - 0.1 * 0.5 ** (step // 2) * memory["v"]


def adamw(w, g, memory, step):
    m = memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
    v = memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g * g
    m, v = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
    return w - 0.01 * (m / (np.sqrt(v) + 1e-8) + 0.1 * w)


def rmsprop(w, g, memory, step):
    v = memory["v"] = 0.99 * memory.get("v", 0) + 0.01 * g * g
    return w - 0.01 * g / (np.sqrt(v) + 1e-8)


@pytest.mark.parametrize(
    "settings, rule",
    [
        (
            {
                "name": "sgd",
                "rate": 0.1,
                "schedule": "step",
                "schedule_settings": {"every": 2},
                "settings": {"momentum": 0.95},
                "weight_decay": 0.005,
            },
            momentum,
        ),
        ({"rate": 0.01, "weight_decay": 0.1, "decoupled": True}, adamw),
        ({"name": "rmsprop", "rate": 0.01}, rmsprop),
    ],
)
def test_rules_follow_their_formulas(settings, rule):
    weight = np.array([1.0, -0.5, 2.0])
    memory = {}
    path = []
    for step in range(STEPS):
        weight = rule(weight, gradients(step), memory, step)
        path.append(weight)
    assert np.allclose(walk(optimiser(**settings)), path, atol=1e-5)


def test_kernels_and_biases_of_layers_are_told_from_normalisations():
    params = {"layer": {"kernel": 1, "bias": 2}, "norm": {"scale": 3, "bias": 4}}
    params = {"net": params, "head": {"kernel": 5}, "bias": 6}
    names = {"kernel": True, "bias": False}, {"scale": False, "bias": False}
    expected = {"net": dict(zip(("layer", "norm"), names, strict=True))}
    assert kernels(params) == expected | {"head": {"kernel": True}, "bias": False}
    expected["net"]["layer"] = {"kernel": False, "bias": True}
    assert biases(params) == expected | {"head": {"kernel": False}, "bias": False}


AMTEN = {
    "name": "sgd",
    "rate": 1e-3,
    "schedule": "step",
    "schedule_settings": {"every": 3},
    "settings": {"momentum": 0.95},
    "weight_decay": 0.005,
    "bias_rate": 2.0,
}


@pytest.mark.parametrize("rate_inside", [False, True])
@pytest.mark.parametrize("decay_norms", [False, True])
def test_amten_update(rate_inside, decay_norms):
    """Float64 by hand: rates of biases, decay, momentum and steps of the rate."""
    rng = np.random.default_rng(0)
    shapes = {"conv": ("kernel", "bias"), "norm": ("scale", "bias")}
    params = {k: {n: rng.normal(0, 9, 4) for n in v} for k, v in shapes.items()}
    settings = AMTEN["settings"] | {"rate_inside": rate_inside}
    tx = optimiser(**AMTEN | {"settings": settings, "decay_norms": decay_norms})
    ours = jax.tree.map(jnp.float32, params)
    opt = tx.init(ours)
    speed = jax.tree.map(np.zeros_like, params)
    update = jax.jit(tx.update)
    names = [(layer, name) for layer in shapes for name in shapes[layer]]
    for step in range(11):
        grads = jax.tree.map(lambda w: np.sin(w + rng.normal(size=4)), params)
        updates, opt = update(jax.tree.map(jnp.float32, grads), opt, ours)
        ours = optax.apply_updates(ours, updates)
        for layer, name in names:
            w, g, v = (x[layer][name] for x in (params, grads, speed))
            is_bias = (layer, name) == ("conv", "bias")
            decays = not is_bias and (layer != "norm" or decay_norms)
            rate = 1e-3 * 0.5 ** (step // 3)
            if is_bias:
                rate *= 2
            if decays:
                g = g + 0.005 * w
            if rate_inside:
                v = 0.95 * v + rate * g
                params[layer][name] = w - v
            else:
                v = 0.95 * v + g
                params[layer][name] = w - rate * v
            speed[layer][name] = v
    for layer, name in names:
        np.testing.assert_allclose(ours[layer][name], params[layer][name], rtol=2e-6)


def test_bias_rate_is_a_rate_in_every_rule():
    """Adam's step is its rate, whatever the gradient's size."""
    params = {"kernel": jnp.ones(2), "bias": jnp.ones(2)}
    for settings in ({}, {"weight_decay": 0.1, "decoupled": True}):
        tx = optimiser(rate=0.01, bias_rate=3.0, **settings)
        updates, _ = tx.update(params, tx.init(params), params)
        decay = 0.1 if settings else 0
        np.testing.assert_allclose(updates["kernel"], -0.01 * (1 + decay), rtol=1e-5)
        np.testing.assert_allclose(updates["bias"], -0.03, rtol=1e-5)


@pytest.mark.parametrize(
    ("own", "training"),
    [
        ({"steps": 4}, {}),
        ({}, {"steps": 4}),
        ({"steps": 4}, {"steps": 9}),
        ({"warmup": 0.4}, {"steps": 4}),  # a share, rounded to steps
    ],
)
def test_cosine_warms_up_and_ends_with_training_or_where_it_says(own, training):
    tx = optimiser(
        name="sgd",
        rate=1.0,
        schedule="cosine",
        schedule_settings={"warmup": 2} | own,
        **training,
    )
    steps = -np.diff(walk(tx), axis=0, prepend=[[1.0, -0.5, 2.0]])
    rates = steps[:, 0] / [gradients(s)[0] or np.nan for s in range(STEPS)]
    assert np.allclose(rates[1:], [0.5, 1.0, 0.5, 0.0, 0.0], atol=1e-5)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"name": "adamm"}, "did you mean 'adam'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"settings": {"beta1": 0.9}}, "no setting 'beta1' .did you mean 'b1'"),
        ({"schedule": "cosine"}, "needs steps"),
        (
            {"schedule": "cosine", "schedule_settings": {"warmup": 4}, "steps": 4},
            "warm-up of 4 steps leaves none of 4",
        ),
    ],
)
def test_typos_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        optimiser(**settings)


def test_a_plateau_halves_the_pace_as_optax_does():
    rng = np.random.default_rng(0)
    losses = np.concatenate(
        [np.linspace(3, 1, 20), rng.normal(1, 0.01, 40), [0.5] * 20]
    )
    oracle = optax.contrib.reduce_on_plateau(
        factor=0.5, patience=1, rtol=1e-4, accumulation_size=5
    )
    oracle_state = oracle.init(1.0)
    pace = plateau()
    steps = []
    after = jax.jit(partial(Plateau.after, epoch=5))
    for loss in losses.tolist():
        _, oracle_state = oracle.update(1.0, oracle_state, value=jnp.float32(loss))
        pace = after(pace, loss)
        steps.append((float(oracle_state.scale), float(pace.pace)))
    steps = np.array(steps)
    np.testing.assert_array_equal(steps[:, 1], steps[:, 0])
    assert 1e-4 < steps[-1, 1] < 0.5
    assert all(jnp.isfinite(x) for x in plateau())
