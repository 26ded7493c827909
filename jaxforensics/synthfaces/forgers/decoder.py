"""Generators of whole faces: an encoder, and decoders that up-sample in four ways.

The ways are those of the literature: transposed convolution (DCGAN), nearest
neighbour then convolution (ProGAN), bilinear interpolation then convolution (StyleGAN)
and pixel shuffle (ESPCN).  Each leaves its own trace, which is what the pictures are
made for.  Every level adds noise of learned strength, as StyleGAN does, and one net
paints at 64 and at 128 pixels, as multi-scale-gradient GANs do.

A photograph carries the noise of its sensor, spread by demosaicing.  `Paint` ends in a
head that imitates it, so that its absence does not betray a forgery.
"""

from typing import NamedTuple

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels.fusion import keep
from jaxforensics.kernels.phases import pixel_shuffle
from jaxforensics.models.layers import Upsample
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.resample import resize
from jaxforensics.ops.residuals import high_pass

SIZES = (64, 128)
CELL = 8  # pixels that a cell of the latent covers, at the larger size
COLOUR_SCALE = 10.0  # brings colours of a latent to the order of its details
# Features beyond the border that a pixel at twice their size depends on: one by the
# up-sampling, one by the convolutions behind it.
MARGIN = 2
JITTER = 0.1  # standard deviation by which latents are moved
WINDOW = 32  # side of the features from which a training step paints at 128 pixels


class Noise(NamedTuple):
    """White noise for the pictures of several sides, lists in their order."""

    blocks: list  # (b, side, side, 1), for `Block`
    sensors: list  # (b, side / 2 + 2, side / 2 + 2, 12), for `Paint`


class Decoded(NamedTuple):
    """What a decoder makes of a batch of latents."""

    features: jax.Array  # (b, 64, 64, c), of which the smaller picture is painted
    painted: dict  # {size: (clean, picture)}, each (b, size, size, 3)


def forge(key, upsampling, params, image, *, sizes=SIZES):
    """What is `Decoded` of the latents of pictures (b, 128, 128, 3), moved a little.

    `params` holds the parameters of 'encoder' and 'decoder'.
    """
    move_key, noise_key = jax.random.split(key)
    latent = encode(move_key, params["encoder"], image)
    variables = {"params": params["decoder"]}
    return Decoder(upsampling).apply(variables, noise_key, latent, sizes=sizes)


def shapes(upsampling):
    """The parameters {'encoder', 'decoder'} of a forger as `jax.ShapeDtypeStruct`s."""

    def init():
        key, image = jax.random.key(0), jnp.zeros((1, SIZES[1], SIZES[1], 3))
        encoder = Encoder().init(key, image)
        latent = Encoder().apply(encoder, image)
        decoder = Decoder(upsampling).init(key, key, latent)
        return {"encoder": encoder["params"], "decoder": decoder["params"]}

    return jax.eval_shape(init)


def encode(key, params, image):
    """The latents (b, 16, 16, c) of pictures (b, 128, 128, 3), moved a little."""
    latent = Encoder().apply({"params": params}, image)
    return latent + JITTER * jax.random.normal(key, latent.shape)


def texture(image, *, cell):
    """Local contrast, (b, h, w, 3) -> (b, h / cell, w / cell, 12).

    Logarithms of the standard deviations, over cells, of the second differences along
    rows, columns and both, of R, G, B and luma.
    """
    planes = jnp.concatenate([image, to_gray(image)[..., None]], axis=-1)
    power = keep(jnp.square(high_pass(keep(planes))))
    # The constant is the power of noise of 0.8 gray levels: less is not told apart.
    return 0.5 * jnp.log(pool(power, cell) + 1e-5)


def pool(x, cell):
    """Means over cells, (b, h, w, c) -> (b, h / cell, w / cell, c)."""
    # Rows first: XLA:CPU adds up whole rows of memory faster than squares.
    x = einops.rearrange(x, "b (h p) (w q) c -> b h p w (q c)", p=cell, q=cell).sum(2)
    x = einops.rearrange(x, "b h w (q c) -> b h w q c", q=cell).sum(3)
    return x / cell**2


