"""The forgers of SynthFaces: trained, measured, and written out as weights.

What is measured here says whether forgeries can be told by the wrong means: how well
any one simple number of a picture separates them from the pictures they are after.
"""

import functools
import hashlib
import io
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from jaxforensics.evaluation import metrics, quality
from jaxforensics.models import weights
from jaxforensics.ops.residuals import high_pass
from jaxforensics.ops.spectrum import log_spectrum
from jaxforensics.reporting import figures
from jaxforensics.settings import call, choose
from jaxforensics.synthfaces.forgers import synthesis, translation
from jaxforensics.synthfaces.forgers import whole_faces as shipped

TITLE = "Forgers"
PROTOCOL = """\
Every forger is trained on rendered studio scenes of its own; what follows is measured
on scenes it was not trained on. The weights, in half precision, lie in the folder
weights/ of this run: copied to jaxforensics/synthfaces/weights they replace those that
are shipped.
"""
SIZES = (64, 128)
SHOWN = 8  # faces in a figure


class Kind(NamedTuple):
    """How forgers of a method are trained, stored and tried."""

    make: Callable
    stored: Callable  # {net: parameters} -> what the weights file holds
    forged: Callable  # (predict, stream) -> {size: (forgeries, truths)}
    watched: str  # the metric that is drawn


def run(workspace, data, *, forgers, seeds):
    """Train `forgers` {name: {'method', 'stream', settings of the method}}.

    An 'encoder' or 'decoder' among the settings names another forger from which it is
    taken: one that is trained here before, else the shipped one.
    """
    trained = {
        (name, seed): _train(workspace, data.train, name, row, seed)
        for seed in seeds
        for name, row in _in_order(forgers)
    }
    found = {
        name: _forged(workspace, data.train, name, row, trained[name, seeds[0]])
        for name, row in forgers.items()
    }
    workspace.section("Forgers", PROTOCOL)
    _report_quality(workspace, found, seeds[0])
    _report_shortcuts(workspace, found)
    _report_looks(workspace, found)
    _report_training(workspace, forgers, seeds[0])


def synthesised(predict, stream):
    """Pictures and what they are after, at both sizes in one pass."""
    outputs = tuple(f"image_{size}" for size in SIZES)
    found = predict("both", stream.validation, outputs)
    truth = _columns(stream, outputs)
    return {s: (found[f"image_{s}"], truth[f"image_{s}"]) for s in SIZES}


def translated(predict, stream):
    """Pictures redrawn, and what they should be, one size after the other."""
    truth = _columns(stream, [f"truth_{size}" for size in SIZES])
    found = {}
    for size in SIZES:
        batches = functools.partial(_of_size, stream, size)
        drawn = predict(str(size), batches, ("image",))["image"]
        found[size] = np.uint8(np.round(255 * drawn)), truth[f"truth_{size}"]
    return found


METHODS = {
    "synthesis": Kind(synthesis.make, synthesis.stored, synthesised, "texture"),
    "translation": Kind(
        translation.make,
        lambda params: {"params": params["translator"]},
        translated,
        "distance",
    ),
}


def _in_order(forgers):
    """(name, settings), each after those among `forgers` that it starts from."""
    left = dict(forgers)
    while left:
        ready = [
            name
            for name, row in left.items()
            if not {row.get("encoder"), row.get("decoder")} & set(left) - {name}
        ]
        if not ready:
            raise ValueError(f"forgers that start from each other: {', '.join(left)}")
        yield from ((name, left.pop(name)) for name in ready)


def _train(workspace, streams, name, row, seed):
    settings = dict(row)
    kind = choose(METHODS, settings.pop("method"), "method")
    stream = streams.showing(settings.pop("stream"))
    for part in ("encoder", "decoder"):
        if settings.get(part):
            settings[part] = str(_weights_of(workspace, settings[part], seed))
    method = call(kind.make, settings, where=name)
    predictor = workspace.train(
        f"{name}/seed{seed}", method, stream, seed=seed, strict=True
    )
    params = {net: found.params for net, found in predictor.state.nets.items()}
    held = kind.stored(params)
    if row.get("encoder"):  # it lies in that forger's file
        del held["encoder"]
    weights.save(_path(workspace, name, seed), jax.tree.map(np.float16, held))
    return predictor


