"""Multi-attentional detection: several places of a face, and their finest texture.

Zhao et al., "Multi-attentional deepfake detection", CVPR 2021, in the form of its
authors' code: maps of attention are drawn from the middle of an EfficientNet, and
gather both what a block that enhances texture finds in early features and the last
features.  Where code and paper differ the code's layers stand, but for the loss that
keeps the maps apart, which is the paper's Eq. 6 and 7.
"""

from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from jaxforensics.kernels.convolution import conv
from jaxforensics.models import efficientnet
from jaxforensics.models.layers import Conv
from jaxforensics.ops.filters import gaussian_blur
from jaxforensics.ops.noise import add_gaussian
from jaxforensics.ops.resample import resize

# PyTorch's default, for kernels and matrices.
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
BORDER = 2 / 24  # of a map's sides, where attention is zero: 2 of the paper's 24 pixels
# The paper's margins: within them features of reals and of fakes may leave their
# centres, and by the last one centres have to lie apart.
WITHIN = 0.05, 0.1
APART = 0.2
PACE = 0.05  # of the centres, α in Eq. 7


class Attended(NamedTuple):
    """What the maps gather, for a loss that keeps them apart, and for looking at."""

    maps: jax.Array  # (b, h', w', attentions), zero at the border, else positive
    features: jax.Array  # (b, attentions, c), of length 1: of texture that is left out
    centres: jax.Array  # (attentions, c), where features of reals have been so far


class MultiAttention(nn.Module):
    """EfficientNet with `attentions` maps; called it gives logits, `both` more.

    Texture is that of the stage `texture_stage`, maps are drawn from the stage
    `attention_stage`, counted from 1.  `width` is that of both summaries that the
    logits see.  In training maps are left out at random with probability `dropout`,
    and values of the last features with `final_dropout`, by a key 'dropout'.  All
    other fields are those of EfficientNet, and its layers have the same names.
    """

    num_classes: int = 1
    attentions: int = 4
    texture_stage: int = 2
    attention_stage: int = 5
    width: int = 256
    dropout: float = 0.25
    final_dropout: float = 0.5
    scale: str = "b4"
    shrink: float = 1.0
    stem_stride: int = 2
    padding: str = "same"
    standardised: bool = False
    drop_connect: float = 0.0
    norm_momentum: float = 0.99
    epsilon: float = 1e-3
    dtype: Any = jnp.float32

    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        logits, _ = self.both(image, train=train)
        return logits

    @nn.compact
    def both(self, image, *, train=False):
        """Logits (b, num_classes), and `Attended`."""
        chex.assert_shape(image, (None, None, None, 3))
        features = efficientnet.features(self, image, train=train)
        shallow = features[self.texture_stage - 1]
        maps = self._draw(features[self.attention_stage - 1], train)
        texture, coarse = Texture(
            self.attentions, self.norm_momentum, self.dtype, name="texture"
        )(shallow, maps, train=train)

        # A map that is left out is so for texture and for the last features alike.
        kept = jnp.ones((len(image), self.attentions), jnp.float32)
        kept = nn.Dropout(self.dropout, name="drop")(kept, deterministic=not train)
        local = gathered(texture, maps) * kept[..., None]
        local = self._dense("local_1")(local.reshape(len(image), -1))
        local = nn.hard_swish(self._dense("local_2")(nn.hard_swish(local)))

        total = jnp.sum(maps * kept[:, None, None], axis=-1, keepdims=True)
        last = _weighted_mean(features[-1], total)
        drop = nn.Dropout(self.final_dropout, name="final_drop")
        last = nn.hard_swish(self._dense("last")(drop(last, deterministic=not train)))

        x = jnp.concatenate([local, last], axis=-1)
        x = nn.hard_swish(self._dense("summary")(x))
        logits = nn.Dense(self.num_classes, kernel_init=UNIFORM, name="logits")(x)

        zeros = jnp.zeros((self.attentions, shallow.shape[-1]), jnp.float32)
        centres = self.variable("batch_stats", "centres", lambda: zeros)
        attended = Attended(
            maps=maps,
            features=gathered(_standardised(coarse)[..., None, :], maps),
            centres=centres.value,
        )
        return logits, attended

    def _draw(self, x, train):
        """Maps (b, h', w', attentions) from features."""
        x = Conv(x.shape[-1], 3, kernel_init=UNIFORM, dtype=self.dtype, name="map_1")(x)
        x = nn.relu(_norm(self, "map_1_norm", train)(x))
        narrow = Conv(
            self.attentions,
            1,
            use_bias=False,
            kernel_init=UNIFORM,
            dtype=self.dtype,
            name="map_2",
        )
        x = _norm(self, "map_2_norm", train)(narrow(x))
        x = nn.elu(x.astype(jnp.float32)) + 1
        return x * _inner(x.shape[1:3])[None, ..., None]

    def _dense(self, name):
        return nn.Dense(self.width, kernel_init=UNIFORM, name=name)


