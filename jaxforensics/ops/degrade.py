"""Degradations `(key, image) -> image` with parameters of their own for every image.

A factory sets the range of a parameter; each picture along the leading axes of `image`
(..., h, w, 3) draws its value.  Shapes are static: one compilation serves all draws.
A range from a value to itself is that value.  Values are clipped to [0, 1] where it is
said; 8 bits come from `jpeg` and `quantize` alone.
"""

import math
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax, random

from jaxforensics.ops.color import adjust_gamma
from jaxforensics.ops.filters import gaussian_sigma, median_blur
from jaxforensics.ops.fusion import stage
from jaxforensics.ops.jpeg import jpeg as compress
from jaxforensics.ops.noise import add_gaussian
from jaxforensics.ops.resample import crop_resize
from jaxforensics.settings import call, choose


def chain(*operations):
    """Apply the operations in this order; without any, leave the image as it is."""

    def apply(key, image):
        for i, operation in enumerate(operations):
            image = operation(random.fold_in(key, i), image)
        return image

    return apply


def maybe(operation, probability):
    """Apply `operation` to each image with this probability."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")

    def apply(key, image):
        coin, inner = random.split(key)
        heads = random.bernoulli(coin, probability, image.shape[:-3])
        return jnp.where(_per_image(heads), operation(inner, image), image)

    return apply


def from_config(operations):
    """The chain of entries such as {"name": "jpeg", "probability": 0.5, "low": 10}.

    `name` is a key of `OPS`, `probability` is 1 unless given, all else is settings.
    """
    return chain(*(_from_entry(dict(entry)) for entry in operations))


def blur(*, sizes=(3, 5, 7, 9), sigma=None):
    """Gaussian blur by a window of one of the odd `sizes`, sigma by OpenCV's rule."""

    def profile(x, size):
        return np.exp(-0.5 * (x / (sigma or gaussian_sigma(size))) ** 2)

    return _window(sizes, profile)


def mean(*, sizes=(3, 5, 7)):
    """Mean over a square window of one of the odd `sizes`."""
    return _window(sizes, lambda x, size: np.ones_like(x))


def median(*, sizes=(3, 5, 7)):
    """Median over a square window of one of the odd `sizes`."""
    _check_sizes(sizes)

    def apply(key, image):
        choice = random.randint(key, image.shape[:-3], 0, len(sizes))
        choice = jnp.broadcast_to(_per_image(choice), image.shape)
        return lax.select_n(choice, *(median_blur(image, size=size) for size in sizes))

    return apply


def gamma(*, low=0.6, high=2.0):
    """Raise the values in [0, 1] to a power from [low, high]."""
    _check_range(low, high, 0)

    def apply(key, image):
        return adjust_gamma(image, _uniform(key, image, low, high))

    return apply


def crop(*, low=0.05, high=0.2, method="bicubic"):
    """Cut a fraction from [low, high] off both sides, centred, and resize; clips."""
    _check_range(low, high, 0, 0.99)

    def apply(key, image):
        h, w = image.shape[-3:-1]
        fraction = _uniform(key, image, low, high)
        top, left = (jnp.floor(fraction * size / 2) for size in (h, w))
        box = jnp.stack([top, left, h - 2 * top, w - 2 * left], -1)
        return _clip(crop_resize(image, box, (h, w), method=method))

    return apply


def scale(*, low=0.55, high=1.9, method="bicubic"):
    """Resize by a factor from [low, high] and back, with antialiasing; clips."""
    _check_range(low, high, 0)

    def apply(key, image):
        h, w = image.shape[-3:-1]
        height, width = (math.ceil(size * max(high, 1)) for size in (h, w))
        factor = _uniform(key, image, low, high)
        rows, columns = (jnp.maximum(jnp.round(factor * size), 1) for size in (h, w))
        # The scaled picture fills the corner of a canvas that has room for the largest.
        corner = jnp.zeros_like(rows)
        box = jnp.stack([corner, corner, h * height / rows, w * width / columns], -1)
        scaled = _clip(crop_resize(image, box, (height, width), method=method))
        box = jnp.stack([corner, corner, rows, columns], -1)
        return _clip(crop_resize(scaled, box, (h, w), method=method))

    return apply


def jpeg(*, low=10, high=75, subsample=True):
    """JPEG at an integer quality from [low, high], both included; 8 bits result."""
    _check_range(low, high, 1, 100)

    def apply(key, image):
        quality = random.randint(key, image.shape[:-3], low, high + 1)
        return compress(image, quality, subsample=subsample)

    return apply


def noise(*, low=5.0, high=20.0):
    """White Gaussian noise, sigma from [low, high] on the 0-255 scale; clips."""
    _check_range(low, high, 0)

    def apply(key, image):
        first, second = random.split(key)
        sigma = _uniform(first, image, low, high)
        return _clip(add_gaussian(second, image, sigma=sigma))

    return apply


def quantize():
    """Clip and round to 8 bits, the gradient passing straight through."""

    def apply(key, image):
        pixels = jnp.round(255 * _clip(image).astype(jnp.float32))
        rounded = (pixels / 255).astype(image.dtype)
        return rounded + (image - lax.stop_gradient(image))

    return apply


def flip():
    """Mirror left and right; `maybe(flip(), 0.5)` is the usual augmentation."""
    return lambda key, image: image[..., ::-1, :]


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


def _from_entry(entry):
    name = entry.pop("name", None)
    probability = entry.pop("probability", 1)
    factory = choose(OPS, name, "degradation")
    operation = call(factory, entry, where=f"degradation {name!r}")
    return operation if probability == 1 else maybe(operation, probability)


def _window(sizes, profile):
    """Separable filter by the normalised `profile(offsets, size)` of a drawn size."""
    _check_sizes(sizes)
    radius = max(sizes) // 2
    offsets = np.arange(-radius, radius + 1.0)
    taps = [profile(offsets, size) * (abs(offsets) <= size // 2) for size in sizes]
    taps = np.float32([t / t.sum() for t in taps])

    def apply(key, image):
        choice = random.randint(key, image.shape[:-3], 0, len(sizes))
        drawn = jnp.asarray(taps)[choice]
        return _along(_down(image, drawn), drawn).astype(image.dtype)

    return apply


def _filter_axis(image, taps, *, axis):
    """Filter each image along an axis by its own `taps` (..., k), k odd."""
    radius, size = taps.shape[-1] // 2, image.shape[axis]
    width = [(0, 0)] * image.ndim
    width[axis] = (radius, radius)
    padded = jnp.pad(image, width, mode="reflect")
    return sum(
        _per_image(taps[..., i]) * lax.slice_in_dim(padded, i, i + size, axis=axis)
        for i in range(taps.shape[-1])
    )


_down, _along = (stage(partial(_filter_axis, axis=axis)) for axis in (-3, -2))


def _uniform(key, image, low, high):
    return random.uniform(key, image.shape[:-3], minval=low, maxval=high)


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