def _weights_of(workspace, name, seed):
    path = _path(workspace, name, seed)
    return path if path.exists() else shipped.FOLDER / path.name


def _path(workspace, name, seed):
    return workspace.directory / f"weights/seed{seed}/{name}.safetensors"


def _forged(workspace, stream, name, row, predictor):
    """{size: (forgeries, truths)}, uint8, of the validation scenes."""
    stream = stream.showing(row["stream"])

    def predict(part, batches, outputs):
        where = f"{name}/{part}"
        mark = stream.digest
        return workspace.predict(where, predictor, batches, mark, outputs=outputs)

    return METHODS[row["method"]].forged(predict, stream)


def _columns(stream, names):
    batches = list(stream.validation())
    return {name: np.concatenate([b[name] for b in batches]) for name in names}


def _of_size(stream, size):
    """Validation batches that show one size, without the suffix in its names."""
    end, common = f"_{size}", ("index", "valid")
    for batch in stream.validation():
        shown = {k.removesuffix(end): v for k, v in batch.items() if k.endswith(end)}
        yield shown | {name: batch[name] for name in common}


def _report_quality(workspace, found, seed):
    rows = []
    for name, sizes in found.items():
        kilobytes = _path(workspace, name, seed).stat().st_size / 1000
        for size, pair in sizes.items():
            measured = workspace.measure(
                f"{name}/quality_{size}",
                functools.partial(_quality, *pair),
                _mark(pair),
            )
            rows.append(
                {"forger": name, "size": size, "kB": round(kilobytes)} | measured
            )
    workspace.table("quality", rows, caption="Forgeries against what they are after.")


def _quality(forgeries, truths):
    fake, real = (np.float32(x) / 255 for x in (forgeries, truths))
    return {
        "PSNR": round(float(quality.psnr(fake, real).mean()), 2),
        "SSIM": round(float(quality.ssim(fake, real).mean()), 4),
    }


def _report_shortcuts(workspace, found):
    rows = []
    for name, sizes in found.items():
        for size, pair in sizes.items():
            measured = workspace.measure(
                f"{name}/shortcuts_{size}",
                functools.partial(shortcuts, *pair),
                _mark(pair),
            )
            rows.append({"forger": name, "size": size} | measured)
    caption = "AUC of one number per picture, forgeries against truths; 0.5 is chance."
    workspace.table("shortcuts", rows, caption=caption)


def shortcuts(forgeries, truths):
    """{statistic: AUC, at least 0.5} of forgeries against their truths."""
    labels = np.repeat([1, 0], [len(forgeries), len(truths)])
    found = {}
    for name, statistic in STATISTICS.items():
        values = np.concatenate([statistic(forgeries), statistic(truths)])
        area = float(metrics.auc(labels, np.float32(values)))
        found[name] = round(max(area, 1 - area), 3)
    return found


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
}


def _report_looks(workspace, found):
    for size in SIZES:
        rows, names = [], []
        for name, sizes in found.items():
            forgeries, truths = (x[:SHOWN] for x in sizes[size])
            rows += [list(truths), list(forgeries)]
            names += ["", name]
        figure = figures.pictures(rows, names=names)
        caption = f"{size} pixels: truths, and below them forgeries."
        workspace.figure(f"looks_{size}", figure, caption=caption)
        gaps = {name: _gap(*sizes[size]) for name, sizes in found.items()}
        workspace.figure(
            f"spectra_{size}",
            figures.spectra(gaps, label="mean log spectrum, forgeries - truths"),
            caption=f"{size} pixels: what forging adds to the mean log spectrum.",
        )


def _gap(forgeries, truths):
    fake, real = (
        log_spectrum(np.float32(x) / 255).mean(0) for x in (forgeries, truths)
    )
    return np.asarray(fake - real)


def _report_training(workspace, forgers, seed):
    series = {}
    for name, row in forgers.items():
        watched = METHODS[row["method"]].watched
        history = workspace.history(f"{name}/seed{seed}")
        points = [(r["step"], r[watched]) for r in history if watched in r]
        series[f"{name}: {watched}"] = np.array(points).T
    workspace.section("Training")
    figure = figures.curves(series, x_label="step", y_label="loss", y_log=True)
    workspace.figure("training", figure, caption="Losses while training.")


def _mark(pair):
    return [hashlib.sha256(x.tobytes()).hexdigest()[:16] for x in pair]
