"""Traces of TR-Net's paper: what gives fakes away, and what is left after an attack.

Everything here is measured, and cached as arrays; `trace_figures` draws it.
"""

import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation.attention import Attention, mean_attention
from jaxforensics.evaluation.chunks import each, mean
from jaxforensics.evaluation.embedding import tsne
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.methods import trnet
from jaxforensics.ops.color import to_float, to_gray
from jaxforensics.ops.residuals import correlation, noise_residual
from jaxforensics.ops.spectrum import azimuthal_power, log_spectrum
from jaxforensics.training.checkpoints import digest as array_digest

DECIBEL = 10 / np.log(10)  # per neper of power: `azimuthal_power` takes natural logs


class Pictures(NamedTuple):
    """Pictures of 8 bits and the numbers of their sources, a row each."""

    image: np.ndarray
    source: np.ndarray


class Profile(NamedTuple):
    """What pictures of one kind show: {source: array}."""

    spectra: dict  # mean log spectra (h, w)
    residuals: dict  # mean noise residuals (h, w)
    power: dict  # power by frequency in dB, a row per picture


class Traces(NamedTuple):
    """Traces of originals and fakes, and what attacks leave of them; first seed."""

    attention: dict  # {victim: Attention}
    originals: Profile
    fakes: Profile
    correlations: dict  # {source: {'originals', 'fakes': one value per picture}}
    attacked: dict  # {attack: Profile}
    features: dict  # {attack: {critic: {'real', 'fake', 'attacked': (n, 2) places}}}
    distances: dict  # {attack: per seed {'fake', 'attacked': {'spectrum', …}}}


def measure(results, settings):
    """The `Traces` that the settings ask for, or None."""
    selection = settings.traces
    if not (selection["victims"] or selection["attacks"]):
        return None
    seeds = rows.seeds_of(settings, selection)
    real, fake = originals(results.arena)
    fingerprints = _fingerprints(results)
    profile_of_originals = _profile(results, "originals", real)
    profile_of_fakes = _profile(results, "fakes", fake)
    near_fakes = _similarities(results, "fakes", fake, fingerprints)
    distance_of_fakes = _distance(profile_of_fakes, profile_of_originals, near_fakes)

    # Claims are about all seeds, pictures and curves show the first.
    attacked = {}
    distances = {}
    for attack in selection["attacks"]:
        for seed in seeds:
            where = f"after {attack}/seed{seed}"
            pictures = _columns(results, attack, seed)
            profile = _profile(results, where, pictures)
            attacked.setdefault(attack, profile)
            near = _similarities(results, where, pictures, fingerprints)
            distance = _distance(profile, profile_of_originals, near)
            row = {"fake": distance_of_fakes, "attacked": distance}
            distances.setdefault(attack, []).append(row)
    return Traces(
        attention={
            victim: _attention(results, victim, seeds[0], fake, selection["layer"])
            for victim in selection["victims"]
        },
        originals=profile_of_originals,
        fakes=profile_of_fakes,
        correlations=_correlations(results, fingerprints, real, fake),
        attacked=attacked,
        features={
            attack: _features(results, attack, seeds[0], selection["pictures"])
            for attack in selection["attacks"]
        },
        distances=distances,
    )


def originals(arena):
    """The originals of the test fakes, and the fakes."""
    # In the order of the split, as attacked fakes are too: rows belong together.
    parts = [
        {name: batch[name][batch["valid"] > 0] for name in ("image", "real", "source")}
        for batch in arena.fakes.batches()
    ]
    whole = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return (
        Pictures(whole["real"], whole["source"]),
        Pictures(whole["image"], whole["source"]),
    )


def by_source(arena, pictures):
    """{source: its pictures}."""
    return {
        arena.data.test.sources[number]: pictures.image[pictures.source == number]
        for number in np.unique(pictures.source)
    }


@jax.jit
def residual(image):
    """The noise residual of luma: what a Wiener filter takes away."""
    return noise_residual(to_gray(image))


def alike(fingerprint, image):
    """How much residuals of pictures correlate with a fingerprint, (b,)."""
    return correlation(jnp.asarray(fingerprint), residual(image))


def _columns(results, attack, seed):
    columns = results.attacked(attack, seed)
    return Pictures(columns["image"], columns["source"])


def _digest(pictures):
    return array_digest(pictures)[:16]


def _profile(results, name, pictures):
    """Spectra, residuals and power of each source's pictures."""
    power = partial(azimuthal_power, log=True)

    def look():
        arrays = {}
        for source, images in by_source(results.arena, pictures).items():
            arrays[f"spectra/{source}"] = mean(log_spectrum, images)
            arrays[f"residuals/{source}"] = mean(residual, images)
            arrays[f"power/{source}"] = DECIBEL * each(power, images)
        return arrays

    arrays = _cached(results, name, look, pictures)
    parts = {"spectra": {}, "residuals": {}, "power": {}}
    for path, array in arrays.items():
        part, _, source = path.partition("/")
        parts[part][source] = array
    return Profile(**parts)


