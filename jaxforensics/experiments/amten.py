"""AMTEN's experiments: who made a picture, and what later operations do to the answer.

Guo, Yang, Chen and Sun, "Fake face detection via adaptive manipulation traces
extraction network", CVIU 2021.  Classes are the sources of a data set, reals included.
"""

from functools import partial

import numpy as np

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.experiments import (
    amten_checks,
    amten_claims,
    amten_grid,
    amten_paper,
    amten_traces,
)
from jaxforensics.experiments.amten_bench import (
    MIXTURES,
    PLAIN,
    Bench,
    confusion,
)
from jaxforensics.experiments.groups import of_group, one_by_one, share
from jaxforensics.reporting import figures, tables

TITLE = "AMTEN"
SHARED = True  # among processes
PROTOCOL = """\
Every network tells the sources of a set apart, several kinds of reals among them, and
is trained on the training split after one operation; its checkpoint has the highest
accuracy (of real and fake: AUC) on the validation split after the same. The test split
is opened when training is over. Accuracy is that of the likeliest class, averaged over
classes; the paper's is averaged over pictures, which is the same where classes are
equally large, as in the embedded set. Figures are means over seeds, ± the standard
deviation. Those of the paper stand beside ours for orientation: they were measured on
photographs (HFF and FaceForensics++, 128 x 128).
"""
DESIGN = """\
AMTEN replaced by other front ends, left out (model_base), or changed in one respect.
"""
BY_LABEL = """\
Networks with two outputs, trained to tell fakes from reals. Accuracy is the mean of
that of reals and of fakes, at the equal-error threshold of the validation split.
"""
OTHER_OPERATIONS = "One operation in training, others in the test, as in Table X."
UNSEEN = """\
Trained on equal parts of raw, JPEG and mean-filtered pictures, parameters drawn for
each: as many pictures as of one set (Small), 4/3 and 3 times as many, and steps in
proportion. Then tested after these and after operations that were not in training
(Tables XI and XII).
"""


def run(
    workspace,
    data,
    *,
    others=None,
    models,
    base,
    design,
    identification,
    binary,
    confusions,
    crossed,
    mixed,
    grid,
    traces,
    steps,
    longer,
    training,
    optimisers,
    seeds,
):
    """Every group of the paper's experiments that has networks, then its claims.

    `models` {title: {'model': …, and its settings}} is what the groups choose from:
    each names its 'models', the 'sets' to train them on, and how many 'seeds' it takes,
    from the first on.  `base` is the paper's own network, whose errors others are
    compared with.  Trainings take `steps`, on a set {name: factor} of `longer` so many
    times as many.  `training` holds the classifier's other settings, `optimisers`
    {title: settings} those of networks with their own.  `others` {name: Corpus} too.
    """
    bench = Bench(
        workspace,
        data,
        others := others or {},
        models=models,
        steps=steps,
        longer=longer,
        training=training,
        optimisers=optimisers,
        seeds=seeds,
    )
    groups = {
        "identification": identification,
        "confusions": confusions,
        "design": design,
        "binary": binary,
        "crossed": crossed,
        "mixed": mixed,
        "grid": grid,
        "traces": traces,
    }
    limits = {"steps": steps, "longer": longer, "optimisers": optimisers}
    amten_checks.check(bench, groups, base=base, others=others, **limits)
    if share(workspace, _parts(bench, groups, base)):
        return
    workspace.section("Data and protocol", PROTOCOL)
    _report_counts(workspace, {PLAIN: data, **others})
    for group, settings in groups.items():
        _report(bench, group, settings, base)
    amten_claims.report(bench, base, design, mixed)


def _parts(bench, groups, base):
    return [
        partial(_report, bench, group, single, base)
        for group, settings in groups.items()
        for single in one_by_one(settings, "models")
    ]


