"""MISLnet: a constrained layer of residuals, four convolutions, three dense layers.

Bayar and Stamm, "Constrained convolutional neural networks: a new approach towards
general purpose image manipulation detection", TIFS 2018.  Maps are as large as in the
paper (256 x 256: 252, 126, 63, 31, 15, 7), which takes Caffe's pooling.  The paper's
pictures are one channel; here each kernel of the first layer spans all three.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import ceil_max_pool, ceil_mean_pool
from jaxforensics.models.front_ends import Constrained
from jaxforensics.models.layers import XAVIER, Conv


class MISLnet(nn.Module):
    """`front_ends.project` has to follow every update of its parameters.

    Later versions have six `filters` in the first layer.  Running statistics keep 0.9
    for the sake of short runs, Caffe's default is 0.999.
    """

    num_classes: int = 1
    filters: int = 3
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        x = 255 * jnp.float32(image)
        # Residuals are as large as differences of codes from 0 to 255.
        x = Constrained(self.filters, padding="VALID", name="constrained")(x)
        x = self._block(x, 2, 96, 7, train, padding=3, stride=2)
        x = self._block(x, 3, 64, 5, train)
        x = self._block(x, 4, 64, 5, train)
        # The last block looks across channels alone, and averages.
        x = self._block(x, 5, 128, 1, train, pool=ceil_mean_pool)
        x = x.reshape(x.shape[0], -1)
        x = nn.tanh(self._dense(200, "dense_1")(x))
        x = nn.tanh(self._dense(200, "dense_2")(x))
        return self._dense(self.num_classes, "logits")(x).astype(jnp.float32)

    def _block(
        self,
        x,
        number,
        width,
        size,
        train,
        padding="SAME",
        stride=1,
        pool=ceil_max_pool,
    ):
        x = Conv(
            width,
            size,
            padding=padding,
            stride=stride,
            kernel_init=XAVIER,
            dtype=self.dtype,
            name=f"conv_{number}",
        )(x)
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            epsilon=1e-5,
            dtype=self.dtype,
            name=f"norm_{number}",
        )(x)
        # Normalised before tanh, which is steep around zero alone.
        return pool(nn.tanh(x), size=3, stride=2)

    def _dense(self, width, name):
        return nn.Dense(width, kernel_init=XAVIER, dtype=self.dtype, name=name)
