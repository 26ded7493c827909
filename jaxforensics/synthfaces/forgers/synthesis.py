"""Whole-face forgers: an autoencoder whose decoder fakes pictures of fresh latents.

A decoder of `decoder` learns to paint the picture that an encoder saw,
exactly where that is possible (blurred copies agree), in kind where it is not (texture
statistics agree, patches pass a discriminator): hair and sensor noise become other hair
and other noise of the same strength.  A forgery is the decoding of a slightly moved
latent of a face that was not seen in training: a draw from the aggregate posterior.

Two disguises of what up-sampling leaves: 'spectrum' matches the azimuthal power of fake
and true pictures (Durall et al., 2020), 'spectral_discriminator' has their log spectra
told apart by a second discriminator.
"""

import functools

import flax.traverse_util
import jax
import jax.numpy as jnp

from jaxforensics.kernels.fusion import keep
from jaxforensics.models import weights as files
from jaxforensics.ops.color import to_gray
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
        return _born(
            key, nets | critics, txs, batch, {"encoder": encoder, "decoder": decoder}
        )

    def step(key, state, batch):
        held = {name: net.params for name, net in state.nets.items()}

        def painted(params):
            clean, picture, truth, scale = _paint(key, nets, held | params, batch)
            logits = _judge(critics, held, picture, scale)
            losses = _losses(regulariser, clean, picture, truth, logits)
            shown = jax.lax.stop_gradient((picture, truth, scale))
            return sum(losses.values()), ({}, losses | {"shown": shown})

        moved, metrics = descend(txs, state.nets, painted, *learning)
        picture, truth, scale = metrics.pop("shown")

        def tell(params):
            fake, real = (_judge(critics, params, x, scale) for x in (picture, truth))
            value = sum(_real(r) + _real(-f) for r, f in zip(real, fake, strict=True))
            return value, ({}, {"critics": value})

        moved, told = descend(txs, moved, tell, *critics)
        metrics = {"loss": sum(metrics.values())} | metrics | told
        return state.replace(step=state.step + 1, nets=moved), metrics

    calibrate = functools.partial(_calibrate, nets)
    stages = (
        Stage("train", steps, "train", step),
        Stage("calibrate", calibration_steps, "train", calibrate),
    )
    predict = functools.partial(_predict, upsampling)
    return Method(init, stages, predict, settings)


def _nets(upsampling, regulariser):
    if regulariser not in REGULARISERS:
        raise ValueError(f"regulariser {regulariser!r} is none of {REGULARISERS}")
    nets = {"encoder": Encoder(), "decoder": Decoder(upsampling)}
    critics = {"critic": PatchDiscriminator()}
    if regulariser == "spectral_discriminator":
        critics["spectral_critic"] = SpectralDiscriminator()
    return nets, critics


def _born(key, modules, txs, batch, files):
    """The state before the first step; nets named in `files` come from there.

    XLA's own generator draws the weights: it compiles in a quarter of the time.
    """
    data = jnp.tile(jax.random.key_data(key), 2)
    key, *keys = jax.random.split(
        jax.random.wrap_key_data(data, impl="rbg"), len(modules) + 1
    )
    image, judged = (_floats(batch[f"image_{size}"]) for size in reversed(SIZES))
    latent = jax.eval_shape(modules["encoder"].init_with_output, key, image)[0]
    latent = jnp.zeros(latent.shape)
    inputs = {"encoder": (image,), "decoder": (key, latent)}
    nets = {}
    for key, (name, module) in zip(keys, modules.items(), strict=True):
        given = inputs.get(name, (judged, jnp.ones(len(judged))))
        nets[name] = new_net(key, module, txs[name], *given)
        if files.get(name):
            nets[name] = nets[name].replace(params=_read(files[name], name, nets[name]))
    return new_state(**nets)


def _paint(key, nets, params, batch):
    """(clean, picture, truth, scale) of both sizes, one after the other."""
    keys = jax.random.split(key, 3)
    small, large = _floats(batch["image_64"]), _floats(batch["image_128"])
    latent = encode(keys[0], params["encoder"], large)
    corner = jax.random.randint(keys[1], (2,), 0, WINDOW + 1)
    painted = nets["decoder"].apply(
        {"params": params["decoder"]}, keys[2], latent, corner=corner
    )
    clean, picture = map(jnp.concatenate, zip(*painted.values(), strict=True))
    truth = keep(jnp.concatenate([small, _cut(large, 2 * corner)]))
    return clean, picture, truth, jnp.repeat(jnp.array([1.0, 2.0]), len(small))


def _judge(critics, params, image, scale):
    return [
        critic.apply({"params": params[name]}, image, scale)
        for name, critic in critics.items()
    ]


