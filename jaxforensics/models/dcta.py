"""DCTA: a shallow network on standardised logarithmic cosine spectra.

Frank, Eisenhofer, Schönherr, Fischer, Kolossa and Holz, "Leveraging frequency analysis
for deep fake image recognition", ICML 2020, as in the authors' Keras code.  They take
each coefficient's mean and standard deviation over the training set beforehand; here
they are gathered while training, and after whole passes they are the same.  Pictures
are 128 x 128 there; statistics and dense layer bind a set of weights to one size.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels.pools import mean_pool
from jaxforensics.models.layers import Conv
from jaxforensics.ops.spectrum import log_dct

GLOROT = nn.initializers.glorot_uniform()
WIDTHS = 3, 8, 16, 32  # of the convolutions
POOLED = 2, 3  # those that a pool follows, counted from 1


class Standardize(nn.Module):
    """Each entry of an example by its mean and variance over all examples so far.

    Batches are merged exactly, by Chan, Golub and LeVeque (1979), and weigh as much as
    they hold; variances are those of the population.  In training the batch at hand
    counts already.  Before any, examples are left as they are.
    """

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x, *, train):
        """(b, …) -> (b, …), in float32."""
        shape = x.shape[1:]
        count = self.variable("batch_stats", "count", jnp.zeros, ())
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        if train and not self.is_initializing():
            batch_mean, batch_var = lax.stop_gradient((x.mean(0), x.var(0)))
            total = count.value + len(x)
            weight = len(x) / total  # of the batch among all
            shift = batch_mean - mean.value
            # Of two groups, the variance of all has a term for the distance of their
            # means; as differences the sums lose no digits.
            spread = batch_var + (1 - weight) * shift**2
            mean.value += weight * shift
            var.value += weight * (spread - var.value)
            count.value = total
        # One picture's coefficients, each by its own mean and variance.
        return (x - mean.value[None]) * lax.rsqrt(var.value + self.epsilon)[None]


class DCTA(nn.Module):
    """Four convolutions and a dense layer on ln(|DCT| + 1e-12) of each colour."""

    num_classes: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image, *, train=False):
        """(b, h, w, 3) in [0, 1] -> logits (b, num_classes)."""
        chex.assert_shape(image, (None, None, None, 3))
        height, width = image.shape[1:3]
        if min(height, width) < 4:
            raise ValueError(f"{height}x{width} pixels: DCTA needs 4x4 at least")
        # Their pixels are 0 to 255: a constant that standardising takes away again.
        x = log_dct(255 * jnp.float32(image))
        x = Standardize(name="standardize")(x, train=train)
        for i, width in enumerate(WIDTHS, 1):
            conv = Conv(
                width, 3, kernel_init=GLOROT, dtype=self.dtype, name=f"conv_{i}"
            )
            x = nn.relu(conv(x))
            if i in POOLED:
                x = mean_pool(x, 2)
        x = x.reshape(x.shape[0], -1)
        logits = nn.Dense(
            self.num_classes, kernel_init=GLOROT, dtype=self.dtype, name="logits"
        )
        return logits(x).astype(jnp.float32)
