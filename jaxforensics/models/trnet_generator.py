"""TR-Net's generator: a picture in, the same picture without its forger's traces out.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022).  A U-Net without any transposed convolution, whose last
enlargement is undone at once by a convolution of stride 2 (its feature scaling layer).
Enlarging does not mix channels, and layers of one pixel do nothing else: these come
first here, while maps are small, which gives the same sums.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import chex
import einops
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
        chex.assert_shape(image, (None, None, None, 3))
        if self.residual and self.activation != "tanh":
            raise ValueError("what is added to a picture has to have both signs: tanh")
        least = 2 ** (len(self.widths) - 1)
        if min(image.shape[1:3]) < least:
            raise ValueError(
                f"a picture of {image.shape[1:3]} pixels is too small for "
                f"{len(self.widths)} stages: {least} x {least} at least"
            )
        x = image.astype(self.dtype)
        skips = []  # the last map of every stage, for the way up
        for i, width in enumerate(self.widths, 1):
            if i > 1:
                x = floor_max_pool(x, size=2, stride=2)
            x = self._stage(x, width, f"down_{i}", train)
            skips.append(x)

        ways_up = zip(self.widths[-2::-1], skips[-2::-1], strict=True)
        for i, (width, skip) in enumerate(ways_up, 1):
            size = skip.shape[1:3]
            x = self._layer(x, width, 1, f"narrow_{i}", train, enlarged=size)
            x = jnp.concatenate([x, skip], axis=-1)
            x = self._stage(x, width, f"up_{i}", train)

        x = FeatureScaling(3, dtype=self.dtype, name="rescale")(x)
        activation = choose(ACTIVATIONS, self.activation, "activation")
        if not self.residual:
            return activation(self._output(x, XAVIER))
        # A last layer of zeros leaves every picture as it is at the start.
        return activation(self._output(x, nn.initializers.zeros)) + jnp.float32(image)

    def _output(self, x, kernel_init):
        x = self._conv(3, 1, "output", kernel_init=kernel_init)(x)
        return x.astype(jnp.float32)

    def _stage(self, x, width, name, train):
        for i in (1, 2):
            x = self._layer(x, width, 3, f"{name}_{i}", train)
        return x

    def _layer(self, x, width, size, name, train, enlarged=None):
        x = self._conv(width, size, name)(x)
        if enlarged:  # behind the convolution, which is of one pixel then
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
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        shape = *(1,) * (x.ndim - 1), channels
        scale, bias = (a.astype(self.dtype).reshape(shape) for a in (scale, bias))
        return x * scale + bias


class FeatureScaling(nn.Module):
    """To twice the size, corner to corner, and back by a 3 x 3 convolution of stride 2.

    Equals `resize(x, (2 h, 2 w), method="bilinear", align_corners=True)` and then
    `conv(…, padding=1, stride=2)`, computed without the larger map: a pixel of the
    result sees its direct neighbours, with weights that depend on where it is, and
    zeros beyond the border.  With gradients, 8 pictures at 64² on one core, 33 ms
    became 1.4.
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
        # What each tap of the kernel makes of each pixel: channels are mixed first.
        mix = einops.rearrange(kernel, "row column c d -> c (column row d)")
        mixed = jnp.matmul(
            x.astype(self.dtype), mix, preferred_element_type=jnp.float32
        )
        planes = einops.rearrange(
            fusion.keep(mixed),
            "b h w (column row d) -> column row d b h w",
            column=3,
            row=3,
        )
        # Then the enlargement's weights, along columns and along rows.
        planes = _blended(_blended(planes, axis=-1), axis=-2)
        y = einops.rearrange(planes, "d b h w -> b h w d") + bias.reshape(1, 1, 1, -1)
        return y.astype(self.dtype)


def _blended(planes, *, axis):
    """Sums over an axis's taps and neighbours, weighted as enlarging it would do.

    (3, ...) for the three taps of a kernel along that axis -> (...).
    """
    size = planes.shape[axis]
    sides = [(0, 0)] * planes.ndim
    sides[axis] = (1, 1)
    along_axis = [1] * (planes.ndim - 1)  # the shape of one weight per pixel
    along_axis[axis] = -1
    wide = jnp.pad(fusion.keep(planes), sides)
    return sum(
        lax.slice_in_dim(
            wide[view.tap],
            view.neighbour,
            view.neighbour + size,
            axis=wide.ndim - 1 + axis,
        )
        * view.weights.reshape(along_axis)
        for view in _views(size)
    )


class View(NamedTuple):
    """Through one tap of the kernel pixels see a neighbour, with a weight each."""

    tap: int  # 0 to 2
    neighbour: int  # 0 to 2: the one before, the pixel itself, the one behind
    weights: np.ndarray


@cache
def _views(size):
    """All views of an axis of `size` pixels that have weights other than zero."""
    enlarge = weight_matrix(
        size, 2 * size, method="bilinear", antialias=False, align_corners=True
    )
    enlarge = np.pad(enlarge, ((1, 1), (1, 1)))  # with zeros around what is convolved
    pixels = np.arange(size)
    views = []
    for tap in range(3):
        # The row of weights for the enlarged pixel that this tap reads.
        rows = enlarge[2 * pixels + tap]
        for neighbour in range(3):
            weights = np.float32(rows[pixels, pixels + neighbour])
            if weights.any():
                views.append(View(tap, neighbour, weights))
    return views
