"""Detectors on one data set: how well, on which source, and how robustly."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.evaluation.calibration import reliability
from jaxforensics.experiments.common import detectors
from jaxforensics.ops import degrade, spectrum
from jaxforensics.ops.color import to_float
from jaxforensics.reporting import figures, tables
from jaxforensics.settings import choose

TITLE = "Detection"
PROTOCOL = """\
Every detector is trained on the training split; its checkpoint is the one with the
highest AUC on the validation split, and its decision threshold the equal-error
threshold of that checkpoint on that split. The test split is opened here for the first
time. No group is in two splits. Intervals are 95 % bootstrap intervals over groups, of
the first seed; where several seeds are trained, tables also give the mean and the
standard deviation over them.
"""
HEADLINE = {
    "AUC": "auc",
    "AP": "average_precision",
    "EER": "eer",
    "accuracy": "accuracy",
}
SEVERITIES = {  # severity -> a degradation, the same for every picture
    "blur": lambda size: degrade.blur(sizes=(size,)),
    "gamma": lambda power: degrade.gamma(low=power, high=power),
    "jpeg": lambda quality: degrade.jpeg(low=quality, high=quality),
    "median": lambda size: degrade.median(sizes=(size,)),
    "noise": lambda sigma: degrade.noise(low=sigma, high=sigma),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    `classifier` holds the settings that all of them share, `degradations` {name:
    severities} names rows of `SEVERITIES`.
    """

    detectors: dict  # {title: {'model': …, and its settings}}
    steps: int
    classifier: dict
    seeds: tuple
    degradations: dict


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per split and source
    examples: dict  # {source: the first test pictures}
    profiles: dict  # {source: azimuthal log power of test pictures}
    answers: dict  # {(title, seed): Answers}
    summaries: dict  # {(title, seed): headline measures with intervals}
    by_source: dict  # {title: {source: (AUC, low, high)}}, first seed
    robustness: dict  # {title: {(operation, severity): (AUC, low, high)}}
    histories: dict  # {(title, seed): rows of the training's log}


def jobs(settings, data):
    """Every detector of every seed, its answers, and those to degraded pictures."""
    graph = []
    for title, model in settings.detectors.items():
        method = detectors.classifier_of(
            model, steps=settings.steps, classifier=settings.classifier
        )
        for seed in settings.seeds:
            name = _name(title, seed)
            graph.append(
                detectors.training_job(
                    name, method, data.main.train, seed=seed, title=title
                )
            )
            graph += detectors.answers_jobs(
                name, name, train=data.main.train, test=data.main.test, title=title
            )
        if settings.degradations:
            graph.append(_robustness_job(title, settings, data.main.test))
    return graph


def measure(made, settings, data):
    """Every number and picture of the report."""
    runs = [(title, seed) for title in settings.detectors for seed in settings.seeds]
    answers = {run: detectors.answers(made, _name(*run)) for run in runs}
    first = {title: answers[title, settings.seeds[0]] for title in settings.detectors}
    examples, profiles = _look(data.main.test)
    cells = _cells(settings)
    return Measured(
        counts=detectors.counts(data.main),
        examples=examples,
        profiles=profiles,
        answers=answers,
        summaries={run: _summary(each) for run, each in answers.items()},
        by_source={
            title: detectors.auc_by_source(each.test, data.main.test.sources)
            for title, each in first.items()
        },
        robustness={
            title: _robustness(made[_robustness_name(title)], cells)
            for title in first
            if cells
        },
        histories={run: made.workspace.history(_name(*run)) for run in runs},
    )


def report(measured, settings, report):
    """The page of the study."""
    report.findings(_findings(measured, settings))
    _report_data(measured, report)
    _report_results(measured, settings, report)
    _report_scores(measured, settings, report)
    _report_sources(measured, report)
    _report_robustness(measured, settings, report)
    _report_training(measured, settings, report)


def _name(title, seed):
    return f"{title}/seed{seed}"


def _robustness_name(title):
    return f"{title}/robustness"


