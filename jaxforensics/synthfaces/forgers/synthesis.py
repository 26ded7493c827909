"""Whole-face forgers: an autoencoder whose decoder fakes pictures of fresh latents.

A `decoder.Decoder` learns to paint the picture that an encoder saw, see `painting`.
A forgery is the decoding of a slightly moved latent of a face that was not seen in
training: a draw from the aggregate posterior.
"""

import functools

import jax
import jax.numpy as jnp

from jaxforensics.kernels.fusion import keep
from jaxforensics.synthfaces.forgers import painting
from jaxforensics.synthfaces.forgers.decoder import (
    SIZES,
    WINDOW,
    Decoder,
    Encoder,
    encode,
    forge,
)
from jaxforensics.synthfaces.forgers.painting import Head, Painted
from jaxforensics.training.nets import Method

HEADS = tuple(Head("decoder", f"paint_{size}") for size in SIZES)


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
    nets = {"encoder": Encoder(), "decoder": Decoder(upsampling)}
    critics = painting.critics_of(regulariser)
    held = ("encoder",) if encoder else ()
    txs = painting.optimisers(
        nets,
        critics,
        optimiser=optimiser,
        critic_optimiser=critic_optimiser,
        held=held,
    )
    learning = [name for name in nets if txs[name]]

    def init(key, batch):
        paths = {"encoder": encoder, "decoder": decoder}
        modules = nets | critics
        inputs = _inputs(key, modules, batch)
        return painting.first_state(key, modules, inputs, txs, paths)

    paint = functools.partial(_paint, nets)
    step = functools.partial(
        painting.step, paint, critics, txs, learning, regulariser, painting.Weights()
    )
    stages = painting.stages(
        step, paint, HEADS, steps=steps, calibration_steps=calibration_steps
    )
    predict = functools.partial(_predict, upsampling)
    return Method(init, stages, predict, settings)


def stored(params):
    """What a forger's weights file holds of the parameters of all nets."""
    return {name: params[name] for name in ("encoder", "decoder")}


def _inputs(key, modules, batch):
    """What each of the modules is called with."""
    image = painting.floats(batch["image_128"])
    judged = painting.floats(batch["image_64"])
    latent = jax.eval_shape(modules["encoder"].init_with_output, key, image)[0]
    own = {"encoder": (image,), "decoder": (key, jnp.zeros(latent.shape))}
    return dict.fromkeys(modules, (judged, jnp.ones(len(judged)))) | own


def _paint(nets, key, params, batch):
    """`Painted` for a batch; of the larger pictures a window, to save time."""
    keys = jax.random.split(key, 3)
    small = painting.floats(batch["image_64"])
    large = painting.floats(batch["image_128"])
    latent = encode(keys[0], params["encoder"], large)
    corner = jax.random.randint(keys[1], (2,), 0, WINDOW + 1)
    decoded = nets["decoder"].apply(
        {"params": params["decoder"]}, keys[2], latent, corner=corner
    )
    parts = zip(*decoded.painted.values(), strict=True)
    clean, picture = map(jnp.concatenate, parts)
    truth = keep(jnp.concatenate([small, painting.cut(large, 2 * corner)]))
    scale = jnp.repeat(jnp.array([1.0, 2.0]), len(small))
    return Painted(clean, picture, truth, scale, len(SIZES))


def _predict(upsampling, state, batch):
    """Forgeries of both sizes after the pictures of a batch, as uint8."""
    key = jax.random.fold_in(jax.random.key(0), batch["index"][0])
    params = {name: net.params for name, net in state.nets.items()}
    decoded = forge(key, upsampling, params, painting.floats(batch["image_128"]))
    return {
        f"image_{size}": painting.to_bytes(picture)
        for size, (_, picture) in decoded.painted.items()
    }
