"""The generator of blurs of the adversarial game: a picture in, a map of blurs out.

CycleGAN's generator (Zhu et al., ICCV 2017) with three residual blocks, normalised by
batch, and one channel without activation in the end.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.upsample import transposed_convolution
from jaxforensics.models.layers import Conv, around_one

KAIMING = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


class BlurGenerator(nn.Module):
    """7x7, two layers of stride 2, residual blocks, two transposed layers, 7x7.

    Its square is the precision 1 / sigma² of every pixel's blur.  In training pictures
    with `mask` (b,) are those by which maps are normalised, all unless given.
    """

    width: int = 64
    blocks: int = 3
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False, mask=None):
        """(b, h, w, 3) in [0, 1] -> (b, h, w) in float32; sides are multiples of 4."""
        chex.assert_shape(image, (None, None, None, 3))
        if any(side % 4 for side in image.shape[1:3]) or min(image.shape[1:3]) < 8:
            raise ValueError(
                f"pictures of {image.shape[1:3]} pixels: sides have to be multiples of "
                "4, from 8 on"
            )
        if mask is not None:
            mask = mask[:, None, None, None]
        mode = train, mask
        x = (2 * jnp.float32(image) - 1).astype(self.dtype)
        x = self._layer(_mirrored(x, 3), self.width, 7, "first", mode)
        for i in (1, 2):
            width = 2**i * self.width
            x = self._layer(x, width, 3, f"down_{i}", mode, padding=1, stride=2)
        for i in range(1, self.blocks + 1):
            y = self._layer(_mirrored(x, 1), x.shape[-1], 3, f"block_{i}_1", mode)
            y = self._conv(_mirrored(y, 1), x.shape[-1], 3, f"block_{i}_2")
            x = x + self._norm(y, f"block_{i}_2_norm", mode)
        for i in (1, 2):
            width = 2 ** (2 - i) * self.width
            x = Rise(width, self.dtype, name=f"up_{i}")(x)
            x = nn.relu(self._norm(x, f"up_{i}_norm", mode))
        last = Conv(1, 7, padding=0, kernel_init=KAIMING, dtype=self.dtype, name="map")
        return last(_mirrored(x, 3))[..., 0].astype(jnp.float32)

    def _layer(self, x, width, size, name, mode, *, padding=0, stride=1):
        x = self._conv(x, width, size, name, padding=padding, stride=stride)
        return nn.relu(self._norm(x, f"{name}_norm", mode))

    def _conv(self, x, width, size, name, *, padding=0, stride=1):
        conv = Conv(
            width,
            size,
            padding=padding,
            stride=stride,
            use_bias=False,
            kernel_init=KAIMING,
            dtype=self.dtype,
            name=name,
        )
        return conv(x)

    def _norm(self, x, name, mode):
        train, mask = mode
        norm = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            epsilon=1e-5,
            scale_init=around_one,
            dtype=self.dtype,
            name=name,
        )
        return norm(x, mask=mask)


class Rise(nn.Module):
    """A transposed 3x3 convolution to twice the size, without bias."""

    width: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, 2 h, 2 w, width)."""
        kernel = self.param("kernel", KAIMING, (3, 3, x.shape[-1], self.width))
        return transposed_convolution(x, kernel.astype(self.dtype))


def _mirrored(x, pixels):
    """With borders that mirror the map without repeating its edge."""
    sides = (pixels, pixels)
    return jnp.pad(x, ((0, 0), sides, sides, (0, 0)), mode="reflect")
