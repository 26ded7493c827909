"""Ways to see the pictures of a test, and what is measured of the maps drawn then.

A view is (predict, state, batch) -> {name: (b,)}, for `Predictor.by`.  It may show the
network other pictures than those of the batch; the map is compared with the target of
what was shown, but where it is said.
"""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp

from jaxforensics.experiments.fakelocator import sets
from jaxforensics.methods import fakelocator
from jaxforensics.ops import augment
from jaxforensics.ops.resample import shuffle_quadrants
from jaxforensics.training.predict import Predictor

MEASURES = (
    "cosine_similarity",
    "map_psnr",
    "map_ssim",
    "soft_dice",
    "iou",
    "pixel_accuracy",
    "iinc",
    "false_area",
    "has_change",
    "map_error",
    "agreement",
    "parsing_iou",
    "usable",
    "score",
)
OF_REGION = "region_cosine_similarity", "region_map_psnr", "region_map_ssim"
PLAIN = "as they are"
SHIFTED = "shifted"
NEIGHBOURS = "of a neighbour"
SHUFFLED = "disorganised"
AUGMENTED = "augmented"
# After a degradation: the target of the degraded fake, as the paper has it, and, with
# this behind the name, that of the fake as it was.
UNDEGRADED = "undegraded target"


@lru_cache  # a new function would be compiled anew
def view(kind, entire, regions):
    """The view of this name, for sources with these numbers and regions."""
    return partial(_VIEWS[kind], partial(_measure, entire, regions))


@lru_cache
def degraded(operation, entire, *, own_target):
    """The view of fakes after an operation of `degrade`.

    The target is that of the degraded fake or, with `own_target`, of the fake before.
    """
    return partial(_degraded, operation, own_target, partial(_measure, entire, ()))


def regions(kind, settings, exam):
    """Regions are measured where pictures are as they were parsed."""
    if kind != PLAIN or "parsing" not in exam.parts:
        return ()
    return sets.regions(settings, exam.sources)


def constant(maps, mesh, *, digest, entire, regions, kind=PLAIN):
    """A predictor that draws one map (h, w), whatever the picture."""
    drawing = _drawing(view(kind, entire, regions))
    return Predictor(drawing, jnp.asarray(maps), mesh=mesh, digest=digest)


@lru_cache  # one function for all maps is compiled once
def _drawing(function):
    return partial(function, _drawn)


def _drawn(state, batch):
    """The constant map for every picture; that something is fake it cannot say."""
    count = len(batch["image"])
    return {
        "mask": jnp.broadcast_to(state, (count, *state.shape)),
        "score": jnp.full(count, 0.5),
    }


def _measure(entire, regions, outputs, batch):
    if "mask" not in outputs:  # a detector without a map
        usable = fakelocator.is_usable(batch, entire=entire)
        return {"usable": usable * 1.0, "score": outputs["score"]}
    values = fakelocator.measure(outputs, batch, entire=entire, regions=regions)
    return values | {"score": outputs["score"]}


def _plain(measure, predict, state, batch):
    return measure(predict(state, batch), batch)


def _shifted(measure, predict, state, batch):
    """Everything a quarter further down and to the right; the border is mirrored."""
    count = len(batch["image"])
    placement = augment.Placement(
        is_mirrored=jnp.zeros(count, bool),
        shift=jnp.full((count, 2), 0.25),
        scale=jnp.ones(count),
        angle=jnp.zeros(count),
    )
    moved = _changed(batch, partial(augment.place, placement=placement))
    return measure(predict(state, moved), moved)


def _neighbours(measure, predict, state, batch):
    """The map is that of the next picture of the batch, the target is its own."""
    neighbours = batch | {"image": jnp.roll(batch["image"], 1, axis=0)}
    return measure(predict(state, neighbours), batch)


def _shuffled(measure, predict, state, batch):
    """The quadrants of every picture in another order (Figs. 13 and 14)."""
    key = jax.random.fold_in(jax.random.key(0), batch["index"][0])
    shuffled = _changed(batch, partial(shuffle_quadrants, key, moved=True))
    return measure(predict(state, shuffled), shuffled)


def _augmented(measure, predict, state, batch):
    """Every picture, also a fake, as partial augmentation changes it."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(1), batch["index"][0]))
    placement = augment.draw_placement(keys[0], batch["image"].shape[:1])
    moved = _changed(batch, partial(augment.place, placement=placement))
    looks = augment.photometric(keys[1], moved["image"])
    return measure(predict(state, moved | {"image": looks}), moved)


def _degraded(operation, own_target, measure, predict, state, batch):
    key = jax.random.fold_in(jax.random.key(2), batch["index"][0])
    changed = batch | {"image": operation(key, batch["image"])}
    outputs = predict(state, changed)
    return measure(outputs, batch if own_target else changed)


def _changed(batch, operation):
    """The batch after an operation on pictures, its originals alike."""
    changed = dict(batch) | {"image": operation(image=batch["image"])}
    if "real" in batch:
        changed["real"] = operation(image=batch["real"])
    return changed


_VIEWS = {
    PLAIN: _plain,
    SHIFTED: _shifted,
    NEIGHBOURS: _neighbours,
    SHUFFLED: _shuffled,
    AUGMENTED: _augmented,
}
