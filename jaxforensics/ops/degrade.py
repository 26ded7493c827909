"""Degradations `(key, image) -> image` with parameters of their own for every image.

A factory sets the range of a parameter; each picture along the leading axes of `image`
(..., h, w, 3) draws its value.  Shapes are static: one compilation serves all draws.
A range from a value to itself is that value.  Values are clipped to [0, 1] where it is
said; 8 bits come from `jpeg` and `quantize` alone.

Operations are pytrees of their numbers: those that differ in numbers alone can share a
compiled program, as in `training.predict`.
"""

import math
from functools import cache, partial
from typing import NamedTuple

import chex
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jax.tree_util import Partial

from jaxforensics.kernels.fusion import stage
from jaxforensics.ops.color import adjust_gamma
from jaxforensics.ops.filters import gaussian_sigma, median_blur
from jaxforensics.ops.jpeg import jpeg as compress
from jaxforensics.ops.noise import add_gaussian
from jaxforensics.ops.resample import crop_resize
from jaxforensics.settings import call, choose


def chain(*operations):
    """Apply the operations in this order; without any, leave the image as it is."""
    return Partial(_chained, operations)


def maybe(operation, probability):
    """Apply `operation` to each image with this probability."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")
    return Partial(_at_times, operation, probability)


def from_config(operations):
    """The chain of entries such as {"name": "jpeg", "probability": 0.5, "low": 10}.

    `name` is a key of `OPS`, `probability` is 1 unless given, all else is settings.
    """
    return chain(*(_from_entry(dict(entry)) for entry in operations))


def blur(*, sizes=(3, 5, 7, 9), sigma=None, variance=None):
    """Gaussian blur by a window of one of the odd `sizes`, sigma by OpenCV's rule.

    Or of this `sigma`; or of a variance from an interval (low, high) for each image.
    """
    if variance is not None:
        if sigma is not None:
            raise ValueError("blur has a sigma or an interval of variance, not both")
        _check_sizes(sizes)
        return Partial(_fixed(_blur_of_variance, tuple(sizes)), _interval(variance))

    def profile(x, size):
        return np.exp(-0.5 * (x / (sigma or gaussian_sigma(size))) ** 2)

    return _window(sizes, profile)


def mean(*, sizes=(3, 5, 7)):
    """Mean over a square window of one of the odd `sizes`."""
    return _window(sizes, lambda x, size: np.ones_like(x))


def median(*, sizes=(3, 5, 7)):
    """Median over a square window of one of the odd `sizes`."""
    _check_sizes(sizes)
    return Partial(_fixed(_median, tuple(sizes)))


def gamma(*, low=0.6, high=2.0, values=None):
    """Raise the values in [0, 1] to a power from [low, high], or one of `values`."""
    return Partial(_gamma, _drawn(low, high, values, 0))


def crop(*, low=0.05, high=0.2, method="bicubic"):
    """Cut a fraction from [low, high] off both sides, centred, and resize; clips."""
    return Partial(_fixed(_crop, method), _drawn(low, high, None, 0, 0.99))


def scale(*, low=0.55, high=1.9, values=None, room=None, method="bicubic"):
    """Resize by a factor from [low, high], or one of `values`, and back; clips.

    Both ways with antialiasing.  The canvas has `room` for this factor, the largest
    one unless given; operations with equal room can share a program.
    """
    largest = high
    if values is not None:
        largest = max(values)
    largest = max(largest, 1)
    if room is None:
        room = largest
    if room < largest:
        raise ValueError(f"there is no room for a factor of {largest} in {room}")
    return Partial(_fixed(_scale, room, method), _drawn(low, high, values, 0))


def jpeg(*, low=10, high=75, values=None, subsample=True):
    """JPEG at an integer quality from [low, high], or of `values`; 8 bits result."""
    quality = _drawn(low, high, values, 1, 100, draw=_whole)
    return Partial(_fixed(_jpeg, subsample), quality)


def noise(*, low=5.0, high=20.0, variance=None):
    """White Gaussian noise, sigma from [low, high] on the 0-255 scale; clips.

    With `variance`, an interval (low, high), that of each image is from there instead.
    """
    if variance is not None:
        return Partial(_noise, Partial(_root, _interval(variance)))
    return Partial(_noise, _drawn(low, high, None, 0))


def quantize():
    """Clip and round to 8 bits, the gradient passing straight through."""
    return Partial(_quantize)


def flip():
    """Mirror left and right; `maybe(flip(), 0.5)` is the usual augmentation."""
    return Partial(_flip)


OPS = {
    "blur": blur,
    "crop": crop,
    "flip": flip,
    "gamma": gamma,
    "jpeg": jpeg,
    "mean": mean,
    "median": median,
    "noise": noise,
    "quantize": quantize,
    "scale": scale,
}


class Operation(NamedTuple):
    """An operation as a study applies it; `data.host_degrade` has the same names."""

    name: str
    severities: tuple  # each applied to a whole data set
    mixed: tuple  # what '-mix' draws from for each picture, every value alike


_UP = (1, 3, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90)  # per cent
_DOWN = (1, 3, 5, 10, 15, 20, 25, 30, 35, 40, 45)
_SIZES = (3, 5, 7)
_POWERS = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
_FACTORS = tuple((100 + x) / 100 for x in (*(-x for x in reversed(_DOWN)), *_UP))
# Table IX of Guo et al. (2021), AMTEN, by its abbreviations.  It gives JP and JP2 as
# ranges, 60-90 and 2.0-8.0; the percentages of SC are read as changes of size.
AMTEN = {
    "ME": Operation("mean", _SIZES, _SIZES),
    "GB": Operation("blur", _SIZES, _SIZES),
    "MED": Operation("median", _SIZES, _SIZES),
    "GC": Operation("gamma", _POWERS, _POWERS),
    "JP": Operation("jpeg", (60, 70, 80, 90), tuple(range(60, 91))),
    "JP2": Operation("jpeg2000", (2, 4, 6, 8), tuple(x / 10 for x in range(20, 81))),
    "SC": Operation("scale", _FACTORS, _FACTORS),
}
_AMONG = {  # values -> an operation that draws one of them for each picture
    "mean": lambda values: mean(sizes=values),
    "blur": lambda values: blur(sizes=values),
    "median": lambda values: median(sizes=values),
    "gamma": lambda values: gamma(values=values),
    "jpeg": lambda values: jpeg(values=values),
    "scale": lambda values: scale(values=values, room=_room(values)),
}


def amten(name, *severities):
    """A row of `AMTEN`, one of `severities` for each picture; without any, its '-mix'.

    8 bits result, as of a picture that was saved.  JPEG 2000 is for the host only.
    """
    operation = choose(AMTEN, name, "operation of AMTEN's")
    among = choose(_AMONG, operation.name, "operation on the device")
    return chain(among(severities or operation.mixed), quantize())


def amten_grid():
    """{(name, severity): operation}: all of `AMTEN` that runs on the device."""
    return {
        (name, severity): amten(name, severity)
        for name, operation in AMTEN.items()
        for severity in operation.severities
        if operation.name in _AMONG
    }


def _from_entry(entry):
    name = entry.pop("name", None)
    probability = entry.pop("probability", 1)
    factory = choose(OPS, name, "degradation")
    operation = call(factory, entry, where=f"degradation {name!r}")
    if probability == 1:
        return operation
    return maybe(operation, probability)


def _room(values):
    """One of two sizes of canvas, so that all of AMTEN's factors share two programs."""
    if max(values) > 1:
        return 1.9
    return 1