def _predict(upsampling, state, batch):
    key = jax.random.fold_in(jax.random.key(0), batch["index"][0])
    params = {name: net.params for name, net in state.nets.items()}
    forged = forge(key, upsampling, params, _floats(batch["image_128"]))
    return {f"image_{size}": _bytes(picture) for size, picture in forged.items()}


def _losses(regulariser, clean, picture, truth, logits):
    losses = {
        "content": CONTENT * content_loss(clean, picture, truth),
        "texture": TEXTURE * texture_loss(picture, truth),
        "adversarial": ADVERSARIAL * sum(_real(x) for x in logits),
    }
    if regulariser == "spectrum":
        losses["spectrum"] = SPECTRAL * spectrum_loss(picture, truth)
    return losses


def _real(logits):
    """How far from real the critic finds them."""
    return jax.nn.softplus(-logits).mean()


def _calibrate(nets, key, state, batch):
    """Move the sensor noise's levels towards those of the true pictures."""
    params = {name: state.nets[name].params for name in nets}
    _, picture, truth, _ = _paint(key, nets, params, batch)
    gap = grain_level(truth) - grain_level(picture)
    gap = gap.reshape(len(SIZES), -1, 3).mean(1)
    decoder = dict(params["decoder"])
    for size, change in zip(SIZES, gap, strict=True):
        head = decoder[f"paint_{size}"]
        level = head["level"] | {"bias": head["level"]["bias"] + 0.2 * change}
        decoder[f"paint_{size}"] = head | {"level": level}
    moved = state.nets | {"decoder": state.nets["decoder"].replace(params=decoder)}
    metrics = {"loss": jnp.abs(gap).mean()}
    return state.replace(step=state.step + 1, nets=moved), metrics


def stored(params):
    """What a forger's weights file holds of the parameters of all nets."""
    return {name: params[name] for name in ("encoder", "decoder")}


def content_loss(clean, picture, truth):
    """What can be painted exactly: the picture without grain, and blurred copies."""
    blurred = [jnp.abs(pool(picture, c) - pool(truth, c)).mean() for c in (2, 4)]
    return jnp.abs(clean - truth).mean() + sum(blurred)


def texture_loss(picture, truth):
    """How far apart textures are in strength: local, at three scales, and by mosaic.

    The mosaic's part compares the mean power of the four positions in a 2 x 2 square,
    which demosaicing treats differently.
    """
    loss = 0.0
    for scale, cell in ((1, 8), (2, 4), (4, 2)):
        pair = (pool(x, scale) if scale > 1 else x for x in (picture, truth))
        fake, real = (texture(x, cell=cell) for x in pair)
        loss += jnp.abs(fake - real).mean() + jnp.abs((fake - real).mean((1, 2))).mean()
    fake, real = (_mosaic_level(x) for x in (picture, truth))
    return loss + 2 * jnp.abs(fake - real).mean()


def spectrum_loss(picture, truth):
    """Distance of the mean log profiles of fakes and truths, at each size."""
    gap = azimuthal_power(picture, log=True) - azimuthal_power(truth, log=True)
    return 0.5 * jnp.abs(gap.reshape(len(SIZES), -1, gap.shape[-1]).mean(1)).mean()


def grain_level(picture):
    """Log deviation of R, G and B's cross differences, (b, h, w, 3) -> (b, 3).

    Between that of the whole picture, which hair decides, and the mean over small
    cells, which smooth parts decide and with them the size of a PNG file.
    """
    cells = texture(picture, cell=4)[..., 8:11]
    power = jnp.exp(2 * cells).mean((1, 2))
    return (0.5 * jnp.log(power) + cells.mean((1, 2))) / 2


def _mosaic_level(picture):
    b, h, w, _ = picture.shape
    planes = jnp.concatenate([picture, to_gray(picture)[..., None]], axis=-1)
    power = jnp.square(high_pass(planes)).reshape(b, h // 2, 2, w // 2, 2, 12)
    return 0.5 * jnp.log(power.mean((1, 3)) + 1e-5)


def _floats(pictures):
    return jnp.asarray(pictures, jnp.float32) / 255


def _bytes(pictures):
    return jnp.round(255 * pictures).astype(jnp.uint8)


def _cut(image, corner):
    side = 2 * WINDOW
    start = (0, *corner, 0)
    return jax.lax.dynamic_slice(image, start, (len(image), side, side, 3))


def _read(path, name, net):
    """The parameters of `net` from the part `name` of a forger's weights file."""
    wanted = flax.traverse_util.flatten_dict({name: net.params}, sep="/")
    stored = files.read(path)
    table = {k: (k, None) if k in wanted else None for k in stored}
    return files.load(path, {name: net.params}, table=table)[name]
