"""How well a map says where a picture was changed: one value per image.

Maps are `(..., h, w)` in [0, 1], 1 = changed.  Where a definition says nothing about
maps without a changed pixel, two empty maps agree perfectly and one empty map does not
agree at all; papers report these measures over fake images only.  With a `region`
(..., h, w) its pixels alone count, and one without pixels has nan: leave it out.

Against a target that is changed on the area A, a map of ones has IoU = PBCA = A and
IINC = (1 - A) / 2; against one of mean m, soft Dice 2 m / (1 + m).

Traceable: under jit they run on the device beside the network, so that a training may
measure the map of each example of a batch, `iou(outputs["mask"], batch["mask"])`,
(b, h, w), same -> (b,), and choose its state by it.  Shapes are checked while tracing.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation import quality
from jaxforensics.evaluation.classification import mean

THRESHOLD = 0.1  # FakeLocator's, from which on a pixel counts as changed
MOST_DECIBELS = 100.0  # of a map: one that is exact would make a mean infinite
LEAST_AREA = 0.005  # of a picture, from which on a map says that it was changed
TOP = 0.01  # share of a map's pixels that are its score
_PIXELS = (-2, -1)  # the axes of a map
# Measures that only mean something where the target has a changed pixel.
OF_CHANGED = ("iou", "pixel_accuracy", "iinc")
OF_FAKES = ("cosine_similarity", "map_psnr", "map_ssim", "soft_dice", "has_change")


def cosine_similarity(prediction, target, *, region=None):
    """Cosine of the angle between two maps, "COSS": (..., h, w), same -> (...).

    All zero: 1 if both maps are, 0 if one is.
    """
    x, y = _within(region, *_both(prediction, target))
    # Scaled to peak 1: a saturated sigmoid's 1e-30 is no zero, but its square is.
    x_peak = jnp.max(jnp.abs(x), axis=_PIXELS, keepdims=True)
    y_peak = jnp.max(jnp.abs(y), axis=_PIXELS, keepdims=True)
    x = x / jnp.where(x_peak > 0, x_peak, 1)
    y = y / jnp.where(y_peak > 0, y_peak, 1)

    power = jnp.sum(x * x, axis=_PIXELS) * jnp.sum(y * y, axis=_PIXELS)
    both_empty = (x_peak + y_peak)[..., 0, 0] == 0
    # The inner `where` keeps the gradient finite where a map is empty.
    cosine = jnp.sum(x * y, axis=_PIXELS) / jnp.sqrt(jnp.where(power > 0, power, 1))
    return _known(region, jnp.where(both_empty, 1.0, cosine))


def soft_dice(prediction, target, *, region=None):
    """2 sum(xy) / (sum(x) + sum(y)) of the maps as they are: (..., h, w) -> (...).

    FakeLocator's Eq. 12, its "Dice" in the tables.  All zero: 1 if both maps are, 0 if
    one is.
    """
    x, y = _within(region, *_both(prediction, target))
    shared = 2 * jnp.sum(x * y, axis=_PIXELS)
    return _known(region, _ratio(shared, jnp.sum(x + y, axis=_PIXELS), 1.0))


def map_psnr(prediction, target, *, region=None):
    """Peak signal-to-noise ratio of a map in dB, peak 1: (..., h, w), same -> (...).

    100 dB at most, also for equal maps, so that means over pictures stay finite.
    """
    x, y = _both(prediction, target)
    error = _mean(jnp.square(x - y), region)
    # The inner `where` keeps log10(0) out of the gradient; nan passes through.
    ratio = -10 * jnp.log10(jnp.where(error == 0, 1.0, error))
    return jnp.where(error == 0, MOST_DECIBELS, jnp.minimum(ratio, MOST_DECIBELS))


def map_ssim(prediction, target, *, region=None):
    """Structural similarity of maps as of gray pictures: (..., h, w), same -> (...).

    Without a region that of `quality.ssim`; with one the mean inside of the similarity
    at every pixel, windows of border pixels mirrored.
    """
    x, y = _both(prediction, target)
    if region is None:
        return quality.ssim(x[..., None], y[..., None])
    return _mean(quality.ssim_map(x[..., None], y[..., None]), region)


def iou(prediction, target, *, threshold=THRESHOLD, region=None):
    """Intersection over union of the pixels >= `threshold`: (..., h, w) -> (...).

    The threshold is FakeLocator's.  No such pixel: 1 if in neither map, 0 if in one.
    """
    x, y = _changed(prediction, target, threshold)
    return _known(region, _ratio(_mean(x & y, region), _mean(x | y, region), 1.0))


def pixel_accuracy(prediction, target, *, threshold=THRESHOLD, region=None):
    """Share of pixels on the same side of `threshold`, "PBCA": (..., h, w) -> (...)."""
    x, y = _changed(prediction, target, threshold)
    # Unchanged pixels count too: of a small edit, an empty map is nearly right.
    return _mean(x == y, region)


def iinc(prediction, target, *, threshold=THRESHOLD, region=None):
    """Inverse intersection non-containment, lower is better: (..., h, w) -> (...).

    (2 - |I|/|P| - |I|/|T|) / (3 - |U|), Dang et al. (2020), Eq. 5: P and T are the
    pixels >= `threshold`, I and U their intersection and union, |.| a share of all
    pixels.  0 for equal maps, 1 for disjoint maps that fill the picture.  P and T
    empty: 0; one of them empty: 1 / (3 - |U|).
    """
    x, y = _changed(prediction, target, threshold)
    inside = _mean(x & y, region)
    union = _mean(x | y, region)
    # Taking 0 / 0 as 1 yields the definition's cases of empty maps.
    missed = 2 - _ratio(inside, _mean(x, region), 1.0)
    missed = missed - _ratio(inside, _mean(y, region), 1.0)
    return _known(region, missed / (3 - union))


def false_area(prediction, *, threshold=THRESHOLD):
    """Share of pixels >= `threshold`, all of them wrong in an authentic picture.

    (..., h, w) -> (...).
    """
    return _mean(jnp.asarray(prediction) >= threshold, None)


def agreement(prediction, score, *, threshold=THRESHOLD, area=LEAST_AREA):
    """What P(fake) gives to that which the map says: (..., h, w), (...) -> (...).

    A map whose pixels >= `threshold` cover the share `area` or more says fake, and has
    the score; any other says real, and has 1 - score.
    """
    says_fake = false_area(prediction, threshold=threshold) >= area
    return jnp.where(says_fake, score, 1 - score)


def map_score(prediction, *, top=TOP):
    """The mean of the share `top` of a map's pixels that are highest: (..., h, w).

    -> (...).  It ranks pictures by their maps, and is no probability.
    """
    pixels = jnp.reshape(prediction, (*prediction.shape[:-2], -1))
    highest, _ = jax.lax.top_k(pixels, max(1, round(top * pixels.shape[-1])))
    return highest.mean(-1)


def has_change(target, *, threshold=THRESHOLD):
    """Whether any pixel of a target reaches the threshold: (..., h, w) -> (...).

    Where none does, IoU, PBCA and IINC say nothing about where.
    """
    return jnp.any(jnp.asarray(target) >= threshold, axis=_PIXELS)


def parsing_iou(prediction, target, classes):
    """Mean over the classes in either picture of intersection over union.

    Numbers of classes (..., h, w), same -> (...).
    """
    numbers = jnp.arange(classes).reshape(-1, *(1,) * jnp.ndim(target))
    x = jnp.asarray(prediction)[None] == numbers
    y = jnp.asarray(target)[None] == numbers
    unions = jnp.sum(x | y, axis=_PIXELS)
    shares = jnp.sum(x & y, axis=_PIXELS) / jnp.maximum(unions, 1)
    return shares.sum(0) / jnp.maximum(jnp.sum(unions > 0, axis=0), 1)


def measures(prediction, target, *, region=None):
    """All that tables say of a map, by name: (..., h, w), same -> {name: (...)}.

    With a region what FakeLocator's Table X says, of the pixels in it.
    """
    if region is not None:
        return {
            f"region_{name}": measure(prediction, target, region=region)
            for name, measure in (
                ("cosine_similarity", cosine_similarity),
                ("map_psnr", map_psnr),
                ("map_ssim", map_ssim),
            )
        }
    return {
        "cosine_similarity": cosine_similarity(prediction, target),
        "map_psnr": map_psnr(prediction, target),
        "map_ssim": map_ssim(prediction, target),
        "soft_dice": soft_dice(prediction, target),
        "iou": iou(prediction, target),
        "pixel_accuracy": pixel_accuracy(prediction, target),
        "iinc": iinc(prediction, target),
        "false_area": false_area(prediction),
        "has_change": has_change(target).astype(jnp.float32),
    }


def summarise(columns):
    """Means of `measures` over pictures, on the host: {name: value}.

    `columns` hold them and `label`.  Measures of maps are over fakes, `iou`,
    `pixel_accuracy` and `iinc` over those with a changed pixel, whose share is
    `has_change`, those in a region over pictures that have one; `false_area` is over
    reals.  A mean over no picture is nan.
    """
    is_fake = np.asarray(columns["label"]) > 0
    summary = {}
    for name, column in columns.items():
        values = np.asarray(column)
        if name in OF_CHANGED:
            chosen = is_fake & (np.asarray(columns["has_change"]) > 0)
        elif name == "false_area":
            chosen = ~is_fake
        elif name.startswith("region_"):
            chosen = is_fake & np.isfinite(values)
        elif name in OF_FAKES:
            chosen = is_fake
        else:
            continue
        summary[name] = float(mean(values[chosen]))
    return summary


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


def _within(region, *maps):
    """Maps that are zero outside of the region, if there is one."""
    if region is None:
        return maps
    return tuple(jnp.where(jnp.asarray(region) > 0, x, 0) for x in maps)


def _known(region, values):
    """The values, nan where the region has no pixel."""
    if region is None:
        return values
    return jnp.where(jnp.any(jnp.asarray(region) > 0, axis=_PIXELS), values, jnp.nan)


def _mean(pixels, region):
    """The mean of pixels, those of the region if there is one: (..., h, w) -> (...).

    Of booleans the share that is True.
    """
    if region is None:
        return jnp.mean(pixels, axis=_PIXELS, dtype=jnp.float32)
    is_inside = jnp.asarray(region) > 0
    total = jnp.sum(jnp.where(is_inside, pixels, 0), axis=_PIXELS, dtype=jnp.float32)
    count = jnp.sum(is_inside, axis=_PIXELS)
    return _known(region, total / jnp.maximum(count, 1))


def _ratio(part, whole, empty):
    """`part / whole`, and `empty` where the whole is zero, with finite gradients."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), empty)
