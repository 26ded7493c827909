"""The adversarial game: a detector learns from pictures and from what adversaries do.

Each step an adversary changes the batch so that the detector, as it is, errs more; then
the detector learns from the pictures as they were and as they were changed, half each.
Adversaries that blur every pixel by its own Gaussian make detectors look at more than
the finest traces.  For videos, batches of several frames (b, frames, h, w, 3), the
detector is the model `tsn`; adversaries change every frame.

    the paper's       here
    σ                 a map of precisions s = 1 / σ², of one channel
    Eq. 1   AAT       adversary "fgsm"
            SAT       "flow"
    Eq. 6   Grad-BAT  "blur", in several steps too
    Eq. 7   Gen-BAT   "generator": one network draws the maps of all pictures
            Two-Gen   "two_generators": one of reals, one of fakes
    Fig. 3  Combined  "combined": two generators' blur, and FGSM on what comes out
    controls          "constant_blur", "random_blur": no adversary at all
"""

from functools import lru_cache, partial
from typing import NamedTuple

import einops
import jax
import jax.numpy as jnp
from jax.tree_util import Partial

from jaxforensics import attacks, models
from jaxforensics.attacks.gradient import cross_entropy, margin
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.models import multi_attention
from jaxforensics.models.blur_generator import BlurGenerator
from jaxforensics.ops import degrade
from jaxforensics.ops.filters import pixelwise_gaussian_blur
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

# Adversaries that are networks: their roles, by the label that each is for.
GENERATORS = {
    "generator": ("generator", "generator"),
    "two_generators": ("real_generator", "fake_generator"),
    "combined": ("real_generator", "fake_generator"),
}
# Those without networks: names in `attacks`.
FOLLOWERS = ("fgsm", "pgd", "flow", "blur", "constant_blur", "random_blur")
ADVERSARIES = ("none", *FOLLOWERS, *GENERATORS)
RMS = 100 / 256  # an L2 norm of 100 over 256 x 256 values
UNCHANGED = 1e3  # a precision that leaves a picture as it is


class Blur(NamedTuple):
    """How networks see pictures, and how their output becomes a blur."""

    size: int
    bound: str
    rms: float
    least: float
    in_turn: bool


class Game(NamedTuple):
    """What the steps of a game share."""

    detector: object  # linen modules
    generator: object
    adversary: str
    attack: dict  # settings of an attack, of FGSM in "combined"
    blur: Blur
    share: float  # of the loss on changed pictures
    side_losses: dict  # {name in SIDE_LOSSES: weight}
    guided: float  # weight of the loss on pictures degraded where attention is high
    generator_steps: int
    augmented: object
    txs: dict


