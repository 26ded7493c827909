"""FakeLocator: a map of where a face was changed, and whether it was.

Huang et al., "FakeLocator: robust localization of GAN-based face manipulations", TIFS
2022.  An encoder and its decoder draw the map, a branch behind the encoder says real or
fake.

    the paper's       here
    Eqs. 1-3          role "locator": any model with `Located` outputs
    Eq. 4, C          role "branch"
    Eq. 5, FPM        `attention`, from the parsing of a batch or role "parser"
    Eq. 7             `targets`
    Eqs. 8-12         MAP_LOSSES
    real(p) fake(q)   `augment_reals`, `augment_fakes`
"""

from functools import partial
from typing import Any, NamedTuple

import einops
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxforensics import models
from jaxforensics.evaluation import localisation, metrics
from jaxforensics.evaluation.reliability import map_spread
from jaxforensics.models.branch import Branch
from jaxforensics.models.parser import FaceParser
from jaxforensics.ops import augment
from jaxforensics.ops.fakeness import attention_map, fakeness_map
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

# Models with `Located` outputs; the last answers itself, from a map that is smaller.
MODELS = ("deeplabv3_resnet101", "deeplabv3_small", "unet", "ffd_map")
ATTENTIONS = ("white", "parsing", "predicted")
BRANCH_INPUTS = ("features", "attended")
TARGETS = ("gray", "binary")
CLASS_NUMBERS = 256  # of a parsing, which is a picture of bytes
ALPHA, GAMMA = 0.25, 2.0  # of focal loss: RetinaNet's, the paper says none
SMOOTH = 1.0  # ε of Dice loss


# Losses of a map, one value per picture: logits and targets (b, h, w) -> (b,).


def l1(logits, target):
    """Mean absolute difference (Eq. 8)."""
    return jnp.mean(jnp.abs(jax.nn.sigmoid(logits) - target), axis=(1, 2))


def l2(logits, target):
    """Mean squared difference (Eq. 9)."""
    return jnp.mean(jnp.square(jax.nn.sigmoid(logits) - target), axis=(1, 2))


def focal(logits, target):
    """Focal loss (Eqs. 10 and 11) for targets anywhere in [0, 1]."""
    p = jax.nn.sigmoid(logits)
    of_fake = ALPHA * target * (1 - p) ** GAMMA * jax.nn.log_sigmoid(logits)
    of_real = (1 - ALPHA) * (1 - target) * p**GAMMA * jax.nn.log_sigmoid(-logits)
    return -jnp.mean(of_fake + of_real, axis=(1, 2))


def dice(logits, target):
    """One minus the coefficient of Eq. 12, smoothed for targets of zeros."""
    p = jax.nn.sigmoid(logits)
    shared = 2 * jnp.sum(p * target, axis=(1, 2)) + SMOOTH
    return 1 - shared / (jnp.sum(p + target, axis=(1, 2)) + SMOOTH)


MAP_LOSSES = {"l1": l1, "l2": l2, "dice": dice, "focal": focal}


class Examples(NamedTuple):
    """What a step learns from, n pictures."""

    image: Any  # (n, h, w, 3)
    label: Any  # (n,)
    target: Any  # (n, h, w)
    attention: Any  # (n, h, w), or None: white
    valid: Any  # (n,)


class Locator(NamedTuple):
    """What the steps of a training share."""

    locator: Any  # linen modules
    branch: Any
    parser: Any
    map_loss: Any
    settings: dict[str, Any]
    regions: Any  # (sources, CLASS_NUMBERS): whether a class is of a source's region
    txs: dict[str, Any]


