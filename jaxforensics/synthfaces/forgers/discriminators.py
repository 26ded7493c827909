"""Discriminators that train forgers: of patches of a picture, and of its spectrum.

Both serve pictures of 64 and of 128 pixels, windows of 64 pixels out of either, and
are told which it is by `scale` (b,), for instance 1 and 2.
"""

import einops
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.ops.residuals import high_pass
from jaxforensics.ops.spectrum import log_spectrum


class PatchDiscriminator(nn.Module):
    """Is each patch of a picture real?  Isola et al. (2017), smaller.

    It sees the picture's high-pass residual too.
    """

    widths: tuple[int, ...] = (24, 32, 48)

    @nn.compact
    def __call__(self, image, scale):
        """(b, h, w, 3) in [0, 1], (b,) -> logits (b, h / 4, w / 4)."""
        scale_plane = jnp.broadcast_to(
            scale[:, None, None, None], (*image.shape[:-1], 1)
        )
        # The last three of nine: second differences along both rows and columns, which
        # are about a tenth as large as the picture's values.
        centred = 2 * image - 1
        residual = 10 * high_pass(image)[..., 6:]
        x = jnp.concatenate([centred, residual, scale_plane], -1)
        # Two layers that halve the size, and one that does not.
        shapes = ((4, 2), (4, 2), (3, 1))
        for i, (width, (size, stride)) in enumerate(
            zip(self.widths, shapes, strict=True)
        ):
            x = nn.Conv(width, (size, size), strides=stride, name=f"conv_{i}")(x)
            x = nn.leaky_relu(x, 0.2)
        return nn.Conv(1, (1, 1), name="logits")(x)[..., 0]


class SpectralDiscriminator(nn.Module):
    """Is a picture real, by its centred log spectrum?"""

    width: int = 48

    @nn.compact
    def __call__(self, image, scale):
        """(b, h, w, 3) in [0, 1], (b,) -> logits (b,)."""
        spectrum = log_spectrum(image)
        # A real picture's spectrum is symmetric: half of it says all.
        half = spectrum[:, :, : spectrum.shape[2] // 2 + 1]
        x = einops.rearrange(half, "b h w -> b (h w)")
        x = jnp.concatenate([x, scale[:, None]], axis=-1)
        x = nn.leaky_relu(nn.Dense(self.width, name="hidden")(x), 0.2)
        return nn.Dense(1, name="logits")(x)[..., 0]