def make(
    *,
    model,
    model_settings=None,
    num_classes=1,
    adversary="two_generators",
    attack=None,
    generator=None,
    share=0.5,
    side_losses=None,
    guided=0.0,
    generator_steps=1,
    optimiser=None,
    generator_optimiser=None,
    augment=(),
    steps,
):
    """Train `model` to tell real, class 0, from fake against an `adversary`.

    `adversary` is a name in ADVERSARIES.  `attack` holds settings of those that follow
    the detector's gradients and of the controls, see `attacks`; for "combined" those of
    FGSM.  `generator` holds those of the networks: 'width' and 'blocks', the 'size' of
    kernels, and 'bound', how their squared output becomes precisions: 'rms', rescaled
    to the root mean square 'rms'; 'clamp', no less than 'least', where it does not
    learn what to do; 'above', that is added; or 'free'.  'in_turn': batches hold reals
    and fakes in turn, as those with `balance` do, so that each of two networks draws
    every other picture; one that is out of turn stays as it is.  They move
    `generator_steps` times before the detector does.  `share` is the weight of changed
    pictures in the detector's loss.  `side_losses` {name in SIDE_LOSSES: weight} are of
    what a detector gives beside logits; adversaries do not see them.  `guided` weighs
    the loss on clean pictures that are degraded where the detector's attention is high.
    `augment` is what pictures go through first.
    """
    settings = dict(locals())
    choose(dict.fromkeys(ADVERSARIES), adversary, "adversary")
    if not 0 <= share <= 1:
        raise ValueError(f"share is that of changed pictures, 0 to 1, not {share}")
    if num_classes not in (1, 2):
        raise ValueError(f"real or fake are one logit or two, not {num_classes}")
    options = {
        "width": 64,
        "blocks": 3,
        "size": 9,
        "bound": "rms",
        "rms": RMS,
        "least": 1.0,
        "in_turn": False,
    }
    given = dict(generator or {})
    for name in given:
        choose(options, name, "setting of the generator")
    options |= given
    choose(BOUNDS, options["bound"], "bound")
    tx, generator_tx = (
        call(build_optimiser, {"steps": steps} | dict(chosen or {}), where="optimiser")
        for chosen in (optimiser, generator_optimiser)
    )
    roles = dict.fromkeys(GENERATORS.get(adversary, ()))
    game = Game(
        detector=models.build(
            model, num_classes=num_classes, **dict(model_settings or {})
        ),
        generator=BlurGenerator(width=options["width"], blocks=options["blocks"]),
        adversary=adversary,
        attack=dict(attack or {}),
        blur=Blur(**{name: options[name] for name in Blur._fields}),
        share=share,
        side_losses=dict(side_losses or {}),
        guided=guided,
        generator_steps=generator_steps,
        augmented=degrade.from_config(augment),
        txs={"detector": tx} | dict.fromkeys(roles, generator_tx),
    )
    _refuse_wrong_attack(game)
    _refuse_wrong_side_losses(game, model)
    stages = (Stage("train", steps, "train", partial(_step, game)),)
    return Method(partial(_init, game), stages, partial(_predict, game), settings)


def blur_network(method, state):
    """What the generators of a trained game make of pictures: (image, label) -> image.

    A `Partial` of the state, for the attacks `generated_blur` and `combined` on any
    detector.  All states of a method share what is compiled.
    """
    game = method.predict.args[0]
    if game.adversary not in GENERATORS:
        raise ValueError(
            f"a game against {game.adversary!r} has no generators: "
            f"{', '.join(GENERATORS)} have"
        )
    return Partial(_blurring(method.predict), state)


@lru_cache(maxsize=32)  # a new function would be compiled anew
def _blurring(predict):
    def blurred(state, image, label):
        return predict(state, {"image": image, "label": label})["image"]

    return blurred


def _init(game, key, batch):
    keys = jax.random.split(key, len(game.txs))
    modules = {name: game.generator for name in game.txs} | {"detector": game.detector}
    shown = dict.fromkeys(game.txs, _frames(batch["image"]))
    shown["detector"] = batch["image"]
    return new_state(
        **{
            name: new_net(net_key, modules[name], tx, shown[name])
            for net_key, (name, tx) in zip(keys, game.txs.items(), strict=True)
        }
    )


def _step(game, key, state, batch):
    """One step: the generators move, if there are any, then the detector."""
    augment_key, attack_key, dropout_key = jax.random.split(key, 3)
    batch = batch | {"image": game.augmented(augment_key, batch["image"])}
    nets = state.nets
    metrics = {}
    if game.adversary in GENERATORS:
        for _ in range(game.generator_steps):
            # The blur that the detector sees is that before the last of these moves.
            nets, changed, metrics = _move_generators(game, nets, batch)
        if game.adversary == "combined":
            changed = _followed(game, "fgsm", nets, attack_key, changed, batch)
    elif game.adversary in FOLLOWERS:
        image = batch["image"]
        changed = _followed(game, game.adversary, nets, attack_key, image, batch)
    else:
        changed = None
    nets, detector_metrics = _move_detector(game, nets, dropout_key, batch, changed)
    metrics = metrics | detector_metrics
    return state.replace(step=state.step + 1, nets=nets), metrics


def _followed(game, name, nets, key, image, batch):
    """Pictures after an attack that follows the detector as it is."""
    attack = attacks.build(name, _as_it_is(game, nets), **game.attack)
    return jax.lax.stop_gradient(attack(key, image, batch["label"]))


