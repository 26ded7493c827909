"""A linear classifier of the one-dimensional spectrum.

Durall, Keuper and Keuper, "Watch your up-convolution", CVPR 2020, who fit a support
vector machine to azimuthal averages of the log power.  Here the same averages are
standardised with running statistics and a linear layer is trained with the rest of a
method: the baseline that a network has to beat.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from jaxforensics.ops.spectrum import azimuthal_power


class SpectrumLinear(nn.Module):
    """Logits (b, num_classes), linear in the log power of each frequency ring."""

    num_classes: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> (b, num_classes), float32."""
        chex.assert_shape(image, (None, None, None, 3))
        # On 0 to 255 as in their code, where the added 1e-8 matters less.
        profile = azimuthal_power(255 * jnp.float32(image), log=True)
        # Running means and variances in the place of the scaler of a vector machine.
        standard = nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            use_bias=False,
            use_scale=False,
            dtype=self.dtype,
        )(profile)
        logits = nn.Dense(self.num_classes, dtype=self.dtype, name="classes")(standard)
        return logits.astype(jnp.float32)
