"""Fourier and cosine spectra: what up-sampling leaves in a picture, and how to move it.

Frequencies are DFT indices, cycles per side of the picture, as in the papers; spectra
are unnormalised, as numpy's.  Where one spectrum per picture is returned it is luma's.
A gray picture enters an `image` argument as `gray[..., None]`.  Transforms run in
float32 at least; results have the input's type.
"""

from functools import cache, partial

import chex
import einops
import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.ops.color import to_gray, widened

# Added to |F|² before every logarithm, as TR-Net's released code does: -9.2 is the
# least log-magnitude, and gradients stay finite where the spectrum vanishes.
_EPSILON = 1e-8
_GRAY = (..., None, None)
_PICTURE = (..., None, None, None)


def amplitude_phase(gray, *, log=False):
    """Amplitude and phase of the 2-D DFT, DC at [0, 0]; TR-Net, Eqs. 4 and 5.

    (..., h, w) -> (..., h, w, 2).  `log` gives ln(|F|² + 1e-8) / 2 in place of |F|.
    The phase is atan2's, but zero (gradient too) where the power is below 1e-8.
    """
    chex.assert_shape(gray, _GRAY)
    width = gray.shape[-1]
    spectrum = jnp.fft.rfft2(_float(gray))
    # Frequencies that are their own mirror are real: 0 or n/2 on both axes.  Round-off
    # would decide there between -pi and pi.
    mirrored = []
    for size in gray.shape[-2:]:
        step = size // 2
        if size % 2:  # only 0
            step = size
        mirrored.append(slice(None, None, step))
    real = spectrum.real
    imaginary = spectrum.imag.at[..., *mirrored].set(0.0)
    power = real**2 + imaginary**2
    if log:
        amplitude = _log_magnitude(power)
    else:
        amplitude = _safe_sqrt(power)

    # Where there is no power the gradient of atan2 would be no number.
    is_present = power > _EPSILON
    real = jnp.where(is_present, real, 1.0)
    imaginary = jnp.where(is_present, imaginary, 0.0)
    phase = _full(jnp.arctan2(imaginary, real), width, sign=-1)
    return jnp.stack([_full(amplitude, width), phase], axis=-1).astype(gray.dtype)


def log_spectrum(image, *, center=True):
    """Natural log-magnitude of the 2-D DFT of luma, DC in the middle if `center`.

    (..., h, w, 3) -> (..., h, w): ln(|F|² + 1e-8) / 2.
    """
    half = _log_magnitude(_power(_luma(image)))
    full = _full(half, image.shape[-2])
    if center:
        full = jnp.fft.fftshift(full, axes=(-2, -1))
    return full.astype(image.dtype)


def split_bands(image, *, sigma):
    """Low and high band of a picture by a Gaussian in the DFT domain; TR-Net, Eq. 8.

    `sigma` is the Gaussian's standard deviation in DFT indices; low + high = image.
    """
    chex.assert_shape(image, _PICTURE)
    low = _filter(image, _low_pass(image.shape[-3:-1], sigma))
    return low.astype(image.dtype), (image - low).astype(image.dtype)


def azimuthal_power(image, *, bins=None, log=False, around_dc=True, high=None):
    """Mean spectral power in rings around DC, lowest frequency first.

    (..., h, w, 3) -> (..., bins), from luma; Durall et al. (2020).  By default one ring
    per integer radius in DFT indices up to the corners, floor(hypot(h//2, w//2)) + 1 of
    them; `bins` divides the same range evenly.  `log` averages ln(|F|² + 1e-8) instead.
    `around_dc=False` centres the rings on the middle of the shifted spectrum, (h-1)/2
    and (w-1)/2, half an index beside DC at even sizes, as Durall's released code does.
    `high`, a standard deviation in DFT indices, measures the high band alone, as
    `split_bands(image, sigma=high)` has it.
    """
    power = _power(_luma(image))
    if high is not None:
        # One transform: luma and the filter are linear, so the power is multiplied by
        # the square of the high band's gain.
        gain = (1 - _low_pass(image.shape[-3:-1], high)) ** 2
        power = power * jnp.broadcast_to(gain, power.shape)
    if log:
        power = jnp.log(power + _EPSILON)
    return _ring_mean(power, image.shape[-2], bins, around_dc).astype(image.dtype)


