"""Cameras: from linear light to an 8-bit picture that knows which sensor took it.

Lens (blur, vignetting), exposure, a Bayer mosaic whose sites differ in sensitivity by
the sensor's fixed pattern, shot and read noise, white balance, demosaicing, colour
matrix, sRGB's gamma, sharpening, 8 bits; on the street JPEG as well.  Noise is added
before demosaicing, hence correlated between neighbours as in photographs.

Light (h, w, 3) is linear, white at 1; raw signals (h, w) have the sensor's full range
at 1; pictures (h, w, 3) are sRGB in steps of 1/255.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from jaxforensics.kernels.fusion import stage
from jaxforensics.ops.filters import gaussian_blur
from jaxforensics.ops.jpeg import jpeg

LARGEST = 256  # side of every sensor; smaller pictures use its upper left corner


class Camera(NamedTuple):
    """What makes a camera; each field is one number, or one per camera of a domain."""

    number: jax.Array  # of all cameras: the sensor's pattern follows from it
    blur: jax.Array  # of the lens: Gaussian's standard deviation in pixels
    vignetting: jax.Array  # share of the light that the corners of the picture lose
    row: jax.Array  # 1 if the mosaic begins with its blue row, else 0
    column: jax.Array  # 1 if the red row begins with green, else 0
    shot: jax.Array  # variance of the noise at the lowest ISO, per unit of the signal
    read: jax.Array  # and in the dark
    red: jax.Array  # sensitivity of red sites, those of green being 1
    blue: jax.Array  # of blue ones
    saturation: jax.Array  # of the colour matrix
    sharpening: jax.Array  # weight of the unsharp mask


class Shot(NamedTuple):
    """What changes from picture to picture."""

    exposure: jax.Array  # factor to the light
    iso: jax.Array  # factor to the noise's variance
    red: jax.Array  # error of the white balance, a factor
    blue: jax.Array  # the same
    quality: jax.Array  # of JPEG


class Habits(NamedTuple):
    """How a domain's photographers choose a shot."""

    exposure: float  # standard deviation in stops
    iso: float  # most, in stops
    balance: float  # standard deviation of white balance errors, relative


def _cameras(*rows):
    """The `Camera` whose fields are columns of the rows."""
    return Camera(*(np.array(field) for field in zip(*rows, strict=True)))


# Numbers are given once: a new camera takes the next.  Cameras of the street have worse
# lenses and more noise, as those of phones do; the mosaic begins at any of its sites.
CAMERAS = {
    "studio": _cameras(
        (0, 0.46, 0.06, 0, 0, 1.9e-4, 3e-6, 0.55, 0.65, 1.00, 0.30),
        (1, 0.46, 0.10, 0, 1, 1.8e-4, 2e-6, 0.48, 0.70, 1.06, 0.38),
        (2, 0.52, 0.08, 1, 0, 2.2e-4, 3e-6, 0.60, 0.58, 0.95, 0.42),
        (3, 0.54, 0.12, 1, 1, 1.6e-4, 2e-6, 0.52, 0.62, 1.03, 0.42),
        (4, 0.47, 0.05, 0, 0, 2.1e-4, 3e-6, 0.63, 0.55, 0.98, 0.29),
    ),
    "street": _cameras(
        (5, 0.55, 0.20, 1, 1, 2.3e-4, 4e-6, 0.50, 0.60, 1.10, 0.50),
        (6, 0.65, 0.25, 1, 0, 2.5e-4, 5e-6, 0.58, 0.52, 1.05, 0.55),
        (7, 0.60, 0.15, 0, 0, 2.0e-4, 3e-6, 0.46, 0.66, 0.92, 0.45),
        (8, 0.68, 0.30, 0, 1, 2.7e-4, 6e-6, 0.62, 0.57, 1.12, 0.60),
        (9, 0.50, 0.18, 1, 1, 2.4e-4, 4e-6, 0.54, 0.68, 0.97, 0.35),
    ),
}
HABITS = {
    "studio": Habits(exposure=0.15, iso=0.0, balance=0.01),
    "street": Habits(exposure=0.3, iso=2.2, balance=0.03),
}
JPEG_QUALITIES = {"street": (80, 95)}  # both included; other domains do not compress
_PATTERN = 0.015  # standard deviation of the sites' relative sensitivity


