"""Patch-CNN: a truncated Xception that judges every patch of a picture on its own.

Chai, Bau, Lim and Isola, "What makes fake images detectable? Understanding properties
that generalize", ECCV 2020.  As in the authors' code the stem and the blocks are those
of `xception`, whole, and one 1x1 convolution with bias follows the last block directly;
weights are small normal ones, not pretrained.  After blocks 1 to 5 a patch is 19, 43,
91, 187 and 283 pixels wide, and patches lie 4, 8 and from block 3 on 16 pixels apart.
Pictures are 299 x 299 there, but any size from 7 x 7 does.

The authors train with the picture's label at every patch, and the mean cross-entropy:
in training the module hands out the logits of all patches.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxforensics.models import xception
from jaxforensics.models.layers import Conv, around_one


class PatchCNN(nn.Module):
    """Xception up to block `block`, logits per patch, mean probability of the patches.

    The authors use blocks 1 to 5 of the twelve, and a `gain` of 0.02: so small that
    the first hundreds of steps do little but enlarge weights.  Short trainings take 1.
    """

    num_classes: int = 1
    block: int = 2
    gain: float = 0.02  # of Xavier's normal weights
    norm_momentum: float = 0.9
    dtype: Any = jnp.float32

    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes) of the mean probability.

        In training, those of the patches, (b, h', w', num_classes).
        """
        patches = self.patches(image, train=train)
        if train:
            return patches
        return pooled(patches)

    def with_patches(self, image):
        """What it gives out of training, and the logits of the patches."""
        patches = self.patches(image)
        return pooled(patches), patches

    @nn.compact
    def patches(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits of the patches (b, h', w', num_classes)."""
        if not 1 <= self.block <= len(xception.BLOCKS):
            last = len(xception.BLOCKS)
            raise ValueError(f"block {self.block} of Xception: blocks are 1 to {last}")
        normal = nn.initializers.variance_scaling(self.gain**2, "fan_avg", "normal")
        trunk = xception.Trunk(
            self.block, self.norm_momentum, self.dtype, normal, around_one
        )
        # The trunk's layers are this module's, so that names are those of Xception.
        nn.share_scope(self, trunk)
        x = trunk(image, train=train).astype(jnp.float32)
        return Conv(self.num_classes, 1, kernel_init=normal, name="logits")(x)


def pooled(logits):
    """Logits whose probabilities are the patches' mean ones: (b, h, w, c) -> (b, c).

    Sigmoids of one class are averaged, softmaxes of several.
    """
    axes = 1, 2
    if logits.shape[-1] == 1:
        # The logit of a mean is the log of a ratio of sums; a mean of sigmoids itself
        # would round to one where its logit still grows.
        fake, real = (nn.log_sigmoid(x) for x in (logits, -logits))
        return jax.nn.logsumexp(fake, axis=axes) - jax.nn.logsumexp(real, axis=axes)
    total = jax.nn.logsumexp(nn.log_softmax(logits), axis=axes)
    return total - math.log(logits.shape[1] * logits.shape[2])
