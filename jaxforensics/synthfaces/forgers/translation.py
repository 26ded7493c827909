"""Picture-to-picture forgers: supervised by the exact truth, sharpened by a critic.

The renderer knows what a picture looks like after an edit, a swap or a re-enactment,
photographed by the same camera with the same noise.  The translator learns it by
distances at three scales and in local contrast, and by a patch discriminator (hinge
loss) that keeps it from answering doubt with blur.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxforensics.settings import call
from jaxforensics.synthfaces.forgers.decoder import eight_bit, pool
from jaxforensics.synthfaces.forgers.decoder import texture as local_contrast
from jaxforensics.synthfaces.forgers.discriminators import PatchDiscriminator
from jaxforensics.synthfaces.forgers.translator import CORE, SIZES, Translator, grain
from jaxforensics.training.nets import Method, Stage, descend, new_net, new_state
from jaxforensics.training.optimisers import optimiser as build_optimiser

CELL = 8  # pixels over which local contrast is measured
ADAM = {"settings": {"b1": 0.5, "b2": 0.99}}


class Weights(NamedTuple):
    """Of pixels that change, and of the losses beside the distance."""

    emphasis: float
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
    net, critic = Translator(up=up, full_skip=full_skip), PatchDiscriminator()
    given = {"translator": optimiser, "critic": critic_optimiser}
    txs = {
        name: call(build_optimiser, ADAM | dict(chosen or {}), where=name)
        for name, chosen in given.items()
    }

    def draw(params, pairs, grains):
        drawn = net.apply({"params": params}, *_told(pairs), grains)
        return {
            size: (_where(pairs[size], eight_bit(x)), paint)
            for size, (x, paint) in drawn.items()
        }

    def init(key, batch):
        keys, pairs = jax.random.split(key), _pairs(batch, large)
        inputs = *_told(pairs), _grains(key, pairs)
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

        def judge(params, pictures):
            return critic.apply({"params": params}, *_windows(window_key, pictures))

        def translate(params):
            drawn = draw(params["translator"], pairs, grains)
            shown = {size: picture for size, (picture, _) in drawn.items()}
            found = [
                _distances(pairs[s], *x, weights.emphasis) for s, x in drawn.items()
            ]
            distance, rough = (sum(x) / len(x) for x in zip(*found, strict=True))
            fooled = -judge(state.nets["critic"].params, shown).mean()
            loss = distance + weights.texture * rough + weights.adversarial * fooled
            metrics = {"distance": distance, "texture": rough, "fooled": fooled}
            return loss, ({}, metrics | {"shown": shown})

        def tell_apart(params):
            real, fake = (judge(params["critic"], x) for x in (truths, shown))
            loss = jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()
            return loss, ({}, {"critic": loss})

        nets, metrics = descend(txs, state.nets, translate, "translator")
        shown = metrics.pop("shown")
        nets, more = descend(txs, nets, tell_apart, "critic")
        return state.replace(step=state.step + 1, nets=nets), metrics | more

    return step


def _pairs(batch, large):
    """{size: {'image', 'truth', …}} in [0, 1] from columns named `image_64`."""
    found = {}
    for size in SIZES:
        end, rows = f"_{size}", slice(None if size == CORE else large)
        found[size] = _floats(
            {k[: -len(end)]: v[rows] for k, v in batch.items() if k.endswith(end)}
        )
    return found


def _floats(columns):
    return {
        name: x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x
        for name, x in columns.items()
    }


def _told(pairs):
    """What the net is given: pictures with their guides, and conditions."""
    pictures, conditions = {}, {}
    for size, pair in pairs.items():
        seen = [pair[name] for name in ("image", "guide") if name in pair]
        pictures[size] = jnp.concatenate(seen, axis=-1)
        nothing = jnp.zeros((len(seen[0]), 0))
        conditions[size] = pair.get("condition", nothing)
    return pictures, conditions


def _grains(key, pairs):
    return {
        size: jax.random.normal(jax.random.fold_in(key, size), pair["truth"].shape)
        for size, pair in pairs.items()
    }


def _windows(key, pictures):
    """What the critic sees: windows of the core's size, and of which size they are."""
    seen = [_window(key, x) for x in pictures.values()]
    scales = [jnp.full(len(x), size / CORE - 1) for size, x in pictures.items()]
    return jnp.concatenate(seen), jnp.concatenate(scales)


def _window(key, pictures):
    """A square out of each picture, at the same random place."""
    room = pictures.shape[1] - CORE
    corner = jax.random.randint(key, (2,), 0, room + 1)
    shape = (len(pictures), CORE, CORE, pictures.shape[-1])
    return jax.lax.dynamic_slice(pictures, (0, *corner, 0), shape)


def _where(pair, drawn):
    """What is drawn inside the mask, the truth (or the picture) outside."""
    if "mask" not in pair:
        return drawn
    around = pair.get("truth", pair["image"])
    return around + pair["mask"][..., None] * (drawn - around)


def _distances(pair, drawn, paint, emphasis):
    """Mean absolute error over three scales, and of local contrast.

    The paint counts at the coarsest scale, even where the input covers it: so it is
    there when the net finds out that it should be shown.
    """
    truth = pair["truth"]
    changed = jnp.abs(truth - pair["image"]).mean(-1, keepdims=True)
    weight = 1 + emphasis * jnp.clip(5 * changed, 0, 1)
    if "mask" in pair:
        weight = weight * pair["mask"][..., None]
    weight = weight / weight.mean((1, 2, 3), keepdims=True)

    def error(x, cell):
        gap = jnp.abs(pool(x, cell) - pool(truth, cell))
        return (gap * pool(weight, cell)).mean()

    near = sum(error(drawn, cell) for cell in (1, 2, 4)) / 3 + error(paint, 4) / 2
    rough = local_contrast(drawn, cell=CELL) - local_contrast(truth, cell=CELL)
    return near, jnp.abs(rough).mean()
