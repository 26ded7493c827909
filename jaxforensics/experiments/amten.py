"""AMTEN's experiments: who made a picture, and what later operations do to the answer.

Guo, Yang, Chen and Sun, "Fake face detection via adaptive manipulation traces
extraction network", CVIU 2021.  Classes are the sources of a data set, reals included.
"""

from typing import NamedTuple

import jax
import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.methods import classifier
from jaxforensics.ops import degrade
from jaxforensics.reporting import figures
from jaxforensics.settings import choose

TITLE = "AMTEN"
PROTOCOL = """\
Every network tells the sources of the set apart, several kinds of reals among them, and
is trained on the training split after one operation; its checkpoint has the highest
accuracy on the validation split after the same. The test split is opened when training
is over. Accuracy is that of the likeliest class, averaged over classes; 'real or fake'
sums the probabilities of the classes that are fakes and decides at the equal-error
threshold of the validation split. Figures are means over seeds, ± the standard
deviation. Those of the paper stand beside ours for orientation: they were measured on
photographs (HFF, 128 x 128).
"""
RAW = "Raw"
SETS = {RAW: None, "JP60": ("jpeg", (60,)), "ME5": ("mean", (5,))} | {
    f"{name}-mix": (operation.name, operation.mixed)
    for name, operation in degrade.AMTEN.items()
}
MULTIPLE = {  # Table VII, per cent; Tables V and VI where a network is in them alone
    "AMTENnet": {"Raw": 98.52, "JP60": 91.02, "ME5": 92.42},
    "model_base": {"Raw": 96.16},
    "model_base, high-pass": {"Raw": 97.50},
    "model_base, constrained": {"Raw": 95.24},
    "model_base, SRM": {"Raw": 97.49},
    "Meso-4": {"Raw": 80.76, "JP60": 67.76, "ME5": 62.40},
    "MesoInception-4": {"Raw": 86.40, "JP60": 58.68, "ME5": 77.68},
    "Hand-Crafted-Res": {"Raw": 90.54, "JP60": 73.81, "ME5": 74.99},
    "MISLnet": {"Raw": 93.76, "JP60": 86.32, "ME5": 79.06},
    "Xception": {"Raw": 97.17, "JP60": 78.62, "ME5": 90.88},
}
CROSSED = {  # Table X, AMTENnet: trained on -> tested on, per cent
    "Raw": (98.52, 76.41, 76.41, 75.37, 77.11),
    "JP60": (90.19, 91.02, 87.43, 54.61, 59.40),
    "JP-mix": (93.67, 88.78, 90.33, 69.81, 73.29),
    "ME5": (74.66, 47.57, 55.52, 92.42, 87.87),
    "ME-mix": (91.67, 65.53, 67.45, 90.07, 90.74),
}


class Plan(NamedTuple):
    """What is trained, and on what."""

    models: dict  # title -> {'model': …, and its settings}
    steps: int
    training: dict  # the classifier's other settings
    seeds: tuple


def run(
    workspace,
    data,
    *,
    models,
    base,
    sets,
    crossed,
    crossed_models,
    grid_models,
    steps,
    training,
    seeds,
):
    """Identification, confusion, generalisation and robustness.

    `models` {title: {'model': …, and its settings}} are trained on each of `sets`,
    names in `SETS`; `crossed_models` on each of `crossed`, and tested on all of those.
    Errors are compared with those of `base`, the paper's own network; `grid_models` go
    through the robustness grid.
    """
    for name in (*sets, *crossed):
        choose(SETS, name, "set")
    plan = Plan(models, steps, training, seeds)
    wanted = {(title, name) for title in models for name in sets}
    wanted |= {(title, name) for title in crossed_models for name in crossed}
    sides = {name: _saved_as(data, name) for name in dict.fromkeys((*sets, *crossed))}
    found, trained = {}, {}
    for title, name in sorted(wanted, key=str):
        for seed in seeds:
            key = title, name, seed
            trained[key] = _train(workspace, sides[name], key, plan)
            shown = crossed if title in crossed_models and name in crossed else ()
            for other in dict.fromkeys((name, *shown)):
                found[(*key, other)] = _predict(
                    workspace, sides[other], trained[key], key, other
                )
    workspace.section("Data and protocol", PROTOCOL)
    counts = data.train.counts | data.test.counts
    rows = [{"split": split} | counted for split, counted in counts.items()]
    workspace.table("data", rows, caption="Pictures per split and source.")
    _report_identification(workspace, found, plan, base, sets)
    _report_confusion(workspace, found, plan, sets[0], data.test.sources)
    _report_crossed(workspace, found, plan, crossed, crossed_models)
    _report_grid(workspace, data.test, trained, plan, sets[0], grid_models)


