"""The forgers of SynthFaces: trained, measured, and written out as weights.

What is measured here says whether forgeries can be told by the wrong means: how well
any one simple number of a picture separates them from the pictures they are after.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from jaxforensics.evaluation import metrics, quality
from jaxforensics.experiments.common.detectors import prediction_job
from jaxforensics.experiments.common.jobs import Job
from jaxforensics.models import weights
from jaxforensics.ops.color import to_float
from jaxforensics.ops.residuals import enlargement_residual, high_pass
from jaxforensics.ops.spectrum import log_spectrum
from jaxforensics.reporting import figures
from jaxforensics.settings import call, choose
from jaxforensics.synthfaces.forgers import enlargement, synthesis, translation
from jaxforensics.synthfaces.forgers import whole_faces as shipped
from jaxforensics.training.checkpoints import digest as array_digest

TITLE = "Forgers"
PROTOCOL = """\
Every forger is trained on rendered studio scenes of its own; what follows is measured
on scenes it was not trained on. The weights, in half precision, lie in the folder
weights/ of this run: copied to jaxforensics/synthfaces/weights they replace those that
are shipped.
"""
SIZES = (64, 128)
PARTS = ("encoder", "decoder", "enlarger")  # what may be taken from another forger
EXAMPLES = 8  # faces in a figure


class Forged(NamedTuple):
    """Forgeries and the truths that they are after, uint8, a row per scene."""

    forgeries: np.ndarray
    truths: np.ndarray


class Kind(NamedTuple):
    """How forgers of a method are trained, stored and tried."""

    make: Callable
    stored: Callable  # {net: parameters} -> what the weights file holds
    trials: Callable  # (stream) -> {part: (batches, outputs)}, what is predicted
    forged: Callable  # ({part: columns}, stream) -> {size: Forged}
    watched: str  # the metric that is drawn


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    An 'encoder', 'decoder' or 'enlarger' among a forger's settings names another forger
    from which it is taken: one that is trained here before, else the shipped one.
    """

    forgers: dict  # {name: {'method', 'stream', settings of the method}}
    seeds: tuple


class Measured(NamedTuple):
    """What the report says."""

    quality: list  # rows: forger, size, kB, PSNR, SSIM
    shortcuts: list  # rows: forger, size, AUC of each statistic
    sharpness: list  # rows: forger, size, mean detail and its AUC
    examples: dict  # {size: {forger: Forged}}, the first scenes
    gaps: dict  # {size: {forger: what forging adds to the mean log spectrum}}
    losses: dict  # {'forger: metric': (steps, values)}


def jobs(settings, data):
    """Every forger, after those that it starts from, and what the first seed forges."""
    graph = []
    for seed in settings.seeds:
        for name, row in settings.forgers.items():
            graph.append(_training_job(name, row, settings, data.main.train, seed))
    for name, row in settings.forgers.items():
        stream = data.main.train.showing(row["stream"])
        for part, (batches, outputs) in _kind(row).trials(stream).items():
            graph.append(
                prediction_job(
                    f"{name}/{part}",
                    _name(name, settings.seeds[0]),
                    batches,
                    stream.digest,
                    outputs=outputs,
                    title=name,
                )
            )
    return graph


def measure(made, settings, data):
    """Likeness, shortcuts and spectra of what every forger forges."""
    seed = settings.seeds[0]
    workspace = made.workspace
    forged = {}
    for name, row in settings.forgers.items():
        stream = data.main.train.showing(row["stream"])
        parts = {part: made[f"{name}/{part}"] for part in _kind(row).trials(stream)}
        forged[name] = _kind(row).forged(parts, stream)

    quality_rows = []
    shortcut_rows = []
    sharpness_rows = []
    for name, sizes in forged.items():
        kilobytes = _path(workspace, name, seed).stat().st_size / 1000
        for size, pair in sizes.items():
            about = {"forger": name, "size": size}
            likeness = workspace.measure(
                f"{name}/quality_{size}",
                functools.partial(_quality, *pair),
                array_digest(pair),
            )
            quality_rows.append(about | {"kB": round(kilobytes)} | likeness)
            areas = workspace.measure(
                f"{name}/shortcuts_{size}",
                functools.partial(shortcuts, *pair),
                array_digest(pair),
            )
            shortcut_rows.append(about | areas)
            ratio = sharpness(pair.forgeries).mean() / sharpness(pair.truths).mean()
            sharpness_rows.append(
                about
                | {
                    "detail, of the truths'": round(float(ratio), 3),
                    "AUC, larger is fake": _area(sharpness, *pair),
                }
            )
    return Measured(
        quality=quality_rows,
        shortcuts=shortcut_rows,
        sharpness=sharpness_rows,
        examples={
            size: {
                name: Forged(*(part[:EXAMPLES] for part in sizes[size]))
                for name, sizes in forged.items()
                if size in sizes
            }
            for size in SIZES
        },
        gaps={
            size: {
                name: _gap(*sizes[size])
                for name, sizes in forged.items()
                if size in sizes
            }
            for size in SIZES
        },
        losses=_losses(workspace, settings, seed),
    )


