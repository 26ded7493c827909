"""Meso-4 and MesoInception-4, two small detectors of forged faces.

Afchar, Nozick, Yamagishi and Echizen, "MesoNet: a compact facial video forgery
detection network", WIFS 2018, as in the authors' Keras code: ReLU comes before the
normalisation, borders are 'same', constants are Keras's; runs of a few hundred steps do
better with a `norm_momentum` of 0.9.  The paper's pictures are 256 x 256; the hidden
dense layer binds a set of weights to one picture size.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxforensics.kernels.pools import max_pool

GLOROT = nn.initializers.glorot_uniform()


class Block(nn.Module):
    """Convolution, ReLU, batch normalisation, max-pooling."""

    width: int
    size: int
    pool: int
    norm_momentum: float
    dtype: Any

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, ceil(h / pool), ceil(w / pool), width)."""
        x = nn.Conv(
            self.width,
            (self.size,) * 2,
            kernel_init=GLOROT,
            dtype=self.dtype,
            name="conv",
        )(x)
        return _normalize_pool(nn.relu(x), self.pool, self, train)


class Inception(nn.Module):
    """1x1 | 1x1, 3x3 | 1x1, 3x3 by 2 | 1x1, 3x3 by 3 (dilated); then as in `Block`."""

    widths: tuple[int, int, int, int]
    norm_momentum: float
    dtype: Any

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, ceil(h / 2), ceil(w / 2), sum of widths)."""
        branches = []
        for dilation, width in enumerate(self.widths):
            y = nn.relu(self._convolve(width, 1, 1, f"point_{dilation}")(x))
            if dilation:  # the first branch has but the 1x1 convolution
                y = nn.relu(self._convolve(width, 3, dilation, f"conv_{dilation}")(y))
            branches.append(y)
        x = jnp.concatenate(branches, axis=-1)
        return _normalize_pool(x, 2, self, train)

    def _convolve(self, width, size, dilation, name):
        return nn.Conv(
            width,
            (size, size),
            kernel_dilation=dilation,
            kernel_init=GLOROT,
            dtype=self.dtype,
            name=name,
        )


class Head(nn.Module):
    """16 hidden units between two dropouts, then the logits."""

    num_classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, num_classes), float32 whatever the computation's type."""
        # Dropout comes before the dense layer: it drops single values of maps.
        x = x.reshape(*x.shape[:-3], -1)
        x = nn.Dropout(0.5, deterministic=not train)(x)
        x = nn.Dense(16, kernel_init=GLOROT, dtype=self.dtype, name="hidden")(x)
        x = nn.leaky_relu(x, 0.1)
        x = nn.Dropout(0.5, deterministic=not train)(x)
        x = nn.Dense(
            self.num_classes, kernel_init=GLOROT, dtype=self.dtype, name="logits"
        )(x)
        return x.astype(jnp.float32)


class Meso4(nn.Module):
    """Four blocks and a head; with one class, P(fake) is the sigmoid of the logit."""

    num_classes: int = 1
    norm_momentum: float = 0.99
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (..., None, None, 3))  # a single picture will do
        last = self.norm_momentum, self.dtype
        x = Block(8, 3, 2, *last, name="block_1")(image, train=train)
        x = Block(8, 5, 2, *last, name="block_2")(x, train=train)
        x = Block(16, 5, 2, *last, name="block_3")(x, train=train)
        x = Block(16, 5, 4, *last, name="block_4")(x, train=train)
        return Head(self.num_classes, self.dtype, name="head")(x, train=train)


class MesoInception4(nn.Module):
    """Meso-4 with inception layers in place of its first two blocks."""

    num_classes: int = 1
    norm_momentum: float = 0.99
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (..., None, None, 3))  # a single picture will do
        last = self.norm_momentum, self.dtype
        x = Inception((1, 4, 4, 2), *last, name="inception_1")(image, train=train)
        x = Inception((2, 4, 4, 2), *last, name="inception_2")(x, train=train)
        x = Block(16, 5, 2, *last, name="block_3")(x, train=train)
        x = Block(16, 5, 4, *last, name="block_4")(x, train=train)
        return Head(self.num_classes, self.dtype, name="head")(x, train=train)


def _normalize_pool(x, pool, block, train):
    # Keras's epsilon of 1e-3, a hundred times flax's.
    x = nn.BatchNorm(
        use_running_average=not train,
        momentum=block.norm_momentum,
        epsilon=1e-3,
        dtype=block.dtype,
        name="norm",
    )(x)
    return max_pool(x, pool)


# The released Keras files, source name -> (path in the variables, transform).  There
# sigmoid(logit) is P(real); label 1 is fake here, so the last layer changes its sign.


def _keras(layers, norms):
    table = {}
    for source, target in layers.items():
        transform = None
        if target == "head/logits":
            transform = np.negative
        for leaf in ("kernel", "bias"):
            table[f"{source}/{leaf}"] = f"params/{target}/{leaf}", transform
    for source, target in norms.items():
        table[f"{source}/gamma"] = f"params/{target}/scale", None
        table[f"{source}/beta"] = f"params/{target}/bias", None
        table[f"{source}/moving_mean"] = f"batch_stats/{target}/mean", None
        table[f"{source}/moving_variance"] = f"batch_stats/{target}/var", None
    return table


MESO4_KERAS = _keras(
    {
        "conv2d_1": "block_1/conv",
        "conv2d_2": "block_2/conv",
        "conv2d_3": "block_3/conv",
        "conv2d_4": "block_4/conv",
        "dense_1": "head/hidden",
        "dense_2": "head/logits",
    },
    {f"batch_normalization_{i}": f"block_{i}/norm" for i in (1, 2, 3, 4)},
)

MESOINCEPTION4_KERAS = _keras(
    {
        "conv2d_1": "inception_1/point_0",
        "conv2d_2": "inception_1/point_1",
        "conv2d_3": "inception_1/conv_1",
        "conv2d_4": "inception_1/point_2",
        "conv2d_5": "inception_1/conv_2",
        "conv2d_6": "inception_1/point_3",
        "conv2d_7": "inception_1/conv_3",
        "conv2d_8": "inception_2/point_0",
        "conv2d_9": "inception_2/point_1",
        "conv2d_10": "inception_2/conv_1",
        "conv2d_11": "inception_2/point_2",
        "conv2d_12": "inception_2/conv_2",
        "conv2d_13": "inception_2/point_3",
        "conv2d_14": "inception_2/conv_3",
        "conv2d_15": "block_3/conv",
        "conv2d_16": "block_4/conv",
        "dense_1": "head/hidden",
        "dense_2": "head/logits",
    },
    {
        "batch_normalization_1": "inception_1/norm",
        "batch_normalization_2": "inception_2/norm",
        "batch_normalization_3": "block_3/norm",
        "batch_normalization_4": "block_4/norm",
    },
)
