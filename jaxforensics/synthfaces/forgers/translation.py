"""Picture-to-picture forgers: supervised by the exact truth, sharpened by a critic.

The renderer knows what a picture looks like after an edit, a swap or a re-enactment,
photographed by the same camera with the same noise.  The translator learns it by
distances at three scales and in local contrast, and by a patch discriminator (hinge
loss) that keeps it from answering doubt with blur.

Inside, a batch is pairs: {size: {'image', 'truth', 'guide', …}} in [0, 1], as
`forgers.pairs` describes them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.ops.color import to_float
from jaxforensics.settings import call
from jaxforensics.synthfaces.forgers.decoder import eight_bit, pool
from jaxforensics.synthfaces.forgers.decoder import texture as local_contrast
from jaxforensics.synthfaces.forgers.discriminators import PatchDiscriminator
from jaxforensics.synthfaces.forgers.translator import CORE, SIZES, Translator, grain
from jaxforensics.training.nets import Method, Stage, descend, new_net, new_state
from jaxforensics.training.optimisers import optimiser as build_optimiser

CELL = 8  # pixels over which local contrast is measured
ADAM = {"settings": {"b1": 0.5, "b2": 0.99}}  # less momentum, as usual with critics


class Weights(NamedTuple):
    """Of the losses beside the distance, and of pixels."""

    emphasis: float  # how much more than others pixels weigh that change
    texture: float
    adversarial: float


def make(
    *,
    up="deconv",
    full_skip=False,
    large=2,
    emphasis=20.0,
    texture=0.1,
    adversarial=0.015,
    optimiser=None,
    critic_optimiser=None,
    steps,
):
    """Train a translator on pairs of both sizes.

    A batch holds `image_64` (b, 64, 64, 3), `truth_64`, and where they exist `guide_64`
    (what the net redraws, seeing the image), `condition_64` (b, k) and `mask_64`
    (b, 64, 64, where the result counts); and the same for 128, of which a step takes
    the first `large`.  `emphasis` weighs pixels that change.  `predict` redraws `image`
    of either size.
    """
    settings = dict(locals())
    net = Translator(up=up, full_skip=full_skip)
    critic = PatchDiscriminator()
    optimisers = {"translator": optimiser, "critic": critic_optimiser}
    txs = {
        name: call(build_optimiser, ADAM | dict(chosen or {}), where=name)
        for name, chosen in optimisers.items()
    }

    def draw(params, pairs, grains):
        """{size: (picture, paint)}, pictures in steps of 1/255."""
        redrawn = net.apply({"params": params}, *_inputs(pairs), grains)
        return {
            size: (_within_mask(pairs[size], eight_bit(picture)), paint)
            for size, (picture, paint) in redrawn.items()
        }

    def init(key, batch):
        keys = jax.random.split(key)
        pairs = _pairs(batch, large)
        inputs = *_inputs(pairs), _grains(key, pairs)
        judged = pairs[CORE]["truth"], jnp.zeros(1)
        return new_state(
            translator=new_net(keys[0], net, txs["translator"], *inputs),
            critic=new_net(keys[1], critic, txs["critic"], *judged),
        )

    def predict(state, batch):
        size = batch["image"].shape[-2]
        keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))
        grains = {size: grain(keys(batch["index"]), size=size)}
        params = state.nets["translator"].params
        return {"image": draw(params, {size: _floats(batch)}, grains)[size][0]}

    weights = Weights(emphasis, texture, adversarial)
    step = _step(draw, critic, txs, weights, large)
    return Method(init, (Stage("train", steps, "train", step),), predict, settings)


def _step(draw, critic, txs, weights, large):
    """The training step: the translator moves first, then the critic."""

    def step(key, state, batch):
        pairs = _pairs(batch, large)
        truths = {size: pair["truth"] for size, pair in pairs.items()}
        noise_key, window_key = jax.random.split(key)
        grains = _grains(noise_key, pairs)

        # The critic sees the same places of all pictures, and moves last.
        def judge(params, pictures):
            return critic.apply({"params": params}, *_windows(window_key, pictures))

        def translate(params):
            drawn = draw(params["translator"], pairs, grains)
            pictures = {size: picture for size, (picture, _) in drawn.items()}
            by_size = [
                _distances(pairs[size], picture, paint, weights.emphasis)
                for size, (picture, paint) in drawn.items()
            ]
            # Sizes count alike, however many pictures a step takes of each.
            distance, texture = (
                sum(terms) / len(terms) for terms in zip(*by_size, strict=True)
            )
            fooled = -judge(state.nets["critic"].params, pictures).mean()
            loss = distance + weights.texture * texture + weights.adversarial * fooled
            metrics = {"distance": distance, "texture": texture, "fooled": fooled}
            return loss, ({}, metrics | {"pictures": pictures})

        nets, metrics = descend(txs, state.nets, translate, "translator")
        pictures = metrics.pop("pictures")

        def tell_apart(params):
            real = judge(params["critic"], truths)
            fake = judge(params["critic"], pictures)
            loss = jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()
            return loss, ({}, {"critic": loss})

        nets, critic_metrics = descend(txs, nets, tell_apart, "critic")
        return state.replace(step=state.step + 1, nets=nets), metrics | critic_metrics

    return step


def _pairs(batch, large):
    """{size: {'image', 'truth', …}} in [0, 1] from columns named `image_64`."""
    pairs = {}
    for size in SIZES:
        end = f"_{size}"
        count = None if size == CORE else large
        columns = {
            name.removesuffix(end): column[:count]
            for name, column in batch.items()
            if name.endswith(end)
        }
        pairs[size] = _floats(columns)
    return pairs


def _floats(columns):
    """The columns with 8-bit pixels in [0, 1]; conditions are floats already."""
    floats = dict(columns)
    for name, column in columns.items():
        if column.dtype == jnp.uint8:
            floats[name] = to_float(column)
    return floats


def _inputs(pairs):
    """What the net sees: pictures with their guides, and conditions."""
    pictures = {}
    conditions = {}
    for size, pair in pairs.items():
        images = [pair[name] for name in ("image", "guide") if name in pair]
        pictures[size] = jnp.concatenate(images, axis=-1)
        nothing = jnp.zeros((len(images[0]), 0))
        conditions[size] = pair.get("condition", nothing)
    return pictures, conditions


def _grains(key, pairs):
    """{size: standard normal noise} in the shape of the pictures."""
    return {
        size: jax.random.normal(jax.random.fold_in(key, size), pair["truth"].shape)
        for size, pair in pairs.items()
    }


def _windows(key, pictures):
    """What the critic sees: windows of the core's size, and of which size they are."""
    windows = [_window(key, x) for x in pictures.values()]
    scales = [jnp.full(len(x), size / CORE - 1) for size, x in pictures.items()]
    return jnp.concatenate(windows), jnp.concatenate(scales)


