"""What a method trains: nets, their state, and one optimiser step on some of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax
import jax
import jax.numpy as jnp
import optax


class Stage(NamedTuple):
    """A span of training steps that share one step function and one data stream."""

    name: str
    steps: int
    data: str  # the name of the stream that feeds it
    step: Callable  # (key, state, batch) -> state, {name: scalar}


def moved_nets(state):
    """The nets {role: Net} of a state that an optimiser moves."""
    return {role: net for role, net in state.nets.items() if jax.tree.leaves(net.opt)}


class Method(NamedTuple):
    """A paper's method: how its nets start, train and predict.

    `settings` holds every argument the method was made with, defaults included; a
    workspace compares it before it reuses trained nets.  `handed_on` picks the nets
    that others may start from, written as weights where that is asked for.
    """

    init: Callable  # (key, batch) -> State
    stages: tuple[Stage, ...]
    predict: Callable  # (state, batch) -> {'logits', 'score', 'mask', 'image', …}
    settings: dict[str, Any]
    handed_on: Callable = moved_nets  # (state) -> {role: Net}


@flax.struct.dataclass
class Net:
    """A net's parameters, batch statistics and optimiser state (() when frozen)."""

    params: Any  # moved by an optimiser
    stats: Any  # moved by forward passes: averages of BatchNorm, counts, ...
    opt: Any  # the optimiser's own arrays, such as momenta


@flax.struct.dataclass
class State:
    """Everything that training changes: the step and the nets by role name."""

    step: jax.Array
    nets: dict[str, Net]


def new_net(key, module, tx, *inputs):
    """Initialise a linen module and its optimiser; `tx=None` makes a frozen net."""
    variables = module.init(key, *inputs)
    params = variables["params"]
    stats = variables.get("batch_stats", {})
    if tx is None:
        return Net(params, stats, ())
    return Net(params, stats, tx.init(params))


def new_state(**nets):
    """A state at step zero."""
    return State(jnp.zeros((), jnp.int32), nets)


def forward(module, params, stats, *inputs, train=False, key=None):
    """Apply a linen module: (output, batch statistics after it).

    Statistics move only with `train=True`; `key` feeds dropout.
    """
    variables = {"params": params, "batch_stats": stats}
    if not train:
        return module.apply(variables, *inputs, train=False), stats
    rngs = {}
    if key is not None:
        rngs["dropout"] = key
    output, moved = module.apply(
        variables, *inputs, train=True, rngs=rngs, mutable=["batch_stats"]
    )
    return output, moved.get("batch_stats", stats)


def masked_weights(valid):
    """What each example weighs in a mean over those with `valid` 1."""
    return valid / jnp.maximum(valid.sum(), 1.0)


def masked_mean(values, valid):
    """Mean of one value per example over those with `valid` 1; zero without any."""
    return jnp.sum(values * masked_weights(valid))


def with_gradient(value, output, gradient):
    """A scalar of this value, whose gradient with respect to `output` is `gradient`.

    For losses whose parts pull with other strengths than their gradients have: what is
    descended is `gradient`, what is logged is `value`.
    """
    linear = jnp.sum(output * jax.lax.stop_gradient(gradient))
    return jax.lax.stop_gradient(value - linear) + linear


def shared_forward(function, params):
    """Run function(params) -> (output, aux) once, for several uses.

    Returns its result together with a function of the same value and gradient that
    reuses that forward pass.  So a generator's pictures are made once: discriminators
    learn from them, and then the generator from what those say.  The function has to be
    called with these `params`; at others it would give the output of these.
    """
    output, backward, aux = jax.vjp(function, params, has_aux=True)

    @jax.custom_vjp
    def reuse(params):
        del params  # the output at them is known
        return output

    def reuse_forward(params):
        return reuse(params), None

    def reuse_backward(_, output_gradient):
        return backward(output_gradient)

    reuse.defvjp(reuse_forward, reuse_backward)

    def same_function(params):
        return reuse(params), aux

    return (output, aux), same_function


def descend(txs, nets, loss, *names, pace=1.0):
    """One optimiser step on the nets in `names`; every other net is held fixed.

    loss({name: params}) -> scalar, ({name: new statistics}, {metric: scalar}).  `pace`
    multiplies the step.
    Returns the nets and the metrics, both computed at the parameters before the step.
    """
    # Only these are differentiated: to the loss, all other nets are constants.
    params = {name: nets[name].params for name in names}
    (_, (stats, metrics)), grads = jax.value_and_grad(loss, has_aux=True)(params)
    moved = {}
    for name in names:
        updates, opt = txs[name].update(grads[name], nets[name].opt, params[name])
        # Behind the optimiser, whose momenta would otherwise remember former paces.
        updates = jax.tree.map(lambda update: pace * update, updates)
        moved[name] = Net(
            optax.apply_updates(params[name], updates),
            stats.get(name, nets[name].stats),
            opt,
        )
    return nets | moved, metrics
