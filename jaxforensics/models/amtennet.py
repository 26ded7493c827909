"""AMTENnet: a predictor whose errors are the traces, and a small network behind it.

Guo, Yang, Chen and Sun, "Fake face detection via adaptive manipulation traces
extraction network", CVIU 2021, as in the authors' Caffe definition: pooling comes
before ReLU and normalisation, no activation stands inside AMTEN or between the dense
layers.  The first dense layer binds a set of weights to one picture size.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import ceil_max_pool, ceil_mean_pool
from jaxforensics.models.front_ends import extract
from jaxforensics.models.layers import XAVIER, Conv
from jaxforensics.settings import choose

# The ablations of Table VI as settings of `AMTENnet`; all else is as in the full net.
# The table gives each a line of words: what they leave open is said in the classes.
VARIANTS = {
    "AMTEN_1": {"traces": "image"},
    "AMTEN_2": {"reuse": False},
    "AMTEN_3": {"width": 3},
    "AMTEN_4": {"width": 12},
    "AMTEN_5": {"predictor_size": 5},
    "AMTEN_6": {"depth": 1},
    "AMTENnet_7": {"pool": "average"},
    "AMTENnet_8": {"last_size": 3},
}
# Conv1 to Conv6 subtract values of up to 255 that differ by about one: a GPU's usual
# products, of 11 bits, would lose what is left.
EXACT = "highest"
POOLS = {"max": ceil_max_pool, "average": ceil_mean_pool}


class AMTEN(nn.Module):
    """Adaptive manipulation traces: twelve maps [F2, F1, F_mt] of the picture.

    `traces` is the predictor's 'residual' F_mt or, with no predictor, the 'image' in
    its place; without `reuse` F_mt goes nowhere but into Conv2, and [F2, F1] come out;
    `width` is that of Conv4 and Conv5, `depth` 1 drops Conv3 and Conv5.
    """

    traces: str = "residual"
    reuse: bool = True
    width: int = 6
    depth: int = 2
    predictor_size: int = 3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, 3) -> (b, h, w, width + 6, or + 3 without reuse), in x's unit."""
        sources = {"residual": self._residual, "image": lambda x: x}
        traces = choose(sources, self.traces, "source of traces")(x)
        traces = traces.astype(self.dtype)
        # F1 from the traces F_mt, then F2 from both side by side.
        first = self._convolve(3, ("conv_2", "conv_3"), traces)
        if self.reuse:
            first = jnp.concatenate([first, traces], axis=-1)
        second = self._convolve(self.width, ("conv_4", "conv_5"), first)
        return jnp.concatenate([second, first], axis=-1)

    def _residual(self, x):
        # What its surroundings say of a pixel, minus the pixel: a small difference of
        # large numbers, which is not for half precision.
        exact = {"kernel_init": XAVIER, "precision": EXACT, "name": "conv_1"}
        return Conv(3, self.predictor_size, use_bias=False, **exact)(x) - x

    def _convolve(self, width, names, x):
        for name in names[: self.depth]:  # linear: no activation between them
            x = _conv(width, self.dtype, name, precision=EXACT)(x)
        return x


class HFE(nn.Module):
    """Hierarchical features: four convolutions, each with pooling behind it.

    `last_size` is that of Conv9's kernels; larger ones than the released 1 x 1 get a
    'same' border, so that the maps stay as in Table I.
    """

    pool: str = "max"
    last_size: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, h', w', 128); 128 x 128 becomes 7 x 7."""
        # Whatever of the picture is left in the maps is for this layer to cancel.
        x = self._pool(_conv(24, self.dtype, "conv_6", precision=EXACT)(x))
        x = self._normalize(x, "norm_6", train)
        x = self._pool(_conv(48, self.dtype, "conv_7", padding="VALID")(x))
        x = self._normalize(x, "norm_7", train)
        x = self._pool(_conv(64, self.dtype, "conv_8", padding="VALID")(x))
        x = self._normalize(x, "norm_8", train)
        return self._pool(_conv(128, self.dtype, "conv_9", size=self.last_size)(x))

    def _pool(self, x):
        # ReLU is monotone: of maxima it gives the same before and behind the pool.
        return nn.relu(choose(POOLS, self.pool, "pool")(x, size=3, stride=2))

    def _normalize(self, x, name, train):
        return nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            epsilon=1e-5,
            dtype=self.dtype,
            name=name,
        )(x)


class Head(nn.Module):
    """Three dense layers with nothing between them, as released."""

    num_classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, num_classes), float32 whatever the computation's type."""
        # From here on a set of weights is bound to one picture size.
        x = x.reshape(x.shape[0], -1)
        for width, name in (
            (300, "dense_1"),
            (300, "dense_2"),
            (self.num_classes, "logits"),
        ):
            x = nn.Dense(width, kernel_init=XAVIER, dtype=self.dtype, name=name)(x)
        return x.astype(jnp.float32)


class ModelBase(nn.Module):
    """HFE and head on the picture itself, or on the maps of a `front_end`.

    What AMTEN has to improve on (Tables V and VI); front ends are those of
    `front_ends.FRONT_ENDS`.  The released running averages keep 0.999 and are corrected
    for their start; these are not corrected, and runs are shorter, hence 0.9.
    """

    num_classes: int = 1
    front_end: str | None = None
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        x = 255 * jnp.float32(image)
        if self.front_end is not None:
            x = extract(self.front_end, x)
        features = HFE(norm_momentum=self.norm_momentum, dtype=self.dtype, name="hfe")
        return Head(self.num_classes, self.dtype, name="head")(features(x, train=train))


class AMTENnet(nn.Module):
    """AMTEN, HFE and head; switches as in those, the ablations are in `VARIANTS`."""

    num_classes: int = 1
    traces: str = "residual"
    reuse: bool = True
    width: int = 6
    depth: int = 2
    predictor_size: int = 3
    pool: str = "max"
    last_size: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        traces = AMTEN(
            self.traces,
            self.reuse,
            self.width,
            self.depth,
            self.predictor_size,
            self.dtype,
            name="amten",
        )(255 * jnp.float32(image))
        norm = self.norm_momentum, self.dtype
        features = HFE(self.pool, self.last_size, *norm, name="hfe")
        x = features(traces, train=train)
        return Head(self.num_classes, self.dtype, name="head")(x)


def _conv(width, dtype, name, *, size=3, padding="SAME", precision=None):
    return Conv(
        width,
        size,
        padding=padding,
        kernel_init=XAVIER,
        dtype=dtype,
        precision=precision,
        name=name,
    )