def make(
    *,
    model="deeplabv3_resnet101",
    model_settings=None,
    branch=(),
    branch_input="features",
    map_loss="l1",
    branch_weight=1.0,
    target="gray",
    threshold=0.1,
    entire=(),
    paired=True,
    attention="white",
    regions=(),
    augment_reals=0.0,
    augment_fakes=0.0,
    shift=0.0,
    parser=None,
    parser_steps=0,
    optimiser=None,
    parser_optimiser=None,
    steps,
):
    """Train `model` to draw where fakes differ from their originals.

    `paired` batches hold fakes, each of which is learned from together with its
    original; without, pictures are learned from as they come.  `entire` lists the
    numbers of sources whose pictures are synthesised as a whole: targets of ones.  A
    fake that equals its original, or has none, is left out.

    `branch` holds settings of `models.branch.Branch`, and None leaves it out; it reads
    the encoder's `features` or, in training, the `attended` ones, and its loss weighs
    `branch_weight`.  `target` is the 'gray' map, or 'binary' from `threshold` on.

    `attention` weighs the encoder's features in training: 'white' does not; 'parsing'
    looks at the batch's, 'predicted' at what the `parser` says, which learns in a stage
    of `parser_steps` of its own before, or starts from weights.  `regions` are the
    classes that a source's edits may change, by source; () stands for those of all.

    `augment_reals` and `augment_fakes` are probabilities.  Before that, every picture
    is shifted by whole pixels, up to a share `shift` of its sides each way, together
    with its original, target and parsing; beyond the border it is mirrored.
    """
    settings = dict(locals())
    choose(dict.fromkeys(MODELS), model, "encoder and decoder")
    choose(dict.fromkeys(ATTENTIONS), attention, "attention")
    choose(dict.fromkeys(BRANCH_INPUTS), branch_input, "branch_input")
    choose(dict.fromkeys(TARGETS), target, "target")
    _check(attention, paired, regions, parser, parser_steps)
    if model == "ffd_map" and (branch is not None or attention != "white"):
        raise ValueError(
            "ffd_map answers itself and draws its own attention: set branch=None and "
            "attention='white'"
        )
    for name in ("augment_reals", "augment_fakes"):
        if not 0 <= settings[name] <= 1:
            raise ValueError(f"{name} is a probability, 0 to 1, not {settings[name]}")
    if not 0 <= shift <= 0.5:
        raise ValueError(f"shift is a share of a side, 0 to 0.5, not {shift}")
    tx, parser_tx = (
        call(build_optimiser, {"steps": count} | dict(chosen or {}), where="optimiser")
        for count, chosen in ((steps, optimiser), (parser_steps, parser_optimiser))
    )
    txs = {"locator": tx}
    if branch is not None:
        txs["branch"] = tx
    if attention == "predicted":
        # A parser that starts from weights is frozen from the beginning.
        txs["parser"] = parser_tx if parser_steps else None
    method = Locator(
        locator=models.build(model, **dict(model_settings or {})),
        branch=Branch(**dict(branch or {})),
        parser=FaceParser(**dict(parser or {})),
        map_loss=choose(MAP_LOSSES, map_loss, "map_loss"),
        settings=settings,
        regions=_region_table(regions),
        txs=txs,
    )
    stages = (Stage("train", steps, "train", partial(_step, method)),)
    if parser_steps:
        parse = Stage("parse", parser_steps, "train", partial(_parse_step, method))
        stages = (parse, *stages)
    return Method(partial(_init, method), stages, partial(_predict, method), settings)


def _init(method, key, batch):
    keys = dict(zip(method.txs, jax.random.split(key, len(method.txs)), strict=True))
    image = batch["image"]
    nets = {
        "locator": new_net(
            keys["locator"], method.locator, method.txs["locator"], image
        )
    }
    if "branch" in method.txs:
        located = jax.eval_shape(
            partial(_white, method.locator), nets["locator"], image
        )
        features = jnp.zeros(located.features.shape, jnp.float32)
        nets["branch"] = new_net(
            keys["branch"], method.branch, method.txs["branch"], features
        )
    if "parser" in method.txs:
        nets["parser"] = new_net(
            keys["parser"], method.parser, method.txs["parser"], image
        )
    return new_state(**nets)


# What is learned from.


def targets(batch, *, entire=()):
    """The gray map of every picture of a batch (Eq. 7): (b, h, w).

    Ones for pictures of the sources `entire`, whatever is beside them; else of fakes
    the difference from the original, from both as they were read; of reals zeros.
    """
    change = fakeness_map(batch["image"], _original(batch))
    is_fake = batch["label"] > 0
    change = jnp.where(is_fake[:, None, None], change, 0.0)
    return jnp.where(is_entire(batch, entire)[:, None, None], 1.0, change)


def is_entire(batch, entire):
    """Which pictures are fakes of the sources `entire`: (b,)."""
    if not len(entire):
        return jnp.zeros(batch["label"].shape, bool)
    numbers = jnp.asarray(entire).reshape(1, -1)
    is_listed = jnp.any(batch["source"][:, None] == numbers, axis=1)
    return is_listed & (batch["label"] > 0)