def _saved_as(data, name):
    """Both sides of the data as if saved after an operation."""
    if SETS[name] is None:
        return data
    return type(data)(*(side.degraded(SETS[name]) for side in data))


def _train(workspace, data, key, plan):
    title, name, seed = key
    model, sources = dict(plan.models[title]), data.train.sources
    method = classifier.make(
        model=model.pop("model"),
        model_settings=model,
        num_classes=len(sources),
        target="source",
        reals=tuple(i for i, source in enumerate(sources) if _is_real(source)),
        loss="cross_entropy",
        steps=plan.steps,
        **plan.training,
    )
    return workspace.train(
        f"{title}/{name}/seed{seed}",
        method,
        data.train,
        measure=lambda outputs: {"accuracy": _accuracy(outputs)},
        select="accuracy",
        seed=seed,
    )


def _is_real(source):
    return source.split("/")[0] == "real"


def _predict(workspace, data, predictor, key, other):
    """{'validation', 'test'}: predictions on a set."""
    train, test = data.train, data.test
    where = "{}/{}/seed{}".format(*key) + f"/on {other}"
    return {
        split: workspace.predict(f"{where}/{split}", predictor, batches, mark)
        for split, batches, mark in (
            ("validation", train.validation, train.fingerprint),
            ("test", test.batches, test.fingerprint),
        )
    }


def _accuracy(outputs, logits="logits"):
    """Mean over classes of the share of pictures that are recognised."""
    return float(np.mean(np.diag(_confusion(outputs, logits))))


def _confusion(outputs, logits="logits"):
    """Shares (true, said) of each class; classes that do not occur are left out."""
    counts = np.asarray(metrics.confusion(outputs["source"], outputs[logits]))
    present = counts.sum(1) > 0
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1))[present][:, present]


def _binary(found):
    """Mean accuracy of reals and of fakes at validation's equal-error threshold."""
    validation, test = found["validation"], found["test"]
    threshold = choose_threshold(validation["label"], validation["score"]).value
    right = (test["score"] >= threshold) == test["label"]
    return float(np.mean([right[test["label"] == label].mean() for label in (0, 1)]))


def _report_identification(workspace, found, plan, base, sets):
    rows, errors = [], {}
    for title in plan.models:
        row = {"network": title}
        for name in sets:
            own = [found[title, name, seed, name] for seed in plan.seeds]
            several = np.array([_accuracy(f["test"]) for f in own])
            errors[title, name] = 1 - several.mean()
            row[name] = _spread(several)
            row[f"{name}, real or fake"] = _spread(np.array([_binary(f) for f in own]))
            printed = MULTIPLE.get(title, {}).get(name)
            row[f"{name}, paper"] = "" if printed is None else f"{printed / 100:.3f}"
        rows.append(row)
    workspace.section("Who made it")
    workspace.table("identification", rows, caption="Accuracy, as in Tables V to VIII.")
    rows = [
        {"network": title}
        | {
            name: 1 - errors[base, name] / errors[title, name]
            for name in sets
            if errors[title, name]
        }
        for title in plan.models
        if title != base
    ]
    if rows:
        caption = (
            f"RER, as in Table VI: by which share of each network's error {base}'s is "
            "smaller, of the means over seeds."
        )
        workspace.table("error_reduction", rows, caption=caption)


