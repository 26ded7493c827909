"""TR-Net's generator: a picture in, the same picture without its forger's traces out.

Liu et al., "Making DeepFakes more spurious: evading deep face forgery detection via
trace removal attack" (2022).  A U-Net without any transposed convolution, whose last
enlargement is undone at once by a convolution of stride 2 (its feature scaling layer).
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models.layers import Conv
from jaxforensics.models.pools import floor_max_pool
from jaxforensics.ops.resample import resize
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
            x = resize(x, other.shape[1:3], method="bilinear", antialias=False)
            x = self._layer(x, width, 1, f"narrow_{i}", train)
            x = jnp.concatenate([x, other], axis=-1)
            x = self._stage(x, width, f"up_{i}", train)
        x = self._rescale(x)
        start = nn.initializers.zeros if self.residual else XAVIER
        x = self._conv(3, 1, "output", kernel_init=start)(x).astype(jnp.float32)
        x = choose(ACTIVATIONS, self.activation, "activation")(x)
        return x + jnp.float32(image) if self.residual else x

    def _rescale(self, x):
        """Feature scaling: twice the size, corner to corner, and back by a stride."""
        shape = 2 * x.shape[1], 2 * x.shape[2]
        x = resize(x, shape, method="bilinear", antialias=False, align_corners=True)
        return self._conv(3, 3, "rescale", stride=2)(x)

    def _stage(self, x, width, name, train):
        for i in (1, 2):
            x = self._layer(x, width, 3, f"{name}_{i}", train)
        return x

    def _layer(self, x, width, size, name, train):
        x = nn.relu(self._conv(width, size, name)(x))
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

    def _conv(self, width, size, name, stride=1, kernel_init=XAVIER):
        return Conv(
            width,
            size,
            padding=size // 2,
            stride=stride,
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