def report(measured, settings, report):
    """The page of the study."""
    del settings
    report.findings(_findings(measured))
    report.section("Forgers", PROTOCOL)
    caption = "Forgeries against what they are after."
    report.table("quality", measured.quality, caption=caption)
    caption = "AUC of one number per picture, forgeries against truths; 0.5 is chance."
    report.table("shortcuts", measured.shortcuts, caption=caption)
    caption = "What a fourfold bicubic enlargement lacks: is it as much as in truths?"
    report.table("sharpness", measured.sharpness, caption=caption)
    _report_looks(measured, report)
    report.section("Training")
    figure = figures.curves(measured.losses, x_label="step", y_label="loss", y_log=True)
    report.figure("training", figure, caption="Losses while training.")


def _synthesis_trials(stream):
    """Both sizes in one pass."""
    return {"both": (stream.validation, tuple(f"image_{size}" for size in SIZES))}


def _synthesised(parts, stream):
    columns = parts["both"]
    truths = _columns(stream, [f"image_{size}" for size in SIZES])
    return {
        size: Forged(columns[f"image_{size}"], truths[f"image_{size}"])
        for size in SIZES
    }


def _enlargement_trials(stream):
    return {"large": (stream.validation, ("image_128",))}


def _enlarged(parts, stream):
    (truths,) = _columns(stream, ["image_128"]).values()
    return {128: Forged(parts["large"]["image_128"], truths)}


def _translation_trials(stream):
    """One size after the other."""
    return {
        str(size): (functools.partial(_of_size, stream, size), ("image",))
        for size in SIZES
    }


def _translated(parts, stream):
    truths = _columns(stream, [f"truth_{size}" for size in SIZES])
    return {
        size: Forged(
            np.uint8(np.round(255 * parts[str(size)]["image"])), truths[f"truth_{size}"]
        )
        for size in SIZES
    }


METHODS = {
    "synthesis": Kind(
        make=synthesis.make,
        stored=synthesis.stored,
        trials=_synthesis_trials,
        forged=_synthesised,
        watched="texture",
    ),
    "enlargement": Kind(
        make=enlargement.make,
        stored=enlargement.stored,
        trials=_enlargement_trials,
        forged=_enlarged,
        watched="texture",
    ),
    "translation": Kind(
        make=translation.make,
        stored=lambda params: {"params": params["translator"]},
        trials=_translation_trials,
        forged=_translated,
        watched="distance",
    ),
}


def _kind(row):
    return choose(METHODS, row["method"], "method")


def _name(name, seed):
    return f"{name}/seed{seed}"


def _training_job(name, row, settings, streams, seed):
    """Train a forger and write its weights; needs the forgers that it starts from."""
    stream = streams.showing(row["stream"])
    starts = {part: row[part] for part in PARTS if row.get(part)}
    needs = tuple(
        _name(start, seed)
        for start in dict.fromkeys(starts.values())
        if start in settings.forgers and start != name
    )

    def train(workspace, made):
        del made  # what it starts from lies in files
        options = {k: v for k, v in row.items() if k not in ("method", "stream")}
        for part, start in starts.items():
            options[part] = str(_weights_of(workspace, start, seed))
        method = call(_kind(row).make, options, where=name)
        predictor = workspace.train(
            _name(name, seed), method, stream, seed=seed, strict=True
        )
        _store(workspace, name, row, predictor, seed)
        return predictor

    return Job(_name(name, seed), train, needs, name)


def _store(workspace, name, row, predictor, seed):
    """Write the weights of a forger in half precision."""
    params = {role: net.params for role, net in predictor.state.nets.items()}
    stored = _kind(row).stored(params)
    if row.get("encoder"):  # it lies in that forger's file
        stored.pop("encoder", None)
    path = _path(workspace, name, seed)
    weights.save(path, jax.tree.map(np.float16, stored))


def _weights_of(workspace, name, seed):
    """The weights trained here, else the shipped ones."""
    path = _path(workspace, name, seed)
    return path if path.exists() else shipped.FOLDER / path.name


def _path(workspace, name, seed):
    return workspace.directory / f"weights/seed{seed}/{name}.safetensors"


