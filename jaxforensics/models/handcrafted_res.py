"""Hand-Crafted-Res: fixed high-pass residuals and a plain convolutional network.

Mo, Chen and Luo, "Fake faces identification via convolutional neural network", IH&MMSec
2018: three groups of convolution, leaky ReLU and max-pooling, then dense layers.  The
sizes of kernels, maps and dense layers, the slope and the filters' coefficients are
ours.  Weights start as in AMTENnet, which is what Guo et al. (2021) changed.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import max_pool
from jaxforensics.models.layers import XAVIER, Conv
from jaxforensics.ops.residuals import high_pass

SLOPE = 0.2  # of leaky ReLUs below zero


class HandCraftedRes(nn.Module):
    """Three groups on the nine residuals of `ops.residuals.high_pass`."""

    num_classes: int = 1
    widths: tuple[int, ...] = (32, 64, 128)
    hidden: tuple[int, ...] = (1024, 512)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes), training or not."""
        chex.assert_shape(image, (None, None, None, 3))
        x = high_pass(255 * jnp.float32(image))
        for i, width in enumerate(self.widths, 1):
            conv = Conv(
                width, 3, kernel_init=XAVIER, dtype=self.dtype, name=f"conv_{i}"
            )
            x = max_pool(nn.leaky_relu(conv(x), SLOPE), 2)
        # Binds a set of weights to one picture size.
        x = x.reshape(x.shape[0], -1)
        for i, width in enumerate(self.hidden, 1):
            x = nn.leaky_relu(self._dense(width, f"dense_{i}")(x), SLOPE)
        return self._dense(self.num_classes, "logits")(x).astype(jnp.float32)

    def _dense(self, width, name):
        return nn.Dense(width, kernel_init=XAVIER, dtype=self.dtype, name=name)
