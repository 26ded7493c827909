"""Optimisers and schedules against their printed formulas in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxforensics.training.optimisers import kernels, optimiser

STEPS = 6


def gradients(step):
    return np.sin(np.arange(3) + step)


def walk(tx):
    """The kernel's path under `tx`, with gradients that do not depend on it."""
    params = {"kernel": jnp.array([1.0, -0.5, 2.0]), "bias": jnp.zeros(1)}
    opt, path = tx.init(params), []
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
    weight, memory, path = np.array([1.0, -0.5, 2.0]), {}, []
    for step in range(STEPS):
        weight = rule(weight, gradients(step), memory, step)
        path.append(weight)
    assert np.allclose(walk(optimiser(**settings)), path, atol=1e-5)


def test_only_kernels_decay():
    params = {"layer": {"kernel": 1, "bias": 2}, "norm": {"scale": 3, "bias": 4}}
    assert kernels(params) == {
        "layer": {"kernel": True, "bias": False},
        "norm": {"scale": False, "bias": False},
    }


def test_cosine_warms_up_and_ends():
    tx = optimiser(
        name="sgd",
        rate=1.0,
        schedule="cosine",
        schedule_settings={"steps": 4, "warmup": 2},
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
    ],
)
def test_typos_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        optimiser(**settings)