def _chained(operations, key, image):
    chex.assert_shape(image, (..., None, None, 3))
    for i, operation in enumerate(operations):
        # A key per place in the chain: the same operation twice draws twice.
        image = operation(random.fold_in(key, i), image)
    return image


def _at_times(operation, probability, key, image):
    chex.assert_shape(image, (..., None, None, 3))
    coin, inner = random.split(key)
    is_applied = random.bernoulli(coin, probability, image.shape[:-3])
    return jnp.where(_per_image(is_applied), operation(inner, image), image)


def _median(sizes, key, image):
    choice = random.randint(key, image.shape[:-3], 0, len(sizes))
    # All sizes are computed: shapes are static, and each picture selects its own.
    choice = jnp.broadcast_to(_per_image(choice), image.shape)
    return lax.select_n(choice, *(median_blur(image, size=size) for size in sizes))


def _gamma(power, key, image):
    return adjust_gamma(image, power(key, image))


def _crop(method, fraction, key, image):
    h, w = image.shape[-3:-1]
    fraction = fraction(key, image)
    # Whole pixels, the same number on both sides.
    rows, columns = (jnp.floor(fraction * size / 2) for size in (h, w))
    box = jnp.stack([rows, columns, h - 2 * rows, w - 2 * columns], -1)
    return _clip(crop_resize(image, box, (h, w), method=method))


def _scale(room, method, factor, key, image):
    h, w = image.shape[-3:-1]
    height, width = (math.ceil(size * room) for size in (h, w))
    factor = factor(key, image)
    rows, columns = (jnp.maximum(jnp.round(factor * size), 1) for size in (h, w))
    # The scaled picture fills the corner of a canvas that has room for the largest.
    corner = jnp.zeros_like(rows)
    box = jnp.stack([corner, corner, h * height / rows, w * width / columns], -1)
    # What lies beyond it is black, and outside of the box that is read next.
    scaled = _clip(crop_resize(image, box, (height, width), method=method))
    box = jnp.stack([corner, corner, rows, columns], -1)
    return _clip(crop_resize(scaled, box, (h, w), method=method))


