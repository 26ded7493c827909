"""Detectors on one data set: how well, on which source, and how robustly."""

from functools import cache, partial

import jax
import numpy as np

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.evaluation.calibration import choose_threshold, reliability
from jaxforensics.experiments.groups import share
from jaxforensics.methods import classifier
from jaxforensics.ops import degrade, spectrum
from jaxforensics.reporting import figures, tables
from jaxforensics.settings import choose
from jaxforensics.training import watch as watches

TITLE = "Detection"
SHARED = True  # among processes
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


WATCH = watches.detection()


def run(workspace, data, *, detectors, steps, training, seeds, degradations):
    """Train `detectors` {title: {'model': …, and its settings}}, then test them all.

    `training` holds the classifier's other settings; `degradations` {name: severities}
    names rows of `SEVERITIES`.
    """
    runs = [(title, seed) for title in detectors for seed in seeds]

    @cache
    def trained(title, seed):
        model = detectors[title]
        return train(workspace, data.train, title, seed, model, steps, training)

    def tested(title, seed):
        name = f"{title}/seed{seed}"
        net = trained(title, seed)
        return predictions(workspace, net, name, data.train, data.test)

    if share(workspace, [partial(tested, *key) for key in runs]):
        return
    scores = {key: tested(*key) for key in runs}
    first = {title: scores[title, seeds[0]] for title in detectors}
    _report_data(workspace, data)
    _report_results(workspace, scores, detectors, seeds)
    _report_scores(workspace, first)
    _report_sources(workspace, first, data.test.sources)
    predictors = {title: trained(title, seeds[0]) for title in detectors}
    _report_robustness(workspace, data.test, predictors, degradations)
    _report_training(workspace, detectors, seeds)


def train(
    workspace,
    training_data,
    title,
    seed,
    model,
    steps,
    training,
    *,
    watch=WATCH,
):
    """A detector `title` of these settings, the best of its training by `watch`."""
    model = dict(model)
    method = classifier.make(
        model=model.pop("model"), model_settings=model, steps=steps, **training
    )
    return workspace.train(
        f"{title}/seed{seed}",
        method,
        training_data,
        watch=watch,
        seed=seed,
    )


def predictions(workspace, predictor, name, train, test):
    """{'validation', 'test'}: gathered predictions."""
    return {
        split: workspace.predict(f"{name}/{split}", predictor, batches, mark)
        for split, batches, mark in (
            ("validation", train.validation, train.digest),
            ("test", test.batches, test.digest),
        )
    }


def balanced_accuracy(found, *, chosen=True):
    """Mean accuracy of reals and of fakes at validation's equal-error threshold.

    Of the test pictures that are `chosen`, in what `predictions` found.
    """
    hits, labels = right(found), found["test"]["label"]
    kinds = (chosen & (labels == label) for label in (0, 1))
    return float(np.mean([hits[kind].mean() for kind in kinds]))


def right(found):
    """Which test pictures the equal-error threshold of the validation split gets right.

    Of what `predictions` found.
    """
    test = found["test"]
    return (test["score"] >= _threshold(found).value) == test["label"]


def report_counts(workspace, data):
    """A table of how many pictures there are."""
    counts = data.train.counts | data.test.counts
    rows = [{"split": split} | counted for split, counted in counts.items()]
    workspace.table("data", rows, caption="Pictures per split and source.")


def _report_data(workspace, data):
    workspace.section("Data and protocol", PROTOCOL)
    report_counts(workspace, data)
    shown, profiles = _look(data.test)
    sources = [s for s in data.test.sources if s in shown]
    workspace.figure(
        "examples",
        figures.pictures(
            [shown[source] for source in sources], columns=(), names=sources
        ),
        caption="The first test pictures of each source.",
    )
    workspace.figure(
        "profiles",
        figures.profiles(
            {source: profiles[source] for source in sources},
            y_label="log power",
        ),
        caption="Mean azimuthal log power of the first test pictures of each source.",
    )


def _look(split, *, columns=6, batches=8):
    """The first pictures, and azimuthal profiles, of each source: {name: list}."""
    profile = jax.jit(partial(spectrum.azimuthal_power, log=True))
    shown, profiles = {}, {}
    for _, batch in zip(range(batches), split.batches(), strict=False):
        power = np.asarray(profile(batch["image"].astype(np.float32) / 255))
        for i in np.flatnonzero(batch["valid"]):
            source = split.sources[batch["source"][i]]
            shown.setdefault(source, []).append(batch["image"][i])
            profiles.setdefault(source, []).append(power[i])
    return {source: found[:columns] for source, found in shown.items()}, profiles


def _report_results(workspace, scores, detectors, seeds):
    rows, more = [], []
    for title in detectors:
        found = [_summary(scores[title, seed]) for seed in seeds]
        cells = {label: _interval(found[0], name) for label, name in HEADLINE.items()}
        precision = {"detector": title, "AP": cells.pop("AP")}
        row = {"detector": title, "AUC": cells.pop("AUC")}
        if len(seeds) > 1:
            values = [summary["auc"] for summary in found]
            row["over seeds"] = tables.spread(values)
        rows.append(row | cells)
        more.append(precision | {"threshold": found[0]["threshold"]})
    notes = "; ".join(f"{k}: {metrics.CONVENTIONS[n]}" for k, n in HEADLINE.items())
    images, groups = found[0]["images"], found[0]["groups"]
    workspace.section("Results on the test split")
    workspace.table(
        "results", rows, caption=f"{images} pictures in {groups} groups. {notes}."
    )
    workspace.table("results_more", more, caption="Average precision; threshold used.")


