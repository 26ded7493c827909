"""TR-Net: one generator removes a forgery's traces, three discriminators look for them.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022).  The discriminators, here critics, see a picture, its
spectrum and its noise residual, and compare the original of a pair with what the
generator makes of the fake; the last one also tells sources apart.  No detector takes
part.

    name                        symbol       where in the paper
    generator                   G            Section 4.2.1
    critic 'spatial'            D1           4.2.2.1: sees the picture I
    critic 'spectral'           D2           4.2.2.2, Eqs. 4, 5: its spectrum Î
    critic 'fingerprint'        D3           4.2.2.3, Eq. 6: its noise residual Ĩ
    batch['image']              I⁻, x⁻       the fake
    batch['real']               I⁺, x⁺       its original
    `attacked`                  G(I⁻)        the attacked picture
    loss 'adversarial'          L_adv        Eq. 7: to pass for real with every critic
    loss 'similarity'           L_sim        Eqs. 8, 9: to look like the fake
    loss 'spectrum'             L_reg        Eqs. 10, 11: radial power of the original
    loss 'source'               L_sou        Eq. 12: whose a fake is; of D3 alone
    weights['spectrum']         λ            Eq. 13, the whole objective

The attack exists to measure and to harden detectors; see docs/attacks.md.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import einops
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
    masked_mean,
    masked_weights,
    new_net,
    new_state,
    shared_forward,
    with_gradient,
)
from jaxforensics.training.optimisers import optimiser as build_optimiser
from jaxforensics.training.optimisers import plateau

# What each critic sees, a view of `models.trnet_discriminator`.
CRITICS = {"spatial": "image", "spectral": "log_amplitude", "fingerprint": "residual"}
IDENTIFIES = "fingerprint"  # the critic that also tells sources apart
FEATURES = "features"  # VGG's, frozen
WEIGHTS = {"adversarial": 1.0, "similarity": 1.0, "spectrum": 100.0}  # of Eq. 13
START = 0.1  # of the radii: where profiles are compared from
TINY = 1e-12  # a norm below which a gradient has no direction


class Adversarial(NamedTuple):
    """Losses of logits, one value per picture."""

    of_critic: Callable  # (logits of originals, logits of attacked pictures)
    of_generator: Callable  # (logits of attacked pictures)


class Game(NamedTuple):
    """The networks, and what each player wants."""

    nets: dict[str, Any]
    adversarial: Adversarial
    similarity: Callable  # (nets, attacked, image) -> (b,)
    regulariser: Callable  # (attacked, original) -> (b,)
    penalty: float
    weights: dict[str, float]  # of the generator's losses
    balanced: bool  # whether all critics pull equally at each picture
    txs: dict[str, Any]  # {player: its optimiser}
    epoch: int  # steps over which the mean loss has to fall, or rates are halved
    keep_from: int | None  # the step from which on the best generator is kept
    features: Any  # parameters of VGG, frozen, or None

    @property
    def critics(self):
        """{name: network} of all players but the generator."""
        return {name: net for name, net in self.nets.items() if name != "generator"}


def make(
    *,
    sources,
    critics=tuple(CRITICS),
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
    balanced=False,
    optimiser=None,
    critic_optimiser=None,
    epoch=0,
    last=0,
    steps,
):
    """The game on pairs of a fake (`image`) and its original (`real`).

    `sources` counts the real one and every fake one.  `critics` names those that play,
    all three unless some are left out.  `views` {critic: what it sees}, `generator` and
    `critic` are settings of the networks.  `adversarial` is 'vanilla', 'lsgan' or
    'wgan', `penalty` the weight of the critics' zero-centred gradient penalty,
    `regulariser` 'log' or 'power'.  `similarity` is 'ssim', or 'vgg' with `features`
    {'weights': a file of torchvision's vgg16, 'layer': such as 'relu3_3'}, which is
    part of every state.  Bands are split by a Gaussian of `cutoff` times the picture's
    side, in DFT indices.  `weights` of the generator's losses are those of
    'adversarial', 'similarity' and 'spectrum'.  With `balanced` all critics pull
    equally: their gradients at a picture are scaled to the mean of their norms.  Rates
    of all players are halved after `epoch` steps in which the generator's mean loss was
    not the least so far, with 0 never.  The generator that attacks, and the critics
    that are shown, are those of its least loss in the `last` steps, or with 0 those of
    the end.
    """
    settings = dict(locals())
    if not (features and features["weights"]):
        features = None
    compare = _similarity(similarity, features, cutoff)
    frozen = None
    if features:
        frozen = vgg.load(features["weights"], layer=features["layer"])
        # The file's content belongs to the settings, not only its name.
        features = dict(features) | {"sha256": _file_digest(features["weights"])}
    settings["features"] = features

    views = _playing(_merged(CRITICS, views, "critic"), critics)
    if not 0 <= last <= steps:
        raise ValueError(f"there are {steps} steps: {last} cannot be the last")
    keep_from = None
    if last:
        keep_from = steps - last
    tx, critic_tx = (
        call(build_optimiser, {"steps": steps} | dict(chosen or {}), where="optimiser")
        for chosen in (optimiser, critic_optimiser)
    )
    game = Game(
        nets=_networks(views, sources, generator, critic),
        adversarial=choose(ADVERSARIAL, adversarial, "adversarial loss"),
        similarity=compare,
        regulariser=partial(
            choose(REGULARISERS, regulariser, "regulariser"), cutoff=cutoff
        ),
        penalty=penalty,
        weights=_merged(WEIGHTS, weights, "loss"),
        balanced=balanced,
        txs={"generator": tx} | dict.fromkeys(views, critic_tx),
        epoch=epoch,
        keep_from=keep_from,
        features=frozen,
    )
    stages = (Stage("train", steps, "pairs", partial(_step, game)),)
    init, predict, players = (partial(f, game) for f in (_init, _predict, _players))
    return Method(init, stages, predict, settings, handed_on=players)


def _step(game, key, state, batch):
    """One step: each critic moves, then the generator."""
    nets = state.nets
    move = partial(descend, game.txs)
    if game.epoch:
        move = partial(move, pace=nets["plateau"].stats.pace)
    attacked, attack = _attacked(game, nets["generator"], batch)

    # Critics learn from the same attacked pictures, one after the other.
    metrics = {}
    critic_keys = jax.random.split(key, len(game.critics))
    for critic_key, name in zip(critic_keys, game.critics, strict=True):
        objective = partial(
            _critic_objective, game, critic_key, name, nets, attacked, batch
        )
        nets, critic_metrics = move(nets, objective, name)
        metrics |= critic_metrics

    # The generator is judged by the critics as they are now, and moves last.
    players = {name: nets[name] for name in game.nets}
    objective = partial(_generator_objective, game, attack, nets, batch)
    nets, generator_metrics = move(nets, objective, "generator")
    metrics |= generator_metrics

    loss = generator_metrics["loss"]
    nets |= _consequences(game, state.step, nets, players, loss)
    return state.replace(step=state.step + 1, nets=nets), metrics


def _attacked(game, generator, batch):
    """The attacked pictures, and the forward pass that the generator's loss goes on.

    The pictures are not clipped.  The second result maps the generator's parameters to
    (pictures, new statistics); its forward pass is the one that made the pictures.
    """

    def attack(params):
        net = game.nets["generator"]
        return forward(net, params, generator.stats, batch["image"], train=True)

    (pictures, _), attack_again = shared_forward(attack, generator.params)
    return pictures, attack_again


def _critic_objective(game, key, name, nets, attacked, batch, params):
    """A critic's loss: originals against attacked pictures, and whose a fake is."""
    stats = nets[name].stats
    mean = partial(masked_mean, valid=batch["valid"])
    look = partial(forward, game.nets[name], params[name], train=True)

    # Real is what was never forged, fake what the generator gave out.
    (original, fake), moved = _looks(look, stats, batch["real"], attacked)
    logits = original["logits"], fake["logits"]
    losses = {name: mean(game.adversarial.of_critic(*logits))}
    metrics = {}

    if game.penalty:

        def logits_of(image):
            return look(stats, image)[0]["logits"]

        slopes = _squared_slopes(key, logits_of, batch)
        losses[f"{name}_penalty"] = game.penalty * mean(slopes)

    if name == IDENTIFIES:
        # Of the fakes as they were made: attacked ones shall not look like any source.
        unattacked, moved = look(moved, batch["image"])
        losses["source"], metrics["source_accuracy"] = _identified(
            original["sources"], unattacked["sources"], batch["source"], mean
        )
    return sum(losses.values()), ({name: moved}, losses | metrics)


def _generator_objective(game, attack, nets, batch, params):
    """The generator's loss, Eq. 13: to pass for real, alike, with a real spectrum."""
    attacked, moved = attack(params["generator"])
    weight = masked_weights(batch["valid"])
    losses, pulls = _pulls(game, nets, batch, attacked, weight)

    metrics = _norms_of_pulls(game, pulls)
    critics_pulls = {name: pulls[name] for name in game.critics}
    if game.balanced:
        critics_pulls = _equally_strong(critics_pulls)
    metrics |= _shares(critics_pulls)

    by_loss = {
        "adversarial": sum(losses[name] for name in game.critics),
        "similarity": losses["similarity"],
        "spectrum": losses["spectrum"],
    }
    total = sum(game.weights[name] * loss for name, loss in by_loss.items())
    gradient = game.weights["adversarial"] * sum(critics_pulls.values())
    for name in ("similarity", "spectrum"):
        gradient += game.weights[name] * pulls[name]
    # From the picture on back into the generator.
    total = with_gradient(total, attacked, gradient)
    return total, ({"generator": moved}, metrics | by_loss | {"loss": total})


def _pulls(game, nets, batch, attacked, weight):
    """What each critic and each other loss says of attacked pictures, and their pulls.

    Two dicts {critic, 'similarity' or 'spectrum': …}: the mean loss, and its gradient
    at the pictures, (b, h, w, 3).  `weight` (b,) are the pictures' shares of the mean.
    """

    def judged_by(name):
        # Critics look at attacked pictures alone, in training mode, and stay as they
        # are.
        look = partial(forward, game.nets[name], nets[name].params, nets[name].stats)

        def loss(pictures):
            judgement, _ = look(pictures, train=True)
            return game.adversarial.of_generator(judgement["logits"])

        return loss

    functions = {name: judged_by(name) for name in game.critics} | {
        "similarity": lambda pictures: game.similarity(nets, pictures, batch["image"]),
        "spectrum": lambda pictures: game.regulariser(pictures, batch["real"]),
    }
    losses = {}
    pulls = {}
    for name, function in functions.items():
        values, backward = jax.vjp(function, attacked)
        losses[name] = jnp.sum(weight * values)
        (pulls[name],) = backward(weight)
    return losses, pulls


def _norms(gradients):
    """The norm of each picture's gradient: (b, h, w, 3) -> (b, 1, 1, 1)."""
    return jnp.sqrt(jnp.sum(jnp.square(gradients), axis=(1, 2, 3), keepdims=True))


def _equally_strong(pulls):
    """The critics' gradients, scaled at each picture to the mean of their norms."""
    norms = {name: _norms(gradients) for name, gradients in pulls.items()}
    mean_norm = sum(norms.values()) / len(norms)
    return {
        name: gradients * (mean_norm / jnp.maximum(norms[name], TINY))
        for name, gradients in pulls.items()
    }


def _norms_of_pulls(game, pulls):
    """Metrics: the norm at a picture of every loss's gradient, before any scaling.

    Losses count with their weights.  Gradients are those of a mean over pictures, so
    their norms add up to the mean norm of a picture's own loss.
    """
    weights = dict.fromkeys(game.critics, game.weights["adversarial"]) | game.weights
    return {
        f"pull_{name}": weights[name] * jnp.sum(_norms(gradients))
        for name, gradients in pulls.items()
    }


def _shares(pulls):
    """Metrics: the share of each critic in the gradient of all critics together.

    That is the projection of its gradient on the sum, over the batch: shares add up to
    one, and that of a critic which is overruled by the others is below zero.
    """
    total = sum(pulls.values())
    length = jnp.maximum(jnp.sum(jnp.square(total)), TINY**2)
    return {
        f"share_{name}": jnp.sum(gradients * total) / length
        for name, gradients in pulls.items()
    }


def _looks(look, stats, first, second):
    """What a critic says of two batches, and its statistics after both.

    Originals and attacked pictures are normalised apart, as when the generator is
    judged.  Without statistics nothing mixes, and both are looked at in one go.
    """
    if stats:
        of_first, stats = look(stats, first)
        of_second, stats = look(stats, second)
        return (of_first, of_second), stats
    # One beside the other, not one behind the other: a pair stays on its device.
    pairs = jnp.stack([first, second], axis=1)
    outputs, _ = look(stats, einops.rearrange(pairs, "b pair h w c -> (b pair) h w c"))
    outputs = {
        name: einops.rearrange(value, "(b pair) ... -> b pair ...", pair=2)
        for name, value in outputs.items()
    }
    of_first = {name: value[:, 0] for name, value in outputs.items()}
    of_second = {name: value[:, 1] for name, value in outputs.items()}
    return (of_first, of_second), stats


def _squared_slopes(key, logits, batch):
    """‖∇D‖² per picture, somewhere on the line between the original and the fake."""
    original = batch["real"]
    share = jax.random.uniform(key, (len(original), 1, 1, 1))
    between = share * original + (1 - share) * batch["image"]
    slopes = jax.grad(lambda x: logits(x).sum())(between)
    return jnp.sum(jnp.square(slopes), axis=(1, 2, 3))


def _identified(original, fake, source, mean):
    """Cross-entropy over the real source, 0, and the fakes' (Eq. 12), and accuracy."""
    labelled = (original, jnp.zeros_like(source)), (fake, source)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels
    losses = [mean(cross_entropy(logits, label)) for logits, label in labelled]
    accuracies = [mean(jnp.argmax(logits, -1) == label) for logits, label in labelled]
    return sum(losses) / 2, sum(accuracies) / 2


def _consequences(game, step, nets, players, loss):
    """Nets without an optimiser that follow from the generator's loss of `players`."""
    followers = {}
    if game.epoch:
        pace = nets["plateau"].stats.after(loss, epoch=game.epoch)
        followers["plateau"] = Net({}, pace, ())
    if game.keep_from is not None:
        is_late = step >= game.keep_from
        followers["chosen"] = _better(nets["chosen"], players, loss, is_late)
    return followers


def _init(game, key, batch):
    keys = jax.random.split(key, len(game.txs))
    nets = {
        name: new_net(net_key, game.nets[name], tx, batch["image"])
        for net_key, (name, tx) in zip(keys, game.txs.items(), strict=True)
    }
    if game.keep_from is not None:
        # Of the largest loss there is, which any other one beats.
        nets["chosen"] = _snapshot(nets, jnp.finfo(jnp.float32).max)
    if game.epoch:
        nets["plateau"] = Net({}, plateau(), ())
    if game.features:
        nets[FEATURES] = Net(game.features, {}, ())
    return new_state(**nets)


def _predict(game, state, batch):
    """The pictures without traces, and what each critic says of the given ones."""
    nets = _chosen(state.nets)
    # The same pictures for all: a critic's view of the fakes before the attack.
    outputs = {
        name: forward(net, nets[name].params, nets[name].stats, batch["image"])[0]
        for name, net in game.nets.items()
    }
    predicted = {"image": jnp.clip(outputs.pop("generator"), 0, 1)}
    for critic, judgement in outputs.items():
        for name, value in judgement.items():
            predicted[f"{critic}_{name}"] = value
    return predicted


def _players(game, state):
    """The players {role: Net} that attack and are shown: others may start from them."""
    chosen = _chosen(state.nets)
    return {name: chosen[name] for name in game.nets}


def _snapshot(nets, loss):
    """Players at the moment of a loss, as one Net without an optimiser."""
    stats = {"nets": {name: net.stats for name, net in nets.items()}, "loss": loss}
    return Net({name: net.params for name, net in nets.items()}, stats, ())


def _chosen(nets):
    """The players of the snapshot, where there is one, else those of the end."""
    snapshot = nets.get("chosen")
    if snapshot is None:
        return nets
    stats = snapshot.stats["nets"]
    return {name: Net(snapshot.params[name], stats[name], ()) for name in stats}


def _better(chosen, players, loss, is_late):
    """The snapshot, or one of `players` if it is late and their loss is the least."""
    # Selected leaf by leaf: under jit there is no branch to take.
    is_better = is_late & (loss < chosen.stats["loss"])
    return jax.tree.map(
        lambda new, old: jnp.where(is_better, new, old),
        _snapshot(players, loss),
        chosen,
    )


def _playing(views, critics):
    """The views of the critics that play."""
    for name in critics:
        choose(views, name, "critic")
    if not critics:
        raise ValueError("without critics there is no game: name one at least")
    return {name: view for name, view in views.items() if name in critics}


def _merged(defaults, changes, what):
    """The defaults with changes, whose names have to be among them."""
    for name in changes or ():
        choose(defaults, name, what)
    return defaults | dict(changes or {})


def _networks(views, sources, generator, critic):
    """{player: linen module}: the generator, and a critic for each of the views."""
    nets = {"generator": build("trnet_generator", **dict(generator or {}))}
    for name, view in views.items():
        heads = {}
        if name == IDENTIFIES:
            heads["sources"] = sources
        nets[name] = build(
            "trnet_discriminator", view=view, **heads, **dict(critic or {})
        )
    return nets


def _file_digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _similarity(name, features, cutoff):
    """(nets, attacked, image) -> one loss per picture."""
    if (name == "vgg") != bool(features):
        raise ValueError(
            "similarity='vgg' compares features, whose weights are not shipped: set "
            "features.weights to a file of torchvision's vgg16 (.safetensors, .npz or "
            ".pth), or similarity='ssim'"
        )
    distance = choose(SIMILARITIES, name, "similarity loss")
    if not features:
        return lambda nets, attacked, image: distance(attacked, image)
    net = build("vgg16", layer=features["layer"])
    return partial(distance, net, cutoff)


def vgg_distance(net, cutoff, nets, attacked, image):
    """Squared distance of features of the low bands, per position; Eq. 9."""
    params = jax.lax.stop_gradient(nets[FEATURES].params)

    def features(pictures):
        low, _ = split_bands(pictures, sigma=_sigma(pictures, cutoff))
        return net.apply({"params": params}, low)

    difference = features(attacked) - features(image)
    return jnp.mean(jnp.sum(jnp.square(difference), axis=-1), axis=(1, 2))


def ssim_distance(attacked, image):
    """10 (1 - SSIM) of slightly blurred pictures: (b, h, w, 3) -> (b,).

    The released script looks at windows within the picture alone: what a generator
    writes on the outer five pixels costs nothing there.  Here borders count.
    """
    blur = partial(gaussian_blur, size=3, sigma=1.0)
    return 10 * (1 - ssim(blur(attacked), blur(image), borders=True))


def power_distance(attacked, original, *, cutoff):
    """Squared distance of radial powers of the high bands; Eqs. 10 and 11 as printed.

    (b, h, w, 3), same -> (b,).  The integral over a ring is 2π times its mean, of a
    unitary DFT.  Power falls so fast with frequency that nearly all of this distance
    comes from the lowest rings: of high frequencies it says next to nothing.
    """
    height, width = original.shape[1:3]
    rings = min(height, width) // 2  # whole ones, without the corners
    unitary = 2 * jnp.pi / (height * width)
    first, second = (
        unitary * _high_power(image, cutoff)[..., :rings]
        for image in (attacked, original)
    )
    return jnp.sum(jnp.square(first - second), axis=-1) / (rings - 1)


def log_distance(attacked, original, *, cutoff):
    """The same of mean log powers, each profile stretched to [0, 1], as released.

    The released script lost its gradient, compared with the mean over a batch, and
    split bands otherwise.
    """
    profiles = (_high_power(image, cutoff, log=True) for image in (attacked, original))
    # The lowest frequencies of a high band are next to nothing, and their logarithms
    # far below all others: they are cut off first, or every profile is stretched
    # between ln ε and its largest value, and all profiles look alike.
    first, second = (
        _stretched(profile[..., int(START * profile.shape[-1]) :])
        for profile in profiles
    )
    return jnp.mean(jnp.square(first - second), axis=-1)


def _high_power(image, cutoff, *, log=False):
    """Power of the high band in rings around DC, lowest frequency first."""
    return azimuthal_power(image, high=_sigma(image, cutoff), log=log)


def _sigma(image, cutoff):
    """The Gaussian's standard deviation in DFT indices, from a share of the side."""
    return cutoff * min(image.shape[1:3])


def _stretched(profile):
    """Profiles from their least value, 0, to their largest, 1."""
    least = jnp.min(profile, -1, keepdims=True)
    most = jnp.max(profile, -1, keepdims=True)
    return (profile - least) / jnp.maximum(most - least, 1e-8)


# The generator's losses are non-saturating: of a picture that is surely taken for fake
# the gradient does not vanish.
ADVERSARIAL = {
    "vanilla": Adversarial(
        lambda original, fake: jax.nn.softplus(-original) + jax.nn.softplus(fake),
        lambda fake: jax.nn.softplus(-fake),
    ),
    "lsgan": Adversarial(
        lambda original, fake: jnp.square(original - 1) + jnp.square(fake),
        lambda fake: jnp.square(fake - 1),
    ),
    "wgan": Adversarial(
        lambda original, fake: fake - original,
        lambda fake: -fake,
    ),
}
SIMILARITIES = {"ssim": ssim_distance, "vgg": vgg_distance}
REGULARISERS = {"log": log_distance, "power": power_distance}
