"""The network of the picture-to-picture forgers: a conditional U-Net for two sizes.

Pictures of 64² enter a core that works at 64², 32², 16² and 8²; those of 128² pass
through one more level on their way in and out.  The core's weights serve both, and
examples of both sizes go through it in one batch.  The net paints, says where its paint
replaces the input, and adds detail.

Skips carry the features of the encoder to the decoder through gates that look at what
the decoder has drawn so far, as in STGAN's selective transfer units (Liu et al., CVPR
2019).  Without `full_skip` nothing has the size of the picture, not even the input
where it is kept (see `Relay`): all pixels come out of an upsampling layer, as in
StarGAN (Choi et al., CVPR 2018) and AttGAN (He et al., TIP 2019).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.models.layers import Upsample
from jaxforensics.ops.color import rgb_to_ycbcr

SIZES = (64, 128)
CORE = SIZES[0]
WIDTHS = {128: 12, 64: 24, 32: 32, 16: 40, 8: 48}  # channels by size
CENTRE = np.float32([0, 128 / 255, 128 / 255])  # of Y, Cb, Cr
CHROMA = np.float32([[0, -0.344136, 1.772], [1.402, -0.714136, 0]])  # to R, G, B
_INIT = nn.initializers.he_normal()


class Translator(nn.Module):
    """Redraws pictures under a condition; pictures of both sizes in one call.

    `up` is a kind of `models.layers.Upsample`.  With `full_skip` the encoder's features
    of the full size take part too.
    """

    up: str = "deconv"
    full_skip: bool = False
    blocks: int = 2

    @nn.compact
    def __call__(self, pictures, conditions, grains):
        """{size: (b, size, size, c)}, {size: (b, k)}, noise -> {size: picture, paint}.

        The last three channels of a picture are the one to redraw, others may guide.
        `grains` {size: (b, size, size, 3)} is standard normal; k may be zero.  Paint is
        what would be shown if nothing of the input were kept.
        """
        inside = {size: self._enter(size, x) for size, x in pictures.items()}
        skip = jnp.concatenate(
            [
                x if size > CORE or self.full_skip else jnp.zeros_like(x)
                for size, (x, _) in inside.items()
            ]
        )
        x = jnp.concatenate([x for x, _ in inside.values()])
        condition = jnp.concatenate([conditions[size] for size in inside])
        grain = jnp.concatenate(
            [grains[size][:, :: size // CORE, :: size // CORE] for size in inside]
        )
        x = self._core(x, skip, condition, grain)
        found, first = {}, 0
        for size, (entry, shell) in inside.items():
            part = slice(first, first + len(entry))
            context = condition[part], grains[size]
            found[size] = self._leave(size, x[part], shell, *context, pictures[size])
            first += len(entry)
        return found

    def _enter(self, size, picture):
        """Features at the core's size, and those of the shell (None without one)."""
        x = _conv(WIDTHS[size], f"from_rgb_{size}")(2 * picture - 1)
        if size == CORE:
            return x, None
        return _down(WIDTHS[CORE], f"down_{CORE}")(x), x

    def _core(self, x, skip, condition, grain):
        sizes = [size for size in WIDTHS if size < CORE]
        skips = {CORE: skip}
        for size in sizes:
            x = skips[size] = _down(WIDTHS[size], f"down_{size}")(x)
        shape = (sizes[-1], sizes[-1], WIDTHS[sizes[-1]])
        place = self.param("place", nn.initializers.normal(0.1), shape)
        x = _heed(x + place[None], condition)
        for i in range(self.blocks):
            x = Block(name=f"block_{i}")(x)
        for size in [*sizes[-2::-1], CORE]:
            x = self._rise(size, x, skips[size], condition, grain)
            if size < CORE:
                x = _conv(WIDTHS[size], f"conv_{size}")(x)
        return x

    def _leave(self, size, x, shell, condition, grain, picture):
        if size > CORE:
            skip = shell if self.full_skip else None
            x = self._rise(size, x, skip, condition, grain)
        x = nn.Conv(7, (3, 3), name=f"to_rgb_{size}")(x)
        kept, paint, detail = nn.sigmoid(2 + x[..., :1]), x[..., 1:4], x[..., 4:]
        base = picture[..., -3:]
        if not self.full_skip:
            base = Relay(self.up, name=f"relay_{size}")(base)
        paint = 0.5 + 0.5 * paint
        return kept * base + (1 - kept) * paint + 0.1 * detail, paint

    def _rise(self, size, x, skip, condition, grain):
        rise = Rise(WIDTHS[size], self.up, name=f"rise_{size}")
        step = grain.shape[1] // size
        return rise(x, skip, condition, grain[:, ::step, ::step])


