"""TR-Net's generator: a picture in, the same picture without its forger's traces out.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022).  A U-Net without any transposed convolution, whose last
enlargement is undone at once by a convolution of stride 2 (its feature scaling layer).
Enlarging does not mix channels, and layers of one pixel do nothing else: these come
first here, while maps are small, which gives the same sums.
"""

from functools import cache, partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.kernels import fusion
from jaxforensics.kernels.pools import floor_max_pool
from jaxforensics.models.layers import Conv
from jaxforensics.ops.resample import resize, weight_matrix
from jaxforensics.settings import choose

XAVIER = nn.initializers.xavier_uniform()
ACTIVATIONS = {"tanh": jnp.tanh, "sigmoid": nn.sigmoid}


class TRNetGenerator(nn.Module):
    """U-Net of stages `widths`, each half as large as the one before.

    `norm` is 'batch', or 'affine': a scale and an offset per channel, to which batch
    normalisation amounted in the released script, whose statistics never moved.
    `activation` of the output is 'tanh' as released, which may be negative, or
    'sigmoid'.  With `residual` it is added to the picture, and starts at zero: that is
    not the paper's, and learns in hundreds of steps what else takes thousands, to leave
    pictures as they are.  Sizes need not be even: enlarged maps take the size of those
    they meet.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    norm: str = "batch"
    activation: str = "tanh"
    residual: bool = False
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> (b, h, w, 3) in float32, not clipped."""
        if self.residual and self.activation != "tanh":
            raise ValueError("what is added to a picture has to have both signs: tanh")
        least = 2 ** (len(self.widths) - 1)
        if min(image.shape[1:3]) < least:
            raise ValueError(
                f"a picture of {image.shape[1:3]} pixels is too small for "
                f"{len(self.widths)} stages: {least} x {least} at least"
            )
        x, kept = image.astype(self.dtype), []
        for i, width in enumerate(self.widths, 1):
            x = floor_max_pool(x, size=2, stride=2) if i > 1 else x
            x = self._stage(x, width, f"down_{i}", train)
            kept.append(x)
        for i, (width, other) in enumerate(
            zip(self.widths[-2::-1], kept[-2::-1], strict=True), 1
        ):
            size = other.shape[1:3]
            x = self._layer(x, width, 1, f"narrow_{i}", train, enlarged=size)
            x = jnp.concatenate([x, other], axis=-1)
            x = self._stage(x, width, f"up_{i}", train)
        x = FeatureScaling(3, dtype=self.dtype, name="rescale")(x)
        start = nn.initializers.zeros if self.residual else XAVIER
        x = self._conv(3, 1, "output", kernel_init=start)(x).astype(jnp.float32)
        x = choose(ACTIVATIONS, self.activation, "activation")(x)
        return x + jnp.float32(image) if self.residual else x

    def _stage(self, x, width, name, train):
        for i in (1, 2):
            x = self._layer(x, width, 3, f"{name}_{i}", train)
        return x

    def _layer(self, x, width, size, name, train, enlarged=None):
        x = self._conv(width, size, name)(x)
        if enlarged:
            x = resize(x, enlarged, method="bilinear", antialias=False)
        x = nn.relu(x)
        norms = {
            "batch": partial(
                nn.BatchNorm,
                use_running_average=not train,
                momentum=self.norm_momentum,
            ),
            "affine": Affine,
        }
        norm = choose(norms, self.norm, "norm")
        return norm(dtype=self.dtype, name=f"{name}_norm")(x)

    def _conv(self, width, size, name, kernel_init=XAVIER):
        return Conv(
            width,
            size,
            padding=size // 2,
            kernel_init=kernel_init,
            dtype=self.dtype,
            name=name,
        )


class Affine(nn.Module):
    """A scale and an offset per channel: batch normalisation that never looks."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(..., c) -> (..., c)."""
        rank, channels = x.ndim - 1, x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        scale, bias = (
            a.astype(self.dtype).reshape(*(1,) * rank, -1) for a in (scale, bias)
        )
        return x * scale + bias


class FeatureScaling(nn.Module):
    """To twice the size, corner to corner, and back by a 3 x 3 convolution of stride 2.

    Computed without the larger map: a pixel of the result sees its direct neighbours,
    with weights that depend on where it is, and zeros beyond the border.
    """

    width: int
    kernel_init: Any = XAVIER
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, h, w, width)."""
        shape = 3, 3, x.shape[-1], self.width
        kernel = self.param("kernel", self.kernel_init, shape).astype(self.dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        mix = kernel.transpose(2, 1, 0, 3).reshape(x.shape[-1], -1)
        mixed = jnp.matmul(
            x.astype(self.dtype), mix, preferred_element_type=jnp.float32
        )
        mixed = fusion.keep(mixed).reshape(*x.shape[:3], 3, 3, self.width)
        planes = jnp.moveaxis(mixed, (3, 4, 5), (0, 1, 2))
        planes = _blended(_blended(planes, axis=-1), axis=-2)
        found = jnp.moveaxis(planes, 0, -1) + bias.reshape(1, 1, 1, -1)
        return found.astype(self.dtype)


def _blended(planes, *, axis):
    """What enlarging an axis and taking every second pixel of it make of planes.

    (3, ...) for a kernel's taps -> (...).
    """
    planes, size = fusion.keep(planes), planes.shape[axis]
    sides, column = [(0, 0)] * planes.ndim, [1] * (planes.ndim - 1)
    sides[axis], column[axis] = (1, 1), -1
    wide = jnp.pad(planes, sides)
    return sum(
        lax.slice_in_dim(wide[tap], near, near + size, axis=wide.ndim - 1 + axis)
        * weights.reshape(column)
        for tap, near, weights in _neighbours(size)
    )


@cache
def _neighbours(size):
    """Of taps 0 to 2: neighbours 0 to 2 that they see, and weights for every pixel."""
    enlarge = weight_matrix(
        size, 2 * size, method="bilinear", antialias=False, align_corners=True
    )
    enlarge = np.pad(enlarge, ((1, 1), (1, 1)))  # with zeros around what is convolved
    pixels, found = np.arange(size), []
    for tap in range(3):
        seen = enlarge[2 * pixels + tap]
        diagonals = [seen[pixels, pixels + near] for near in range(3)]
        found += [(tap, n, np.float32(d)) for n, d in enumerate(diagonals) if d.any()]
    return found