def _as_it_is(game, nets):
    """The detector with running statistics and without dropout: images -> logits."""
    detector = nets["detector"]
    return Partial(partial(_logits, game.detector), detector.params, detector.stats)


def _logits(module, params, stats, image):
    logits, _ = forward(module, params, stats, image)
    return logits


def _move_generators(game, nets, batch):
    """The generators go up the detector's loss: (nets, blurred pictures, metrics)."""
    judge = _as_it_is(game, nets)
    roles = tuple(dict.fromkeys(GENERATORS[game.adversary]))

    def objective(params):
        precision, moved = _maps(game, nets, params, batch, train=True)
        blurred = pixelwise_gaussian_blur(
            batch["image"], precision, size=game.blur.size
        )
        losses = cross_entropy(judge(blurred), batch["label"])
        metrics = _about_maps(game, precision, batch["valid"])
        metrics["generator_loss"] = masked_mean(losses, batch["valid"])
        # Each role's own pictures pull at it alone, as if it had a batch of its own.
        ascent = -sum(
            masked_mean(losses, batch["valid"] * is_its)
            for is_its in _shares(game, batch["label"]).values()
        )
        return ascent, (moved, metrics | {"blurred": blurred})

    nets, metrics = descend(game.txs, nets, objective, *roles)
    blurred = jax.lax.stop_gradient(metrics.pop("blurred"))
    return nets, blurred, metrics


def _maps(game, nets, params, batch, *, train):
    """Precisions (b, h, w) of a batch, and the generators' statistics after it.

    Which generator draws a picture's map is said by its label; each is normalised by
    its own pictures.  Frames of a video are pictures by themselves.
    """
    image = _frames(batch["image"])
    frames = len(image) // len(batch["image"])
    shares = _shares(game, jnp.repeat(batch["label"], frames))
    draw = partial(_drawn, game, nets, params, train=train)
    if train and game.blur.in_turn and len(shares) == 2:
        precision, moved = _drawn_in_turn(draw, image, shares, frames)
    else:
        precision, moved = _drawn_by_all(draw, image, shares)
    return precision.reshape(batch["image"].shape[:-1]), moved


def _drawn_by_all(draw, image, shares):
    """Every generator sees all pictures, of which any number is its own."""
    precision = 0.0
    moved = {}
    for role, is_its in shares.items():
        # Of a batch without any of its pictures all serve, to no effect.
        mask = jnp.where(is_its.any(), is_its, True)
        its_precision, moved[role] = draw(role, image, mask=mask)
        precision += jnp.where(is_its[:, None, None], its_precision, 0.0)
    return precision, moved


def _drawn_in_turn(draw, image, shares, frames):
    """Each of two generators sees every other picture, or video of so many `frames`.

    Whose the first is its label says; what is no one's own then stays as it is.
    """
    turns = "(pair turn frame) ... -> turn (pair frame) ..."
    split = partial(einops.rearrange, pattern=turns, turn=2, frame=frames)
    swapped = list(shares.values())[1][0]  # the first picture is the second one's
    by_turn = split(image)
    by_role = jnp.where(swapped, by_turn[::-1], by_turn)
    maps = []
    moved = {}
    for i, (role, is_its) in enumerate(shares.items()):
        own_by_turn = split(is_its)
        is_own = jnp.where(swapped, own_by_turn[1 - i], own_by_turn[i])
        mask = jnp.where(is_own.any(), is_own, True)
        its_precision, moved[role] = draw(role, by_role[i], mask=mask)
        maps.append(jnp.where(is_own[:, None, None], its_precision, UNCHANGED))
    precision = jnp.stack(maps)
    precision = jnp.where(swapped, precision[::-1], precision)
    joined = einops.rearrange(
        precision,
        "turn (pair frame) h w -> (pair turn frame) h w",
        frame=frames,
    )
    return joined, moved