def is_usable(batch, *, entire=()):
    """Which pictures have a target: all but fakes without an original: (b,)."""
    differs = jnp.any(batch["image"] != _original(batch), axis=(1, 2, 3))
    return (batch["label"] == 0) | differs | is_entire(batch, entire)


def _original(batch):
    """The originals of a batch; where there is none, the picture itself."""
    return batch.get("real", batch["image"])


def attention_maps(parsing, source, *, regions):
    """Face attention of pictures: (b, h, w) numbers of classes, (b,) -> (b, h, w).

    `regions` (sources, CLASS_NUMBERS) says which classes are of a source's region.
    """
    return attention_map(_region(parsing, source, regions))


def _region(parsing, source, regions):
    """Where the classes are that an edit may change, in 0 and 1: (b, h, w)."""
    # A source that is not listed has an empty region.
    rows = jnp.asarray(regions).at[source].get(mode="fill", fill_value=0)
    pixels = einops.rearrange(parsing, "b h w -> b (h w)").astype(jnp.int32)
    return jnp.take_along_axis(rows, pixels, axis=1).reshape(parsing.shape)


def _examples(method, key, nets, batch):
    """What this step learns from; pairs lie side by side, on one device."""
    settings = method.settings
    shift_key, *keys = jax.random.split(key, 3)
    if settings["shift"]:
        batch = _shifted(shift_key, batch, settings["shift"])
    target = targets(batch, entire=settings["entire"])
    valid = batch["valid"] * is_usable(batch, entire=settings["entire"])
    if not settings["paired"]:
        chances = jnp.where(
            batch["label"] > 0, settings["augment_fakes"], settings["augment_reals"]
        )
        image = batch["image"]
        if settings["augment_fakes"] or settings["augment_reals"]:
            image, target = _augmented(keys[0], chances, image, target)
        return Examples(image, batch["label"], target, None, valid)

    fakes = batch["image"], target
    reals = _original(batch), jnp.zeros_like(target)
    if settings["augment_fakes"]:
        fakes = _augmented(keys[0], settings["augment_fakes"], *fakes)
    if settings["augment_reals"]:
        reals = _augmented(keys[1], settings["augment_reals"], *reals)
    attention = _attention(method, nets, batch)
    if attention is not None:
        attention = _paired(attention, attention)
    # A real picture is its own original: nothing is learned from such a pair.
    valid = valid * (batch["label"] > 0)
    return Examples(
        image=_paired(fakes[0], reals[0]),
        label=_paired(jnp.ones_like(batch["label"]), jnp.zeros_like(batch["label"])),
        target=_paired(fakes[1], reals[1]),
        attention=attention,
        valid=_paired(valid, valid),
    )


def _shifted(key, batch, limit):
    """A batch whose pictures are shifted; originals and parsings move alike."""
    count, *sides = batch["image"].shape[:3]
    placement = augment.draw_shift(key, (count,), sides=sides, limit=limit)
    shifted = dict(batch)
    for name in ("image", "real"):
        if name in batch:
            shifted[name] = augment.place(batch[name], placement)
    if "parsing" in batch:
        classes = batch["parsing"].astype(jnp.float32)[..., None]
        moved = augment.place(classes, placement)[..., 0]
        shifted["parsing"] = jnp.round(moved).astype(batch["parsing"].dtype)
    return shifted


def _paired(fake, original):
    """Both batches as one, every fake beside its original."""
    return einops.rearrange(
        jnp.stack([fake, original], axis=1), "b pair ... -> (b pair) ..."
    )


def _attention(method, nets, batch):
    """The attention of the fakes of a batch, which their originals share; or None.

    It stays where it is when a picture is moved: members of a pair would differ in it.
    """
    if method.settings["attention"] == "white":
        return None
    if method.settings["attention"] == "parsing":
        parsing = batch["parsing"]
    else:
        parsing = _parsed(method, nets["parser"], batch["image"])
    return attention_maps(parsing, batch["source"], regions=method.regions)


