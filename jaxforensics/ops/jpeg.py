"""JPEG on the device, equal to libjpeg(-turbo) on every pixel.

Every step is the integer arithmetic of libjpeg's defaults (jccolor.c, jcsample.c,
jfdctint.c, jcdctmgr.c, jidctint.c, jdsample.c, jdcolor.c); entropy coding is lossless
and left out.  Samples are centred on zero throughout, which changes no rounding.
"""

import functools

import chex
import einops
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxforensics.kernels.fusion import stage

# Annex K of the standard: luminance and chrominance at quality 50.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = (
    (17, 18, 24, 47),
    (18, 21, 26, 66),
    (24, 26, 56, 99),
    (47, 66, 99, 99),
)
_TABLES = np.int32((_LUMINANCE, _CHROMINANCE))

# The 'islow' butterfly with its 13-bit constants, multiplied out: libjpeg rounds only
# after a pass, so a pass is this exact product.  The inverse is its transpose.
_DCT = np.int32(
    (
        (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
        (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
        (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
        (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
        (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
        (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
        (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
        (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
    )
)
# 16-bit fixed point, the last column an offset: rounding, and -128 for the luminance.
_TO_YCBCR = np.int32(
    (
        (19595, 38470, 7471, 32768 - (128 << 16)),
        (-11059, -21709, 32768, 32767),
        (32768, -27439, -5329, 32767),
    )
)
_FROM_CHROMA = np.int32(((0, 91881), (-22554, -46802), (116130, 0)))


def quantization_tables(quality):
    """libjpeg's baseline tables (..., 2, 8, 8): luminance and chrominance, row-major.

    `quality` is any integer array, taken into 1..100 as libjpeg does.
    """
    quality = jnp.asarray(quality)
    if not jnp.issubdtype(quality.dtype, jnp.integer):
        raise TypeError(f"JPEG quality must be an integer, not {quality.dtype}")
    quality = jnp.clip(quality.astype(jnp.int32), 1, 100)[..., None, None, None]
    # jpeg_quality_scaling of jcparam.c, in per cent of the tables for quality 50.
    scale = jnp.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = _TABLES.reshape((1,) * (quality.ndim - 3) + _TABLES.shape)
    return jnp.clip((tables * scale + 50) // 100, 1, 255)


def _descale(x, bits):
    """Divide by a power of two and round, halves up: libjpeg's DESCALE."""
    return (x + (1 << (bits - 1))) >> bits


def _mix(parts, matrix, axis):
    """Multiply `matrix` into `axis`, along which `parts` are the single entries."""
    shape = [1] * parts[0].ndim
    shape[axis] = len(matrix)
    columns = (column.reshape(shape) for column in matrix.T)
    return sum(part * column for part, column in zip(parts, columns, strict=True))


def _transform(blocks, matrix, axis):
    """One pass over (..., rows, 8, columns, 8): axis -1 along rows, -3 down columns."""
    return _mix(jnp.split(blocks, 8, axis), matrix, axis)


@stage
def _forward_rows(blocks):
    return _descale(_transform(blocks, _DCT, -1), 11)


@stage
def _forward_columns_and_quantize(blocks, table):
    """Second pass of the DCT, then round to steps of the table, half away from zero."""
    blocks = _descale(_transform(blocks, _DCT, -3), 15)  # 8 times the orthonormal DCT
    table = table[..., None, :, None, :]
    # Exact: below 2^15 the half added exceeds the error of a float32 reciprocal.
    numerator = (jnp.abs(blocks) + 4 * table).astype(jnp.float32) + 0.5
    levels = (numerator * (1 / (8 * table).astype(jnp.float32))).astype(jnp.int32)
    return jnp.sign(blocks) * levels * table


@stage
def _inverse_columns(blocks):
    return _descale(_transform(blocks, _DCT.T, -3), 11)


@stage
def _inverse_rows(blocks):
    # Saturates as libjpeg-turbo's SIMD code; its C code wraps beyond 512.
    return lax.clamp(-128, _descale(_transform(blocks, _DCT.T, -1), 18), 127)


def _pad(plane, rows, columns):
    """Repeat the last row and the last column."""
    width = [(0, 0)] * (plane.ndim - 2) + [(0, rows), (0, columns)]
    return jnp.pad(plane, width, mode="edge")


def _transcode(plane, table):
    """Code and decode one component (..., h, w) with its table (..., 8, 8)."""
    h, w = plane.shape[-2:]
    plane = _pad(plane, -h % 8, -w % 8)
    blocks = einops.rearrange(plane, "... (m i) (n j) -> ... m i n j", i=8, j=8)
    blocks = _forward_columns_and_quantize(_forward_rows(blocks), table)
    blocks = _inverse_rows(_inverse_columns(blocks))
    plane = einops.rearrange(blocks, "... m i n j -> ... (m i) (n j)")
    return plane[..., :h, :w]


@stage
def _to_ycbcr(image):
    """Round to 8 bits and convert to three components."""
    rgb = lax.clamp(0.0, 255 * image.astype(jnp.float32), 255.0)
    rgb = lax.round(rgb, lax.RoundingMethod.TO_NEAREST_EVEN).astype(jnp.int32)
    red, green, blue = jnp.split(rgb, 3, -1)
    return _mix((red, green, blue, jnp.ones_like(red)), _TO_YCBCR, -1) >> 16


@stage
def _to_rgb(y, cb, cr):
    chroma = _mix((cb[..., None], cr[..., None]), _FROM_CHROMA, -1)
    return lax.clamp(0, y[..., None] + 128 + _descale(chroma, 16), 255)


@stage
def _downsample(plane):
    """Mean of 2 x 2 samples, the rounding alternating along the row."""
    sums = einops.reduce(plane, "... (m 2) (n 2) -> ... m n", "sum")
    # h2v2_downsample adds 1 and 2 in turn before it divides, so that no bias is left.
    column = lax.broadcasted_iota(jnp.int32, sums.shape, sums.ndim - 1)
    return (sums + 1 + (column & 1)) >> 2


@stage
def _upsample(plane):
    """Triangle filter; rows of one or two samples are repeated, as in libjpeg."""
    if plane.shape[-1] <= 2:
        return plane.repeat(2, -2).repeat(2, -1)
    borders = [(0, 0)] * (plane.ndim - 2) + [(1, 1), (1, 1)]
    plane = jnp.pad(plane, borders, mode="edge")

    # Every second row is 3/4 of the one at hand and 1/4 of the one above, or below.
    rows = 3 * plane[..., 1:-1, :]
    with_above = rows + plane[..., :-2, :]
    with_below = rows + plane[..., 2:, :]
    pairs = jnp.stack([with_above, with_below], -2)
    sums = einops.rearrange(pairs, "... h pair w -> ... (h pair) w")

    # Columns alike; halves are rounded up and down in turn.
    columns = 3 * sums[..., 1:-1]
    before = columns + sums[..., :-2] + 8
    after = columns + sums[..., 2:] + 7
    sixteenths = jnp.stack([before, after], -1)
    return einops.rearrange(sixteenths >> 4, "... w pair -> ... (w pair)")


def _transcode_subsampled(plane, table):
    """Code and decode a component at half the resolution."""
    h, w = plane.shape[-2:]
    # A row of 16 samples is a whole block of eight after it was halved.
    half = _transcode(_downsample(_pad(plane, h % 2, -w % 16)), table)
    return _upsample(half[..., : -(-w // 2)])[..., :h, :w]


@functools.partial(jax.jit, static_argnames="subsample")
def jpeg(image, quality, *, subsample=True):
    """`image` (..., h, w, 3) saved as JPEG and read again.

    Equals Pillow's `save(format="JPEG", quality=quality, subsampling=2)` (or 0 without
    `subsample`) on every pixel.  The image is rounded to 8 bits first, values outside
    [0, 1] clipped.  `quality` is an integer in 1..100, or one per image, and may be
    traced.  The gradient passes straight through: it is the identity's.  In bfloat16,
    which cannot tell all 256 levels apart, the picture is rounded before and after.
    """
    chex.assert_shape(image, (..., None, None, 3))
    tables = quantization_tables(quality)
    tables = jnp.broadcast_to(tables, (*image.shape[:-3], 2, 8, 8))
    ycbcr = _to_ycbcr(lax.stop_gradient(image))
    luminance = tables[..., 0, :, :]
    chrominance = tables[..., 1, :, :]
    y = _transcode(ycbcr[..., 0], luminance)
    if subsample:
        transcode_chroma = _transcode_subsampled
    else:
        transcode_chroma = _transcode
    cb, cr = (transcode_chroma(ycbcr[..., k], chrominance) for k in (1, 2))
    decoded = (_to_rgb(y, cb, cr) / 255).astype(image.dtype)
    return decoded + (image - lax.stop_gradient(image))  # adds exactly 0
