"""The second training of a whole-face forger: pictures of 128 pixels that are sharp.

An `enlarger.Enlarger` learns to paint the larger picture out of the features from which
a finished decoder paints the smaller one, and out of a finer latent.  Forgers and their
pictures of 64 pixels stay as they are.
"""

import functools

import jax
import jax.numpy as jnp

from jaxforensics.synthfaces.forgers import decoder as coarse
from jaxforensics.synthfaces.forgers import painting
from jaxforensics.synthfaces.forgers.decoder import SIZES, WINDOW
from jaxforensics.synthfaces.forgers.enlarger import Details, Enlarger, forge
from jaxforensics.synthfaces.forgers.painting import Head, Painted
from jaxforensics.training.nets import Method

HEADS = (Head("enlarger", "paint"),)
# Edges are to be sharp, even where it is not certain where they run.
WEIGHTS = painting.Weights(adversarial=0.3, sharpness=1.0)


def make(
    *,
    upsampling,
    regulariser=None,
    encoder,
    decoder,
    enlarger=None,
    pictures=4,
    optimiser=None,
    critic_optimiser=None,
    steps,
    calibration_steps,
):
    """Train what paints the larger pictures of a forger, which up-samples alike.

    `encoder` and `decoder` name the weights files in which these nets of the finished
    forger are; they stay as they are.  `enlarger` names one whose nets, those that
    learn here, training starts from.  A step takes the first `pictures` of a batch.
    After `steps` steps come `calibration_steps` that only settle the level of the
    sensor noise.
    """
    settings = dict(locals())
    forger = {"encoder": coarse.Encoder(), "decoder": coarse.Decoder(upsampling)}
    nets = {"details": Details(), "enlarger": Enlarger(upsampling)}
    critics = painting.critics_of(regulariser)
    txs = painting.optimisers(
        nets,
        critics,
        optimiser=optimiser,
        critic_optimiser=critic_optimiser,
        held=forger,
    )

    def init(key, batch):
        paths = {"encoder": encoder, "decoder": decoder}
        paths |= dict.fromkeys(nets, enlarger)
        modules = forger | nets | critics
        inputs = _inputs(key, upsampling, modules, batch)
        return painting.first_state(key, modules, inputs, txs, paths)

    paint = functools.partial(_paint, upsampling, pictures)
    step = functools.partial(
        painting.step, paint, critics, txs, tuple(nets), regulariser, WEIGHTS
    )
    stages = painting.stages(
        step, paint, HEADS, steps=steps, calibration_steps=calibration_steps
    )
    predict = functools.partial(_predict, upsampling)
    return Method(init, stages, predict, settings)


def stored(params):
    """What the weights file of an enlarger holds of the parameters of all nets."""
    return {name: params[name] for name in ("details", "enlarger")}


def _inputs(key, upsampling, modules, batch):
    """What each of the modules is called with."""
    image = painting.floats(batch["image_128"])
    number = len(image)

    def zeros(*shape):
        return jnp.zeros((number, *shape))

    latent = jax.eval_shape(modules["encoder"].init_with_output, key, image)[0]
    finer = jax.eval_shape(modules["details"].init_with_output, key, image)[0]
    decoded, _ = jax.eval_shape(modules["decoder"].init_with_output, key, key, latent)
    own = {
        "encoder": (image,),
        "decoder": (key, zeros(*latent.shape[1:])),
        "details": (image,),
        "enlarger": (
            key,
            zeros(*decoded.features.shape[1:]),
            zeros(*finer.shape[1:]),
        ),
    }
    judged = zeros(SIZES[0], SIZES[0], 3), jnp.ones(number)
    return dict.fromkeys(modules, judged) | own


def _paint(upsampling, pictures, key, params, batch):
    """`Painted` for a batch: a window of some of its pictures, to save time."""
    corner_key, forge_key = jax.random.split(key)
    large = painting.floats(batch["image_128"][:pictures])
    corner = jax.random.randint(corner_key, (2,), 0, WINDOW + 1)
    clean, picture = forge(forge_key, upsampling, params, large, corner=corner)
    truth = painting.cut(large, 2 * corner)
    return Painted(clean, picture, truth, jnp.full(len(large), 2.0), 1)


def _predict(upsampling, state, batch):
    """Forgeries of 128 pixels after the pictures of a batch, as uint8."""
    key = jax.random.fold_in(jax.random.key(0), batch["index"][0])
    params = {name: net.params for name, net in state.nets.items()}
    _, picture = forge(key, upsampling, params, painting.floats(batch["image_128"]))
    return {"image_128": painting.to_bytes(picture)}