def _fingerprints(results):
    """{source: mean noise residual} of the training split's fakes."""
    train = results.arena.data.train.labelled(1)

    def average():
        totals = {}
        counts = {}
        for batch in train.once():
            # Thousands of small residuals are added up: in float64.
            residuals = np.float64(residual(to_float(batch["image"])))
            for i in np.flatnonzero(batch["valid"]):
                source = train.sources[batch["source"][i]]
                totals[source] = totals.get(source, 0.0) + residuals[i]
                counts[source] = counts.get(source, 0) + 1
        return {s: np.float32(total / counts[s]) for s, total in totals.items()}

    return results.made.workspace.arrays("traces/fingerprints", average, train.digest)


def _attention(results, victim, seed, fakes, layer):
    """Where a victim looks in the fakes of each source: Fig. 3."""
    arena = results.arena
    name = arena.undefended_name(victim, seed)
    predictor = results.made[name]
    images = by_source(arena, fakes)

    def look():
        attention = mean_attention(
            predictor.function("logits"), images, layer=layer, reals=arena.reals
        )
        faces = {f"face/{source}": face for source, face in attention.faces.items()}
        maps = {f"map/{source}": each for source, each in attention.maps.items()}
        return faces | maps

    arrays = results.made.workspace.arrays(
        f"traces/attention/{name}", look, predictor.digest, layer, _digest(fakes)
    )
    return Attention(
        faces={source: arrays[f"face/{source}"] for source in images},
        maps={source: arrays[f"map/{source}"] for source in images},
    )


def _correlations(results, fingerprints, real, fake):
    """Of test residuals with the fingerprint of the training fakes of their source.

    Fig. 6.  Originals are compared with the fingerprint of the fakes made of them.
    """

    def look():
        arrays = {}
        for title, pictures in (("originals", real), ("fakes", fake)):
            for source, images in by_source(results.arena, pictures).items():
                similarity = each(partial(alike, fingerprints[source]), images)
                arrays[f"{title}/{source}"] = similarity
        return arrays

    arrays = _cached(results, "correlations", look, real, fake)
    return {
        source: {title: arrays[f"{title}/{source}"] for title in ("originals", "fakes")}
        for source in by_source(results.arena, fake)
    }


def _features(results, attack, seed, pictures):
    """t-SNE places of what the attack's discriminators see in pictures of three kinds.

    {critic: {'real', 'fake', 'attacked': (n, 2)}}; empty without discriminators.
    """
    arena = results.arena
    row = arena.attacks[attack]
    if not row.network:
        return {}
    network = results.made[arena.network_name(row.network, seed)]
    critics = [name for name in trnet.CRITICS if name in network.state.nets]
    outputs = tuple(f"{name}_features" for name in critics)
    attacked = results.made[arena.attacked_name(attack, seed)]
    exams = {
        "real": arena.data.test.labelled(0),
        "fake": arena.fakes,
        "attacked": arena.exam(attacked),
    }

    def look():
        features = {}
        # t-SNE compares all with all: whole batches of about so many pictures.
        count = -(-pictures // arena.data.train.batch_size)
        for title, exam in exams.items():
            batches = itertools.islice(exam.batches(), count)
            features[title] = network.over(batches, outputs=outputs)
        arrays = {}
        for name, output in zip(critics, outputs, strict=True):
            flat = [f[output].reshape(len(f[output]), -1) for f in features.values()]
            ends = np.cumsum([len(part) for part in flat])[:-1]
            # The three kinds lie on one map.
            places = np.split(tsne(np.concatenate(flat), seed=seed), ends)
            for title, part in zip(features, places, strict=True):
                arrays[f"{name}/{title}"] = part
        return arrays

    if not critics:
        return {}
    arrays = results.made.workspace.arrays(
        f"traces/features/{attack}/seed{seed}",
        look,
        [network.digest, attacked.digest, pictures],
    )
    return {n: {title: arrays[f"{n}/{title}"] for title in exams} for n in critics}


def _distance(profile, originals, similarities):
    """How far spectra are from those of the originals, and NCC.

    'spectrum' is the mean over sources and frequencies of |difference of mean log
    magnitudes|, 'correlation' the mean over pictures with the fingerprint of their own
    source, of the training split.
    """
    gaps = [
        np.abs(spectrum - originals.spectra[source])
        for source, spectrum in profile.spectra.items()
    ]
    return {
        "spectrum": float(np.mean(gaps)),
        "correlation": float(np.concatenate(similarities).mean()),
    }


def _similarities(results, where, pictures, fingerprints):
    """Correlations of each source's pictures with its own fingerprint."""

    def look():
        return {
            source: each(partial(alike, fingerprints[source]), images)
            for source, images in by_source(results.arena, pictures).items()
        }

    return list(_cached(results, f"near/{where}", look, pictures).values())


def _cached(results, name, look, *pictures):
    """What `look()` makes of pictures, stored under the digests of these."""
    inputs = [_digest(part) for part in pictures]
    train = results.arena.data.train.digest  # that fingerprints are of
    return results.made.workspace.arrays(f"traces/{name}", look, inputs, train)
