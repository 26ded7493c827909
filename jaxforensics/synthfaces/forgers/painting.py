"""How nets learn to paint pictures: losses, critics, and the level of the noise.

What a forger paints is to be a picture exactly where that is possible (blurred copies
agree), and in kind where it is not (texture statistics agree, patches pass a
discriminator): hair and sensor noise become other hair and other noise of the same
strength.

Two disguises of what up-sampling leaves: 'spectrum' matches the azimuthal power of fake
and true pictures (Durall et al., 2020), 'spectral_discriminator' has their log spectra
told apart by a second discriminator.
"""

import functools
from typing import NamedTuple

import einops
import flax.traverse_util
import jax
import jax.numpy as jnp

from jaxforensics.models import weights as files
from jaxforensics.ops.color import to_float, to_gray
from jaxforensics.ops.residuals import enlargement_residual, high_pass
from jaxforensics.ops.spectrum import azimuthal_power
from jaxforensics.settings import call
from jaxforensics.synthfaces.forgers.decoder import WINDOW, pool, texture
from jaxforensics.synthfaces.forgers.discriminators import (
    PatchDiscriminator,
    SpectralDiscriminator,
)
from jaxforensics.training.nets import Stage, descend, new_net, new_state
from jaxforensics.training.optimisers import optimiser as build_optimiser

REGULARISERS = (None, "spectrum", "spectral_discriminator")
CALIBRATION = 0.2  # share of a gap in noise levels that a calibration step closes
SHARPNESS_CELL = 16  # pixels over which sharpness is compared
# About half a gray level: so little detail is not told from none.
LEAST_DETAIL = 2e-3


class Weights(NamedTuple):
    """Of the losses."""

    content: float = 40.0
    texture: float = 1.0
    adversarial: float = 0.1
    spectrum: float = 2.0
    sharpness: float = 0.0


class Painted(NamedTuple):
    """A batch as it was painted, and what it should be.

    Pictures are (n, 64, 64, 3): of several sizes those of the first come first, in
    equal numbers.
    """

    clean: jax.Array  # without sensor noise
    picture: jax.Array
    truth: jax.Array
    scale: jax.Array  # (n,): 1 for pictures of 64, 2 for windows of 128
    sizes: int  # how many there are


class Head(NamedTuple):
    """Where the level of the sensor noise of one size is kept."""

    net: str
    part: str  # the name of a `decoder.Paint` among its parameters


def critics_of(regulariser):
    """{name: module} of the critics of a forger."""
    if regulariser not in REGULARISERS:
        raise ValueError(f"regulariser {regulariser!r} is none of {REGULARISERS}")
    critics = {"critic": PatchDiscriminator()}
    if regulariser == "spectral_discriminator":
        critics["spectral_critic"] = SpectralDiscriminator()
    return critics


def optimisers(nets, critics, *, optimiser, critic_optimiser, held=()):
    """{name: optimiser} of nets and critics, None for those that are held."""
    tx = call(build_optimiser, dict(optimiser or {}), where="optimiser")
    critic_tx = call(build_optimiser, dict(critic_optimiser or {}), where="optimiser")
    txs = dict.fromkeys(nets, tx) | dict.fromkeys(critics, critic_tx)
    return txs | dict.fromkeys(held)


def first_state(key, modules, inputs, txs, paths):
    """The state before the first step; nets with a path come from that file.

    `inputs` {name: arguments} are what each of the modules is called with.  XLA's own
    generator draws the weights: it compiles in a quarter of the time.
    """
    data = jnp.tile(jax.random.key_data(key), 2)
    key, *keys = jax.random.split(
        jax.random.wrap_key_data(data, impl="rbg"), len(modules) + 1
    )
    del key
    nets = {}
    for net_key, (name, module) in zip(keys, modules.items(), strict=True):
        net = new_net(net_key, module, txs[name], *inputs[name])
        if paths.get(name):
            net = net.replace(params=_read(paths[name], name, net))
        nets[name] = net
    return new_state(**nets)


