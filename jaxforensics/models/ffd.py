"""FFD: Xception that says where a picture was changed, and looks there.

Dang et al., "On the detection of digital face manipulation", CVPR 2020, with a map by
regression: behind the seventh of Xception's twelve blocks a separable convolution
draws a map, by which features are multiplied.  That of 299 pixels has 19 x 19.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models import xception
from jaxforensics.models.layers import Conv, DepthwiseConv

DRAWN = 7  # the block behind which the map is drawn


class FFD(nn.Module):
    """Xception with a map; where it starts from nothing, from its authors' N(0, 0.01).

    Called it gives logits, as any detector; `both` gives the map, too.
    """

    num_classes: int = 1
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32
    kernel_init: Any = nn.initializers.normal(0.01)
    scale_init: Any = nn.initializers.ones

    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        logits, _ = self.both(image, train=train)
        return logits

    @nn.compact
    def both(self, image, *, train=False):
        """Logits (b, num_classes), and the map (b, h / 16, w / 16) in [0, 1]."""
        chex.assert_shape(image, (None, None, None, 3))
        height, width = image.shape[1:3]
        if min(height, width) < 7:
            raise ValueError(f"{height}x{width} pixels: FFD needs 7x7 at least")
        x = xception.stem(self, 2 * jnp.float32(image) - 1, train=train)
        x = xception.span(self, x, 1, DRAWN, train=train)

        drawn = DepthwiseConv(3, self.kernel_init, self.dtype, name="map_depthwise")(x)
        pointwise = Conv(
            1,
            1,
            use_bias=False,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            name="map_pointwise",
        )
        drawn = nn.sigmoid(pointwise(drawn).astype(jnp.float32))
        x = x * drawn.astype(self.dtype)

        x = xception.span(self, x, DRAWN + 1, len(xception.BLOCKS), train=train)
        x = xception.tail(self, x, train=train)
        x = jnp.mean(x.astype(jnp.float32), axis=(1, 2))
        logits = nn.Dense(self.num_classes, kernel_init=self.kernel_init, name="logits")
        return logits(x), drawn[..., 0]
