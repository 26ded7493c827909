"""FakeLocator's branch: real or fake, from what the encoder sees.

Huang et al., "FakeLocator", TIFS 2022, Section V-A: four convolutions of 3x3, a maximum
of 2x2, three dense layers; their widths are ours.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import floor_max_pool
from jaxforensics.models.layers import Conv

HE = nn.initializers.he_normal()


class Branch(nn.Module):
    """One logit per picture; the first dense layer needs maps of one size."""

    widths: tuple[int, ...] = (256, 128, 64, 32)
    dense: tuple[int, ...] = (256, 64)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features, *, train=False):
        """(b, h, w, c) -> (b, 1)."""
        del train
        x = features
        for i, width in enumerate(self.widths, 1):
            conv = Conv(width, 3, kernel_init=HE, dtype=self.dtype, name=f"conv_{i}")
            x = nn.relu(conv(x))
        if min(x.shape[1:3]) < 2:
            raise ValueError(
                f"features of {x.shape[1]}x{x.shape[2]}: the branch needs 2x2 at "
                "least; choose a smaller stride of the encoder, or larger pictures"
            )
        x = floor_max_pool(x, size=2, stride=2)
        x = x.reshape(len(x), -1).astype(jnp.float32)
        for i, width in enumerate(self.dense, 1):
            x = nn.relu(nn.Dense(width, kernel_init=HE, name=f"dense_{i}")(x))
        return nn.Dense(1, name="logits")(x)