def _summary(found):
    test, chosen = found["test"], _threshold(found)
    return protocols.summary(
        test["label"], test["score"], groups=test["group"], threshold=chosen
    )


def _threshold(found):
    validation = found["validation"]
    return choose_threshold(validation["label"], validation["score"])


def _interval(row, name):
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


def _report_scores(workspace, first):
    tests = {title: found["test"] for title, found in first.items()}
    workspace.figure(
        "roc",
        figures.roc({title: (t["label"], t["score"]) for title, t in tests.items()}),
        caption="ROC curves on the test split, first seed.",
    )
    bins = {
        title: reliability(t["label"], t["score"], bins=10)
        for title, t in tests.items()
    }
    calibrated = {"calibrated": ((0, 1), (0, 1))}
    workspace.figure(
        "reliability",
        figures.curves(
            {title: _filled(found) for title, found in bins.items()} | calibrated,
            x_label="P(fake) of the detector",
            y_label="share of fakes",
            y_limits=(-0.02, 1.02),
        ),
        caption="Is the score a probability?",
    )
    for title, test in tests.items():
        fake = test["label"] == 1
        workspace.figure(
            f"scores_{title}",
            figures.histogram(
                {"real": test["score"][~fake], "fake": test["score"][fake]},
                title=title,
                x_label="P(fake)",
                threshold=_threshold(first[title]).value,
            ),
            caption=f"{title}: scores on the test split, first seed.",
        )


def _filled(found):
    filled = found.weight > 0
    return found.score[filled], found.fakes[filled]


def _report_sources(workspace, first, sources):
    measures, rows = {"auc": metrics.auc}, []
    for title, found in first.items():
        test = found["test"]
        table = protocols.per_source(
            test["label"],
            test["score"],
            test["source"],
            measures,
            groups=test["group"],
        )
        cells = {sources[row["source"]]: _interval(row, "auc") for row in table}
        rows.append({"detector": title} | cells)
    workspace.section("One source at a time")
    workspace.table(
        "sources", rows, caption="AUC of all reals against the fakes of one source."
    )
    series = {row["detector"]: dict(list(row.items())[1:]) for row in rows}
    workspace.figure(
        "sources",
        figures.bars(series, y_label="AUC", y_limits=(0, 1.02), level=(0.5, "chance")),
        caption="The same, with 95 % intervals.",
    )


def _report_robustness(workspace, test, predictors, degradations):
    cells = {
        (name, severity): choose(SEVERITIES, name, "degradation")(severity)
        for name, severities in dict(degradations).items()
        for severity in severities
    }
    if not cells:
        return
    tables = {
        title: _robustness(workspace, test, title, predictor, cells)
        for title, predictor in predictors.items()
    }
    workspace.section("Robustness", "AUC when the test pictures are degraded.")
    rows = [
        {"operation": operation, "severity": severity}
        | {title: found[operation, severity] for title, found in tables.items()}
        for operation, severity in next(iter(tables.values()))
    ]
    workspace.table("robustness", rows, caption="AUC with 95 % intervals.")
    for name in dict(degradations):
        workspace.figure(
            f"robustness_{name}",
            figures.curves(
                {title: _curve(found, name) for title, found in tables.items()},
                x_label=f"{name}: severity",
                y_label="AUC",
                level=(0.5, "chance"),
            ),
            caption=f"Robustness to {name}.",
        )


def _robustness(workspace, test, title, predictor, cells):
    """{(operation, severity): AUC with its interval}, pictures decoded once."""
    key = jax.random.key(workspace.seed)
    degraded = predictor.through(
        {f"{name} {severity}": op for (name, severity), op in cells.items()}, key
    )
    names = {"none 0": ("none", 0)} | {f"{n} {s}": (n, s) for n, s in cells}
    found = workspace.predict(
        f"{title}/robustness",
        degraded,
        test.batches,
        test.digest,
        outputs=tuple(names),
    )
    about = {"label": found["label"], "group": found["group"]}
    scored = protocols.Scored(about, {names[k]: found[k] for k in names}, 0)
    rows = protocols.robustness(scored, {"auc": metrics.auc})
    return {(r["operation"], r["severity"]): _interval(r, "auc") for r in rows}


def _curve(found, name):
    points = {s: value for (operation, s), value in found.items() if operation == name}
    return (list(points), *np.transpose(list(points.values())))


def _report_training(workspace, detectors, seeds):
    workspace.section("Training")
    watched = {"loss": "loss", "AUC on validation": "validation/auc"}
    for label, name in watched.items():
        series = {}
        for title in detectors:
            runs = [
                {r["step"]: r[name] for r in workspace.history(run) if name in r}
                for run in (f"{title}/seed{seed}" for seed in seeds)
            ]
            shared = sorted(set.intersection(*map(set, runs)))
            series[title] = shared, np.array([[r[s] for s in shared] for r in runs])
        workspace.figure(
            f"training_{name.replace('/', '_')}",
            figures.curves(series, x_label="step", y_label=label),
            caption=f"{label}; the band holds all seeds.",
        )