def step(paint, critics, txs, learning, regulariser, weights, key, state, batch):
    """One step: the nets that are `learning` move, then the critics.

    `paint(key, params, batch)` gives the batch `Painted` with the parameters of all
    nets.
    """
    held = {name: net.params for name, net in state.nets.items()}

    # The forger learns first, from what the critics say of its pictures; then they
    # learn from the same pictures.
    def paint_loss(params):
        painted = paint(key, held | params, batch)
        logits = _judge(critics, held, painted.picture, painted.scale)
        losses = _losses(regulariser, weights, painted, logits)
        pictures = jax.lax.stop_gradient(painted[:4])
        return sum(losses.values()), ({}, losses | {"painted": pictures})

    moved, metrics = descend(txs, state.nets, paint_loss, *learning)
    _, picture, truth, scale = metrics.pop("painted")

    def critics_loss(params):
        fakes = _judge(critics, params, picture, scale)
        reals = _judge(critics, params, truth, scale)
        value = sum(
            _distance_from_real(real) + _distance_from_real(-fake)
            for real, fake in zip(reals, fakes, strict=True)
        )
        return value, ({}, {"critics": value})

    moved, critics_metrics = descend(txs, moved, critics_loss, *critics)
    metrics = {"loss": sum(metrics.values())} | metrics | critics_metrics
    return state.replace(step=state.step + 1, nets=moved), metrics


def stages(step, paint, heads, *, steps, calibration_steps):
    """So many steps of a training, then those that settle the sensor noise's level."""
    settle = functools.partial(calibrate, paint, heads)
    return (
        Stage("train", steps, "train", step),
        Stage("calibrate", calibration_steps, "train", settle),
    )


def calibrate(paint, heads, key, state, batch):
    """Move the sensor noise's levels towards those of the true pictures.

    Only the biases of the levels move, one for each size (a `Head`) and channel, by a
    share of the gap of logarithms: what is measured is their own unit.
    """
    params = {name: net.params for name, net in state.nets.items()}
    painted = paint(key, params, batch)
    gap = grain_level(painted.truth) - grain_level(painted.picture)
    gap = einops.reduce(gap, "(size b) c -> size c", "mean", size=len(heads))
    nets = dict(state.nets)
    for head, change in zip(heads, gap, strict=True):
        parts = dict(nets[head.net].params)
        level = parts[head.part]["level"]
        level = level | {"bias": level["bias"] + CALIBRATION * change}
        parts[head.part] = parts[head.part] | {"level": level}
        nets[head.net] = nets[head.net].replace(params=parts)
    metrics = {"loss": jnp.abs(gap).mean()}
    return state.replace(step=state.step + 1, nets=nets), metrics


def content_loss(clean, picture, truth):
    """Distance of what can be painted exactly: without grain, and of blurred copies."""
    blurred = [jnp.abs(pool(picture, c) - pool(truth, c)).mean() for c in (2, 4)]
    return jnp.abs(clean - truth).mean() + sum(blurred)


def texture_loss(picture, truth):
    """How far apart textures are in strength: local, at three scales, and by mosaic.

    The mosaic's part compares the mean power of the four positions in a 2 x 2 square,
    which demosaicing treats differently.
    """
    # Cells of 8 x 8 pixels at every scale.  Textures of a cell are noisy estimates: how
    # far apart their means over the picture are counts a second time.
    loss = 0.0
    for scale, cell in ((1, 8), (2, 4), (4, 2)):
        fake, real = picture, truth
        if scale > 1:
            fake = pool(picture, scale)
            real = pool(truth, scale)
        gap = texture(fake, cell=cell) - texture(real, cell=cell)
        loss += jnp.abs(gap).mean() + jnp.abs(gap.mean((1, 2))).mean()
    gap = _mosaic_level(picture) - _mosaic_level(truth)
    return loss + 2 * jnp.abs(gap).mean()