class Texture(nn.Module):
    """What is left of features without their local means, enhanced for each map.

    A densely connected block of grouped convolutions, a group for each map.
    """

    attentions: int
    norm_momentum: float
    dtype: Any

    @nn.compact
    def __call__(self, x, maps, *, train):
        """(b, h, w, c), (b, h', w', m) -> (b, h, w, m, c) and means (b, h', w', c)."""
        channels = x.shape[-1]
        x = Conv(channels, 3, kernel_init=UNIFORM, dtype=self.dtype, name="first")(x)
        coarse = local_means(x, maps.shape[1:3])
        if coarse.shape[1] < x.shape[1]:
            x = x - _repeated(coarse, x.shape[1:3])
        # Maps say where texture is looked at; they do not learn from it here.
        drawn = jnp.tanh(_enlarged(lax.stop_gradient(maps), x.shape[1:3]))
        x = x[..., None, :] * drawn[..., None].astype(self.dtype)
        dense = self._grouped(channels, 5, "conv_0")(x)
        for i in (1, 2, 3):
            y = nn.relu(self._norm(f"norm_{i}", train)(dense))
            y = self._grouped(channels, 3, f"conv_{i}")(y)
            dense = jnp.concatenate([dense, y], axis=-1)
        x = nn.relu(self._norm("norm_4", train)(dense))
        x = self._grouped(channels, 1, "last")(x)
        return nn.relu(self._norm("last_norm", train)(x)), coarse

    def _grouped(self, width, size, name):
        return GroupedConv(width, size, self.dtype, name=name)

    def _norm(self, name, train):
        # Every channel of every group by itself.
        return _norm(self, name, train, axis=(-2, -1))


class GroupedConv(nn.Module):
    """A convolution with bias for each group: (b, h, w, m, c) -> (b, h, w, m, width).

    Group by group, which is faster on processors than one grouped convolution.
    """

    width: int
    size: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        """Convolve the groups one by one."""
        groups, channels = x.shape[-2:]
        shape = (self.size, self.size, channels, groups * self.width)
        kernel = self.param("kernel", UNIFORM, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (groups, self.width))
        kernels = jnp.split(kernel, groups, axis=-1)
        parts = [
            conv(x[..., i, :], each, padding="SAME") for i, each in enumerate(kernels)
        ]
        return jnp.stack(parts, axis=-2) + bias.astype(self.dtype)[None, None, None]


def independence_loss(attended, label, valid):
    """The regional independence loss of each picture, and the centres after it.

    `Attended`, (b,), (b,) -> (b,), (attentions, c).  Features of a picture lie around
    the centres (Eq. 6), which follow those of the batch at `PACE` (Eq. 7), and centres
    lie apart; averaged over maps, where the paper sums, so that its weight depends
    neither on how many there are nor on the size of a batch.
    """
    features = attended.features
    weights = valid / jnp.maximum(valid.sum(), 1.0)
    mean = jnp.einsum("b,bmc->mc", weights, features)
    centres = attended.centres + PACE * (mean - attended.centres)
    margins = jnp.where(label == 1, WITHIN[1], WITHIN[0])[:, None]
    away = nn.relu(_length(features - centres[None]) - margins).mean(1)
    count = len(centres)
    between = _length(centres[:, None] - centres[None])
    is_pair = ~np.eye(count, dtype=bool)
    close = jnp.sum(nn.relu(APART - between), where=is_pair) / count
    return away + close, lax.stop_gradient(centres)