def _augmented(key, chance, image, target):
    """Some pictures, chosen with probability `chance`, moved and changed in looks."""
    coin_key, place_key, look_key = jax.random.split(key, 3)
    is_chosen = jax.random.bernoulli(coin_key, chance, image.shape[:1])
    placement = augment.draw_placement(place_key, image.shape[:1])
    moved = augment.photometric(look_key, augment.place(image, placement))
    moved_target = augment.place(target[..., None], placement)[..., 0]
    return (
        jnp.where(is_chosen[:, None, None, None], moved, image),
        jnp.where(is_chosen[:, None, None], moved_target, target),
    )


# Steps.


def _step(method, key, state, batch):
    """Locator and branch move together, by the sum of their losses."""
    example_key, dropout_key = jax.random.split(key)
    examples = _examples(method, example_key, state.nets, batch)
    settings = method.settings
    roles = [role for role in ("locator", "branch") if role in method.txs]

    def objective(params):
        located, moved = _located(
            method.locator,
            params["locator"],
            state.nets["locator"].stats,
            examples,
            key=dropout_key,
        )
        target = _asked(settings, examples.target, located.logits.shape[1:3])
        losses = method.map_loss(located.logits, target)
        metrics_of_step = {
            "map": masked_mean(losses, examples.valid),
            "used": jnp.mean(examples.valid),
        }
        loss = metrics_of_step["map"]
        logits = located.answers
        if "branch" in roles:
            features = getattr(located, settings["branch_input"])
            logits = method.branch.apply({"params": params["branch"]}, features)
        if logits is not None:
            logits = logits[:, 0]
            losses = optax.sigmoid_binary_cross_entropy(logits, examples.label)
            is_right = (logits > 0) == (examples.label > 0)
            metrics_of_step |= {
                "branch": masked_mean(losses, examples.valid),
                "accuracy": masked_mean(is_right * 1.0, examples.valid),
            }
            loss = loss + settings["branch_weight"] * metrics_of_step["branch"]
        metrics_of_step["loss"] = loss
        return loss, ({"locator": moved}, metrics_of_step)

    nets, metrics_of_step = descend(method.txs, state.nets, objective, *roles)
    return state.replace(step=state.step + 1, nets=nets), metrics_of_step


def _asked(settings, target, shape):
    """The target as the loss takes it, of the map's size: means over its pixels."""
    if target.shape[1:3] != shape:
        target = resize(target[..., None], shape, method="box")[..., 0]
    if settings["target"] == "binary":
        target = (target >= settings["threshold"]).astype(target.dtype)
    return target


def _parse_step(method, key, state, batch):
    """The parser learns the classes of pixels, from pictures that have any."""
    valid = batch["valid"] * jnp.any(batch["parsing"] > 0, axis=(1, 2))

    def objective(params):
        logits, moved = forward(
            method.parser,
            params["parser"],
            state.nets["parser"].stats,
            batch["image"],
            train=True,
            key=key,
        )
        classes = batch["parsing"].astype(jnp.int32)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, classes)
        loss = masked_mean(losses.mean((1, 2)), valid)
        return loss, ({"parser": moved}, {"parser": loss})

    nets, metrics_of_step = descend(method.txs, state.nets, objective, "parser")
    return state.replace(step=state.step + 1, nets=nets), metrics_of_step


def _located(module, params, stats, examples, *, key):
    """`Located` outputs in training, and the statistics after it."""
    located, moved = module.apply(
        {"params": params, "batch_stats": stats},
        examples.image,
        attention=examples.attention,
        train=True,
        rngs={"dropout": key},
        mutable=["batch_stats"],
    )
    return located, moved["batch_stats"]


def _white(module, net, image):
    """`Located` outputs without attention, by running statistics."""
    located, _ = forward(module, net.params, net.stats, image)
    return located


def _parsed(method, net, image):
    """The likeliest class of every pixel, no gradient: (b, h, w)."""
    logits, _ = forward(method.parser, net.params, net.stats, image)
    return jax.lax.stop_gradient(jnp.argmax(logits, axis=-1))


# Predictions.


