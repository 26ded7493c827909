"""Whole-face forgers: an autoencoder whose decoder fakes pictures of fresh latents.

A `decoder.Decoder` learns to paint the picture that an encoder saw,
exactly where that is possible (blurred copies agree), in kind where it is not (texture
statistics agree, patches pass a discriminator): hair and sensor noise become other hair
and other noise of the same strength.  A forgery is the decoding of a slightly moved
latent of a face that was not seen in training: a draw from the aggregate posterior.

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

from jaxforensics.kernels.fusion import keep
from jaxforensics.models import weights as files
from jaxforensics.ops.color import to_float, to_gray
from jaxforensics.ops.residuals import high_pass
from jaxforensics.ops.spectrum import azimuthal_power
from jaxforensics.settings import call
from jaxforensics.synthfaces.forgers.decoder import (
    SIZES,
    WINDOW,
    Decoder,
    Encoder,
    encode,
    forge,
    pool,
    texture,
)
from jaxforensics.synthfaces.forgers.discriminators import (
    PatchDiscriminator,
    SpectralDiscriminator,
)
from jaxforensics.training.nets import Method, Stage, descend, new_net, new_state
from jaxforensics.training.optimisers import optimiser as build_optimiser

REGULARISERS = (None, "spectrum", "spectral_discriminator")
CONTENT, TEXTURE, ADVERSARIAL, SPECTRAL = 40.0, 1.0, 0.1, 2.0  # weights of the losses
CALIBRATION = 0.2  # share of a gap in noise levels that a calibration step closes


class Painted(NamedTuple):
    """A batch decoded, and what it should be: small pictures, then windows of large.

    Pictures are (2 b, 64, 64, 3).
    """

    clean: jax.Array  # without sensor noise
    picture: jax.Array
    truth: jax.Array
    scale: jax.Array  # (2 b,): 1 for pictures of 64, 2 for windows of 128


def make(
    *,
    upsampling,
    regulariser=None,
    encoder=None,
    decoder=None,
    optimiser=None,
    critic_optimiser=None,
    steps,
    calibration_steps,
):
    """Train a forger whose decoder up-samples by `upsampling`.

    `encoder` names a weights file whose encoder is taken over and stays as it is;
    `decoder` one whose decoder training starts from.  After `steps` steps come
    `calibration_steps` that only settle the level of the sensor noise.
    """
    settings = dict(locals())
    nets, critics = _nets(upsampling, regulariser)
    tx = call(build_optimiser, dict(optimiser or {}), where="optimiser")
    critic_tx = call(build_optimiser, dict(critic_optimiser or {}), where="optimiser")
    txs = dict.fromkeys(nets, tx) | dict.fromkeys(critics, critic_tx)
    txs |= {"encoder": None} if encoder else {}
    learning = [name for name in nets if txs[name]]

    def init(key, batch):
        paths = {"encoder": encoder, "decoder": decoder}
        return _initial_state(key, nets | critics, txs, batch, paths)

    def step(key, state, batch):
        held = {name: net.params for name, net in state.nets.items()}

        # The forger learns first, from what the critics say of its pictures; then they
        # learn from the same pictures.
        def paint_loss(params):
            painted = _paint(key, nets, held | params, batch)
            logits = _judge(critics, held, painted.picture, painted.scale)
            losses = _losses(regulariser, painted, logits)
            painted = jax.lax.stop_gradient(painted)
            return sum(losses.values()), ({}, losses | {"painted": painted})

        moved, metrics = descend(txs, state.nets, paint_loss, *learning)
        painted = metrics.pop("painted")

        def critics_loss(params):
            fakes = _judge(critics, params, painted.picture, painted.scale)
            reals = _judge(critics, params, painted.truth, painted.scale)
            value = sum(
                _distance_from_real(real) + _distance_from_real(-fake)
                for real, fake in zip(reals, fakes, strict=True)
            )
            return value, ({}, {"critics": value})

        moved, critics_metrics = descend(txs, moved, critics_loss, *critics)
        metrics = {"loss": sum(metrics.values())} | metrics | critics_metrics
        return state.replace(step=state.step + 1, nets=moved), metrics

    calibrate = functools.partial(_calibrate, nets)
    stages = (
        Stage("train", steps, "train", step),
        Stage("calibrate", calibration_steps, "train", calibrate),
    )
    predict = functools.partial(_predict, upsampling)
    return Method(init, stages, predict, settings)


def _nets(upsampling, regulariser):
    """({name: module} of the forger, {name: module} of its critics)."""
    if regulariser not in REGULARISERS:
        raise ValueError(f"regulariser {regulariser!r} is none of {REGULARISERS}")
    nets = {"encoder": Encoder(), "decoder": Decoder(upsampling)}
    critics = {"critic": PatchDiscriminator()}
    if regulariser == "spectral_discriminator":
        critics["spectral_critic"] = SpectralDiscriminator()
    return nets, critics


def _initial_state(key, modules, txs, batch, paths):
    """The state before the first step; nets with a path come from that file.

    XLA's own generator draws the weights: it compiles in a quarter of the time.
    """
    data = jnp.tile(jax.random.key_data(key), 2)
    key, *keys = jax.random.split(
        jax.random.wrap_key_data(data, impl="rbg"), len(modules) + 1
    )
    image = _floats(batch["image_128"])
    judged = _floats(batch["image_64"])
    latent = jax.eval_shape(modules["encoder"].init_with_output, key, image)[0]
    latent = jnp.zeros(latent.shape)
    inputs = {"encoder": (image,), "decoder": (key, latent)}
    critic_inputs = (judged, jnp.ones(len(judged)))
    nets = {}
    for key, (name, module) in zip(keys, modules.items(), strict=True):
        net = new_net(key, module, txs[name], *inputs.get(name, critic_inputs))
        if paths.get(name):
            net = net.replace(params=_read(paths[name], name, net))
        nets[name] = net
    return new_state(**nets)


def _paint(key, nets, params, batch):
    """`Painted` for a batch; of the larger pictures a window, to save time."""
    keys = jax.random.split(key, 3)
    small = _floats(batch["image_64"])
    large = _floats(batch["image_128"])
    latent = encode(keys[0], params["encoder"], large)
    corner = jax.random.randint(keys[1], (2,), 0, WINDOW + 1)
    painted = nets["decoder"].apply(
        {"params": params["decoder"]}, keys[2], latent, corner=corner
    )
    clean, picture = map(jnp.concatenate, zip(*painted.values(), strict=True))
    truth = keep(jnp.concatenate([small, _cut(large, 2 * corner)]))
    scale = jnp.repeat(jnp.array([1.0, 2.0]), len(small))
    return Painted(clean, picture, truth, scale)


def _judge(critics, params, image, scale):
    """The logits of every critic; positive is real."""
    return [
        critic.apply({"params": params[name]}, image, scale)
        for name, critic in critics.items()
    ]


def _predict(upsampling, state, batch):
    """Forgeries of both sizes after the pictures of a batch, as uint8."""
    key = jax.random.fold_in(jax.random.key(0), batch["index"][0])
    params = {name: net.params for name, net in state.nets.items()}
    forged = forge(key, upsampling, params, _floats(batch["image_128"]))
    return {f"image_{size}": _bytes(picture) for size, picture in forged.items()}


def _losses(regulariser, painted, logits):
    """{name: weighted loss} of the forger."""
    clean, picture, truth, _ = painted
    losses = {
        "content": CONTENT * content_loss(clean, picture, truth),
        "texture": TEXTURE * texture_loss(picture, truth),
        "adversarial": ADVERSARIAL * sum(_distance_from_real(x) for x in logits),
    }
    if regulariser == "spectrum":
        losses["spectrum"] = SPECTRAL * spectrum_loss(picture, truth)
    return losses


def _distance_from_real(logits):
    """Mean cross-entropy of logits against the answer "real"."""
    return jax.nn.softplus(-logits).mean()


def _calibrate(nets, key, state, batch):
    """Move the sensor noise's levels towards those of the true pictures.

    Only the biases of the levels move, one for each size and channel, by a share of
    the gap of logarithms: what is measured is their own unit.
    """
    params = {name: state.nets[name].params for name in nets}
    painted = _paint(key, nets, params, batch)
    gap = grain_level(painted.truth) - grain_level(painted.picture)
    gap = einops.reduce(gap, "(size b) c -> size c", "mean", size=len(SIZES))
    decoder = dict(params["decoder"])
    for size, change in zip(SIZES, gap, strict=True):
        head = decoder[f"paint_{size}"]
        level = head["level"] | {"bias": head["level"]["bias"] + CALIBRATION * change}
        decoder[f"paint_{size}"] = head | {"level": level}
    moved = state.nets | {"decoder": state.nets["decoder"].replace(params=decoder)}
    metrics = {"loss": jnp.abs(gap).mean()}
    return state.replace(step=state.step + 1, nets=moved), metrics


def stored(params):
    """What a forger's weights file holds of the parameters of all nets."""
    return {name: params[name] for name in ("encoder", "decoder")}


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


def spectrum_loss(picture, truth):
    """Distance of the mean log profiles of fakes and truths, at each size.

    Durall et al. (2020), with the profiles of a batch averaged before they are
    compared: single pictures differ in any case.
    """
    gap = azimuthal_power(picture, log=True) - azimuthal_power(truth, log=True)
    gap = einops.reduce(gap, "(size b) bins -> size bins", "mean", size=len(SIZES))
    return 0.5 * jnp.abs(gap).mean()


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


def _floats(pictures):
    return to_float(jnp.asarray(pictures))


def _bytes(pictures):
    return jnp.round(255 * pictures).astype(jnp.uint8)


def _cut(image, corner):
    """The window of 64 pixels at a traced corner (row, column)."""
    side = 2 * WINDOW
    start = (0, *corner, 0)
    return jax.lax.dynamic_slice(image, start, (len(image), side, side, 3))


def _read(path, name, net):
    """The parameters of `net` from the part `name` of a forger's weights file."""
    expected = flax.traverse_util.flatten_dict({name: net.params}, sep="/")
    table = dict.fromkeys(files.read(path))  # None: what the file holds beside it
    table |= {key: (key, None) for key in expected}
    return files.load(path, {name: net.params}, table=table)[name]