def _cells(settings):
    """{column: (degradation, severity)} of the robustness grid, undegraded first."""
    cells = {
        f"{name} {severity}": (name, severity)
        for name, severities in settings.degradations.items()
        for severity in severities
    }
    return {"none 0": ("none", 0)} | cells if cells else {}


def _robustness_job(title, settings, test):
    """Answers of the first seed's detector to all degradations, in one pass."""
    cells = _cells(settings)
    operations = {
        column: choose(SEVERITIES, name, "degradation")(severity)
        for column, (name, severity) in cells.items()
        if name != "none"
    }

    def change(predictor):
        return predictor.through(operations, jax.random.key(settings.seeds[0]))

    return detectors.prediction_job(
        _robustness_name(title),
        _name(title, settings.seeds[0]),
        test.batches,
        test.digest,
        outputs=tuple(cells),
        change=change,
        title=title,
    )


def _look(split, *, columns=6, batches=8):
    """The first pictures, and azimuthal profiles, of each source: {name: list}."""
    profile = jax.jit(partial(spectrum.azimuthal_power, log=True))
    pictures = {}
    profiles = {}
    for _, batch in zip(range(batches), split.batches(), strict=False):
        power = np.asarray(profile(to_float(batch["image"])))
        for i in np.flatnonzero(batch["valid"]):
            source = split.sources[batch["source"][i]]
            pictures.setdefault(source, []).append(batch["image"][i])
            profiles.setdefault(source, []).append(power[i])
    return {source: each[:columns] for source, each in pictures.items()}, profiles


def _summary(answered):
    test = answered.test
    return protocols.summary(
        test["label"],
        test["score"],
        groups=test["group"],
        threshold=detectors.threshold(answered),
    )


def _robustness(predictions, cells):
    """{(operation, severity): AUC with its interval}."""
    about = {"label": predictions["label"], "group": predictions["group"]}
    scores = {cell: predictions[column] for column, cell in cells.items()}
    scored = protocols.Scored(about, scores, 0)
    rows = protocols.robustness(scored, {"auc": metrics.auc})
    return {(row["operation"], row["severity"]): _interval(row, "auc") for row in rows}


def _interval(row, name):
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


def _findings(measured, settings):
    """Best detector, hardest source, worst degradation."""
    seed = settings.seeds[0]
    aucs = {t: measured.summaries[t, seed]["auc"] for t in settings.detectors}
    best = max(aucs, key=aucs.get)
    point, low, high = _interval(measured.summaries[best, seed], "auc")
    lines = [
        f"{best} tells fakes from reals best: AUC {point:.3f} [{low:.3f}, {high:.3f}] "
        f"on the test split, of {len(aucs)} detectors."
    ]
    sources = {source: value[0] for source, value in measured.by_source[best].items()}
    if len(sources) > 1:
        hardest = min(sources, key=sources.get)
        lines.append(f"Its hardest source is {hardest}: AUC {sources[hardest]:.3f}.")
    grid = measured.robustness.get(best, {})
    if grid:
        worst = min(grid, key=lambda cell: grid[cell][0])
        operation, severity = worst
        lines.append(
            f"Of all degradations {operation} {severity} hurts it most: AUC "
            f"{grid[worst][0]:.3f}."
        )
    return lines


def _report_data(measured, report):
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    examples = measured.examples
    report.figure(
        "examples",
        figures.pictures(list(examples.values()), columns=(), names=list(examples)),
        caption="The first test pictures of each source.",
    )
    report.figure(
        "profiles",
        figures.profiles(measured.profiles, y_label="log power"),
        caption="Mean azimuthal log power of the first test pictures of each source.",
    )