def _jpeg(subsample, quality, key, image):
    return compress(image, quality(key, image), subsample=subsample)


def _noise(sigma, key, image):
    first, second = random.split(key)
    return _clip(add_gaussian(second, image, sigma=sigma(first, image)))


def _quantize(key, image):
    pixels = jnp.round(255 * _clip(image).astype(jnp.float32))
    rounded = (pixels / 255).astype(image.dtype)
    return rounded + (image - lax.stop_gradient(image))  # adds exactly 0


def _flip(key, image):
    return image[..., ::-1, :]


def _window(sizes, profile):
    """Separable filter by the normalised `profile(offsets, size)` of a drawn size."""
    _check_sizes(sizes)
    radius = max(sizes) // 2
    offsets = np.arange(-radius, radius + 1.0)
    # Small windows as large ones with zeros around: one program for all sizes.
    taps = [profile(offsets, size) * (abs(offsets) <= size // 2) for size in sizes]
    return Partial(_filter, np.float32([t / t.sum() for t in taps]))


def _filter(taps, key, image):
    choice = random.randint(key, image.shape[:-3], 0, len(taps))
    drawn = jnp.asarray(taps)[choice]
    return _along(_down(image, drawn), drawn).astype(image.dtype)


def _blur_of_variance(sizes, variance, key, image):
    first, second = random.split(key)
    radii = np.asarray(sizes) // 2
    choice = random.randint(first, image.shape[:-3], 0, len(sizes))
    radius = jnp.asarray(radii)[choice][..., None]
    offsets = np.arange(-radii.max(), radii.max() + 1)
    # Of a variance next to zero all weight is in the middle, as of zero.
    variance = jnp.maximum(variance(second, image), 1e-6)[..., None]
    offsets = jnp.broadcast_to(offsets, (*image.shape[:-3], len(offsets)))
    taps = jnp.exp(-0.5 * jnp.square(offsets) / variance)
    taps = jnp.where(abs(offsets) <= radius, taps, 0)
    taps = taps / taps.sum(-1, keepdims=True)
    return _along(_down(image, taps), taps).astype(image.dtype)


def _filter_axis(image, taps, *, axis):
    """Filter each image along an axis by its own `taps` (..., k), k odd."""
    radius = taps.shape[-1] // 2
    size = image.shape[axis]
    width = [(0, 0)] * image.ndim
    width[axis] = (radius, radius)
    padded = jnp.pad(image, width, mode="reflect")
    return sum(
        _per_image(taps[..., i]) * lax.slice_in_dim(padded, i, i + size, axis=axis)
        for i in range(taps.shape[-1])
    )


_down, _along = (stage(partial(_filter_axis, axis=axis)) for axis in (-3, -2))


@cache
def _fixed(function, *settings):
    """`partial`, but the same object for the same settings."""
    return partial(function, *settings)


def _drawn(low, high, values, least, most=float("inf"), draw=None):
    """A draw (key, image) -> one number per image: of an interval or of `values`."""
    if values is None:
        _check_range(low, high, least, most)
        return Partial(draw or _uniform, low, high)
    _check_range(min(values), max(values), least, most)
    return Partial(_one_of, np.asarray(values))


def _interval(variance):
    """A draw of a variance from (low, high)."""
    if np.shape(variance) != (2,):
        raise ValueError(f"variance is an interval (low, high), not {variance}")
    low, high = variance
    return _drawn(low, high, None, 0)


def _root(variance, key, image):
    return jnp.sqrt(variance(key, image))


def _uniform(low, high, key, image):
    return random.uniform(key, image.shape[:-3], minval=low, maxval=high)


def _whole(low, high, key, image):
    return random.randint(key, image.shape[:-3], low, high + 1)


def _one_of(values, key, image):
    choice = random.randint(key, image.shape[:-3], 0, len(values))
    return jnp.asarray(values)[choice]


def _per_image(x):
    return x[..., None, None, None]


def _clip(image):
    return jnp.clip(image, 0, 1)


def _check_range(low, high, least, most=float("inf")):
    if not least <= low <= high <= most:
        raise ValueError(f"{least} <= low <= high <= {most}, not {low} and {high}")


def _check_sizes(sizes):
    if not sizes or any(size < 1 or size % 2 == 0 for size in sizes):
        raise ValueError(f"window sizes are odd and positive, not {sizes}")