def spectrum_loss(picture, truth, *, sizes):
    """Distance of the mean log profiles of fakes and truths, at each of the sizes.

    Durall et al. (2020), with the profiles of a batch averaged before they are
    compared: single pictures differ in any case.
    """
    gap = azimuthal_power(picture, log=True) - azimuthal_power(truth, log=True)
    gap = einops.reduce(gap, "(size b) bins -> size bins", "mean", size=sizes)
    return 0.5 * jnp.abs(gap).mean()


def sharpness_loss(picture, truth):
    """How far apart pictures are in what an enlargement lacks: locally, and each.

    Detail is compared by its logarithm, as textures are: faint edges count.
    """
    gap = _detail(picture) - _detail(truth)
    return jnp.abs(gap).mean() + jnp.abs(gap.mean((1, 2, 3))).mean()


def grain_level(picture):
    """Log deviation of R, G and B's cross differences, (b, h, w, 3) -> (b, 3).

    Between that of the whole picture, which hair decides, and the mean over small
    cells, which smooth parts decide and with them the size of a PNG file.
    """
    cells = texture(picture, cell=4)[..., 8:11]  # R, G and B of the last of three
    power = jnp.exp(2 * cells).mean((1, 2))
    return (0.5 * jnp.log(power) + cells.mean((1, 2))) / 2


def _mosaic_level(picture):
    """Log deviations of differences by position in a 2 x 2 square, (b, 2, 2, 12)."""
    planes = jnp.concatenate([picture, to_gray(picture)[..., None]], axis=-1)
    power = jnp.square(high_pass(planes))
    squares = einops.rearrange(power, "b (h p) (w q) c -> b h p w q c", p=2, q=2)
    return 0.5 * jnp.log(squares.mean((1, 3)) + 1e-5)


def floats(pictures):
    """uint8 pictures in [0, 1]."""
    return to_float(jnp.asarray(pictures))


def to_bytes(pictures):
    """Pictures on the 8-bit grid as uint8."""
    return jnp.round(255 * pictures).astype(jnp.uint8)


def cut(image, corner):
    """The window of 64 pixels at a traced corner (row, column)."""
    side = 2 * WINDOW
    start = (0, *corner, 0)
    return jax.lax.dynamic_slice(image, start, (len(image), side, side, 3))


def _judge(critics, params, image, scale):
    """The logits of every critic; positive is real."""
    return [
        critic.apply({"params": params[name]}, image, scale)
        for name, critic in critics.items()
    ]


def _losses(regulariser, weights, painted, logits):
    """{name: weighted loss} of the forger."""
    clean, picture, truth, _, sizes = painted
    judged = sum(_distance_from_real(x) for x in logits)
    losses = {
        "content": weights.content * content_loss(clean, picture, truth),
        "texture": weights.texture * texture_loss(picture, truth),
        "adversarial": weights.adversarial * judged,
    }
    if weights.sharpness:
        losses["sharpness"] = weights.sharpness * sharpness_loss(picture, truth)
    if regulariser == "spectrum":
        distance = spectrum_loss(picture, truth, sizes=sizes)
        losses["spectrum"] = weights.spectrum * distance
    return losses


def _distance_from_real(logits):
    """Mean cross-entropy of logits against the answer "real"."""
    return jax.nn.softplus(-logits).mean()


def _detail(picture):
    """Log of the mean size of the enlargement's residual, (b, h / 16, w / 16, 1)."""
    size = jnp.abs(enlargement_residual(picture)).mean(-1, keepdims=True)
    return jnp.log(pool(size, SHARPNESS_CELL) + LEAST_DETAIL)


def _read(path, name, net):
    """The parameters of `net` from the part `name` of a forger's weights file."""
    expected = flax.traverse_util.flatten_dict({name: net.params}, sep="/")
    table = dict.fromkeys(files.read(path))  # None: what the file holds beside it
    table |= {key: (key, None) for key in expected}
    return files.load(path, {name: net.params}, table=table)[name]