def choose(key, *, domain):
    """Index of one of the cameras of a domain, all equally likely."""
    return random.randint(key, (), 0, len(CAMERAS[domain].number))


def photograph(key, image, camera, *, domain, compressed=True):
    """Linear light (h, w, 3), white at 1, to a picture in steps of 1/255.

    `camera` is an index into `CAMERAS[domain]` and may be traced.  The key decides
    on exposure, white balance, ISO, noise and JPEG quality, none of which depend on
    the image: where two images agree, so do their pictures before JPEG.  Without
    `compressed` that is what they are.
    """
    height, width = image.shape[:2]
    shot_key, noise_key = random.split(key)
    shot = draw(shot_key, domain=domain)
    body = select(camera, domain=domain)
    pattern = jnp.asarray(patterns(domain)[:, :height, :width])[camera]
    raw = expose(noise_key, image, body, shot, pattern)
    picture = develop(raw, body, shot)
    if compressed:
        picture = _compressed(picture, shot, domain)
    return picture


def compress(key, picture, *, domain):
    """JPEG as the domain's camera writes it that photographs with this key."""
    shot_key, _ = random.split(key)
    return _compressed(picture, draw(shot_key, domain=domain), domain)


def select(camera, *, domain):
    """The `Camera` of an index."""
    return jax.tree.map(lambda field: jnp.asarray(field)[camera], CAMERAS[domain])


def draw(key, *, domain):
    """A shot as it is usual in the domain."""
    habits = HABITS[domain]
    error = random.normal(key, (3,))
    iso, quality = random.split(key)
    low, high = JPEG_QUALITIES.get(domain, (100, 100))
    return Shot(
        exposure=2 ** (habits.exposure * error[0]),
        iso=2 ** (habits.iso * random.uniform(iso)),
        red=1 + habits.balance * error[1],
        blue=1 + habits.balance * error[2],
        quality=random.randint(quality, (), low, high + 1),
    )


@functools.cache
def patterns(domain):
    """Relative sensitivities of the sites of a domain's cameras, (n, 256, 256).

    They are what a camera's fingerprint is estimated from.  Numpy, computed once, also
    when first asked for while a program is traced.
    """
    with jax.ensure_compile_time_eval():
        # The kind of key is named: a user's default must not change the cameras.
        key = random.key(0, impl="threefry2x32")
        keys = jax.vmap(lambda number: random.fold_in(key, number))(
            CAMERAS[domain].number
        )
        normal = jax.vmap(lambda key: random.normal(key, (LARGEST, LARGEST)))(keys)
        return np.asarray(1 + _PATTERN * normal)


def expose(key, image, camera, shot, pattern):
    """Linear light (h, w, 3) to the sensor's signal (h, w), saturated at 1."""
    height, width = image.shape[:2]
    if max(height, width) > LARGEST:
        raise ValueError(f"{height}x{width} is larger than the sensor: {LARGEST}")
    image = gaussian_blur(image, size=5, sigma=camera.blur)
    light = mosaic(image, camera.row, camera.column)

    # Lens and sites weaken the light before it is counted; noise follows the count.
    gain = _sites(camera.red, 1.0, camera.blue, light.shape, camera)
    falloff = 1 - camera.vignetting * _radius_squared(height, width)
    signal = shot.exposure * light * gain * falloff * pattern
    variance = shot.iso * (camera.shot * jnp.maximum(signal, 0.0) + camera.read)
    noise = random.normal(key, light.shape) * jnp.sqrt(variance)
    return jnp.minimum(signal + noise, 1.0)


def develop(raw, camera, shot):
    """The sensor's signal (h, w) to a picture (h, w, 3) in steps of 1/255."""
    # White balance undoes the sites' sensitivities, up to the shot's error.
    gain = _sites(
        shot.red / camera.red, 1.0, shot.blue / camera.blue, raw.shape, camera
    )
    image = demosaic(raw * gain, camera.row, camera.column)

    # The colour matrix keeps grays and moves colours away from them.
    gray = image.mean(-1, keepdims=True)
    image = encode_gamma(gray + camera.saturation * (image - gray))

    # The unsharp mask.
    image += camera.sharpening * (image - gaussian_blur(image, size=3, sigma=0.8))
    return jnp.round(255 * jnp.clip(image, 0.0, 1.0)) / 255


