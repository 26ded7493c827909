"""U-Net: an encoder, a decoder, and every map of the one beside its like in the other.

Ronneberger et al., "U-Net", MICCAI 2015, with normalisation, borders and bilinear
enlargement; widths are ours.  What lies in single pixels reaches the map of the
picture's size directly, which an encoder of stride 8 alone has lost.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.kernels.pools import max_pool
from jaxforensics.models.deeplab import Located, map_logits
from jaxforensics.models.resnet import (
    Common,
    attended,
    convolution,
    norm,
    standardised,
)
from jaxforensics.ops.resample import resize


class Pair(nn.Module):
    """Two 3x3 convolutions, each normalised and followed by a ReLU."""

    width: int
    common: Common

    @nn.compact
    def __call__(self, x, *, train):
        """(b, h, w, c) -> (b, h, w, width)."""
        for i in (1, 2):
            x = convolution(self.common, self.width, 3, f"conv_{i}")(x)
            x = nn.relu(norm(self.common, f"norm_{i}", train)(x))
        return x


class UNet(nn.Module):
    """`levels` pairs of convolutions down and one fewer up, twice as wide at each.

    Attention may weigh the features of level `attend_after`, also those that go across;
    by default those of the last level.  `first_logit` is that of `DeepLabV3`.
    """

    width: int = 32
    levels: int = 4
    attend_after: int | None = None
    first_logit: float = 0.0
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, attention=None, train=False):
        """(b, h, w, 3) in [0, 1] -> `Located`; attention (b, h, w), None is white."""
        x, features, weighed = draw(self, image, attention=attention, train=train)
        logits = map_logits(x, self.first_logit)
        return Located(
            logits[..., 0], features.astype(jnp.float32), weighed.astype(jnp.float32)
        )


def draw(module, image, *, attention=None, train):
    """The last map of a U-Net, and the encoder's last before and after attention.

    Its layers belong to the module that calls, as `module` sets them: width, levels,
    norm_momentum, dtype, and attend_after where there may be attention.
    """
    chex.assert_shape(image, (None, None, None, 3))
    height, width = image.shape[1:3]
    common = Common(module.norm_momentum, module.dtype)
    levels = module.levels
    if min(height, width) < 2 ** (levels - 1):
        raise ValueError(
            f"{height}x{width} pixels: a U-Net of {levels} levels needs "
            f"{2 ** (levels - 1)} at least"
        )
    attend_after = getattr(module, "attend_after", None) or levels
    if attend_after not in range(1, levels + 1):
        raise ValueError(
            f"attend_after is the level whose features attention weighs, 1 to "
            f"{levels}, not {attend_after}"
        )

    x = standardised(image).astype(module.dtype)
    across = []
    for level in range(1, levels + 1):
        if level > 1:
            x = max_pool(x, 2)
        wide = module.width * 2 ** (level - 1)
        x = Pair(wide, common, name=f"down_{level}")(x, train=train)
        features = x
        if level == attend_after:
            x = attended(x, attention)
        across.append(x)

    weighed = across.pop()
    while across:
        near = across.pop()
        x = resize(x, near.shape[1:3], method="bilinear")
        x = jnp.concatenate([near, x], axis=-1)
        level = len(across) + 1
        x = Pair(near.shape[-1], common, name=f"up_{level}")(x, train=train)
    return x, features, weighed