class Encoder(nn.Module):
    """A picture of 128 pixels as a 16 x 16 latent: mean colours, details, texture."""

    details: int = 36
    widths: tuple[int, ...] = (20, 32, 48)

    @nn.compact
    def __call__(self, image):
        """(b, 128, 128, 3) in [0, 1] -> (b, 16, 16, details + 3), colours last."""
        x = 2 * image - 1
        for i, width in enumerate(self.widths):
            x = nn.Conv(width, (3, 3), strides=2, name=f"conv_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
        # Textures of photographs lie around -3.5: now around zero, as features do.
        x = jnp.concatenate([x, texture(image, cell=CELL) + 3.5], axis=-1)
        x = nn.leaky_relu(nn.Conv(self.widths[-1], (3, 3), name="mix")(x), 0.2)
        details = nn.Conv(self.details, (1, 1), name="details")(x)
        colours = COLOUR_SCALE * (pool(image, CELL) - 0.5)
        return jnp.concatenate([details, colours], axis=-1)


class Decoder(nn.Module):
    """A latent as pictures of 64 and 128 pixels, by one kind of `upsample`."""

    upsampling: str
    widths: tuple[int, ...] = (64, 40, 24, 12)

    @nn.compact
    def __call__(self, key, latent, *, sizes=SIZES, corner=None):
        """(b, 16, 16, c) -> `Decoded`.

        With `corner` (row, column) in 0…32, traced, the larger picture is only painted
        in the window of 64 pixels whose corner lies at twice that position.
        """
        start, *widths, last = self.widths
        largest = 2 * (SIZES[0] if corner is None else WINDOW) + 4 * MARGIN
        noise = draw_noise(key, len(latent), sides=[SIZES[0] // 2, SIZES[0], largest])

        # From 16 to 64 pixels.  The larger picture grows out of the smaller one, of
        # which its colours are an enlargement.
        x = nn.leaky_relu(nn.Conv(start, (3, 3), name="start")(latent), 0.2)
        x = x + nn.leaky_relu(nn.Conv(start, (3, 3), name="conv")(x), 0.2)
        for i, width in enumerate(widths):
            x = Block(self.upsampling, width, name=f"block_{i}")(x, noise.blocks[i])
        colours = latent[..., -3:] / COLOUR_SCALE + 0.5
        base = resize(colours, x.shape[1:3], method="bilinear")
        clean, picture = Paint(name="paint_64")(x, base, noise.sensors[1])
        features = x
        painted = {SIZES[0]: (clean, picture)}

        if SIZES[1] in sizes:
            x = window(x, corner)
            base = window(clean, corner)
            x = Block(self.upsampling, last, name="block_2")(x, noise.blocks[2])
            base = resize(base, x.shape[1:3], method="bilinear")
            clean, picture = Paint(name="paint_128")(x, base, noise.sensors[2])
            painted[SIZES[1]] = without_margin(clean), without_margin(picture)
        return Decoded(features, {size: painted[size] for size in sizes})


class Block(nn.Module):
    """Twice the size: up-sampling with a convolution, then a residual one."""

    upsampling: str
    width: int

    @nn.compact
    def __call__(self, x, white):
        """(b, h, w, c), (b, 2h, 2w, 1) -> (b, 2h, 2w, width)."""
        x = Upsample(self.width, self.upsampling, name="up")(x)
        x = keep(nn.leaky_relu(AddNoise(name="noise")(x, white), 0.2))
        return x + nn.leaky_relu(nn.Conv(self.width, (3, 3), name="conv")(x), 0.2)


class AddNoise(nn.Module):
    """One map of white noise for all channels, with a learned strength in each."""

    @nn.compact
    def __call__(self, x, white):
        """(b, h, w, c), (b, h, w, 1) -> (b, h, w, c)."""
        strength = self.param("strength", nn.initializers.constant(0.1), x.shape[-1:])
        return x + white * strength[None, None, None]


class Paint(nn.Module):
    """RGB, and sensor noise: filtered by position in a 2 x 2 mosaic, scaled locally."""

    @nn.compact
    def __call__(self, x, base, white):
        """(b, h, w, c), (b, h, w, 3) -> clean (b, h, w, 3), and it with noise, k / 255.

        What is learned is added to `base`, the picture as far as it is known; `white`
        (b, h/2 + 2, w/2 + 2, 12) is what the sensor's noise is made of.
        """
        clean = base + nn.Conv(3, (3, 3), name="rgb")(x)
        zeros = nn.initializers.zeros_init()
        level = nn.Conv(3, (1, 1), kernel_init=zeros, name="level")(x)
        # A filter for each of the four places of the mosaic, laid out as pixels.
        grain = nn.Conv(12, (3, 3), padding="VALID", name="grain")(white)
        grain = pixel_shuffle(grain, 2)
        clean, grain = keep((clean, grain))
        # Levels start at exp(-4), 5 gray levels, and stay between a quarter of one and
        # 57: no training step can drown the picture.
        picture = clean + jnp.exp(jnp.clip(level - 4.0, -7.0, -1.5)) * grain
        return clean, keep(eight_bit(picture))


def eight_bit(picture):
    """Clipped and rounded to k / 255; the gradient is that of the clipping."""
    clipped = jnp.clip(picture, 0.0, 1.0)
    rounded = jnp.round(clipped * 255) / 255
    return clipped + jax.lax.stop_gradient(rounded - clipped)


def draw_noise(key, batch, *, sides):
    """`Noise` for a batch of pictures of several sides.

    Drawn at once: XLA:CPU takes seconds to compile each draw, and would repeat it where
    it is used.
    """
    shapes = [(batch, side, side, 1) for side in sides]
    shapes += [(batch, side // 2 + 2, side // 2 + 2, 12) for side in sides]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    flat = keep(jax.random.normal(key, (ends[-1],)))
    parts = jnp.split(flat, ends[:-1])
    drawn = [x.reshape(shape) for x, shape in zip(parts, shapes, strict=True)]
    return Noise(blocks=drawn[: len(sides)], sensors=drawn[len(sides) :])


def window(x, corner):
    """The features of a window with their margin; of the whole without a corner.

    (b, h, w, c), padded by repetition of what lies at the border.
    """
    border = (MARGIN, MARGIN)
    x = jnp.pad(x, ((0, 0), border, border, (0, 0)), mode="edge")
    if corner is None:
        return x
    shape = (x.shape[0], WINDOW + 2 * MARGIN, WINDOW + 2 * MARGIN, x.shape[-1])
    return jax.lax.dynamic_slice(x, (0, *corner, 0), shape)


def without_margin(picture):
    """What was painted of a `window`, without what lies beyond it."""
    inner = slice(2 * MARGIN, -2 * MARGIN)
    return picture[:, inner, inner]