def _drawn(game, nets, params, role, image, *, mask, train):
    """One generator's precisions of pictures, and its statistics after them."""
    variables = {"params": params[role], "batch_stats": nets[role].stats}
    if train:
        output, moved = game.generator.apply(
            variables, image, train=True, mask=mask, mutable=["batch_stats"]
        )
        stats = moved["batch_stats"]
    else:
        output = game.generator.apply(variables, image)
        stats = nets[role].stats
    return BOUNDS[game.blur.bound](jnp.square(output), game.blur), stats


def _frames(image):
    """Videos (b, frames, h, w, 3) as pictures (b * frames, h, w, 3); pictures stay."""
    return image.reshape(-1, *image.shape[-3:])


def _shares(game, label):
    """{role: whether each picture is its own}, (b,)."""
    of_real, of_fake = GENERATORS[game.adversary]
    if of_real == of_fake:
        return {of_real: jnp.ones(label.shape, bool)}
    return {of_real: label == 0, of_fake: label == 1}


def _rescaled(precision, blur):
    square = jnp.mean(jnp.square(precision), axis=(1, 2), keepdims=True)
    return blur.rms * precision / jnp.sqrt(jnp.maximum(square, 1e-12))


BOUNDS = {
    "rms": _rescaled,
    "clamp": lambda precision, blur: jnp.maximum(precision, blur.least),
    "above": lambda precision, blur: precision + blur.least,
    "free": lambda precision, blur: precision,
}


def _about_maps(game, precision, valid):
    """How much maps vary, and what share of the pixels a clamp holds."""
    mean = precision.mean((-2, -1))
    deviation = precision.std((-2, -1)) / jnp.maximum(mean, 1e-6)
    # One value per example, of a video the mean of its frames.
    deviation = deviation.reshape(len(valid), -1).mean(1)
    metrics = {"map_deviation": masked_mean(deviation, valid)}
    if game.blur.bound == "clamp":
        is_held = precision <= game.blur.least
        is_held = jnp.mean(is_held, axis=tuple(range(1, precision.ndim)))
        metrics["clamped"] = masked_mean(is_held, valid)
    return metrics


def _move_detector(game, nets, key, batch, changed):
    """The detector learns from the pictures and, if there are any, changed ones."""
    dropout_key, guide_key = key, jax.random.fold_in(key, 1)
    parts = {"clean": batch["image"]}
    shares = {"clean": 1.0}
    if changed is not None:
        parts["changed"] = changed
        shares = {"clean": 1 - game.share, "changed": game.share}
    weights = dict(shares)
    if game.guided:
        parts["guided"] = _guided(game, nets, guide_key, batch["image"])
        weights["guided"] = game.guided
    # One batch of all, side by side: what belongs together stays on its device.
    images = [part.astype(batch["image"].dtype) for part in parts.values()]
    image = einops.rearrange(jnp.stack(images, 1), "b part ... -> (b part) ...")
    repeated = {
        name: jnp.repeat(column, len(parts), axis=0)
        for name, column in batch.items()
        if name in ("label", "valid", "mask")
    }

    def by_part(losses):
        """Means over the batch, {'clean', 'changed', 'guided'}."""
        columns = einops.rearrange(losses, "(b part) -> part b", part=len(parts))
        return {
            name: masked_mean(column, batch["valid"])
            for name, column in zip(parts, columns, strict=True)
        }

    def weighted(losses, weights):
        means = by_part(losses)
        return sum(weight * means[name] for name, weight in weights.items())

    def objective(params):
        logits, beside, moved = _answers(
            game, nets, params["detector"], image, dropout_key
        )
        losses = cross_entropy(logits, repeated["label"])
        total = weighted(losses, weights)
        is_right = (margin(logits, repeated["label"]) < 0) * 1.0
        metrics = {"accuracy": by_part(is_right)["clean"]}
        for name, weight in game.side_losses.items():
            side_losses, stats = SIDE_LOSSES[name](beside, repeated)
            # Of pictures that are guided they are not asked for.
            metrics[f"{name}_loss"] = weighted(side_losses, shares)
            total += weight * metrics[f"{name}_loss"]
            moved = moved | stats
        metrics["loss"] = total
        metrics |= {k: v for k, v in by_part(losses).items() if k != "clean"}
        return total, ({"detector": moved}, metrics)

    return descend(game.txs, nets, objective, "detector")


