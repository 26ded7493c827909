"""Optimisers and learning-rate schedules by name, from a config's settings."""

import jax
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
    """Linear warm-up to `rate`, then half a cosine down to `final` at `steps`."""
    return optax.warmup_cosine_decay_schedule(
        0.0 if warmup else rate, rate, warmup, steps, final
    )


def sgd(rate, *, momentum=0.0, nesterov=False):
    """Stochastic gradient descent: v ← momentum·v + g; w ← w − rate·v."""
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
RULES = {f.__name__: f for f in (sgd, adam, radam, rmsprop)}


def optimiser(
    *,
    name="adam",
    rate=1e-3,
    schedule="constant",
    schedule_settings=None,
    settings=None,
    weight_decay=0.0,
    decoupled=False,
    clip=None,
):
    """An optax transformation.

    `weight_decay` acts on kernels only.  Coupled (the default), it is added to the
    gradient before the rule, as SGD and Adam of the papers have it; decoupled, to the
    update after it (AdamW).  `clip` bounds the gradient's global norm.
    """
    rates = call(
        choose(SCHEDULES, schedule, "schedule"),
        {"rate": rate} | dict(schedule_settings or {}),
        where=f"schedule {schedule}",
    )
    rule = choose(RULES, name, "optimiser")
    chain = [] if clip is None else [optax.clip_by_global_norm(clip)]
    decay = optax.add_decayed_weights(weight_decay, mask=kernels)
    if weight_decay and not decoupled:
        chain.append(decay)
    if weight_decay and decoupled:
        unit = call(rule, dict(settings or {}), 1.0, where=f"optimiser {name}")
        # The rule at rate 1 yields the descent direction; decay pulls against it.
        pull = optax.add_decayed_weights(-weight_decay, mask=kernels)
        chain += [unit, pull, optax.scale_by_schedule(rates)]
    else:
        chain.append(call(rule, dict(settings or {}), rates, where=f"optimiser {name}"))
    return optax.chain(*chain)


def kernels(params):
    """True for weights that decay: arrays named `kernel`, not biases or scales."""

    def is_kernel(path, _):
        return jax.tree_util.keystr(path[-1:]).strip("[]'\"") == "kernel"

    return jax.tree_util.tree_map_with_path(is_kernel, params)
