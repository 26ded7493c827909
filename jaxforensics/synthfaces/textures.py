"""Random textures with power-law spectra, drawn in the Fourier domain.

A coefficient depends on its frequency and the key data alone, not on the picture's
size: a picture of 64² shows the low frequencies of the same texture as one of 256².
"""

import jax.numpy as jnp
import numpy as np

_REFERENCE = 256


def frequencies(size):
    """Rows (signed) and columns of the half spectrum, cycles per picture."""
    return np.fft.fftfreq(size, 1 / size).astype(np.int32), np.arange(size // 2 + 1)


def amplitude(size, exponent, low):
    """f^-exponent, flat below `low`, such that the texture at 256² has variance 1."""

    def law(n):
        rows, columns = frequencies(n)
        squared = rows[:, None].astype(float) ** 2 + columns[None] ** 2
        falling = np.maximum(squared, low**2) ** (-exponent / 2)
        return falling * (squared > 0)

    power = 2 * np.sum(law(_REFERENCE)[:, 1:] ** 2) * 2 / 3
    return jnp.float32(law(size) / np.sqrt(power))


def _scramble(h):
    """A mixing of 32 bits in which every input bit moves every output bit."""
    h = (h ^ (h >> 16)) * jnp.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * jnp.uint32(0x846CA68B)
    return h ^ (h >> 16)


def coefficients(texture, size):
    """Independent complex numbers, uniform in a square, for key data (2,) uint32."""
    rows, columns = frequencies(size)
    index = jnp.uint32((rows[:, None] & 0xFFFF) * 65536 + columns[None])
    bits = _scramble(_scramble(index ^ texture[0]) + texture[1])
    real = jnp.float32(jnp.int32(bits >> 16)) - 32767.5
    imaginary = jnp.float32(jnp.int32(bits & jnp.uint32(0xFFFF))) - 32767.5
    return (real + 1j * imaginary) / 32767.5


def shift(size, row, column):
    """Phases that move a texture's origin to a point of the unit square."""
    rows, columns = (jnp.float32(f) for f in frequencies(size))
    return (
        (jnp.exp(-2j * np.pi * row * rows)[:, None])
        * (jnp.exp(-2j * np.pi * column * columns)[None])
    )


def textures(spectra):
    """Planes of half spectra (n, size, size / 2 + 1)."""
    return jnp.fft.irfft2(spectra, norm="forward")
