"""Temporal segment networks: one detector for several frames of a video.

Wang et al., "Temporal segment networks: towards good practices for deep action
recognition", ECCV 2016: a video is cut into as many segments as there are frames, each
shows one, and their logits are averaged.  Which frames these are is the data's to say:
any of its segment in training, the middle one otherwise.
"""

from typing import Any

import chex
import einops
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models import by_name


class TSN(nn.Module):
    """The network called `frame_model`, with `frame_settings`, asked about every frame.

    Its layers are this module's: weights of the one are weights of the other.
    """

    frame_model: str = "efficientnet_b0"
    frame_settings: Any = ()
    num_classes: int = 1
    dtype: Any = jnp.float32

    def setup(self):
        """Build the network of a frame."""
        settings = {"num_classes": self.num_classes, "dtype": self.dtype}
        settings |= dict(self.frame_settings)
        self.frame = by_name.build(by_name.PICTURES, self.frame_model, settings)
        nn.share_scope(self, self.frame)

    def __call__(self, image, *, train=False):
        """(b, frames, h, w, 3) in [0, 1] -> logits (b, num_classes).

        Pictures (b, h, w, 3) are videos of one frame.
        """
        if image.ndim != 5:
            return self.frame(image, train=train)
        chex.assert_shape(image, (None, None, None, None, 3))
        count = image.shape[1]
        frames = einops.rearrange(image, "b frames ... -> (b frames) ...")
        logits = self.frame(frames, train=train)
        return einops.reduce(
            logits, "(b frames) classes -> b classes", "mean", frames=count
        )
