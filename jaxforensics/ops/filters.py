"""Blurs and denoising over small square windows of odd size.

Borders mirror the picture without repeating the edge pixel; `wiener`, as scipy's, has
zeros there.  Windows are sums of shifted slices: patches are never stored.  Pictures
are handled as (..., h, w * channels), so that inner loops run over whole rows.
"""

import functools

import chex
import einops
import jax
import jax.numpy as jnp
from jax import lax

from jaxforensics.kernels.fusion import stage
from jaxforensics.ops.color import widened

_PICTURE = (..., None, None, None)

PARAMETRISATIONS = ("precision", "sigma", "inverse_sigma")


def gaussian_sigma(size):
    """OpenCV's standard deviation for a window of `size` pixels."""
    return 0.3 * ((size - 1) / 2 - 1) + 0.8


@functools.partial(jax.jit, static_argnames="size")
def gaussian_blur(image, *, size, sigma=None):
    """Blur by a Gaussian cut to size x size pixels and normalised.

    `sigma` is one number or one per image, and may be traced; without it
    `gaussian_sigma(size)`.  Zero leaves the image as it is.
    """
    chex.assert_shape(image, _PICTURE)
    radius = _radius(size)
    if sigma is None:
        sigma = gaussian_sigma(size)
    sigma = jnp.broadcast_to(sigma, image.shape[:-3])[..., None, None]
    sigma = jnp.maximum(sigma, 1e-3)  # the identity already
    weights = [jnp.exp(-((k / sigma) ** 2) / 2) for k in range(radius + 1)]
    return _separable(image, weights)


@functools.partial(jax.jit, static_argnames="size")
def mean_blur(image, *, size):
    """Mean over size x size pixels."""
    chex.assert_shape(image, _PICTURE)
    return _separable(image, [1.0] * (_radius(size) + 1))


@functools.partial(jax.jit, static_argnames="size")
def median_blur(image, *, size):
    """Median over size x size pixels, channel by channel; by a merging network.

    Equals scipy.ndimage.median_filter(mode="mirror").  The gradient goes to the pixel
    that was the median, in equal parts where several are.
    """
    chex.assert_shape(image, _PICTURE)
    radius = _radius(size)
    padded = _mirror(image, radius, radius)
    return _median(padded, size, image.shape[-1]).reshape(image.shape)


@functools.partial(jax.jit, static_argnames="size")
def pixelwise_gaussian_blur(image, precision, *, size):
    """Blur every pixel by its own Gaussian, normalised over size x size pixels.

    `precision` (..., h, w), at least zero, is 1 / sigma² for all channels of a pixel:
    weights are exp(-(u² + v²) * precision / 2), equal ones at 0, the identity from
    about 200 on.
    """
    chex.assert_shape(image, _PICTURE)
    radius = _radius(size)
    channels = image.shape[-1]
    # One weight for every value, so that maps and pictures are rows of equal length.
    precision = jnp.broadcast_to(widened(precision)[..., None], image.shape)
    padded = _mirror(widened(image), radius, radius)
    blurred = _weighted(padded, _flat(precision), radius, channels)
    return blurred.reshape(image.shape).astype(image.dtype)


def to_precision(value, parametrisation):
    """The precision 1 / sigma² of a map that is given in another way.

    `parametrisation` is 'precision', 'sigma', or 'inverse_sigma' for 1 / sigma.  Where
    sigma is next to nothing the blur is the identity.
    """
    if parametrisation == "precision":
        return value
    if parametrisation == "inverse_sigma":
        return jnp.square(value)
    if parametrisation == "sigma":
        return 1 / jnp.square(jnp.maximum(value, 1e-2))
    raise ValueError(
        f"no parametrisation {parametrisation!r} of a blur: choose one of "
        f"{PARAMETRISATIONS}"
    )


