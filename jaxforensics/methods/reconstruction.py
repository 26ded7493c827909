"""GANprintR: an autoencoder learns to redraw real pictures, and so redraws fakes.

Neves et al., "GANprintR: improved fakes and evaluation of the state of the art in face
manipulation detection", JSTSP 2020.  Their code enlarges pictures to 224 x 224.
"""

import jax.numpy as jnp

from jaxforensics.models import build
from jaxforensics.ops.resample import resize
from jaxforensics.settings import call
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


def make(*, model=None, size=None, optimiser=None, steps):
    """Least squares between pictures and what the autoencoder makes of them.

    `model` holds its settings.  Pictures are resized to `size` squared before, and back
    after; None leaves them as they are.  'image' is in [0, 1].
    """
    settings = dict(locals())
    net = build("ganprintr", **dict(model or {}))
    tx = call(
        build_optimiser, {"steps": steps} | dict(optimiser or {}), where="optimiser"
    )

    def init(key, batch):
        image = _resized(batch["image"], size)
        return new_state(autoencoder=new_net(key, net, tx, image))

    def step(key, state, batch):
        del key
        image = _resized(batch["image"], size)
        stats = state.nets["autoencoder"].stats

        def objective(params):
            # Not clipped: a value beyond the range would have no gradient.
            redrawn, moved = forward(
                net, params["autoencoder"], stats, image, train=True
            )
            errors = jnp.square(redrawn - image).mean((1, 2, 3))
            loss = masked_mean(errors, batch["valid"])
            return loss, ({"autoencoder": moved}, {"loss": loss})

        nets, metrics = descend(
            {"autoencoder": tx}, state.nets, objective, "autoencoder"
        )
        return state.replace(step=state.step + 1, nets=nets), metrics

    def predict(state, batch):
        trained = state.nets["autoencoder"]
        image = batch["image"]
        # At the size that it was trained at, and back to that of the picture.
        resized = _resized(image, size)
        redrawn, _ = forward(net, trained.params, trained.stats, resized)
        if size is not None:
            redrawn = resize(redrawn, image.shape[1:3], method="bilinear")
        return {"image": jnp.clip(redrawn, 0, 1)}

    return Method(init, (Stage("train", steps, "reals", step),), predict, settings)


def _resized(image, size):
    """The pictures, size x size pixels unless that is None."""
    if size is None:
        return image
    return resize(image, (size, size), method="bilinear")
