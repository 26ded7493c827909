"""FFD as a locator: its coarse map beside its own answer, as others are trained."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.models.deeplab import Located
from jaxforensics.models.ffd import FFD

NEAREST = 1e-6  # to 0 or 1, of a map whose logits are finite


class FFDMap(nn.Module):
    """The layers of `ffd.FFD`; the map has a sixteenth of the picture's sides."""

    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, attention=None, train=False):
        """(b, h, w, 3) in [0, 1] -> `Located` with answers; attention is refused."""
        if attention is not None:
            raise ValueError("FFD draws its own attention: set attention to 'white'")
        ffd = FFD(norm_momentum=self.norm_momentum, dtype=self.dtype)
        # The layers are FFD's own: its weights fit both.
        nn.share_scope(self, ffd)
        answers, drawn = ffd.both(image, train=train)
        drawn = jnp.clip(drawn, NEAREST, 1 - NEAREST)
        return Located(
            logits=jax.scipy.special.logit(drawn),
            features=drawn[..., None],
            attended=drawn[..., None],
            answers=answers,
        )
