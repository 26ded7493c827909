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

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.models.layers import Upsample
from jaxforensics.ops.color import rgb_to_ycbcr

SIZES = (64, 128)  # of pictures
CORE = SIZES[0]  # size at which the core begins; what lies around it is the shell
WIDTHS = {128: 12, 64: 24, 32: 32, 16: 40, 8: 48}  # channels by size
ATLAS_SCALE = 4.0  # factor to the maps of an atlas, so that they are learned fast
CENTRE = np.float32([0, 128 / 255, 128 / 255])  # what Y, Cb and Cr of black are
# What Cb and Cr add to R, G and B (JFIF).
CHROMA = np.float32([[0, -0.344136, 1.772], [1.402, -0.714136, 0]])
_INIT = nn.initializers.he_normal()


class Redrawn(NamedTuple):
    """What the net makes of pictures."""

    picture: jax.Array  # (b, h, w, 3)
    paint: jax.Array  # (b, h, w, 3), what it would show if it kept nothing of the input
    kept: jax.Array  # (b, h, w, 1), how much of the input it keeps


class Translator(nn.Module):
    """Redraws pictures under a condition; pictures of both sizes in one call.

    `up` is a kind of `models.layers.Upsample`.  With `full_skip` the encoder's features
    of the full size take part too.  At the sizes `placed`, on the way up, it learns an
    `Atlas` of the condition.  With `normalised` features it learns faster.
    """

    up: str = "deconv"
    full_skip: bool = False
    blocks: int = 2
    placed: tuple[int, ...] = ()
    normalised: bool = False

    @nn.compact
    def __call__(self, pictures, conditions, grains):
        """{size: (b, size, size, c)}, {size: (b, k)}, noise -> {size: Redrawn}.

        The last three channels of a picture are the one to redraw, others may guide.
        `grains` {size: (b, size, size, 3)} is standard normal; k may be zero.
        """
        # Pictures of both sizes are one batch from here on to the end of the core.
        entered = {size: self._enter(size, x) for size, x in pictures.items()}
        skip = jnp.concatenate(
            [self._finest_skip(size, x) for size, (x, _) in entered.items()]
        )
        x = jnp.concatenate([x for x, _ in entered.values()])
        condition = jnp.concatenate([conditions[size] for size in entered])
        grain = jnp.concatenate(
            [grains[size][:, :: size // CORE, :: size // CORE] for size in entered]
        )
        x = self._core(x, skip, condition, grain)

        redrawn = {}
        first = 0
        for size, (entry, shell) in entered.items():
            rows = slice(first, first + len(entry))
            redrawn[size] = self._leave(
                size, x[rows], shell, condition[rows], grains[size], pictures[size]
            )
            first += len(entry)
        return redrawn

    def _enter(self, size, picture):
        """Features at the core's size, and those of the shell (None without one)."""
        x = self._layer(_conv, size, f"from_rgb_{size}")(2 * picture - 1)
        if size == CORE:
            return x, None
        return self._layer(_down, CORE, f"down_{CORE}")(x), x

    def _layer(self, kind, size, name):
        """A convolution, `_conv` or `_down`, with the channels of a size."""
        return kind(WIDTHS[size], name, normalised=self.normalised)

    def _finest_skip(self, size, x):
        """The features at the core's size that the decoder may look at again.

        They are of the picture's own size if that is the core's.
        """
        if size > CORE or self.full_skip:
            return x
        return jnp.zeros_like(x)

    def _core(self, x, skip, condition, grain):
        """The U-Net from 64² down to 8² and back, (b, 64, 64, c) -> the same."""
        sizes = [size for size in WIDTHS if size < CORE]
        skips = {CORE: skip}
        for size in sizes:
            x = skips[size] = self._layer(_down, size, f"down_{size}")(x)
        shape = (sizes[-1], sizes[-1], WIDTHS[sizes[-1]])
        # Faces have a place: what is learned for each cell of 8 x 8 says where one is.
        place = self.param("place", nn.initializers.normal(0.1), shape)
        x = _heed(x + place[None], condition)
        for i in range(self.blocks):
            x = Block(name=f"block_{i}")(x)
        for size in [*sizes[-2::-1], CORE]:
            x = self._rise(size, x, skips[size], condition, grain)
            if size < CORE:
                x = self._layer(_conv, size, f"conv_{size}")(x)
        return x

    def _leave(self, size, x, shell, condition, grain, picture):
        """`Redrawn` from the core's features, in the size of the picture.

        Seven maps: how much of the input is kept, at first 88 %; paint; and detail that
        is added to both.
        """
        if size > CORE:
            skip = shell if self.full_skip else None
            x = self._rise(size, x, skip, condition, grain)
        x = nn.Conv(7, (3, 3), name=f"to_rgb_{size}")(x)
        kept = nn.sigmoid(2 + x[..., :1])
        paint = x[..., 1:4]
        detail = x[..., 4:]
        base = picture[..., -3:]
        if not self.full_skip:
            base = Relay(self.up, name=f"relay_{size}")(base)
        paint = 0.5 + 0.5 * paint
        return Redrawn(kept * base + (1 - kept) * paint + 0.1 * detail, paint, kept)

    def _rise(self, size, x, skip, condition, grain):
        """One level up, to `size`, with every n-th value of the noise."""
        placed = size in self.placed
        rise = Rise(WIDTHS[size], self.up, placed, self.normalised, name=f"rise_{size}")
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
        # The places of a 2 x 2 square in reading order, as `Upsample` lays them out.
        luma = [planes[:, p::2, q::2, :1] for p in (0, 1) for q in (0, 1)]
        chroma = sum(planes[:, p::2, q::2, 1:] for p in (0, 1) for q in (0, 1)) / 4
        code = jnp.concatenate([*luma, chroma], axis=-1)
        # The other kinds smooth, and could not give back single pixels.
        kind = "deconv" if self.kind == "deconv" else "shuffle"
        return Upsample(3, kind, initial=_unpacking, name="up")(code)


def _unpacking(key, shape, dtype=jnp.float32):
    """The kernel that undoes the packing, but for a little disorder to learn from.

    (4, 4, 6, 3) of a transposed convolution, or (3, 3, 6, 12) of a shuffle: each of the
    four pixels of a square is its luma in R, G and B, and the square's chroma.
    """
    kernel = np.zeros(shape, np.float32)
    for place in range(4):
        row, column = divmod(place, 2)
        if shape[0] == 4:
            taps = kernel[2 - row, 2 - column]
        else:
            taps = kernel[1, 1, :, 3 * place : 3 * place + 3]
        taps[place] = 1
        taps[4:] = CHROMA
    return kernel + 0.02 * jax.random.normal(key, shape, dtype)


class Rise(nn.Module):
    """One level up: upsampling, place, condition, noise, and a gated skip."""

    features: int
    kind: str
    placed: bool = False
    normalised: bool = False

    @nn.compact
    def __call__(self, x, skip, condition, grain):
        """(b, h, w, c) -> (b, 2 h, 2 w, features)."""
        y = Upsample(self.features, self.kind, name="up")(x)
        if self.normalised:
            y = _norm("norm")(y)
        y = _heed(y, condition)
        if self.placed:
            y = y + Atlas(self.features, name="atlas")(condition, y.shape[1:3])
        strength = nn.initializers.normal(0.1)
        y = y + _pointwise(self.features, "grain", strength, bias=False)(grain)
        if skip is not None:
            gate = _pointwise(self.features, "gate", nn.initializers.lecun_normal())
            y = y + nn.sigmoid(gate(y)) * skip
        return _activate(y)


class Atlas(nn.Module):
    """A learned map for each number of the condition: where in a picture it matters.

    `_heed` learns that late: it needs a feature that tells the place, and a factor to
    this feature, and each is of no use without the other.
    """

    features: int

    @nn.compact
    def __call__(self, condition, shape):
        """(b, k), (h, w) -> (b, h, w, features)."""
        maps = self.param(
            "maps",
            nn.initializers.constant(1 / ATLAS_SCALE),
            (*shape, condition.shape[-1]),
        )
        placed = ATLAS_SCALE * maps[None] * condition[:, None, None]
        kernel_init = nn.initializers.normal(0.2)
        return _pointwise(self.features, "told", kernel_init, bias=False)(placed)


class Block(nn.Module):
    """Residual block of two convolutions."""

    @nn.compact
    def __call__(self, x):
        """Same shape."""
        y = _conv(x.shape[-1], "conv_0")(x)
        # Begins near the identity.
        small = nn.initializers.variance_scaling(0.1, "fan_in", "normal")
        return x + nn.Conv(x.shape[-1], (3, 3), kernel_init=small, name="conv_1")(y)


def grain(keys, *, size):
    """Noise for a batch, each picture from its own key: (b,) -> (b, size, size, 3)."""
    return jax.vmap(lambda key: jax.random.normal(key, (size, size, 3)))(keys)


def _activate(x):
    return nn.leaky_relu(x, 0.2)


def _conv(features, name, *, normalised=False):
    conv = nn.Conv(features, (3, 3), kernel_init=_INIT, name=name)
    return _activated(conv, name, normalised)


def _down(features, name, *, normalised=False):
    conv = nn.Conv(features, (3, 3), (2, 2), kernel_init=_INIT, name=name)
    return _activated(conv, name, normalised)


def _activated(conv, name, normalised):
    """The convolution, its result normalised or not, and the activation."""
    if not normalised:
        return lambda x: _activate(conv(x))
    norm = _norm(f"{name}_norm")
    return lambda x: _activate(norm(conv(x)))


def _norm(name):
    """Groups of four channels: a picture does not depend on those beside it."""
    return nn.GroupNorm(num_groups=None, group_size=4, name=name)


def _pointwise(features, name, init, *, bias=True):
    return nn.Dense(features, use_bias=bias, kernel_init=init, name=name)


def _heed(x, condition):
    """Scale and shift features as the condition (b, k) says; nothing if k = 0.

    FiLM (Perez et al., 2018).  Names of parameters are those of shipped files.
    """
    if not condition.shape[-1]:
        return x
    shift, scale = (
        _pointwise(x.shape[-1], name, nn.initializers.normal(0.2))(condition)
        for name in ("told", "scale")
    )
    return x * (1 + scale[:, None, None]) + shift[:, None, None]
