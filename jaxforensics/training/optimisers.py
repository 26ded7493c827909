"""Optimisers and learning-rate schedules by name, from a config's settings."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxforensics.settings import call, choose


def constant(*, rate):
    """The same rate for ever."""
    return optax.constant_schedule(rate)


def step(*, rate, every, factor=0.5):
    """rate · factor^⌊i / every⌋."""
    return optax.exponential_decay(rate, every, factor, staircase=True)


def exponential(*, rate, every, factor):
    """rate · factor^(i / every)."""
    return optax.exponential_decay(rate, every, factor)


def cosine(*, rate, steps, warmup=0, final=0.0):
    """Linear warm-up to `rate`, then half a cosine down to `final` at `steps`.

    A `warmup` below 1 is a share of the steps.
    """
    warmup = round(warmup * steps) if 0 < warmup < 1 else warmup
    if warmup >= steps:
        raise ValueError(
            f"a warm-up of {warmup} steps leaves none of {steps}: train longer, or "
            "lower schedule_settings.warmup"
        )
    return optax.warmup_cosine_decay_schedule(
        0.0 if warmup else rate, rate, warmup, steps, final
    )


def sgd(rate, *, momentum=0.0, nesterov=False, rate_inside=False):
    """Stochastic gradient descent: v ← momentum·v + g; w ← w − rate·v.

    With `rate_inside`, as in Caffe, v ← momentum·v + rate·g; w ← w − v: what a falling
    rate has left in v goes on at the rate it came with.
    """
    if rate_inside:
        descent = optax.scale_by_learning_rate(rate)
        return optax.chain(descent, optax.trace(momentum, nesterov=nesterov))
    return optax.sgd(rate, momentum=momentum or None, nesterov=nesterov)


def adam(rate, *, b1=0.9, b2=0.999, eps=1e-8):
    """Adam (Kingma & Ba, 2015)."""
    return optax.adam(rate, b1=b1, b2=b2, eps=eps)


def radam(rate, *, b1=0.9, b2=0.999, eps=1e-8):
    """Rectified Adam (Liu et al., 2020)."""
    return optax.radam(rate, b1=b1, b2=b2, eps=eps)


def rmsprop(rate, *, decay=0.99, eps=1e-8, momentum=0.0):
    """RMSprop with ε outside the root, as PyTorch has it."""
    return optax.rmsprop(
        rate, decay=decay, eps=eps, eps_in_sqrt=False, momentum=momentum or None
    )


SCHEDULES = {f.__name__: f for f in (constant, step, exponential, cosine)}
ENDING = ("cosine",)
RULES = {f.__name__: f for f in (sgd, adam, radam, rmsprop)}


def optimiser(
    *,
    name="adam",
    rate=1e-3,
    schedule="constant",
    schedule_settings=None,
    settings=None,
    weight_decay=0.0,
    decay_norms=False,
    decoupled=False,
    bias_rate=1.0,
    clip=None,
    steps=None,
):
    """An optax transformation; a schedule that has an end has it after `steps`.

    `weight_decay` acts on kernels, and with `decay_norms` on scales and offsets of
    normalisations too, as in Caffe.  Coupled (the default), it is added to the gradient
    before the rule, as SGD and Adam of the papers have it; decoupled, to the update
    after it (AdamW).  Biases of layers learn at `bias_rate` times the rate.  `clip`
    bounds the gradient's global norm.
    """
    end = {"steps": steps} if schedule in ENDING and steps is not None else {}
    rates = call(
        choose(SCHEDULES, schedule, "schedule"),
        {"rate": rate} | end | dict(schedule_settings or {}),
        where=f"schedule {schedule}",
    )
    rule = choose(RULES, name, "optimiser")
    chain = [] if clip is None else [optax.clip_by_global_norm(clip)]
    decays = all_but_biases if decay_norms else kernels
    decay = optax.add_decayed_weights(weight_decay, mask=decays)
    if weight_decay and not decoupled:
        chain.append(decay)
    if weight_decay and decoupled:
        unit = call(rule, dict(settings or {}), 1.0, where=f"optimiser {name}")
        # The rule at rate 1 yields the descent direction; decay pulls against it.
        pull = optax.add_decayed_weights(-weight_decay, mask=decays)
        chain += [unit, pull, optax.scale_by_schedule(rates)]
    else:
        chain.append(call(rule, dict(settings or {}), rates, where=f"optimiser {name}"))
    if bias_rate != 1:
        chain.append(optax.masked(optax.scale(bias_rate), biases))
    return optax.chain(*chain)


class Plateau(NamedTuple):
    """A pace that falls where a loss does not; arrays, to be kept in a state."""

    pace: jax.Array
    least: jax.Array  # mean loss of an epoch so far
    total: jax.Array  # of this epoch's losses
    count: jax.Array

    def after(self, loss, *, epoch, factor=0.5):
        """After one more step: `factor` less if this ended an epoch no better.

        Better is less by a ten-thousandth.
        """
        total, count = self.total + loss, self.count + 1
        ends, mean = count == epoch, total / epoch
        better = mean < self.least - 1e-4 * jnp.abs(self.least)
        return Plateau(
            jnp.where(ends & ~better, factor * self.pace, self.pace),
            jnp.where(ends & better, mean, self.least),
            jnp.where(ends, 0.0, total),
            jnp.where(ends, 0, count),
        )


def plateau():
    """A `Plateau` at the start, at pace 1."""
    nothing = jnp.zeros(())
    most = jnp.full((), jnp.finfo(jnp.float32).max)
    return Plateau(jnp.ones(()), most, nothing, jnp.zeros((), jnp.int32))


def kernels(params):
    """True for weights that decay: arrays named `kernel`, not biases or scales."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: _names(path)[-1] == "kernel", params
    )


def biases(params):
    """True for biases of layers: `bias` beside a `kernel`, not beside a `scale`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    known = {_names(path) for path, _ in leaves}

    def is_bias(path, _):
        *above, name = _names(path)
        return name == "bias" and (*above, "kernel") in known

    return jax.tree_util.tree_map_with_path(is_bias, params)


def all_but_biases(params):
    """True for kernels, and for what normalisations learn."""
    return jax.tree.map(lambda bias: not bias, biases(params))


def _names(path):
    return tuple(jax.tree_util.keystr((entry,)).strip("[]'\"") for entry in path)
