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
from jaxforensics.ops.resample import resize
from jaxforensics.settings import call
from jaxforensics.synthfaces.forgers.decoder import eight_bit, pool
from jaxforensics.synthfaces.forgers.decoder import texture as local_contrast
from jaxforensics.synthfaces.forgers.discriminators import PatchDiscriminator
from jaxforensics.synthfaces.forgers.translator import CORE, SIZES, Translator, grain
from jaxforensics.training.nets import Method, Stage, descend, new_net, new_state
from jaxforensics.training.optimisers import optimiser as build_optimiser

CELL = 8  # pixels over which local contrast is measured
SCALES = (1, 2, 4)  # cells of pixels whose means are compared
PLACES = 8  # along a side: parts of a picture within which changes share their weight
ADAM = {"settings": {"b1": 0.5, "b2": 0.99}}  # less momentum, as usual with critics


class Weights(NamedTuple):
    """Of the losses beside the distance, and of pixels."""

    emphasis: float  # how much more than others pixels weigh that change
    crowd: float | None  # see `_emphasised`
    texture: float
    adversarial: float
    gate: float  # of what guides the paint and its gate, see `_guidance`


def make(
    *,
    up="deconv",
    full_skip=False,
    placed=(),
    normalised=False,
    large=2,
    emphasis=20.0,
    crowd=None,
    texture=0.1,
    adversarial=0.015,
    gate=0.0,
    optimiser=None,
    critic_optimiser=None,
    steps,
):
    """Train a translator on pairs of both sizes.

    A batch holds `image_64` (b, 64, 64, 3), `truth_64`, and where they exist `guide_64`
    (what the net redraws, seeing the image), `condition_64` (b, k) and `mask_64`
    (b, 64, 64, where the result counts); and the same for 128, of which a step takes
    the first `large`.  `emphasis` weighs pixels that change, with `crowd` those most
    around which little else does; `gate` weighs how well the net knows which ones
    change, and what it paints there.  `predict` redraws `image` of either size.
    """
    settings = dict(locals())
    net = Translator(
        up=up, full_skip=full_skip, placed=tuple(placed), normalised=normalised
    )
    critic = PatchDiscriminator()
    optimisers = {"translator": optimiser, "critic": critic_optimiser}
    txs = {
        name: call(build_optimiser, ADAM | dict(chosen or {}), where=name)
        for name, chosen in optimisers.items()
    }

    def draw(params, pairs, grains):
        """{size: Redrawn}, pictures in steps of 1/255."""
        redrawn = net.apply({"params": params}, *_inputs(pairs), grains)
        return {
            size: drawn._replace(
                picture=_within_mask(pairs[size], eight_bit(drawn.picture))
            )
            for size, drawn in redrawn.items()
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
        return {"image": draw(params, {size: _floats(batch)}, grains)[size].picture}

    weights = Weights(emphasis, crowd, texture, adversarial, gate)
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
            pictures = {size: redrawn.picture for size, redrawn in drawn.items()}
            by_size = [
                _distances(pairs[size], redrawn, weights)
                for size, redrawn in drawn.items()
            ]
            # Sizes count alike, however many pictures a step takes of each.
            metrics = jax.tree.map(lambda *terms: sum(terms) / len(terms), *by_size)
            fooled = -judge(state.nets["critic"].params, pictures).mean()
            loss = (
                metrics["distance"]
                + weights.texture * metrics["texture"]
                + weights.adversarial * fooled
            )
            if weights.gate:
                loss = loss + weights.gate * metrics["guidance"]
            metrics = metrics | {"fooled": fooled}
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


def _distances(pair, redrawn, weights):
    """{'distance', 'texture'}: mean absolute error at three scales, of local contrast.

    The paint counts at the coarsest scale, even where the input covers it: so it is
    there when the net finds out that it should be shown.  With a weight of the gate
    there is 'guidance', too.
    """
    truth = pair["truth"]
    emphasised = _emphasised(pair, weights.crowd)
    weight = 1 + weights.emphasis * emphasised
    if "mask" in pair:
        weight = weight * pair["mask"][..., None]
    # Weights have mean 1.
    weight = weight / weight.mean((1, 2, 3), keepdims=True)

    drawn = redrawn.picture
    distance = sum(_error(drawn, truth, weight, cell) for cell in SCALES) / len(SCALES)
    distance = distance + _error(redrawn.paint, truth, weight, SCALES[-1]) / 2
    contrast_gap = local_contrast(drawn, cell=CELL) - local_contrast(truth, cell=CELL)
    terms = {"distance": distance, "texture": jnp.abs(contrast_gap).mean()}
    if weights.gate:
        terms["guidance"] = _guidance(pair, redrawn, weight, emphasised)
    return terms


def _error(x, truth, weight, cell):
    """The weighted mean absolute error of means over cells."""
    gap = jnp.abs(pool(x, cell) - pool(truth, cell))
    return (gap * pool(weight, cell)).mean()


def _guidance(pair, redrawn, weight, emphasised):
    """How wrong the gate is, and the paint where the picture changes.

    A gate that is closed where a face should change hides the paint from the distance,
    and bad paint keeps the gate closed: told apart, each learns at once.  The gate's
    error is the cross-entropy of keeping what stays.
    """
    stays = 1 - _change(pair)
    kept = jnp.clip(redrawn.kept, 1e-4, 1 - 1e-4)
    entropy = -(stays * jnp.log(kept) + (1 - stays) * jnp.log(1 - kept))
    # Between no weights, with which small regions stay closed, and those of the
    # distance, with which the gate opens far around them.
    gate_weight = jnp.sqrt(weight)
    gate_error = (gate_weight * entropy).mean() / gate_weight.mean()

    # The least mean is that of a picture in which nothing changes.
    changing = emphasised / (emphasised.mean((1, 2, 3), keepdims=True) + 0.01)
    errors = [_error(redrawn.paint, pair["truth"], changing, cell) for cell in SCALES]
    return gate_error + sum(errors) / len(errors)


def _change(pair):
    """How much pixels change, (b, h, w, 1): in full from a fifth on."""
    change = jnp.abs(pair["truth"] - pair["image"]).mean(-1, keepdims=True)
    return jnp.clip(5 * change, 0, 1)


def _emphasised(pair, crowd):
    """Which pixels change, as weights (b, h, w, 1).

    With `crowd`, a change is divided by it and how much changes around, so that the
    rims of glasses and a lip count as a head of hair does.
    """
    change = _change(pair)
    if crowd is None:
        return change
    around = pool(change, change.shape[1] // PLACES)
    around = resize(around, change.shape[1:3], method="bilinear")
    return change / (around + crowd)