def _window(key, pictures):
    """A square out of each picture, at the same random place."""
    room = pictures.shape[1] - CORE  # zero in small pictures
    corner = jax.random.randint(key, (2,), 0, room + 1)
    shape = (len(pictures), CORE, CORE, pictures.shape[-1])
    return jax.lax.dynamic_slice(pictures, (0, *corner, 0), shape)


def _within_mask(pair, drawn):
    """What is drawn inside the mask, the truth (or the picture) outside.

    In training the truth: what lies outside then neither costs nor betrays anything.
    """
    if "mask" not in pair:
        return drawn
    around = pair.get("truth", pair["image"])
    return around + pair["mask"][..., None] * (drawn - around)


def _distances(pair, drawn, paint, emphasis):
    """(distance, texture): mean absolute error at three scales, and of local contrast.

    The paint counts at the coarsest scale, even where the input covers it: so it is
    there when the net finds out that it should be shown.
    """
    truth = pair["truth"]
    # Pixels that change by a fifth or more have the full emphasis; weights have mean 1.
    changed = jnp.abs(truth - pair["image"]).mean(-1, keepdims=True)
    weight = 1 + emphasis * jnp.clip(5 * changed, 0, 1)
    if "mask" in pair:
        weight = weight * pair["mask"][..., None]
    weight = weight / weight.mean((1, 2, 3), keepdims=True)

    def error(x, cell):
        gap = jnp.abs(pool(x, cell) - pool(truth, cell))
        return (gap * pool(weight, cell)).mean()

    distance = sum(error(drawn, cell) for cell in (1, 2, 4)) / 3 + error(paint, 4) / 2
    contrast_gap = local_contrast(drawn, cell=CELL) - local_contrast(truth, cell=CELL)
    return distance, jnp.abs(contrast_gap).mean()