def equalize_spectrum(image, profile):
    """Give the rings of a picture's spectrum the power of `profile`, phases kept.

    `profile` (..., bins), as `azimuthal_power(image, bins=bins)` returns it, becomes
    that of the result; channels keep their ratios.  Durall et al. (2020).  Rings that
    are empty to round-off stay so.  The result is not clipped.
    """
    luma = _luma(image)
    height, width = image.shape[-3:-1]
    power = _ring_mean(_power(luma), width, profile.shape[-1], True)
    target = jnp.broadcast_to(_float(profile), power.shape)
    # A coefficient is exact to about eps·‖image‖: below, there is no phase to keep.
    noise = (32 * jnp.finfo(power.dtype).eps) ** 2 * jnp.sum(luma**2, axis=(-2, -1))
    is_present = power > noise[..., None]
    wanted = jnp.where(is_present, target, 1.0)
    gain = _safe_sqrt(wanted / jnp.where(is_present, power, 1.0))
    # Each ring's gain at all coefficients of the ring.
    ring, _ = _rings(height, width, profile.shape[-1], True)
    gain = jnp.take(gain, ring[:, : width // 2 + 1], axis=-1)
    return _filter(image, gain).astype(image.dtype)


def dct2(x):
    """Orthonormal DCT-II over the last two axes, as scipy.fft.dctn(norm="ortho")."""
    chex.assert_shape(x, _GRAY)
    rows, columns = (_dct_matrix(size) for size in x.shape[-2:])
    return _sandwich(rows, x, columns.T)


def idct2(x):
    """Inverse of `dct2`, as scipy.fft.idctn(norm="ortho")."""
    chex.assert_shape(x, _GRAY)
    rows, columns = (_dct_matrix(size) for size in x.shape[-2:])
    return _sandwich(rows.T, x, columns)


def log_dct(image):
    """Logarithmic DCT of each channel, ln(|DCT| + 1e-12); Frank et al. (2020).

    (..., h, w, c) -> (..., h, w, c).  Their pixels are 0 to 255: ln 255 more.
    """
    chex.assert_shape(image, _PICTURE)
    planes = einops.rearrange(_float(image), "... h w c -> ... c h w")
    logarithm = jnp.log(jnp.abs(dct2(planes)) + 1e-12)
    return einops.rearrange(logarithm, "... c h w -> ... h w c").astype(image.dtype)


def _low_pass(shape, sigma):
    """A Gaussian over the real DFT's coefficients: (h, w // 2 + 1)."""
    height, width = shape
    rows = np.fft.fftfreq(height, 1 / height)
    columns = np.arange(width // 2 + 1.0)
    squared = jnp.float32(rows[:, None] ** 2 + columns[None] ** 2)
    return jnp.exp(-squared / (2 * sigma**2))


def _float(x):
    return widened(jnp.asarray(x))


def _luma(image):
    chex.assert_shape(image, _PICTURE)
    if image.shape[-1] not in (1, 3):
        raise ValueError(f"luma of {image.shape[-1]} channels: 3 (RGB) or 1 (gray)")
    image = _float(image)
    if image.shape[-1] == 1:
        return image[..., 0]
    return to_gray(image)


def _power(gray):
    """|F|² of the real DFT's coefficients: (..., h, w) -> (..., h, w // 2 + 1)."""
    spectrum = jnp.fft.rfft2(gray)
    return spectrum.real**2 + spectrum.imag**2


def _filter(image, gain):
    """Multiply each channel's real DFT by a gain (..., h, w//2 + 1)."""
    axes = (-3, -2)
    spectrum = jnp.fft.rfft2(_float(image), axes=axes)
    gain = jnp.broadcast_to(gain[..., None], spectrum.shape)
    # The size tells an odd width from the even one with as many coefficients.
    return jnp.fft.irfft2(spectrum * gain, s=image.shape[-3:-1], axes=axes)


def _log_magnitude(power):
    return 0.5 * jnp.log(power + _EPSILON)


def _safe_sqrt(x):
    """Square root whose gradient at zero is zero."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def _full(half, width, *, sign=1):
    """All columns from those of the real DFT: F(-u, -v) is the conjugate of F(u, v)."""
    mirror = jnp.flip(half[..., 1 : (width + 1) // 2], axis=(-2, -1))
    return jnp.concatenate([half, sign * jnp.roll(mirror, 1, axis=-2)], axis=-1)


@cache
def _rings(height, width, bins, around_dc):
    """Ring of each coefficient of the unshifted DFT, and the number of rings."""
    sizes = np.array([height, width])
    # In half indices: integers on either centre, so that exact radii stay exact.
    centre = sizes - 1
    if around_dc:
        centre = sizes - sizes % 2
    rows, columns = (
        2 * np.arange(size) - c for size, c in zip(sizes, centre, strict=True)
    )
    radius = np.fft.ifftshift(np.hypot(rows[:, None], columns[None]) / 2)
    radii = int(radius.max()) + 1
    if bins is None:
        bins = radii
    ring = (radius * bins / radii).astype(np.int32)
    if bins < 1 or np.unique(ring).size < bins:
        raise ValueError(
            f"a {height}x{width} spectrum cannot fill {bins} rings: it has {radii} "
            "integer radii"
        )
    return ring, bins


def _ring_mean(power, width, bins, around_dc):
    """(..., h, w//2 + 1) -> (..., bins)."""
    *batch, height, columns = power.shape
    ring, bins = _rings(height, width, bins, around_dc)
    weight = np.ones((height, width), np.float32)
    if around_dc:  # a coefficient and its mirror share a ring: half the plane is enough
        ring = ring[:, :columns]
        weight = weight[:, :columns]
        weight[:, 1 : (width + 1) // 2] = 2
    else:
        power = _full(power, width)

    # Every coefficient's share of its ring's mean, then one sum for the whole batch.
    ring = ring.ravel()
    weight = weight.ravel()
    share = weight / np.bincount(ring, weight)[ring].astype(np.float32)
    pixels = power.reshape(-1, ring.size).T * share[:, None]
    means = jax.ops.segment_sum(pixels, ring, bins, mode="promise_in_bounds")
    return means.T.reshape(*batch, bins)


@cache
def _dct_matrix(size):
    """Orthonormal DCT-II, one cosine per row."""
    frequency, position = np.ogrid[:size, :size]
    cosines = np.cos(np.pi / size * (position + 0.5) * frequency) * np.sqrt(2 / size)
    cosines[0] /= np.sqrt(2)
    return cosines


def _sandwich(rows, x, columns):
    """rows @ x @ columns for every plane of x."""
    wide = _float(x)
    rows = jnp.asarray(rows, wide.dtype)
    columns = jnp.asarray(columns, wide.dtype)
    # Accelerators would round the factors to 8 or 11 bits.
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    return product(rows, product(wide, columns)).astype(x.dtype)
