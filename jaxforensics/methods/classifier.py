"""Any model as a detector: cross-entropy on one picture at a time."""

import einops
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxforensics import models
from jaxforensics.ops import degrade
from jaxforensics.ops.resample import resize
from jaxforensics.settings import call, choose
from jaxforensics.training.nets import (
    Method,
    Stage,
    descend,
    forward,
    masked_mean,
    new_net,
    new_state,
)
from jaxforensics.training.optimisers import optimiser as build_optimiser


def cross_entropy(logits, target):
    """Softmax cross-entropy per example: (b, classes), (b,) -> (b,)."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, target)


def binary_cross_entropy(logits, target):
    """Sigmoid cross-entropy per example, of one logit: (b, 1), (b,) -> (b,)."""
    return optax.sigmoid_binary_cross_entropy(logits[:, 0], target)


def squared_error(logits, target):
    """Squared error of P(fake) per example, MesoNet's loss: (b, 1), (b,) -> (b,)."""
    return jnp.square(jax.nn.sigmoid(logits[:, 0]) - target)


LOSSES = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_error": squared_error,
}


def make(
    *,
    model,
    model_settings=None,
    num_classes=1,
    target="label",
    reals=(0,),
    loss="binary_cross_entropy",
    optimiser=None,
    augment=(),
    steps,
):
    """Train `model` to tell fakes from reals, or sources from each other.

    `target` is 'label' (real or fake; one logit, or two with `cross_entropy`) or
    'source' (`num_classes` sources, of which `reals` are not fakes).  `augment` lists
    degradations of `ops.degrade` that training pictures go through on the device.
    `score` is P(fake): of several classes, one minus the probability of `reals`.

    A model may judge several places of a picture in training, (b, …, classes): the loss
    is their mean, each with the picture's target.  Of a model with `patches` the `mask`
    is P(fake) of every place, bilinearly of the picture's size.
    """
    settings = dict(locals())  # before anything else is local
    loss_of = choose(LOSSES, loss, "loss")
    _check(num_classes, target, loss, reals)
    net = models.build(model, num_classes=num_classes, **dict(model_settings or {}))
    tx = call(
        build_optimiser, {"steps": steps} | dict(optimiser or {}), where="optimiser"
    )
    augmented = degrade.from_config(augment)

    def init(key, batch):
        return new_state(classifier=new_net(key, net, tx, batch["image"]))

    def step(key, state, batch):
        augment_key, dropout_key = jax.random.split(key)
        image = augmented(augment_key, batch["image"])
        stats = state.nets["classifier"].stats

        def objective(params):
            logits, moved = forward(
                net, params["classifier"], stats, image, train=True, key=dropout_key
            )
            losses = places(loss_of, logits, batch[target])
            hits = places(right, logits, batch[target])
            metrics = {
                "loss": masked_mean(losses, batch["valid"]),
                "accuracy": masked_mean(hits, batch["valid"]),
            }
            return metrics["loss"], ({"classifier": moved}, metrics)

        nets, metrics = descend({"classifier": tx}, state.nets, objective, "classifier")
        # Constrained kernels, of those models that have any, are restored.
        moved = nets["classifier"]
        nets["classifier"] = moved.replace(params=models.project(moved.params))
        return state.replace(step=state.step + 1, nets=nets), metrics

    def predict(state, batch):
        # Running statistics, no dropout, no augmentation.
        trained = state.nets["classifier"]
        image = batch["image"]
        if not hasattr(net, "with_patches"):
            logits, _ = forward(net, trained.params, trained.stats, image)
            return {"logits": logits, "score": score(logits, reals=reals)}
        variables = {"params": trained.params, "batch_stats": trained.stats}
        logits, patches = net.apply(variables, image, method="with_patches")
        mask = score(patches, reals=reals)[..., None]
        mask = resize(mask, image.shape[1:3], method="bilinear")
        return {
            "logits": logits,
            "score": score(logits, reals=reals),
            "mask": mask[..., 0],
        }

    return Method(init, (Stage("train", steps, "train", step),), predict, settings)


def places(judge, logits, target):
    """The mean over places of judge(logits, target): (b, …, classes), (b,) -> (b,)."""
    rows = einops.rearrange(logits, "b ... classes -> b (...) classes")
    return jax.vmap(judge, (1, None), 1)(rows, target).mean(1)


def right(logits, target):
    """Whether the likeliest class is the target: (b, classes), (b,) -> (b,)."""
    return (decide(logits) == target).astype(jnp.float32)


def score(logits, *, reals=(0,)):
    """P(fake): the sigmoid of one logit, or the softmax of all but classes `reals`."""
    logits = logits.astype(jnp.float32)
    if logits.shape[-1] == 1:
        return jax.nn.sigmoid(logits[..., 0])
    is_real = np.isin(np.arange(logits.shape[-1]), reals)
    # The logit of "fake" is the log of a ratio of two sums of exponentials.
    fake, real = (
        jax.nn.logsumexp(logits[..., np.flatnonzero(is_chosen)], axis=-1)
        for is_chosen in (~is_real, is_real)
    )
    return jax.nn.sigmoid(fake - real)


def decide(logits):
    """The likeliest class; of one logit, 1 (fake) above zero."""
    if logits.shape[-1] == 1:
        return (logits[..., 0] > 0).astype(jnp.int32)
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


def _check(num_classes, target, loss, reals):
    if target not in ("label", "source"):
        raise ValueError(f"target is 'label' or 'source', not {target!r}")
    if (num_classes == 1) != (loss in ("binary_cross_entropy", "squared_error")):
        raise ValueError(
            f"loss {loss!r} does not fit num_classes={num_classes}: one logit takes "
            "binary_cross_entropy or squared_error, several take cross_entropy"
        )
    if num_classes > 1 and not 0 < len({*reals} & {*range(num_classes)}) < num_classes:
        raise ValueError(f"of {num_classes} classes {tuple(reals)} cannot be the reals")
    if target == "source" and num_classes == 1:
        raise ValueError("target 'source' needs num_classes = the number of sources")