def guided(key, image, maps):
    """Pictures degraded where one of their maps is high, drawn at random for each.

    Attention-guided data augmentation, as released: a map is drawn by the root of its
    sum, and where it is high the picture is that of half the size, blurred and noisy.
    (b, h, w, 3), (b, h', w', m) -> (b, h, w, 3), clipped.
    """
    map_key, threshold_key, slope_key, noise_key = random.split(key, 4)
    shape = image.shape[1:3]
    weights = jnp.sqrt(maps.sum((1, 2)) + 1)
    drawn = random.categorical(map_key, jnp.log(weights))
    chosen = jnp.take_along_axis(maps, drawn[:, None, None, None], axis=-1)
    chosen = _enlarged(chosen, shape)
    chosen = chosen / (chosen.max((1, 2, 3), keepdims=True) + 1e-8)

    # Steeper between low and high, and zero at zero still.
    each = (len(image), 1, 1, 1)
    threshold = random.uniform(threshold_key, each, minval=0.4, maxval=0.6)
    slope = random.uniform(slope_key, each, minval=3.0, maxval=5.0)
    least = nn.sigmoid(-slope * threshold)
    share = (nn.sigmoid(slope * (chosen - threshold)) - least) / (1 - least)

    wide = image.astype(jnp.float32)
    half = _enlarged(wide, tuple(side // 2 for side in shape))
    half = gaussian_blur(half, size=11, sigma=7.0)
    half = add_gaussian(noise_key, half, sigma=0.05 * 255)
    degraded = _enlarged(half, shape)
    return jnp.clip(wide + share * (degraded - wide), 0, 1).astype(image.dtype)


def gathered(features, maps):
    """Sums of features weighted by maps, of length 1: (b, m, c).

    (b, h, w, m, c), or (b, h, w, 1, c) of the same features for all maps, and maps
    (b, h', w', m): bilinear attention pooling.
    """
    maps = _enlarged(maps, features.shape[1:3])
    sums = jnp.sum(features.astype(jnp.float32) * maps[..., None], axis=(1, 2))
    square = jnp.sum(jnp.square(sums), axis=-1, keepdims=True)
    return sums * lax.rsqrt(jnp.maximum(square, 1e-24))


def local_means(x, shape):
    """Means around the pixels of a coarser grid: (b, h, w, c) -> (b, *shape, c).

    Windows overlap where sides are no multiples, as torch's adaptive mean pool.
    """
    rows, columns = (_windows(n, m) for n, m in zip(x.shape[1:3], shape, strict=True))
    x = jnp.einsum("ij,bjwc->biwc", rows.astype(x.dtype), x)
    return jnp.einsum("ij,bhjc->bhic", columns.astype(x.dtype), x)


def _windows(size, count):
    """(count, size): the weights of pixels in each window's mean."""
    first = np.arange(count) * size // count
    behind = -(-(np.arange(1, count + 1) * size) // count)
    places = np.arange(size)
    inside = (places >= first[:, None]) & (places < behind[:, None])
    return np.float32(inside / inside.sum(1, keepdims=True))


def _repeated(x, shape):
    """Nearest pixels of a coarser grid, by torch's rule."""
    for axis, size in zip((1, 2), shape, strict=True):
        x = jnp.take(x, np.arange(size) * x.shape[axis] // size, axis=axis)
    return x


def _enlarged(maps, shape):
    """Of another size, with the corners where they were."""
    if maps.shape[1:3] == tuple(shape):
        return maps
    return resize(maps, shape, method="bilinear", antialias=False, align_corners=True)


def _weighted_mean(features, weights):
    """(b, h, w, c), (b, h', w', 1) -> (b, c)."""
    weights = _enlarged(weights, features.shape[1:3]) + 1e-8
    sums = jnp.sum(features.astype(jnp.float32) * weights, axis=(1, 2))
    return sums / jnp.sum(weights, axis=(1, 2))


def _standardised(x):
    """Every channel of every picture to mean 0 and deviation 1, in float32."""
    x = x.astype(jnp.float32)
    x = x - x.mean((1, 2), keepdims=True)
    count = max(x.shape[1] * x.shape[2] - 1, 1)
    variance = jnp.sum(jnp.square(x), axis=(1, 2), keepdims=True) / count
    return x * lax.rsqrt(variance + 1e-12)


def _inner(shape):
    """One where a map may be above zero, zero in the border: (h, w)."""
    rows, columns = (
        np.abs((np.arange(side) + 0.5) / side - 0.5) < 0.5 - BORDER for side in shape
    )
    return jnp.float32(rows[:, None] & columns)


def _length(x):
    """Of vectors along the last axis; its gradient at zero is zero."""
    square = jnp.sum(jnp.square(x), axis=-1)
    return jnp.sqrt(jnp.maximum(square, 1e-12))


def _norm(module, name, train, axis=-1):
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=module.norm_momentum,
        epsilon=1e-5,
        axis=axis,
        dtype=module.dtype,
        name=name,
    )
