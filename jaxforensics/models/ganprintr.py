"""GANprintR's autoencoder, which redraws a picture and so loses its fingerprint.

Neves et al., "GANprintR: improved fakes and evaluation of the state of the art in face
manipulation detection", JSTSP 2020.  It is trained on real pictures alone.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import max_pool_places, max_unpool
from jaxforensics.models.layers import Conv


class GANprintR(nn.Module):
    """Four convolutions down, four up; maxima are put back where they were.

    Its transposed convolutions have stride 1 and are written as convolutions, whose
    kernels are theirs turned by half.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    code: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> (b, h, w, 3) in float32, from 0 up."""
        del train
        chex.assert_shape(image, (None, None, None, 3))
        least = 2 ** len(self.widths)
        if min(image.shape[1:3]) < least:
            raise ValueError(
                f"a picture of {image.shape[1:3]} pixels is too small: "
                f"{least} x {least} at least"
            )
        x = image.astype(self.dtype)
        pools = []  # where the maxima were, and the size before each pool
        for i, width in enumerate(self.widths, 1):
            x = self._layer(x, width, f"down_{i}")
            shape = x.shape[1:3]
            x, places = max_pool_places(x)
            pools.append((places, shape))

        x = self._layer(x, self.code, "code")

        # The way back mirrors the way there, to a picture of three colours.
        first, *others = *self.widths[::-1], 3
        x = self._layer(x, first, "up_1")
        steps = zip(others, pools[::-1], strict=True)
        for i, (width, (places, shape)) in enumerate(steps, 2):
            x = self._layer(max_unpool(x, places, shape), width, f"up_{i}")
        # Behind the last ReLU: nothing is below zero, and what is above one stays.
        return x.astype(jnp.float32)

    def _layer(self, x, width, name):
        return nn.relu(Conv(width, 3, dtype=self.dtype, name=name)(x))