@functools.partial(jax.jit, static_argnames=("size", "mirrored"))
def wiener(gray, *, size=3, noise=None, mirrored=False):
    """Adaptive Wiener filter, as scipy.signal.wiener of each (..., h, w).

    `noise` is the noise's variance, one or one per image; without it the mean of the
    local variances of an image.  Beyond the border are zeros, as in scipy: a step at
    every border, which counts as noise.  `mirrored` pictures have none.
    """
    chex.assert_shape(gray, (..., None, None))
    radius = _radius(size)
    wide = widened(gray)

    @stage
    def moments(padded):
        pixels = _windows(padded, gray.shape)
        mean = sum(pixels) / size**2
        # Not as E[x²] - E[x]², which cancels in float32 where the picture is smooth.
        variance = sum((pixel - mean) ** 2 for pixel in pixels) / size**2
        return mean, variance

    sides = [(0, 0)] * (gray.ndim - 2) + [(radius, radius)] * 2
    if mirrored:
        padded = jnp.pad(wide, sides, mode="reflect")
    else:
        padded = jnp.pad(wide, sides)
    mean, variance = moments(padded)

    if noise is None:
        noise = variance.mean((-2, -1))
    noise = jnp.broadcast_to(noise, gray.shape[:-2])[..., None, None]
    # What varies less than the noise is noise alone: nothing of it is kept.
    total = jnp.maximum(variance, noise)
    gain = (total - noise) / jnp.where(total > 0, total, 1.0)
    return (mean + gain * (wide - mean)).astype(gray.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _median(padded, size, channels):
    """Window medians of a picture that is padded and flat."""
    height = padded.shape[-2] - size + 1
    width = padded.shape[-1] - (size - 1) * channels

    @stage
    def sorted_columns(padded):
        return _sort([[row] for row in _slices(padded, height, -2)])

    # Sorted once, a column serves all the windows that it is in.
    ranks = [_slices(rank, width, -1, channels) for rank in sorted_columns(padded)]
    ranked = _sort([list(column) for column in zip(*ranks, strict=True)])
    return ranked[size**2 // 2]


def _median_forward(padded, size, channels):
    median = _median(padded, size, channels)
    return median, (padded, median)


def _median_backward(size, channels, arrays, cotangent):
    """By comparison: the network's own gradient takes XLA minutes to compile."""
    padded, median = arrays

    @stage
    def extend(padded, median, cotangent):
        pixels = _windows(padded, median.shape, channels)
        # Pixels of a window that equal its median share the gradient.
        count = sum((pixel == median).astype(cotangent.dtype) for pixel in pixels)
        border = size - 1, (size - 1) * channels
        return _extend(median, *border), _extend(cotangent / count, *border)

    extended = extend(padded, median, cotangent)
    # The same windows once more: those that a pixel is in are around it.
    medians, shares = (_windows(x, padded.shape, channels) for x in extended)
    pairs = zip(medians, shares, strict=True)
    return (sum(jnp.where(padded == median, share, 0.0) for median, share in pairs),)


_median.defvjp(_median_forward, _median_backward)


def _weigh(padded, precision, radius, channels):
    """Window means with weights exp(-(u² + v²) * precision / 2)."""
    height, width = precision.shape[-2:]
    # The weight of a pixel is a product of one for its row and one for its column, and
    # so is their sum.
    weights = _gaussian(precision, radius)
    columns = _slices(padded, width, -1, channels)
    columns = [_symmetric(_slices(column, height, -2), weights) for column in columns]
    return _symmetric(columns, weights) / _total(weights) ** 2


def _weigh_forward(padded, precision, radius, channels):
    return _weigh(padded, precision, radius, channels), (padded, precision)


def _weigh_backward(radius, channels, arrays, cotangent):
    """A few passes over the picture, where autodiff would make one for every tap."""
    padded, precision = arrays
    height, width = padded.shape[-2:]
    taps = range(2 * radius + 1)

    @stage
    def slope(padded, precision, cotangent):
        blur = functools.partial(_weigh, padded, radius=radius, channels=channels)
        return cotangent * jax.jvp(blur, (precision,), (jnp.ones_like(precision),))[1]

    # A pixel receives from around it what the pixels there gave it weight for: first
    # from its column, once for every distance between columns, then along its row.
    @stage
    def extend(precision, cotangent):
        weights = _gaussian(precision, radius)
        scaled = cotangent / _total(weights) ** 2
        maps = weights, [weight * scaled for weight in weights]
        return jax.tree.map(lambda x: _extend(x, 2 * radius, 0), maps)

    @stage
    def gather_columns(weights, products):
        weights = [_slices(weight, height, -2) for weight in weights]
        products = [_slices(product, height, -2) for product in products]
        columns = (
            sum(weights[abs(u - radius)][u] * rows[u] for u in taps)
            for rows in products
        )
        return [_extend(column, 0, 2 * radius * channels) for column in columns]

    columns = gather_columns(*extend(precision, cotangent))
    columns = [_slices(column, width, -1, channels) for column in columns]
    spread = sum(columns[abs(v - radius)][v] for v in taps)
    return spread, slope(padded, precision, cotangent)


_weighted = jax.custom_vjp(_weigh, nondiff_argnums=(2, 3))
_weighted.defvjp(_weigh_forward, _weigh_backward)


def _separable(image, weights):
    """Correlate columns, then rows, with weights by distance, made to sum to one."""
    radius = len(weights) - 1
    channels = image.shape[-1]
    total = _total(weights)
    weights = [weight / total for weight in weights]
    padded = _mirror(widened(image), radius, 0)
    blurred = _correlated(padded, weights, -2, 1).reshape(image.shape)
    blurred = _correlated(_mirror(blurred, 0, radius), weights, -1, channels)
    return blurred.reshape(image.shape).astype(image.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _correlated(padded, weights, axis, step):
    """Correlate along an axis with symmetric weights, given by distance.

    The axis is padded by as many steps, on either side, as there are weights but one.
    """
    return _symmetric(_along(padded, len(weights) - 1, axis, step), weights)


def _along(padded, radius, axis, step):
    return _slices(padded, padded.shape[axis] - 2 * step * radius, axis, step)


def _correlated_backward(axis, step, arrays, cotangent):
    """Weights are symmetric: the same again, where autodiff would pad every slice."""
    padded, weights = arrays
    radius = len(weights) - 1
    border = 2 * step * radius
    borders = (0, border)
    if axis == -2:
        borders = (border, 0)
    extended = stage(lambda x: _extend(x, *borders))(cotangent)
    slices = _along(padded, radius, axis, step)
    pairs = zip(slices[radius + 1 :], reversed(slices[:radius]), strict=True)
    folded = [slices[radius], *(a + b for a, b in pairs)]  # by distance
    of_weights = [
        _summed_to(jnp.shape(weight), cotangent * x)
        for weight, x in zip(weights, folded, strict=True)
    ]
    return _correlated(extended, weights, axis, step), of_weights


def _summed_to(shape, x):
    """Undo broadcasting from a shape."""
    x = x.sum(tuple(range(x.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1)
    return x.sum(axes, keepdims=True)


_correlated.defvjp(
    lambda padded, weights, axis, step: (
        _correlated(padded, weights, axis, step),
        (padded, weights),
    ),
    _correlated_backward,
)


def _gaussian(precision, radius):
    """exp(-k² * precision / 2) for k = 0 to radius, by one exponential."""
    power = jnp.exp(-precision / 2)
    weights = [jnp.ones_like(power)]
    ratio = power
    for _ in range(radius):  # (k + 1)² - k² grows by two
        weights.append(weights[-1] * ratio)
        ratio = ratio * power**2
    return weights


def _total(weights):
    """Sum over a window of the weights at the distances 0, 1, ... from its middle."""
    return weights[0] + 2 * sum(weights[1:])


def _symmetric(slices, weights):
    """Sum of an odd number of slices, weighted by their distance from the middle."""
    middle = len(slices) // 2
    result = weights[0] * slices[middle]
    for k in range(1, middle + 1):
        result += weights[k] * (slices[middle - k] + slices[middle + k])
    return result


def _sort(lists):
    """Merge sorted lists of arrays, element by element, into one."""
    if len(lists) == 1:
        return lists[0]
    middle = len(lists) // 2
    return _merge(_sort(lists[:middle]), _sort(lists[middle:]))


def _merge(a, b):
    """Batcher's odd-even merge of two sorted lists of any lengths."""
    if not a or not b:
        return a + b
    if len(a) == len(b) == 1:
        return [jnp.minimum(a[0], b[0]), jnp.maximum(a[0], b[0])]
    # The even and the odd entries, each merged, are in place but for neighbours.
    first, *even = _merge(a[::2], b[::2])
    odd = _merge(a[1::2], b[1::2])
    count = min(len(odd), len(even))
    pairs = zip(odd[:count], even[:count], strict=True)
    merged = [f(x, y) for x, y in pairs for f in (jnp.minimum, jnp.maximum)]
    return [first, *merged, *odd[count:], *even[count:]]


def _slices(x, length, axis, step=1):
    """Every slice of `length` along `axis`, `step` apart."""
    starts = range(0, x.shape[axis] - length + 1, step)
    return [lax.slice_in_dim(x, start, start + length, axis=axis) for start in starts]


def _windows(x, shape, step=1):
    """Every slice of the last two axes to `shape`'s, columns `step` apart."""
    rows = _slices(x, shape[-2], -2)
    return [pixel for row in rows for pixel in _slices(row, shape[-1], -1, step)]


def _mirror(image, rows, columns):
    """Pad by reflection, (..., h, w, c) -> (..., h + 2 rows, (w + 2 columns) * c)."""
    widths = [(0, 0)] * (image.ndim - 3) + [(rows, rows), (columns, columns), (0, 0)]
    return stage(lambda image: _flat(jnp.pad(image, widths, mode="reflect")))(image)


def _extend(x, rows, columns):
    """Pad the last two axes with zeros."""
    return jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(rows, rows), (columns, columns)])


def _flat(image):
    """(..., h, w, c) -> (..., h, w * c)."""
    return einops.rearrange(image, "... h w c -> ... h (w c)")


def _radius(size):
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a window's size is odd and positive, not {size}")
    return size // 2
