"""Optimisers and learning-rate schedules by name, from a config's settings."""

from functools import partial
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
    if 0 < warmup < 1:
        warmup = round(warmup * steps)
    if warmup >= steps:
        raise ValueError(
            f"a warm-up of {warmup} steps leaves none of {steps}: train longer, or "
            "lower schedule_settings.warmup"
        )
    # Without a warm-up the first step already has the full rate.
    first_rate = 0.0 if warmup else rate
    return optax.warmup_cosine_decay_schedule(first_rate, rate, warmup, steps, final)


def sgd(rate, *, momentum=0.0, nesterov=False, rate_inside=False):
    """Stochastic gradient descent: v ← momentum·v + g; w ← w − rate·v.

    With `rate_inside`, as in Caffe, v ← momentum·v + rate·g; w ← w − v.  The two differ
    where the rate falls: there v holds gradients times the rates of their own steps.
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
ENDING = ("cosine",)  # schedules that take the number of all steps
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
    schedule_settings = {"rate": rate} | dict(schedule_settings or {})
    if schedule in ENDING and steps is not None:
        schedule_settings = {"steps": steps} | schedule_settings
    rates = call(
        choose(SCHEDULES, schedule, "schedule"),
        schedule_settings,
        where=f"schedule {schedule}",
    )
    # The rule of this name and settings, at a rate or a schedule of rates.
    rule = partial(
        call,
        choose(RULES, name, "optimiser"),
        dict(settings or {}),
        where=f"optimiser {name}",
    )
    decays = kernels
    if decay_norms:
        decays = all_but_biases

    chain = []
    if clip is not None:
        chain.append(optax.clip_by_global_norm(clip))
    if weight_decay and decoupled:
        # The rule at rate 1 yields the descent direction; decay pulls against it.
        pull = optax.add_decayed_weights(-weight_decay, mask=decays)
        chain += [rule(1.0), pull, optax.scale_by_schedule(rates)]
    elif weight_decay:
        pull = optax.add_decayed_weights(weight_decay, mask=decays)
        chain += [pull, rule(rates)]
    else:
        chain.append(rule(rates))
    if bias_rate != 1:
        # Behind the rule: in front of it Adam would divide the factor out again.
        chain.append(optax.masked(optax.scale(bias_rate), biases))
    return optax.chain(*chain)


class Plateau(NamedTuple):
    """A pace that falls where a loss does not; arrays, to be kept in a state."""

    pace: jax.Array  # by which steps are multiplied
    least: jax.Array  # mean loss of an epoch so far
    total: jax.Array  # of this epoch's losses
    count: jax.Array  # of this epoch's steps

    def after(self, loss, *, epoch, factor=0.5):
        """After one more step: pace times `factor` if this ended an epoch no better.

        An epoch is better if its mean loss is less by a ten-thousandth, as with
        PyTorch's ReduceLROnPlateau and its default threshold.
        """
        total = self.total + loss
        count = self.count + 1
        ends = count == epoch
        mean = total / epoch
        better = mean < self.least - 1e-4 * jnp.abs(self.least)
        return Plateau(
            pace=jnp.where(ends & ~better, factor * self.pace, self.pace),
            least=jnp.where(ends & better, mean, self.least),
            total=jnp.where(ends, 0.0, total),
            count=jnp.where(ends, 0, count),
        )


def plateau():
    """A `Plateau` at the start, at pace 1."""
    # Not infinity: the guard against what is not finite looks at every state.
    highest = jnp.full((), jnp.finfo(jnp.float32).max)
    return Plateau(
        pace=jnp.ones(()),
        least=highest,
        total=jnp.zeros(()),
        count=jnp.zeros((), jnp.int32),
    )


def kernels(params):
    """True for weights that decay: arrays named `kernel`, not biases or scales."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: _names(path)[-1] == "kernel", params
    )


def biases(params):
    """True for biases of layers: `bias` beside a `kernel`, not beside a `scale`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    paths = {_names(path) for path, _ in leaves}

    def is_bias(path, _):
        *above, name = _names(path)
        return name == "bias" and (*above, "kernel") in paths

    return jax.tree_util.tree_map_with_path(is_bias, params)


def all_but_biases(params):
    """True for kernels, and for what normalisations learn."""
    return jax.tree.map(lambda bias: not bias, biases(params))


def _names(path):
    """A path in a tree as names: ('layer', 'kernel')."""
    return tuple(jax.tree_util.keystr((entry,)).strip("[]'\"") for entry in path)