def _report_results(measured, settings, report):
    rows = []
    precisions = []
    for title in settings.detectors:
        runs = [measured.summaries[title, seed] for seed in settings.seeds]
        first = runs[0]
        cells = {label: _interval(first, name) for label, name in HEADLINE.items()}
        precision = {"detector": title, "AP": cells.pop("AP")}
        precisions.append(precision | {"threshold": first["threshold"]})
        row = {"detector": title, "AUC": cells.pop("AUC")}
        if len(settings.seeds) > 1:
            row["over seeds"] = tables.spread([summary["auc"] for summary in runs])
        rows.append(row | cells)
    notes = "; ".join(f"{k}: {metrics.CONVENTIONS[n]}" for k, n in HEADLINE.items())
    report.section("Results on the test split")
    report.table(
        "results",
        rows,
        caption=f"{first['images']} pictures in {first['groups']} groups. {notes}.",
    )
    report.table(
        "results_more", precisions, caption="Average precision; threshold used."
    )


def _report_scores(measured, settings, report):
    """ROC and reliability curves of all detectors, histograms of each; first seed."""
    first = {t: measured.answers[t, settings.seeds[0]] for t in settings.detectors}
    tests = {title: answered.test for title, answered in first.items()}
    report.figure(
        "roc",
        figures.roc({t: (test["label"], test["score"]) for t, test in tests.items()}),
        caption="ROC curves on the test split, first seed.",
    )
    bins = {
        title: reliability(test["label"], test["score"], bins=10)
        for title, test in tests.items()
    }
    calibrated = {"calibrated": ((0, 1), (0, 1))}
    report.figure(
        "reliability",
        figures.curves(
            {title: _filled(each) for title, each in bins.items()} | calibrated,
            x_label="P(fake) of the detector",
            y_label="share of fakes",
            y_limits=(-0.02, 1.02),
        ),
        caption="Is the score a probability?",
    )
    for title, test in tests.items():
        fake = test["label"] == 1
        report.figure(
            f"scores_{title}",
            figures.histogram(
                {"real": test["score"][~fake], "fake": test["score"][fake]},
                title=title,
                x_label="P(fake)",
                threshold=detectors.threshold(first[title]).value,
            ),
            caption=f"{title}: scores on the test split, first seed.",
        )


def _filled(bins):
    """Scores and shares of fakes of the bins that hold pictures."""
    filled = bins.weight > 0
    return bins.score[filled], bins.fakes[filled]


def _report_sources(measured, report):
    rows = [{"detector": t} | cells for t, cells in measured.by_source.items()]
    report.section("One source at a time")
    report.table(
        "sources", rows, caption="AUC of all reals against the fakes of one source."
    )
    report.figure(
        "sources",
        figures.bars(
            measured.by_source, y_label="AUC", y_limits=(0, 1.02), level=(0.5, "chance")
        ),
        caption="The same, with 95 % intervals.",
    )


def _report_robustness(measured, settings, report):
    grids = measured.robustness
    if not grids:
        return
    rows = [
        {"operation": operation, "severity": severity}
        | {title: grid[operation, severity] for title, grid in grids.items()}
        for operation, severity in next(iter(grids.values()))
    ]
    report.section("Robustness", "AUC when the test pictures are degraded.")
    caption = "AUC with 95 % intervals."
    report.table("robustness", rows, caption=caption, about=tuple(grids))
    for name in settings.degradations:
        report.figure(
            f"robustness_{name}",
            figures.curves(
                {title: _curve(grid, name) for title, grid in grids.items()},
                x_label=f"{name}: severity",
                y_label="AUC",
                level=(0.5, "chance"),
            ),
            caption=f"Robustness to {name}.",
        )


def _curve(grid, name):
    points = {s: value for (operation, s), value in grid.items() if operation == name}
    return (list(points), *np.transpose(list(points.values())))


def _report_training(measured, settings, report):
    report.section("Training")
    watched = {"loss": "loss", "AUC on validation": "validation/auc"}
    for label, name in watched.items():
        series = {}
        for title in settings.detectors:
            runs = [
                {row["step"]: row[name] for row in history if name in row}
                for (run_title, _), history in measured.histories.items()
                if run_title == title
            ]
            steps = sorted(set.intersection(*map(set, runs)))
            series[title] = steps, np.array([[run[s] for s in steps] for run in runs])
        report.figure(
            f"training_{name.replace('/', '_')}",
            figures.curves(series, x_label="step", y_label=label),
            caption=f"{label}; the band holds all seeds.",
        )