def _predict(method, state, batch):
    """The map, what the branch says, features for clusters, how far the map is sure.

    Without a branch the score is the map's, which ranks pictures: no probability.
    """
    image = batch["image"]

    def draw(image):
        return _mask(_white(method.locator, state.nets["locator"], image), image)

    located = _white(method.locator, state.nets["locator"], image)
    mask = _mask(located, image)
    predicted = {
        "mask": mask,
        "features": located.features.mean((1, 2)),
        "spread": map_spread(draw, image),
    }
    logits = located.answers
    if "branch" in state.nets:
        branch = state.nets["branch"]
        logits = method.branch.apply({"params": branch.params}, located.features)
    if logits is not None:
        predicted |= {"logits": logits, "score": jax.nn.sigmoid(logits[:, 0])}
    else:
        predicted["score"] = localisation.map_score(mask)
    if "parser" in state.nets:
        predicted["parsing"] = _parsed(method, state.nets["parser"], image)
    return predicted


def _mask(located, image):
    """The map in [0, 1], of the picture's size: (b, h, w)."""
    mask = jax.nn.sigmoid(located.logits)
    shape = image.shape[1:3]
    if mask.shape[1:3] == shape:
        return mask
    return resize(mask[..., None], shape, method="bilinear")[..., 0]


# What is measured of predictions, for a `Watch` or a table.


def measure(outputs, batch, *, entire=(), regions=(), classes=FaceParser.classes):
    """{name: (b,)} of maps and scores, see `evaluation.localisation.measures`.

    With `regions`, as in `make`, also those of the pixels that an edit may change; of a
    parser, how well it tells the `classes`.
    """
    target = targets(batch, entire=entire)
    values = localisation.measures(outputs["mask"], target)
    if len(regions):
        region = _region(batch["parsing"], batch["source"], _region_table(regions))
        values |= localisation.measures(outputs["mask"], target, region=region)
    # The same at every step of a training, whatever its loss: with white attention.
    values["map_error"] = jnp.mean(jnp.abs(outputs["mask"] - target), axis=(1, 2))
    values["agreement"] = localisation.agreement(outputs["mask"], outputs["score"])
    if "parsing" in outputs and "parsing" in batch:
        parsing = outputs["parsing"]
        values["parsing_iou"] = localisation.parsing_iou(
            parsing, batch["parsing"], classes
        )
    values["usable"] = is_usable(batch, entire=entire).astype(jnp.float32)
    return values


def summarise(columns):
    """Means of `measure`, accuracy and AUC, of usable pictures; the share of others.

    Accuracies are at P(fake) = 0.5, which scores of maps alone are not.  Of a detector
    without a map there are the accuracies alone.
    """
    is_used = np.asarray(columns["usable"]) > 0
    used = {name: np.asarray(column)[is_used] for name, column in columns.items()}
    is_fake = used["label"] > 0
    said_fake = used["score"] >= 0.5
    summary = localisation.summarise(used) | {
        "accuracy": float(np.mean(said_fake == is_fake)),
        "real_accuracy": float(metrics.mean(~said_fake[~is_fake] * 1.0)),
        "fake_accuracy": float(metrics.mean(said_fake[is_fake] * 1.0)),
        "left_out": float(np.mean(~is_used)),
    }
    for name in ("agreement", "map_error", "parsing_iou"):
        if name in used:
            summary[name] = float(metrics.mean(used[name]))
    if 0 < is_fake.sum() < len(is_fake):
        summary["auc"] = float(metrics.auc(used["label"], used["score"]))
        summary["eer"] = float(metrics.eer(used["label"], used["score"]))
    return summary


def _region_table(regions):
    """(sources, CLASS_NUMBERS) in 0 and 1 from classes by source, see `make`."""
    everything = sorted({number for classes in regions for number in classes})
    table = np.zeros((max(1, len(regions)), CLASS_NUMBERS), np.float32)
    for source, classes in enumerate(regions):
        table[source, list(classes or everything)] = 1
    return table


def _check(attention, paired, regions, parser, parser_steps):
    """Refuse settings that contradict each other."""
    if attention != "white":
        if not paired:
            raise ValueError(
                f"attention {attention!r} needs paired=True: a real picture must have "
                "the map of its fake, or the map tells the label"
            )
        if not any(len(classes) for classes in regions):
            raise ValueError(
                f"attention {attention!r} needs regions: for each source the numbers "
                "of the classes that its edits may change"
            )
    if attention != "predicted" and (parser or parser_steps):
        raise ValueError(
            "parser and parser_steps are for attention='predicted', not for "
            f"{attention!r}"
        )