class Relay(nn.Module):
    """A picture handed on at half its size, and brought back by learned upsampling.

    What is handed on is the luma of each pixel and the mean chroma of 2 x 2, six
    numbers for twelve.  It starts as exact as that allows.
    """

    kind: str

    @nn.compact
    def __call__(self, picture):
        """(b, h, w, 3) -> (b, h, w, 3)."""
        planes = rgb_to_ycbcr(picture) - CENTRE[None, None, None]
        luma = [planes[:, p::2, q::2, :1] for p in (0, 1) for q in (0, 1)]
        chroma = sum(planes[:, p::2, q::2, 1:] for p in (0, 1) for q in (0, 1)) / 4
        code = jnp.concatenate([*luma, chroma], axis=-1)
        kind = "deconv" if self.kind == "deconv" else "shuffle"
        return Upsample(3, kind, initial=_unpacking, name="up")(code)


def _unpacking(key, shape, dtype=jnp.float32):
    """The kernel, of a transposed convolution or a shuffle, that undoes the packing."""
    kernel = np.zeros(shape, np.float32)
    for place in range(4):
        row, column = divmod(place, 2)
        if shape[0] == 4:
            taps = kernel[2 - row, 2 - column]
        else:
            taps = kernel[1, 1, :, 3 * place : 3 * place + 3]
        taps[place], taps[4:] = 1, CHROMA
    return kernel + 0.02 * jax.random.normal(key, shape, dtype)


class Rise(nn.Module):
    """One level up: upsampling, condition, noise, and a gated skip."""

    features: int
    kind: str

    @nn.compact
    def __call__(self, x, skip, condition, grain):
        """(b, h, w, c) -> (b, 2 h, 2 w, features)."""
        y = Upsample(self.features, self.kind, name="up")(x)
        y = _heed(y, condition)
        strength = nn.initializers.normal(0.1)
        y = y + _pointwise(self.features, "grain", strength, bias=False)(grain)
        if skip is not None:
            gate = _pointwise(self.features, "gate", nn.initializers.lecun_normal())
            y = y + nn.sigmoid(gate(y)) * skip
        return _bend(y)


class Block(nn.Module):
    """Residual block of two convolutions."""

    @nn.compact
    def __call__(self, x):
        """Same shape."""
        y = _conv(x.shape[-1], "conv_0")(x)
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        return x + nn.Conv(x.shape[-1], (3, 3), kernel_init=small, name="conv_1")(y)


def grain(keys, *, size):
    """Noise for a batch, each picture from its own key: (b,) -> (b, size, size, 3)."""
    return jax.vmap(lambda key: jax.random.normal(key, (size, size, 3)))(keys)


def _bend(x):
    return nn.leaky_relu(x, 0.2)


def _conv(features, name):
    conv = nn.Conv(features, (3, 3), kernel_init=_INIT, name=name)
    return lambda x: _bend(conv(x))


def _down(features, name):
    conv = nn.Conv(features, (3, 3), (2, 2), kernel_init=_INIT, name=name)
    return lambda x: _bend(conv(x))


def _pointwise(features, name, init, *, bias=True):
    return nn.Dense(features, use_bias=bias, kernel_init=init, name=name)


def _heed(x, condition):
    """Scales and shifts features as the condition (b, k) says; nothing if k = 0."""
    if not condition.shape[-1]:
        return x
    shift, scale = (
        _pointwise(x.shape[-1], name, nn.initializers.normal(0.2))(condition)
        for name in ("told", "scale")
    )
    return x * (1 + scale[:, None, None]) + shift[:, None, None]