def mosaic(image, row, column):
    """What a Bayer sensor sees of (h, w, 3): one of red, green and blue at each site.

    Red sites are those whose row and column plus `row` and `column` are both even,
    blue where both are odd.
    """
    odd_row, odd_column = _parity(image.shape[:2], row, column)
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return jnp.where(odd_row ^ odd_column, green, jnp.where(odd_row, blue, red))


def demosaic(raw, row, column):
    """Inverse of `mosaic` by the gradient-corrected filters of Malvar et al. (2004).

    A missing colour is the mean of its nearest sites plus a share of the Laplacian of
    the colour that was seen here.  All four filters are evaluated everywhere, and each
    site takes those that belong to its colour.
    """
    height, width = raw.shape
    # Mirrored about the edge pixels, sites keep their colours.
    padded = stage(lambda raw: jnp.pad(raw, 2, mode="reflect"))(raw)

    def around(*offsets):
        """Sum of the sites at (row, column) offsets."""
        return sum(
            lax.dynamic_slice(padded, (2 + u, 2 + v), (height, width))
            for u, v in offsets
        )

    beside = around((0, -1), (0, 1))
    above = around((-1, 0), (1, 0))
    far_beside = around((0, -2), (0, 2))
    far_above = around((-2, 0), (2, 0))
    corners = around((-1, -1), (-1, 1), (1, -1), (1, 1))
    # Green at red and blue sites; red and blue at green sites, from the same row or the
    # same column; red at blue sites and blue at red ones.
    green = (4 * raw + 2 * (beside + above) - far_beside - far_above) / 8
    along_row = (5 * raw + 4 * beside - far_beside - corners + far_above / 2) / 8
    along_column = (5 * raw + 4 * above - far_above - corners + far_beside / 2) / 8
    opposite = (6 * raw + 2 * corners - 1.5 * (far_beside + far_above)) / 8

    odd_row, odd_column = _parity(raw.shape, row, column)
    is_green = odd_row ^ odd_column
    # Even rows hold red sites, odd rows blue ones.
    red_at_green = jnp.where(odd_row, along_column, along_row)
    blue_at_green = jnp.where(odd_row, along_row, along_column)
    red = jnp.where(is_green, red_at_green, jnp.where(odd_row, opposite, raw))
    blue = jnp.where(is_green, blue_at_green, jnp.where(odd_row, raw, opposite))
    return jnp.stack([red, jnp.where(is_green, raw, green), blue], -1)


def encode_gamma(light):
    """Linear light to sRGB's code values, IEC 61966-2-1; straight below zero."""
    # Several times faster than `**`, which takes care of exponents that vary.
    power = jnp.exp(jnp.log(jnp.maximum(light, 0.0031308)) / 2.4)
    return jnp.where(light > 0.0031308, 1.055 * power - 0.055, 12.92 * light)


def _sites(red, green, blue, shape, camera):
    """A plane that holds one of three numbers at the sites of each colour."""
    odd_row, odd_column = _parity(shape, camera.row, camera.column)
    return jnp.where(odd_row ^ odd_column, green, jnp.where(odd_row, blue, red))


def _parity(shape, row, column):
    """Whether a site lies in an odd row and in an odd column of the mosaic."""
    rows, columns = (lax.broadcasted_iota(jnp.int32, shape, axis) for axis in (0, 1))
    return (rows + row) % 2 == 1, (columns + column) % 2 == 1


def _radius_squared(height, width):
    """Squared distance from the middle, 1 at the corner pixels."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in (height, width))
    return (rows[:, None] ** 2 + columns[None] ** 2) / 2


def _compressed(picture, shot, domain):
    if domain not in JPEG_QUALITIES:
        return picture
    return jpeg(picture, shot.quality)