def _report(bench, group, settings, base):
    reports = {
        "identification": _identify,
        "confusions": _confuse,
        "design": partial(_compare, base=base),
        "binary": _tell_fakes,
        "crossed": _cross,
        "mixed": _mix,
        "grid": amten_grid.report,
        "traces": amten_traces.report,
    }
    few, settings = of_group(bench, settings)
    if settings["models"]:
        reports[group](few, **settings)


def _report_counts(workspace, sets):
    rows = [
        {"set": name, "split": split} | counted
        for name, data in sets.items()
        for split, counted in (data.train.counts | data.test.counts).items()
    ]
    workspace.table("data", rows, caption="Pictures per split and source.")


def _identify(bench, *, models, sets):
    """Table VII."""
    found = {(t, s): bench.accuracies(t, s) for t in models for s in sets}
    bench.workspace.section("Who made it")
    _report_accuracies(
        bench,
        "identification",
        found,
        amten_paper.MULTIPLE,
        caption="Accuracy of sources, as in Table VII.",
    )
    for name in sets:
        _report_sources(bench, models, name)


def _compare(bench, *, models, sets, base):
    """Tables V and VI: AMTEN against other front ends, and against parts of itself."""
    found = {(t, s): bench.accuracies(t, s) for t in models for s in sets}
    bench.workspace.section("What AMTEN is worth", DESIGN)
    _report_accuracies(
        bench,
        "design",
        found,
        amten_paper.MULTIPLE,
        caption="Accuracy of sources, as in Tables V and VI.",
    )
    if base not in models:
        return
    errors = {key: 1 - values.mean() for key, values in found.items()}
    printed = {t: 1 - row[PLAIN] for t, row in amten_paper.MULTIPLE.items()}
    rows = []
    for title in (t for t in models if t != base):
        own = {s: _reduced(errors[title, s], errors[base, s]) for s in sets}
        rows.append({"network": title} | own)
        if {title, base} <= printed.keys():
            paper = _reduced(printed[title], printed[base])
            rows[-1][f"{PLAIN}, paper"] = paper
    caption = f"RER: by which share of each network's error {base}'s is smaller."
    bench.workspace.table("error_reduction", rows, caption=caption)


def _reduced(error, own):
    return 1 - own / error if error else None


def _report_accuracies(bench, name, found, printed, *, caption, task="source"):
    """A table {(network, set): one value per seed} with the paper's, and bars."""
    rows, series, workspace = {}, {}, bench.workspace
    for (title, trained_on), values in found.items():
        row = rows.setdefault(title, {"network": title})
        row[trained_on] = tables.spread(values)
        share = printed.get(title, {}).get(trained_on)
        row |= {} if share is None else {f"{trained_on}, paper": share}
        whole = values.mean(), values.min(), values.max()
        series.setdefault(trained_on, {})[title] = whole
    workspace.table(name, list(rows.values()), caption=caption)
    intervals = {}
    for title, trained_on in found:
        row = intervals.setdefault(title, {"network": title})
        row[trained_on] = bench.interval(title, trained_on, task=task)
    caption = "The first seed's, with 95 % bootstrap intervals over groups."
    workspace.table(f"{name}_intervals", list(intervals.values()), caption=caption)
    figure = figures.bars(series, y_label="accuracy", y_limits=(0, 1.02))
    workspace.figure(name, figure, caption="The same; whiskers hold all seeds.")


def _report_sources(bench, models, name):
    """How well each kind of fake is told from all reals."""
    found = {
        title: [_per_source(bench.tested(title, name, seed)) for seed in bench.seeds]
        for title in models
    }
    rows = [{"network": title} | runs[0] for title, runs in found.items()]
    caption = (
        f"{name}: AUC of all reals against one kind of fake, by the probability of all "
        "fakes; of the first seed, with 95 % bootstrap intervals over groups."
    )
    bench.workspace.table(f"sources_{name}", rows, caption=caption)
    if len(bench.seeds) > 1:
        rows = [
            {"network": title}
            | {s: tables.spread([run[s][0] for run in runs]) for s in runs[0]}
            for title, runs in found.items()
        ]
        where = f"sources_{name}_seeds"
        bench.workspace.table(where, rows, caption="The same over the seeds.")