def _columns(stream, names):
    batches = list(stream.validation())
    return {name: np.concatenate([b[name] for b in batches]) for name in names}


def _of_size(stream, size):
    """Validation batches that show one size, without the suffix in its names."""
    suffix = f"_{size}"
    for batch in stream.validation():
        columns = {name: batch[name] for name in ("index", "valid")}
        for name, column in batch.items():
            if name.endswith(suffix):
                columns[name.removesuffix(suffix)] = column
        yield columns


def _quality(forgeries, truths):
    fake = to_float(forgeries)
    real = to_float(truths)
    return {
        "PSNR": round(float(quality.psnr(fake, real).mean()), 2),
        "SSIM": round(float(quality.ssim(fake, real).mean()), 4),
    }


def shortcuts(forgeries, truths):
    """{statistic: AUC, at least 0.5} of forgeries against their truths."""
    areas = {}
    for name, statistic in STATISTICS.items():
        area = _area(statistic, forgeries, truths)
        # Whether forgeries have the larger or the smaller values does not matter.
        areas[name] = max(area, round(1 - area, 3))
    return areas


def _area(statistic, forgeries, truths):
    """AUC of a statistic where larger values say forgery."""
    labels = np.repeat([1, 0], [len(forgeries), len(truths)])
    values = np.concatenate([statistic(forgeries), statistic(truths)])
    return round(float(metrics.auc(labels, np.float32(values))), 3)


def sharpness(pictures):
    """The mean size of what an enlargement lacks, of each of (n, h, w, 3)."""
    return np.abs(enlargement_residual(np.float32(pictures))).mean((1, 2, 3))


def _border(pictures):
    edges = pictures[:, [0, -1]], pictures[:, :, [0, -1]].swapaxes(1, 2)
    return np.concatenate(edges, axis=2).reshape(len(pictures), -1)


def _file_size(pictures):
    def size(picture):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        return buffer.tell()

    return np.array([size(picture) for picture in pictures])


STATISTICS = {
    "red": lambda x: x[..., 0].mean((1, 2)),
    "green": lambda x: x[..., 1].mean((1, 2)),
    "blue": lambda x: x[..., 2].mean((1, 2)),
    "contrast": lambda x: x.std((1, 2, 3)),
    "border": lambda x: _border(x).mean(1),
    "border contrast": lambda x: _border(x).std(1),
    "file size": _file_size,
    "high-pass": lambda x: np.std(high_pass(np.float32(x)), (1, 2, 3)),
    "sharpness": sharpness,
}


def _findings(measured):
    """The sharpest and the softest forger, and the worst shortcut."""
    likeness = {(r["forger"], r["size"]): r["PSNR"] for r in measured.quality}
    best = max(likeness, key=likeness.get)
    worst = min(likeness, key=likeness.get)
    areas = {
        (row["forger"], row["size"], name): row[name]
        for row in measured.shortcuts
        for name in STATISTICS
    }
    forger, size, statistic = max(areas, key=areas.get)
    return [
        f"{best[0]} at {best[1]} pixels is closest to its truths: "
        f"{likeness[best]:.1f} dB; {worst[0]} at {worst[1]} farthest: "
        f"{likeness[worst]:.1f} dB.",
        f"The one number that tells most: {statistic}, of {forger} at {size} pixels, "
        f"AUC {areas[forger, size, statistic]:.3f}.",
    ]


def _report_looks(measured, report):
    for size in (size for size in SIZES if measured.examples[size]):
        rows = []
        names = []
        for name, pair in measured.examples[size].items():
            rows += [list(pair.truths), list(pair.forgeries)]
            names += ["", name]
        figure = figures.pictures(rows, names=names)
        caption = f"{size} pixels: truths, and below them forgeries."
        report.figure(f"looks_{size}", figure, caption=caption)
        figure = figures.spectra(
            measured.gaps[size], label="mean log spectrum, forgeries - truths"
        )
        caption = f"{size} pixels: what forging adds to the mean log spectrum."
        report.figure(f"spectra_{size}", figure, caption=caption)


def _gap(forgeries, truths):
    fake = log_spectrum(to_float(forgeries)).mean(0)
    real = log_spectrum(to_float(truths)).mean(0)
    return np.asarray(fake - real)


def _losses(workspace, settings, seed):
    """Losses that forgers are watched by: {"forger: metric": (steps, values)}."""
    series = {}
    for name, row in settings.forgers.items():
        watched = _kind(row).watched
        history = workspace.history(_name(name, seed))
        points = [(r["step"], r[watched]) for r in history if watched in r]
        series[f"{name}: {watched}"] = np.array(points).T
    return series
