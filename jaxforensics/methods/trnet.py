"""TR-Net: one generator removes a forgery's traces, three discriminators look for them.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022).  The discriminators see a picture, its spectrum and its
noise residual, and compare the real picture of a pair with what the generator makes of
the fake; the last one also tells sources apart.  No detector takes part.

The attack exists to measure and to harden detectors; see docs/attacks.md.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxforensics.evaluation.quality import ssim
from jaxforensics.models import build, vgg
from jaxforensics.ops.filters import gaussian_blur
from jaxforensics.ops.spectrum import azimuthal_power, split_bands
from jaxforensics.settings import call, choose
from jaxforensics.training.nets import (
    Method,
    Net,
    Stage,
    descend,
    forward,
    new_net,
    new_state,
    shared_forward,
)
from jaxforensics.training.optimisers import optimiser as build_optimiser
from jaxforensics.training.optimisers import plateau

CRITICS = {"spatial": "image", "spectral": "spectrum", "fingerprint": "residual"}
IDENTIFIES = "fingerprint"  # the critic that also tells sources apart
FEATURES = "features"  # VGG's, frozen
WEIGHTS = {"adversarial": 1.0, "similarity": 1.0, "spectrum": 100.0}  # of Eq. 13
START = 0.1  # of the radii: where profiles are compared from


class Game(NamedTuple):
    """The networks, and what each player wants."""

    nets: dict[str, Any]
    adversarial: tuple[Callable, Callable]  # a critic's loss, the generator's
    similarity: Callable
    regulariser: Callable
    penalty: float
    weights: dict[str, float]
    txs: dict[str, Any]
    epoch: int
    kept: int | None  # the step from which on the best generator is kept
    frozen: Any  # parameters of VGG, or None

    @property
    def critics(self):
        """{name: network} of all players but the generator."""
        return {n: net for n, net in self.nets.items() if n != "generator"}


def make(
    *,
    sources,
    views=None,
    generator=None,
    critic=None,
    adversarial="vanilla",
    penalty=0.0,
    similarity="ssim",
    features=None,
    regulariser="log",
    cutoff=1 / 16,
    weights=None,
    optimiser=None,
    critic_optimiser=None,
    epoch=0,
    last=0,
    steps,
):
    """The game on pairs of a fake (`image`) and the real picture that it is closest to.

    `sources` counts the real one and every fake one.  `views` {critic: what it sees},
    `generator` and `critic` are settings of the networks.  `adversarial` is 'vanilla',
    'lsgan' or 'wgan', `penalty` the weight of the critics' zero-centred gradient
    penalty, `regulariser` 'log' or 'power'.  `similarity` is 'ssim', or 'vgg' with
    `features` {'weights': a file of torchvision's vgg16, 'layer': such as 'relu3_3'},
    which is part of every state.  Bands are split by a Gaussian of `cutoff`
    times the picture's side, in DFT indices.  `weights` of the generator's losses are
    those of 'adversarial', 'similarity' and 'spectrum'.  Rates of all players are
    halved after `epoch` steps in which the generator's mean loss was not the least so
    far, with 0 never.  The generator that attacks, and the critics that are shown, are
    those of its least loss in the `last` steps, or with 0 those of the end.
    """
    settings = dict(locals())
    features = features if features and features["weights"] else None
    likeness = _similarity(similarity, features, cutoff)
    settings["features"] = features and dict(features) | _mark(features["weights"])
    views = _over(CRITICS, views, "critic")
    if not 0 <= last <= steps:
        raise ValueError(f"there are {steps} steps: {last} cannot be the last")
    tx, critic_tx = (
        call(build_optimiser, {"steps": steps} | dict(given or {}), where="optimiser")
        for given in (optimiser, critic_optimiser)
    )
    game = Game(
        _networks(views, sources, generator, critic),
        choose(ADVERSARIAL, adversarial, "adversarial loss"),
        likeness,
        partial(choose(REGULARISERS, regulariser, "regulariser"), cutoff=cutoff),
        penalty,
        _over(WEIGHTS, weights, "loss"),
        {"generator": tx} | dict.fromkeys(views, critic_tx),
        epoch,
        steps - last if last else None,
        features and vgg.load(features["weights"], layer=features["layer"]),
    )
    stages = (Stage("train", steps, "pairs", partial(_play, game)),)
    return Method(partial(_born, game), stages, partial(_see, game), settings)


def _play(game, key, state, batch):
    """One step: each critic moves, then the generator."""
    nets, metrics, critics = state.nets, {}, game.critics
    move = partial(descend, game.txs)
    if game.epoch:
        move = partial(move, pace=nets["plateau"].stats.pace)
    remove = partial(_remove, game, nets["generator"].stats, batch)
    (attacked, _), removed = shared_forward(remove, nets["generator"].params)
    for part, name in zip(jax.random.split(key, len(critics)), critics, strict=True):
        told = partial(_tell, game, part, name, nets, attacked, batch)
        nets, found = move(nets, told, name)
        metrics |= found
    judged = {name: nets[name] for name in game.nets}
    nets, found = move(nets, partial(_fool, game, removed, nets, batch), "generator")
    nets |= _watched(game, state.step, nets, judged, found["loss"])
    return state.replace(step=state.step + 1, nets=nets), metrics | found


def _watched(game, step, nets, judged, loss):
    """What follows from the generator's loss, which the nets `judged` gave."""
    watched = {}
    if game.epoch:
        pace = nets["plateau"].stats.after(loss, epoch=game.epoch)
        watched["plateau"] = Net({}, pace, ())
    if game.kept is not None:
        counts = step >= game.kept
        watched["chosen"] = _better(nets["chosen"], judged, loss, counts)
    return watched


def _see(game, state, batch):
    """The pictures without traces, and what each critic makes of the given ones."""
    nets = _chosen(state.nets)
    made = {
        name: forward(net, nets[name].params, nets[name].stats, batch["image"])[0]
        for name, net in game.nets.items()
    }
    found = {"image": jnp.clip(made.pop("generator"), 0, 1)}
    for name, seen in made.items():
        found |= {f"{name}_{what}": value for what, value in seen.items()}
    return found


def _mark(path):
    return {"sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()}


def _over(defaults, given, kind):
    """The defaults, those that are given replaced."""
    for name in given or ():
        choose(defaults, name, kind)
    return defaults | dict(given or {})


def _networks(views, sources, generator, critic):
    return {"generator": build("trnet_generator", **dict(generator or {}))} | {
        name: build(
            "trnet_discriminator",
            view=view,
            sources=sources if name == IDENTIFIES else 0,
            **dict(critic or {}),
        )
        for name, view in views.items()
    }


def _born(game, key, batch):
    keys = jax.random.split(key, len(game.txs))
    nets = {
        name: new_net(key, game.nets[name], tx, batch["image"])
        for key, (name, tx) in zip(keys, game.txs.items(), strict=True)
    }
    if game.kept is not None:
        nets["chosen"] = _kept(nets, jnp.finfo(jnp.float32).max)
    if game.epoch:
        nets["plateau"] = Net({}, plateau(), ())
    if game.frozen:
        nets[FEATURES] = Net(game.frozen, {}, ())
    return new_state(**nets)


def _kept(nets, loss):
    """Players at the moment of a loss, as one Net without an optimiser."""
    stats = {"nets": {name: net.stats for name, net in nets.items()}, "loss": loss}
    return Net({name: net.params for name, net in nets.items()}, stats, ())


def _chosen(nets):
    """The players that are kept, where any are, else those of the end."""
    kept = nets.get("chosen")
    if kept is None:
        return nets
    stats = kept.stats["nets"]
    return {name: Net(kept.params[name], stats[name], ()) for name in stats}


def _better(chosen, nets, loss, counts):
    """What is kept: these nets if the generator's loss counts and is the least."""
    better = counts & (loss < chosen.stats["loss"])
    return jax.tree.map(
        lambda new, old: jnp.where(better, new, old), _kept(nets, loss), chosen
    )


def _remove(game, stats, batch, params):
    """The pictures without traces, not clipped, and the generator's new statistics."""
    return forward(game.nets["generator"], params, stats, batch["image"], train=True)


def _tell(game, key, name, nets, attacked, batch, params):
    """A critic's loss: real against attacked, and of which source; with metrics."""
    net, stats, mean = game.nets[name], nets[name].stats, _mean_of(batch)
    look = partial(forward, net, params[name], train=True)
    (real, left), moved = _apart(look, stats, batch["real"], attacked)
    told, _ = game.adversarial
    losses, shown = {name: mean(told(real["logits"], left["logits"]))}, {}
    if game.penalty:
        slopes = _slopes(key, lambda image: look(stats, image)[0]["logits"], batch)
        losses[f"{name}_penalty"] = game.penalty * mean(slopes)
    if name == IDENTIFIES:
        fake, moved = look(moved, batch["image"])
        heads = real["sources"], fake["sources"]
        losses["source"], right = _identify(*heads, batch["source"], mean)
        shown = {"source_accuracy": right}
    return sum(losses.values()), ({name: moved}, losses | shown)


def _apart(look, stats, first, second):
    """What a critic says of two batches, and its statistics after both.

    Kinds of pictures are normalised each by itself, as when the generator is judged.
    Without statistics nothing mixes, and both are looked at in one go.
    """
    if stats:
        a, stats = look(stats, first)
        b, stats = look(stats, second)
        return (a, b), stats
    pairs = jnp.stack([first, second], axis=1)  # a pair stays on its device
    both, _ = look(stats, pairs.reshape(-1, *first.shape[1:]))
    pairs = jax.tree.map(lambda x: x.reshape(-1, 2, *x.shape[1:]), both)
    return tuple({k: v[:, i] for k, v in pairs.items()} for i in (0, 1)), stats


def _fool(game, removed, nets, batch, params):
    """The generator's loss: taken for real, alike, of a real one's spectrum."""
    attacked, moved = removed(params["generator"])
    (_, fooled), mean = game.adversarial, _mean_of(batch)
    judged = (
        forward(net, nets[name].params, nets[name].stats, attacked, train=True)[0]
        for name, net in game.critics.items()
    )
    losses = {
        "adversarial": sum(mean(fooled(found["logits"])) for found in judged),
        "similarity": mean(game.similarity(nets, attacked, batch["image"])),
        "spectrum": mean(game.regulariser(attacked, batch["real"])),
    }
    value = sum(game.weights[name] * loss for name, loss in losses.items())
    return value, ({"generator": moved}, losses | {"loss": value})


def _mean_of(batch):
    """The mean of one value per picture over those that are not padding."""
    weight = batch["valid"] / jnp.maximum(batch["valid"].sum(), 1.0)
    return lambda values: jnp.sum(values * weight)


def _slopes(key, logits, batch):
    """‖∇D‖² per picture, on the line between the real picture and the fake."""
    real, fake = batch["real"], batch["image"]
    share = jax.random.uniform(key, (len(real), 1, 1, 1))
    between = share * real + (1 - share) * fake
    slopes = jax.grad(lambda x: logits(x).sum())(between)
    return jnp.sum(jnp.square(slopes), axis=(1, 2, 3))


def _identify(real, fake, source, mean):
    """Cross-entropy over the real source, 0, and the fakes' (Eq. 12), and accuracy."""
    reals = jnp.zeros_like(source)
    pairs = (real, reals), (fake, source)
    crossed = optax.softmax_cross_entropy_with_integer_labels
    losses = [mean(crossed(logits, label)) for logits, label in pairs]
    right = [mean(jnp.argmax(logits, -1) == label) for logits, label in pairs]
    return sum(losses) / 2, sum(right) / 2


def _similarity(name, features, cutoff):
    """(nets, attacked, image) -> one loss per picture."""
    if (name == "vgg") != bool(features):
        raise ValueError(
            "similarity='vgg' compares features, whose weights are not shipped: set "
            "features.weights to a file of torchvision's vgg16 (.safetensors, .npz or "
            ".pth), or similarity='ssim'"
        )
    found = choose(SIMILARITIES, name, "similarity loss")
    if not features:
        return lambda nets, attacked, image: found(attacked, image)
    net = build("vgg16", layer=features["layer"])
    return partial(found, net, cutoff)


def vgg_distance(net, cutoff, nets, attacked, image):
    """Squared distance of features of the low bands, per position; Eq. 9."""
    params = jax.lax.stop_gradient(nets[FEATURES].params)
    bands = (split_bands(x, sigma=_sigma(x, cutoff)) for x in (attacked, image))
    a, b = (net.apply({"params": params}, low) for low, _ in bands)
    return jnp.mean(jnp.sum(jnp.square(a - b), axis=-1), axis=(1, 2))


def ssim_distance(attacked, image):
    """10 (1 - SSIM) of slightly blurred pictures: (b, h, w, 3) -> (b,).

    The released script looks at windows within the picture alone: what a generator
    writes on the outer five pixels costs nothing there.  Here borders count.
    """
    blur = partial(gaussian_blur, size=3, sigma=1.0)
    return 10 * (1 - ssim(blur(attacked), blur(image), borders=True))


def power_distance(attacked, real, *, cutoff):
    """Squared distance of radial powers of the high bands; Eqs. 10 and 11 as printed.

    (b, h, w, 3), same -> (b,).  The integral over a ring is 2π times its mean, of a
    unitary DFT.
    """
    height, width = real.shape[1:3]
    rings = min(height, width) // 2
    a, b = (
        2 * jnp.pi / (height * width) * _high_power(x, cutoff)[..., :rings]
        for x in (attacked, real)
    )
    return jnp.sum(jnp.square(a - b), axis=-1) / (rings - 1)


def log_distance(attacked, real, *, cutoff):
    """The same of mean log powers, each profile stretched to [0, 1], as released.

    The released script lost its gradient, compared with the mean over a batch, and
    split bands otherwise.
    """
    a, b = (_stretched(_high_power(x, cutoff, log=True)) for x in (attacked, real))
    start = int(START * a.shape[-1])
    return jnp.mean(jnp.square(a - b)[..., start:], axis=-1)


def _high_power(image, cutoff, *, log=False):
    return azimuthal_power(image, high=_sigma(image, cutoff), log=log)


def _sigma(image, cutoff):
    return cutoff * min(image.shape[1:3])


def _stretched(profile):
    least, most = (f(profile, -1, keepdims=True) for f in (jnp.min, jnp.max))
    return (profile - least) / jnp.maximum(most - least, 1e-8)


def _softplus_losses(real, fake):
    return jax.nn.softplus(-real) + jax.nn.softplus(fake)


def _squared_losses(real, fake):
    return jnp.square(real - 1) + jnp.square(fake)


# Logits of real and attacked pictures -> a critic's loss; those of attacked ones -> the
# generator's, non-saturating.
ADVERSARIAL = {
    "vanilla": (_softplus_losses, lambda fake: jax.nn.softplus(-fake)),
    "lsgan": (_squared_losses, lambda fake: jnp.square(fake - 1)),
    "wgan": (lambda real, fake: fake - real, lambda fake: -fake),
}
SIMILARITIES = {"ssim": ssim_distance, "vgg": vgg_distance}
REGULARISERS = {"log": log_distance, "power": power_distance}