def _per_source(tested):
    test = tested.found["test"]
    rows = protocols.per_source(
        test["label"],
        test["score"],
        test["source"],
        {"auc": metrics.auc},
        groups=test["group"],
    )
    return {
        tested.sources[row["source"]]: (row["auc"], row["auc_low"], row["auc_high"])
        for row in rows
    }


def _confuse(bench, *, models, sets):
    """Tables III and IV."""
    bench.workspace.section("Who is taken for whom")
    for name in sets:
        for title in models:
            tests = [bench.tested(title, name, seed) for seed in bench.seeds]
            shares = np.mean([confusion(t.found["test"]) for t in tests], axis=0)
            present = np.unique(tests[0].found["test"]["source"])
            classes = tests[0].sources
            figure = figures.matrix(
                shares,
                rows=[classes[i] for i in present],
                columns=classes,
                x_label="said to be",
                y_label="is",
                title=title,
            )
            caption = f"{title} on {name}: shares of each source, mean over the seeds."
            where = f"confusion_{title}_{name}"
            bench.workspace.figure(where, figure, caption=caption)
            rows = [
                {"is": classes[i]} | dict(zip(classes, row.tolist(), strict=True))
                for i, row in zip(present, shares, strict=True)
            ]
            bench.workspace.table(where, rows, caption="The same in numbers.")


def _tell_fakes(bench, *, models, sets):
    """Table VIII."""
    found = {(t, s): bench.accuracies(t, s, task="label") for t in models for s in sets}
    bench.workspace.section("Real or fake", BY_LABEL)
    _report_accuracies(
        bench,
        "binary",
        found,
        amten_paper.BINARY,
        caption="Accuracy of real and fake, as in Table VIII.",
        task="label",
    )


def _cross(bench, *, models, sets):
    """Table X."""
    bench.workspace.section("After other operations than in training", OTHER_OPERATIONS)
    for title in models:
        _report_matrix(bench, title, f"crossed_{title}", sets, sets)
    printed = [
        {"trained on": a} | {b: amten_paper.CROSSED[a].get(b) for b in sets}
        for a in sets
        if a in amten_paper.CROSSED
    ]
    if printed:
        caption = "AMTENnet in the paper, Table X."
        bench.workspace.table("crossed_paper", printed, caption=caption)


def _mix(bench, *, models, sets, tested_on, unseen):
    """Tables XI and XII, with what training on raw pictures alone gives beside them."""
    bench.workspace.section("Mixed training, unseen operations", UNSEEN)
    for title in models:
        for name, columns in (("mixed", tested_on), ("unseen", unseen)):
            if columns:
                _report_matrix(bench, title, f"{name}_{title}", sets, columns)
    printed = [
        {"trained on": name}
        | {b: amten_paper.MIXED[b][name] for b in (*tested_on, *unseen)}
        for name in sets
        if name in MIXTURES
    ]
    if printed:
        caption = "AMTENnet in the paper, Tables XI and XII."
        bench.workspace.table("mixed_paper", printed, caption=caption)


def _report_matrix(bench, title, name, rows, columns):
    """Accuracies of a network trained on the rows, tested on the columns."""
    cells = {(a, b): bench.accuracies(title, a, on=b) for a in rows for b in columns}
    means = {a: np.mean([cells[a, b] for b in columns], axis=0) for a in rows}
    shown = [
        {"trained on": a}
        | {b: tables.spread(cells[a, b]) for b in columns}
        | {"average": tables.spread(means[a])}
        for a in rows
    ]
    bench.workspace.table(name, shown, caption=f"{title}: accuracy of sources.")
    figure = figures.matrix(
        [[cells[a, b].mean() for b in columns] for a in rows],
        rows=rows,
        columns=columns,
        x_label="tested on",
        y_label="trained on",
        title=title,
    )
    bench.workspace.figure(name, figure, caption="The same, means over the seeds.")
