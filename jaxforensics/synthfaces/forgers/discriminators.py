"""Discriminators that train forgers: of patches of a picture, and of its spectrum."""

import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.ops.residuals import high_pass
from jaxforensics.ops.spectrum import log_spectrum


class PatchDiscriminator(nn.Module):
    """Is each patch of a picture real?  Isola et al. (2017), smaller.

    It sees the picture's high-pass residual too, and its scale: at how many times 64
    pixels the whole picture was taken.
    """

    widths: tuple[int, ...] = (24, 32, 48)

    @nn.compact
    def __call__(self, image, scale):
        """(b, h, w, 3) in [0, 1], (b,) -> logits (b, h / 4, w / 4)."""
        plane = jnp.broadcast_to(scale[:, None, None, None], (*image.shape[:-1], 1))
        x = jnp.concatenate([2 * image - 1, 10 * high_pass(image)[..., 6:], plane], -1)
        for i, width in enumerate(self.widths):
            strides = 2 if i < 2 else 1
            size = 4 if i < 2 else 3
            x = nn.Conv(width, (size, size), strides=strides, name=f"conv_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
        return nn.Conv(1, (1, 1), name="logits")(x)[..., 0]


class SpectralDiscriminator(nn.Module):
    """Is a picture real, by its centred log spectrum?"""

    width: int = 48

    @nn.compact
    def __call__(self, image, scale):
        """(b, h, w, 3) in [0, 1], (b,) -> logits (b,)."""
        spectrum = log_spectrum(image)
        half = spectrum[:, :, : spectrum.shape[2] // 2 + 1]
        x = half.reshape(half.shape[0], -1)
        x = jnp.concatenate([x, scale[:, None]], axis=-1)
        x = nn.leaky_relu(nn.Dense(self.width, name="hidden")(x), 0.2)
        return nn.Dense(1, name="logits")(x)[..., 0]