def _guided(game, nets, key, image):
    """Pictures that are degraded where the detector, as it is, looks."""
    detector = nets["detector"]
    _, beside = game.detector.apply(
        {"params": detector.params, "batch_stats": detector.stats}, image, method="both"
    )
    return jax.lax.stop_gradient(multi_attention.guided(key, image, beside.maps))


def _answers(game, nets, params, image, key):
    """Logits in training, what the detector gives beside them, and its statistics."""
    stats = nets["detector"].stats
    if not game.side_losses:
        logits, moved = forward(
            game.detector, params, stats, image, train=True, key=key
        )
        return logits, None, moved
    (logits, beside), moved = game.detector.apply(
        {"params": params, "batch_stats": stats},
        image,
        train=True,
        rngs={"dropout": key},
        mutable=["batch_stats"],
        method="both",
    )
    return logits, beside, moved["batch_stats"]


def _map_loss(drawn, batch):
    """Mean distance of drawn maps from manipulation masks; reals have an empty one.

    (b, h', w') -> (b,), and no new statistics.
    """
    if "mask" not in batch:
        raise ValueError(
            "side_losses.map learns where pictures were changed, and these have no "
            "masks: choose a set with masks, or side_losses without map"
        )
    # The share of changed pixels around each of the map's.
    mask = resize(batch["mask"][..., None], drawn.shape[1:], method="box")
    is_fake = (batch["label"] == 1)[:, None, None]
    distance = jnp.abs(drawn - jnp.where(is_fake, mask[..., 0], 0.0))
    return distance.mean((1, 2)), {}


def _independence_loss(attended, batch):
    """That of a multi-attentional detector, whose centres follow the batch."""
    losses, centres = multi_attention.independence_loss(
        attended, batch["label"], batch["valid"]
    )
    return losses, {"centres": centres}


# Of what a model gives beside its logits, by its method `both`:
# (that, {'label', 'valid', 'mask'}) -> ((b,), statistics of the detector that moved)
SIDE_LOSSES = {"map": _map_loss, "independence": _independence_loss}
# The models that give it.
GIVEN_BY = {
    "map": ("ffd",),
    "independence": ("multi_attention",),
    "guided": ("multi_attention",),
}


def _predict(game, state, batch):
    """Answers, and with generators the blur that they would choose, and its map."""
    nets = state.nets
    logits = _as_it_is(game, nets)(batch["image"])
    score = jax.nn.sigmoid(fakeness(logits.astype(jnp.float32)))
    predicted = {"logits": logits, "score": score}
    # Whose generator blurs a picture, its label says: a detector alone needs none.
    if game.adversary in GENERATORS and "label" in batch:
        params = {name: net.params for name, net in nets.items()}
        precision, _ = _maps(game, nets, params, batch, train=False)
        predicted["precision"] = precision
        predicted["image"] = pixelwise_gaussian_blur(
            batch["image"], precision, size=game.blur.size
        )
    return predicted


def _refuse_wrong_attack(game):
    """An error about settings that the adversary does not take, before any training."""
    name = game.adversary
    if name == "combined":
        name = "fgsm"
    if name in FOLLOWERS:
        attacks.build(name, lambda image: image, **game.attack)
    elif game.attack:
        raise ValueError(
            f"attack {game.attack} is for adversaries that follow gradients, not for "
            f"{game.adversary!r}"
        )


def _refuse_wrong_side_losses(game, model):
    """An error about losses of what the detector does not give."""
    for name in game.side_losses:
        choose(SIDE_LOSSES, name, "side loss")
    asked = {name: f"side_losses.{name}" for name in game.side_losses}
    if game.guided:
        asked["guided"] = "guided"
    for name, setting in asked.items():
        if model not in GIVEN_BY[name]:
            raise ValueError(
                f"{setting} is for {' and '.join(GIVEN_BY[name])}, not for the model "
                f"{model!r}"
            )
