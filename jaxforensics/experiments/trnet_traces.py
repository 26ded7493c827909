"""Traces of TR-Net's paper: what gives fakes away, and what is left after an attack."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation.attention import mean_attention
from jaxforensics.evaluation.chunks import each, mean
from jaxforensics.evaluation.embedding import tsne
from jaxforensics.methods import trnet
from jaxforensics.ops.color import to_float, to_gray
from jaxforensics.ops.residuals import correlation, noise_residual
from jaxforensics.ops.spectrum import azimuthal_power, log_spectrum
from jaxforensics.reporting import figures

DISCOVERY = """\
Three kinds of traces, on the test split: where a detector looks (Grad-CAM), mean log
spectra, and mean noise residuals (what a Wiener filter takes away). Originals are the
pictures that fakes were made of, or the nearest reals. Figs. 3 to 6.
"""
CLOSER = """\
The same of attacked fakes, which should come closer to the originals: features of
TR-Net's discriminators in two dimensions, power by frequency, and differences of mean
spectra and residuals. Figs. 15 to 17.
"""
DECIBEL = 10 / np.log(10)


def report(bench, *, victims, attacks, layer, pictures):
    """Traces of every kind of fake, and after `attacks`; of the first seed."""
    if not (victims or attacks):
        return
    seed, workspace = bench.seeds[0], bench.workspace
    workspace.section("What gives fakes away", DISCOVERY)
    for victim in victims:
        _report_attention(bench, victim, seed, layer)
    real, fake = (kinds(bench, split) for split in originals(bench))
    _report_traces(workspace, real, fake)
    _report_correlations(bench)
    for attack in attacks:
        workspace.section(f"What {attack} leaves", CLOSER)
        shown = bench.attacked(attack, seed)
        left = kinds(bench, shown)
        _report_features(bench, attack, seed, pictures)
        _report_power(workspace, attack, real, fake, left)
        _report_left(workspace, attack, real, fake, left)


def originals(bench):
    """(the originals of the test fakes, the fakes): {'image', 'source'}, 8 bits."""

    def read():
        parts = [
            {k: batch[k][batch["valid"] > 0] for k in ("image", "real", "source")}
            for batch in bench.fakes.batches()
        ]
        whole = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        pair = {"image": whole.pop("real"), "source": whole["source"]}
        return pair, whole

    return bench.once("originals", read)


def kinds(bench, found):
    """{source: its pictures}."""
    return {
        bench.data.test.sources[number]: found["image"][found["source"] == number]
        for number in np.unique(found["source"])
    }


def distances(bench, attack, seed):
    """{'fake', 'attacked'}: how far spectra are from those of the originals, and NCC.

    'spectrum' is the mean over sources and frequencies of |difference of mean log
    magnitudes|, 'correlation' the mean over pictures with the fingerprint of their own
    source, of the training split.
    """
    real, fake = originals(bench)
    marks = fingerprints(bench)
    target = kinds(bench, real)
    found = {}
    for name, shown in (("fake", fake), ("attacked", bench.attacked(attack, seed))):
        parts = kinds(bench, shown)
        gaps = [
            np.abs(mean(log_spectrum, parts[s]) - mean(log_spectrum, target[s]))
            for s in parts
        ]
        near = [
            each(partial(alike, marks[source]), pictures)
            for source, pictures in parts.items()
        ]
        found[name] = {
            "spectrum": float(np.mean(gaps)),
            "correlation": float(np.concatenate(near).mean()),
        }
    return found


def fingerprints(bench):
    """{source: mean noise residual} of the training split's fakes."""

    def read():
        train, sums = bench.data.train.labelled(1), {}
        for batch in train.once():
            residuals = np.float64(residual(to_float(batch["image"])))
            for i in np.flatnonzero(batch["valid"]):
                source = train.sources[batch["source"][i]]
                total, count = sums.setdefault(source, (0.0, 0))
                sums[source] = total + residuals[i], count + 1
        return {s: np.float32(total / count) for s, (total, count) in sums.items()}

    return bench.once("fingerprints", read)


@jax.jit
def residual(image):
    """The noise residual of luma: what a Wiener filter takes away."""
    return noise_residual(to_gray(image))


def alike(mark, image):
    """How much residuals of pictures correlate with a fingerprint, (b,)."""
    return correlation(jnp.asarray(mark), residual(image))


