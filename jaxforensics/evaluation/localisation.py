"""How well a map says where a picture was changed: one value per image.

Maps are `(..., h, w)` in [0, 1], 1 = changed.  Where a definition says nothing about
maps without a changed pixel, two empty maps agree perfectly and one empty map does not
agree at all; papers report these measures over fake images only.

Traceable: under jit they run on the device beside the network, so that a training may
measure the map of each example of a batch, `iou(outputs["mask"], batch["mask"])`,
(b, h, w), same -> (b,), and choose its state by it.  Shapes are checked while tracing.
"""

import jax.numpy as jnp

_PIXELS = (-2, -1)  # the axes of a map


def cosine_similarity(prediction, target):
    """Cosine of the angle between two maps, "COSS": (..., h, w), same -> (...).

    All zero: 1 if both maps are, 0 if one is.
    """
    x, y = _both(prediction, target)
    # Scaled to peak 1: a saturated sigmoid's 1e-30 is no zero, but its square is.
    x_peak = jnp.max(jnp.abs(x), axis=_PIXELS, keepdims=True)
    y_peak = jnp.max(jnp.abs(y), axis=_PIXELS, keepdims=True)
    x = x / jnp.where(x_peak > 0, x_peak, 1)
    y = y / jnp.where(y_peak > 0, y_peak, 1)

    power = jnp.sum(x * x, axis=_PIXELS) * jnp.sum(y * y, axis=_PIXELS)
    both_empty = (x_peak + y_peak)[..., 0, 0] == 0
    # The inner `where` keeps the gradient finite where a map is empty.
    cosine = jnp.sum(x * y, axis=_PIXELS) / jnp.sqrt(jnp.where(power > 0, power, 1))
    return jnp.where(both_empty, 1.0, cosine)


def soft_dice(prediction, target):
    """2 sum(xy) / (sum(x) + sum(y)) of the maps as they are: (..., h, w) -> (...).

    FakeLocator's Eq. 12, its "Dice" in the tables.  All zero: 1 if both maps are, 0 if
    one is.
    """
    x, y = _both(prediction, target)
    return _ratio(2 * jnp.sum(x * y, axis=_PIXELS), jnp.sum(x + y, axis=_PIXELS), 1.0)


def iou(prediction, target, *, threshold=0.1):
    """Intersection over union of the pixels >= `threshold`: (..., h, w) -> (...).

    The threshold is FakeLocator's.  No such pixel: 1 if in neither map, 0 if in one.
    """
    x, y = _changed(prediction, target, threshold)
    return _ratio(_area(x & y), _area(x | y), 1.0)


def pixel_accuracy(prediction, target, *, threshold=0.1):
    """Share of pixels on the same side of `threshold`, "PBCA": (..., h, w) -> (...)."""
    x, y = _changed(prediction, target, threshold)
    # Unchanged pixels count too: of a small edit, an empty map is nearly right.
    return _area(x == y)


def iinc(prediction, target, *, threshold=0.1):
    """Inverse intersection non-containment, lower is better: (..., h, w) -> (...).

    (2 - |I|/|P| - |I|/|T|) / (3 - |U|), Dang et al. (2020), Eq. 5: P and T are the
    pixels >= `threshold`, I and U their intersection and union, |.| a share of all
    pixels.  0 for equal maps, 1 for disjoint maps that fill the picture.  P and T
    empty: 0; one of them empty: 1 / (3 - |U|).
    """
    x, y = _changed(prediction, target, threshold)
    inside = _area(x & y)
    union = _area(x | y)
    # Taking 0 / 0 as 1 yields the definition's cases of empty maps.
    missed = 2 - _ratio(inside, _area(x), 1.0) - _ratio(inside, _area(y), 1.0)
    return missed / (3 - union)


def _both(prediction, target):
    """Both maps in float32 or better."""
    x = jnp.asarray(prediction)
    y = jnp.asarray(target)
    if x.shape != y.shape:
        raise ValueError(f"prediction {x.shape} and target {y.shape} differ")
    if any(jnp.issubdtype(m.dtype, jnp.integer) for m in (x, y)):
        raise ValueError("maps must be floats in [0, 1] or booleans, got integers")
    dtype = jnp.promote_types(jnp.promote_types(x.dtype, y.dtype), jnp.float32)
    return x.astype(dtype), y.astype(dtype)


def _changed(prediction, target, threshold):
    """The pixels of each map that count as changed: those that reach the threshold."""
    x, y = _both(prediction, target)
    return x >= threshold, y >= threshold


def _area(pixels):
    """The share of pixels that are True, (..., h, w) -> (...)."""
    return jnp.mean(pixels, axis=_PIXELS, dtype=jnp.float32)


def _ratio(part, whole, empty):
    """`part / whole`, and `empty` where the whole is zero, with finite gradients."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), empty)
