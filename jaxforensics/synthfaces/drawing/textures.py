"""Random textures with power-law spectra, drawn in the Fourier domain.

Photographs of most things have amplitudes that fall as a power of the frequency.  Here
a coefficient depends on its frequency and the key data alone, not on the picture's
size: a picture of 64² shows the low frequencies of the same texture as one of 256².
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.kernels.fusion import keep

_REFERENCE = 256  # side of the largest pictures, at which a texture has variance 1


def frequencies(size):
    """Rows (signed) and columns of the half spectrum, cycles per picture."""
    return np.fft.fftfreq(size, 1 / size).astype(np.int32), np.arange(size // 2 + 1)


def amplitude(size, exponent, low):
    """f^-exponent, flat below `low`, such that the texture at 256² has variance 1."""

    def law(n):
        rows, columns = frequencies(n)
        squared = rows[:, None].astype(float) ** 2 + columns[None] ** 2
        falling = np.maximum(squared, low**2) ** (-exponent / 2)
        return falling * (squared > 0)  # no mean

    # Parseval: a column of the half spectrum stands for two of the whole; real and
    # imaginary part of a coefficient, uniform in [-1, 1], have variance 1/3 each.
    power = 2 * np.sum(law(_REFERENCE)[:, 1:] ** 2) * 2 / 3
    return jnp.float32(law(size) / np.sqrt(power))


def _scramble(h):
    """A mixing of 32 bits in which every input bit moves every output bit."""
    # Multipliers and shifts of Wellons' "lowbias32" (2018).
    h = (h ^ (h >> 16)) * jnp.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x846CA68B)
    return h ^ (h >> 16)


def coefficients(texture, size):
    """Independent numbers, uniform in a square, for key data (n, 2) uint32.

    -> real and imaginary parts, each (n, size, size / 2 + 1).
    """
    rows, columns = frequencies(size)
    # The frequency itself is the counter that is hashed: 16 bits for each of its parts.
    # `jax.random` counts in the array's order, which changes with the size.
    index = jnp.uint32((rows[:, None] & 0xFFFF) * 65536 + columns[None])[None]
    bits = _scramble(index ^ texture[:, :1, None])
    bits = _scramble(bits + texture[:, 1:, None])
    halves = bits >> 16, bits & jnp.uint32(0xFFFF)
    return [(jnp.float32(jnp.int32(half)) - 32767.5) / 32767.5 for half in halves]


def textures(keys, laws, origins, *, size):
    """Planes (n, size, size), one for each row of key data (n, 2).

    `laws` are pairs (exponent, low) for `amplitude`; a texture moves with its origin,
    a row and column in units of the picture.
    """
    real, imaginary = coefficients(keys, size)
    # A shift in space is a turn of each coefficient, by the sum of the angles of its
    # row and its column.
    (row_cos, row_sin), (column_cos, column_sin) = _phases(origins, size)
    cos = row_cos * column_cos - row_sin * column_sin
    sin = row_sin * column_cos + row_cos * column_sin
    law = jnp.stack([amplitude(size, *law) for law in laws])
    spectra = lax.complex(real * cos - imaginary * sin, real * sin + imaginary * cos)
    return jnp.fft.irfft2(spectra * law, norm="forward")


def _phases(origins, size):
    """Cosine and sine by which the rows' frequencies turn, then the columns'."""
    for axis, frequency in enumerate(frequencies(size)):
        angle = -2 * np.pi * origins[:, axis, None] * jnp.float32(frequency)[None]
        # Kept, or XLA:CPU would compute them anew for every coefficient.
        turned = keep((jnp.cos(angle), jnp.sin(angle)))
        yield tuple(jnp.expand_dims(x, 2 - axis) for x in turned)
