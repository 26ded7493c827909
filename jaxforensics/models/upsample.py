"""Doubling the size of a feature map, in the ways that generators are told apart by.

Transposed and nearest-neighbour upsampling are computed as one 2x2 convolution per
phase of the result (even and odd rows and columns): the same numbers as the dilated or
repeated input would give, with a quarter of the products; the gradient of a strided
transposed convolution is slow on CPUs otherwise.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.ops.resample import resize

KINDS = ("deconv", "nearest", "bilinear", "shuffle")
# Phase, tap of two, kernel index: which kernel entries a pixel of a phase sees.
_DECONV = np.float32([[[1, 0, 0, 0], [0, 0, 1, 0]], [[0, 1, 0, 0], [0, 0, 0, 1]]])
_NEAREST = np.float32([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
_AXES = ("NHWC", "HWIO", "NHWC")
_INIT = nn.initializers.he_normal()


class Upsample(nn.Module):
    """To twice the size, and `features` channels.

    'deconv' is a 4x4 transposed convolution with stride 2; 'nearest' and 'bilinear'
    interpolate and convolve 3x3; 'shuffle' convolves 3x3 to four times the channels and
    lays them out as 2x2 pixels.
    """

    features: int
    kind: str
    initial: Any = None  # of the kernel, if not random numbers

    @nn.compact
    def __call__(self, x):
        """(b, h, w, c) -> (b, 2 h, 2 w, features)."""
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.kind in ("deconv", "nearest"):
            taps = _DECONV if self.kind == "deconv" else _NEAREST
            size = taps.shape[-1]
            shape = (size, size, x.shape[-1], self.features)
            # A transposed kernel shares itself out over four phases.
            scale = 4.0 if self.kind == "deconv" else 1.0
            init = nn.initializers.variance_scaling(2.0 * scale, "fan_in", "normal")
            init = self.initial or init
            y = _by_phases(x, self.param("kernel", init, shape), taps)
        elif self.kind == "bilinear":
            y = resize(x, (2 * x.shape[1], 2 * x.shape[2]), method="bilinear")
            y = _conv(self.features, self.initial)(y)
        elif self.kind == "shuffle":
            y = _to_pixels(_conv(4 * self.features, self.initial)(x))
        else:
            raise ValueError(f"no upsampling {self.kind!r}: choose one of {KINDS}")
        return y + bias[None, None, None]


def _conv(features, init):
    init = init or _INIT
    return nn.Conv(features, (3, 3), use_bias=False, kernel_init=init, name="conv")


def _by_phases(x, kernel, taps):
    height, width, channels = x.shape[1:]
    kernels = jnp.einsum("pat,qbu,tuio->abipqo", taps, taps, kernel)
    kernels = kernels.reshape(2, 2, channels, -1)
    # Padded beforehand: the gradient of a padded 2x2 convolution is slow on CPUs.
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = jax.lax.conv_general_dilated(
        x, kernels, (1, 1), "VALID", dimension_numbers=_AXES
    )
    y = y.reshape(*y.shape[:3], 4, -1)
    return _interleave(
        [y[:, p : p + height, q : q + width, 2 * p + q] for p in (0, 1) for q in (0, 1)]
    )


def _to_pixels(x):
    return _interleave(jnp.split(x, 4, axis=-1))


def _interleave(parts):
    """Four (b, h, w, c), in the order of pixels of a 2x2 square -> (b, 2 h, 2 w, c)."""
    b, h, w, c = parts[0].shape
    y = jnp.stack(parts, axis=3).reshape(b, h, w, 2, 2, c)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, c)
