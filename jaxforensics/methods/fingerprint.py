"""NF: mean noise residuals of sources, and whose a picture's own residual resembles.

Marra, Gragnaniello, Verdoliva and Poggi, "Do GANs leave artificial fingerprints?", MIPR
2019, as Liu et al. (TR-Net, 2022) use it: residuals of a Wiener filter, correlations
normalised.  Nothing is learned by descent: training averages, once over the pictures.
"""

import jax
import jax.numpy as jnp

from jaxforensics.ops import degrade
from jaxforensics.ops.color import to_gray
from jaxforensics.ops.residuals import correlation, noise_residual
from jaxforensics.training.nets import Method, Net, Stage, new_state


def make(*, sources, reals=(0,), augment=(), steps):
    """The mean residual of each of `sources` sources over `steps` batches.

    `augment` lists degradations of `ops.degrade` that pictures go through before.

    'logits' are a residual's correlations with the fingerprints of all sources.
    'score', in [0, 1], is half of one plus half the excess of the nearest fake one over
    the nearest of `reals`: where to cut is for the validation split to say.
    """
    settings = dict(locals())
    if not 0 < len({*reals} & {*range(sources)}) < sources:
        raise ValueError(f"of {sources} sources {tuple(reals)} cannot be the reals")
    augmented = degrade.from_config(augment)
    is_real = jnp.isin(jnp.arange(sources), jnp.array(reals))

    def init(key, batch):
        del key  # nothing is random: counts and means start at zero
        shape = batch["image"].shape[1:3]
        # Nothing is learned by descent: all of it is statistics.
        stats = {
            "count": jnp.zeros(sources),
            "mean": jnp.zeros((sources, *shape)),
        }
        return new_state(fingerprints=Net({}, stats, ()))

    def step(key, state, batch):
        batch = batch | {"image": augmented(key, batch["image"])}
        stats = _gathered(state.nets["fingerprints"].stats, batch)
        nets = {"fingerprints": Net({}, stats, ())}
        metrics = {"sources_seen": jnp.mean(stats["count"] > 0)}
        return state.replace(step=state.step + 1, nets=nets), metrics

    def predict(state, batch):
        stats = state.nets["fingerprints"].stats
        residuals = noise_residual(to_gray(batch["image"]))
        correlations = jax.vmap(correlation, (0, None), -1)
        logits = correlations(stats["mean"], residuals)
        # A source without a picture in training resembles nothing: -1 is the least.
        logits = jnp.where(stats["count"] > 0, logits, -1)
        fake, real = (
            jnp.max(jnp.where(is_chosen, logits, -1), axis=-1)
            for is_chosen in (~is_real, is_real)
        )
        # The difference of two correlations, from [-2, 2] to [0, 1].
        return {"logits": logits, "score": (2 + fake - real) / 4}

    return Method(init, (Stage("average", steps, "train", step),), predict, settings)


def _gathered(stats, batch):
    """Counts and means of residuals per source, with those of a batch."""
    sources = len(stats["count"])
    # Who made which picture, (b, sources); nobody made padding.
    membership = jax.nn.one_hot(batch["source"], sources) * batch["valid"][:, None]
    residuals = noise_residual(to_gray(batch["image"]))
    in_batch = membership.sum(0)
    count = stats["count"] + in_batch
    # The mean moves by what differs from it: sums of many would lose digits.
    total = jnp.einsum("bs,bhw->shw", membership, residuals, precision="highest")
    excess = total - in_batch[:, None, None] * stats["mean"]
    mean = stats["mean"] + excess / jnp.maximum(count, 1)[:, None, None]
    return {"count": count, "mean": mean}