def _report_attention(bench, victim, seed, layer):
    """Fig. 3."""
    logits = bench.victim(victim, seed).function("logits")
    parts = kinds(bench, originals(bench)[1])
    found = mean_attention(logits, parts, layer=layer, reals=bench.reals)
    figure = figures.pictures(
        [list(found.faces.values()), list(found.maps.values())],
        columns=list(parts),
        names=["mean fake", victim],
    )
    caption = (
        f"Where {victim} looks, {layer}: mean Grad-CAM of what speaks for fake, each "
        "map up to its own maximum."
    )
    bench.workspace.figure(f"attention_{victim}", figure, caption=caption)


def _report_traces(workspace, real, fake):
    """Figs. 4 and 5."""
    titles = {"originals": real, "fakes": fake}
    spectra = {
        f"{source}, {title}": mean(log_spectrum, part[source])
        for title, part in titles.items()
        for source in fake
    }
    count = len(fake)
    figure = figures.spectra(spectra, columns=count, label="log magnitude")
    caption = "Mean log spectra of originals and of fakes."
    workspace.figure("spectra", figure, caption=caption)
    gaps = {s: spectra[f"{s}, fakes"] - spectra[f"{s}, originals"] for s in fake}
    figure = figures.spectra(gaps, columns=count, label="difference", signed=True)
    workspace.figure("spectra_gaps", figure, caption="Fakes less originals.")
    residuals = {
        f"{source}, {title}": mean(residual, part[source])
        for title, part in titles.items()
        for source in fake
    }
    figure = figures.spectra(residuals, columns=count, label="residual", signed=True)
    caption = "Mean noise residuals: fingerprints."
    workspace.figure("fingerprints", figure, caption=caption)


def _report_correlations(bench):
    """Fig. 6."""
    real, fake = (kinds(bench, split) for split in originals(bench))
    for source, mark in fingerprints(bench).items():
        if source in fake:
            near = {
                title: each(partial(alike, mark), part[source])
                for title, part in (("originals", real), ("fakes", fake))
            }
            figure = figures.histogram(near, title=source, x_label="correlation")
            caption = (
                f"{source}: correlation of test residuals with the fingerprint of the "
                "training fakes."
            )
            bench.workspace.figure(f"correlation_{source}", figure, caption=caption)


def _report_features(bench, attack, seed, pictures):
    """Fig. 15."""
    if bench.attacks[attack]["attack"] != "trnet":
        return
    network, shown = bench.network("trnet", seed), bench.attacked(attack, seed)
    attacked = bench.fakes.shown_as(shown["image"], shown["index"], shown["mark"])
    exams = {
        "real": bench.data.test.labelled(0),
        "fake": bench.fakes,
        "attacked": attacked,
    }
    critics = [name for name in trnet.CRITICS if name in network.state.nets]
    outputs = tuple(f"{name}_features" for name in critics)
    found = {}
    for title, exam in exams.items():
        few = itertools.islice(exam.batches(), -(-pictures // bench.batch_size))
        found[title] = network.over(few, outputs=outputs)
    for name, output in zip(critics, outputs, strict=True):
        flat = [part[output].reshape(len(part[output]), -1) for part in found.values()]
        counts = np.cumsum([len(part) for part in flat])[:-1]
        whole = np.concatenate(flat)
        places = tsne(whole, seed=seed)
        points = dict(zip(found, np.split(places, counts), strict=True))
        figure = figures.scatter(points, title=name)
        caption = f"t-SNE of the {name} discriminator's features."
        bench.workspace.figure(f"features_{attack}_{name}", figure, caption=caption)


def _report_power(workspace, attack, real, fake, left):
    """Fig. 16."""
    profile = partial(azimuthal_power, log=True)
    for source in fake:
        titles = {"originals": real, "fakes": fake, "attacked": left}
        spectra = {
            title: DECIBEL * each(profile, part[source])
            for title, part in titles.items()
        }
        figure = figures.profiles(spectra, title=source, y_label="power, dB")
        caption = f"{source}: power by frequency; bands are one standard deviation."
        workspace.figure(f"power_{attack}_{source}", figure, caption=caption)


def _report_left(workspace, attack, real, fake, left):
    """Fig. 17."""
    for name, function, label in (
        ("spectra", log_spectrum, "log magnitude"),
        ("residuals", residual, "residual"),
    ):
        gaps = {
            f"{source}, {title}": mean(function, part[source])
            - mean(function, real[source])
            for title, part in (("fakes", fake), ("attacked", left))
            for source in fake
        }
        figure = figures.spectra(gaps, columns=len(fake), label=label, signed=True)
        caption = f"{name}: mean differences from the originals."
        workspace.figure(f"left_{name}_{attack}", figure, caption=caption.capitalize())
