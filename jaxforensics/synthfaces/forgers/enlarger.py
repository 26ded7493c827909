"""The finer half of a whole-face forger: how its pictures of 128 pixels are painted.

A latent of 16 x 16 cells says where a face is, and not where each of its edges runs:
what is decoded from it at 128 pixels is soft.  As in VQ-VAE-2 (Razavi et al., 2019) a
second, finer latent adds what the first one lacks.  It is upsampled twice, by the
forger's own kind of upsampling, so that the forger leaves the traces of its kind.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.ops.resample import resize
from jaxforensics.synthfaces.forgers import decoder
from jaxforensics.synthfaces.forgers.decoder import (
    COLOUR_SCALE,
    JITTER,
    MARGIN,
    SIZES,
    WINDOW,
    Block,
    Paint,
    draw_noise,
    pool,
    window,
    without_margin,
)

CELL = 4  # pixels that a cell of the finer latent covers
NOISE = 1  # folded into a forgery's key: the decoder draws from the key itself


def forge(key, upsampling, params, image, *, corner=None):
    """(clean, picture) of 128 pixels after pictures (b, 128, 128, 3).

    `params` holds the parameters of 'encoder', 'decoder', 'details' and 'enlarger'.
    The features that are enlarged are those of the picture of 64 pixels that `decoder`
    forges with this key; with `corner` a window is painted, as there.
    """
    coarse = decoder.forge(key, upsampling, params, image, sizes=SIZES[:1])
    move_key, noise_key = jax.random.split(jax.random.fold_in(key, NOISE))
    latent = Details().apply({"params": params["details"]}, image)
    latent = latent + JITTER * jax.random.normal(move_key, latent.shape)
    # What enlarges is trained when the decoder is done.
    features = jax.lax.stop_gradient(coarse.features)
    variables = {"params": params["enlarger"]}
    return Enlarger(upsampling).apply(
        variables, noise_key, features, latent, corner=corner
    )


def shapes(upsampling):
    """The parameters {'details', 'enlarger'} as `jax.ShapeDtypeStruct`s."""

    def init():
        key, image = jax.random.key(0), jnp.zeros((1, SIZES[1], SIZES[1], 3))
        details = Details().init(key, image)
        latent = Details().apply(details, image)
        features = jnp.zeros((1, SIZES[0], SIZES[0], decoder.Decoder.widths[-2]))
        enlarger = Enlarger(upsampling).init(key, key, features, latent)
        return {"details": details["params"], "enlarger": enlarger["params"]}

    return jax.eval_shape(init)


class Details(nn.Module):
    """A picture of 128 pixels as a 32 x 32 latent: learned details, mean colours."""

    details: int = 12
    widths: tuple[int, ...] = (16, 32)

    @nn.compact
    def __call__(self, image):
        """(b, 128, 128, 3) in [0, 1] -> (b, 32, 32, details + 3), colours last."""
        x = 2 * image - 1
        for i, width in enumerate(self.widths):
            x = nn.Conv(width, (4, 4), strides=2, name=f"conv_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
        x = nn.leaky_relu(nn.Conv(self.widths[-1], (3, 3), name="mix")(x), 0.2)
        details = nn.Conv(self.details, (1, 1), name="details")(x)
        colours = COLOUR_SCALE * (pool(image, CELL) - 0.5)
        return jnp.concatenate([details, colours], axis=-1)


class Enlarger(nn.Module):
    """Features of 64 pixels and a finer latent as a picture of 128."""

    upsampling: str
    width: int = 24

    @nn.compact
    def __call__(self, key, features, latent, *, corner=None):
        """(b, 64, 64, c), (b, 32, 32, d) -> clean (b, 128, 128, 3), and with noise.

        With `corner` only the window of 64 pixels there, see `decoder.Decoder`.
        """
        side = SIZES[1] if corner is None else 2 * WINDOW
        noise = draw_noise(key, len(latent), sides=[SIZES[0], side + 4 * MARGIN])
        finer = Block(self.upsampling, self.width, name="rise")(latent, noise.blocks[0])
        x = window(jnp.concatenate([features, finer], axis=-1), corner)
        x = Block(self.upsampling, self.width, name="block")(x, noise.blocks[1])
        colours = latent[..., -3:] / COLOUR_SCALE + 0.5
        base = resize(colours, features.shape[1:3], method="bilinear")
        base = resize(window(base, corner), x.shape[1:3], method="bilinear")
        clean, picture = Paint(name="paint")(x, base, noise.sensors[1])
        return without_margin(clean), without_margin(picture)