def _report_confusion(workspace, found, plan, name, sources):
    for title in plan.models:
        shares = np.mean(
            [_confusion(found[title, name, s, name]["test"]) for s in plan.seeds], 0
        )
        tests = found[title, name, plan.seeds[0], name]["test"]
        classes = [sources[i] for i in np.unique(tests["source"])]
        figure = figures.matrix(
            shares,
            rows=classes,
            columns=classes,
            x_label="said to be",
            y_label="is",
            title=title,
        )
        caption = f"{title} on {name}: shares of each source, mean over the seeds."
        workspace.figure(f"confusion_{title}", figure, caption=caption)


def _report_crossed(workspace, found, plan, crossed, titles):
    if not crossed:
        return
    workspace.section("After other operations than in training")
    for title in titles:
        values = np.array(
            [
                [
                    [_accuracy(found[title, a, s, b]["test"]) for b in crossed]
                    for a in crossed
                ]
                for s in plan.seeds
            ]
        )
        rows = [
            {"trained on": name}
            | {b: _spread(cells[:, j]) for j, b in enumerate(crossed)}
            | {"average": _spread(cells.mean(1))}
            for name, cells in zip(crossed, values.swapaxes(0, 1), strict=True)
        ]
        workspace.table(f"crossed_{title}", rows, caption=f"{title}: accuracy.")
        figure = figures.matrix(
            values.mean(0),
            rows=crossed,
            columns=crossed,
            x_label="tested on",
            y_label="trained on",
            title=title,
        )
        workspace.figure(f"crossed_{title}", figure, caption=f"{title}: accuracy.")
    printed = [
        {"trained on": name}
        | {b: CROSSED[name][list(CROSSED).index(b)] / 100 for b in crossed}
        for name in crossed
        if {name, *crossed} <= {*CROSSED}
    ]
    if printed:
        caption = "AMTENnet in the paper, Table X."
        workspace.table("crossed_paper", printed, caption=caption)


def _report_grid(workspace, test, trained, plan, name, titles):
    """Accuracy after every operation of Table IX that runs on the device."""
    if not titles:
        return
    grid, key = degrade.amten_grid(), jax.random.key(workspace.seed)
    cells = {
        f"{operation} {severity}": (operation, severity) for operation, severity in grid
    }
    scores = {}
    for title in titles:
        found = [
            workspace.predict(
                f"{title}/{name}/seed{seed}/grid",
                trained[title, name, seed].through(
                    {cell: grid[at] for cell, at in cells.items()}, key, output="logits"
                ),
                test.batches,
                test.fingerprint,
                outputs=("none 0", *cells),
            )
            for seed in plan.seeds
        ]
        scores[title] = {
            cell: np.array([_accuracy(f, cell) for f in found])
            for cell in ("none 0", *cells)
        }
    workspace.section("Robustness", f"Networks trained on {name}, pictures degraded.")
    rows = [
        {"operation": cell}
        | {title: _spread(values[cell]) for title, values in scores.items()}
        for cell in ("none 0", *cells)
    ]
    workspace.table(
        "robustness", rows, caption="Accuracy, as in Table IX's operations."
    )
    for operation in dict.fromkeys(operation for operation, _ in grid):
        series = {}
        for title, values in scores.items():
            at = {s: values[c] for c, (o, s) in cells.items() if o == operation}
            series[title] = list(at), np.array(list(at.values())).T
        figure = figures.curves(series, x_label=operation, y_label="accuracy")
        caption = f"{operation}: accuracy by severity; the band holds all seeds."
        workspace.figure(f"robustness_{operation}", figure, caption=caption)


def _spread(values):
    deviation = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"
