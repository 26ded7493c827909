"""What each pixel of a face shows: skin, hair, eyes, …

A small U-Net of our own; FakeLocator names no parser.  Its classes are numbered as in
the parsings that it learns from, those of the embedded benchmark by default.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.models import deeplab, unet


class FaceParser(nn.Module):
    """A U-Net with one value per pixel and class."""

    classes: int = 11
    width: int = 16
    levels: int = 4
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, h, w, classes)."""
        x, _, _ = unet.draw(self, image, train=train)
        logits = nn.Dense(self.classes, kernel_init=deeplab.UNIFORM, name="logits")
        return logits(x.astype(jnp.float32))
