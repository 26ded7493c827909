"""The report of AMTEN's study: tables, figures, claims."""

import numpy as np

from jaxforensics.experiments.amten import claims as amten_claims
from jaxforensics.experiments.amten import grid, paper, trace_figures
from jaxforensics.experiments.amten.findings import findings
from jaxforensics.experiments.amten.sets import MIXTURES, PLAIN
from jaxforensics.experiments.amten.settings import SOURCE
from jaxforensics.experiments.common import claims
from jaxforensics.ops import degrade
from jaxforensics.reporting import figures, tables

TITLE = "AMTEN"
PROTOCOL = """\
Every network tells the sources of a set apart, several kinds of reals among them, and
is trained on the training split after one operation; its checkpoint has the highest
accuracy, as a mean over classes (of real and fake: AUC), on the validation split after
the same. The test split is opened when training is over. Accuracy is the share of
pictures whose likeliest class is the right one, as in the paper; means over classes
have tables of their own. Figures are means over seeds, ± the standard deviation. Those
of the paper stand beside ours for orientation: they were measured on photographs (HFF
and FaceForensics++, 128 x 128).
"""
DESIGN = """\
AMTEN replaced by other front ends, left out (model_base), or changed in one respect.
"""
BY_LABEL = """\
Networks with two outputs, trained to tell fakes from reals: the larger one decides.
"""
OTHER_OPERATIONS = "One operation in training, others in the test, as in Table X."
UNSEEN = """\
Trained on equal parts of raw, JPEG and mean-filtered pictures, parameters drawn for
each: as many pictures as of one set (Small), 4/3 and 3 times as many, and steps in
proportion. Then tested after these and after operations that were not in training
(Tables XI and XII).
"""
ROBUSTNESS = (
    "Test pictures, as large as networks take them, go through one operation of Table "
    "IX at a time. (The sets that networks are trained on are changed at the size they "
    "are stored in.)"
)
SHARES = (0, 1.02)  # limits of an axis of accuracies: 1 is not at its very edge


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    _report_identification(measured, report)
    _report_confusions(measured.confusions, report)
    _report_design(measured.design, settings.base, report)
    _report_binary(measured.binary, report)
    _report_crossed(measured.crossed, settings.crossed, report)
    _report_mixed(measured.mixed, settings.mixed, report)
    _report_grid(measured, report)
    trace_figures.report(measured.traces, report)
    claims.report(report, measured.claims.main, caption=amten_claims.CAPTION)
    compared = [row for rows in measured.claims.comparisons.values() for row in rows]
    if compared:
        if not measured.claims.main:
            report.section("The paper's claims", claims.CRITERION)
        report.table("comparisons", compared, caption=amten_claims.COMPARISONS)


def _report_identification(measured, report):
    """Table VII, and how well each kind of fake is told from all reals."""
    if not measured.identification:
        return
    report.section("Who made it")
    _report_accuracies(
        "identification",
        measured.identification,
        paper.MULTIPLE,
        report,
        caption="Accuracy of sources, as in Table VII.",
    )
    for trained_on, by_title in measured.by_source.items():
        rows = [{"network": title} | runs[0] for title, runs in by_title.items()]
        caption = (
            f"{trained_on}: AUC of all reals against one kind of fake, by the "
            "probability of all fakes; of the first seed, with 95 % bootstrap "
            "intervals over groups."
        )
        report.table(f"sources_{trained_on}", rows, caption=caption)
        _report_source_seeds(trained_on, by_title, report)


def _report_source_seeds(trained_on, by_title, report):
    """The AUC of each kind of fake over the seeds, if there are several."""
    rows = []
    for title, runs in by_title.items():
        if len(runs) < 2:
            continue
        row = {"network": title}
        for source in runs[0]:
            row[source] = tables.spread([aucs[source][0] for aucs in runs])
        rows.append(row)
    if rows:
        name = f"sources_{trained_on}_seeds"
        report.table(name, rows, caption="The same over the seeds.")


def _report_accuracies(name, accuracies, printed, report, *, caption):
    """Tables of accuracies over seeds, of means over classes and of intervals; bars.

    `accuracies` {(title, trained on): measure.Accuracy}, `printed` {title: {trained on:
    share}} those of the paper, which stand beside ours.
    """
    rows = {}
    class_rows = {}
    interval_rows = {}
    series = {}
    for (title, trained_on), accuracy in accuracies.items():
        values = accuracy.per_seed
        row = rows.setdefault(title, {"network": title})
        row[trained_on] = tables.spread(values)
        share = printed.get(title, {}).get(trained_on)
        if share is not None:
            row[f"{trained_on}, paper"] = share
        class_row = class_rows.setdefault(title, {"network": title})
        class_row[trained_on] = tables.spread(accuracy.class_means)
        class_row[f"{trained_on}, seeds"] = len(values)
        interval_row = interval_rows.setdefault(title, {"network": title})
        interval_row[trained_on] = accuracy.interval
        # Whiskers are no intervals: they reach from the worst seed to the best.
        bar = values.mean(), values.min(), values.max()
        series.setdefault(trained_on, {})[title] = bar

    report.table(name, list(rows.values()), caption=caption)
    caption = "Means over classes instead, and how many seeds both tables rest on."
    report.table(f"{name}_classes", list(class_rows.values()), caption=caption)
    caption = "The first seed's, with 95 % bootstrap intervals over groups."
    report.table(f"{name}_intervals", list(interval_rows.values()), caption=caption)
    figure = figures.bars(series, y_label="accuracy", y_limits=SHARES)
    report.figure(name, figure, caption="The same; whiskers hold all seeds.")


def _report_confusions(confusions, report):
    """Tables III and IV."""
    if not confusions:
        return
    report.section("Who is taken for whom")
    for (title, trained_on), confusion in confusions.items():
        name = f"confusion_{title}_{trained_on}"
        figure = figures.matrix(
            confusion.shares,
            rows=confusion.rows,
            columns=confusion.columns,
            x_label="said to be",
            y_label="is",
            title=title,
        )
        caption = (
            f"{title} on {trained_on}: shares of each source, mean over the seeds."
        )
        report.figure(name, figure, caption=caption)
        rows = [
            {"is": source} | dict(zip(confusion.columns, shares.tolist(), strict=True))
            for source, shares in zip(confusion.rows, confusion.shares, strict=True)
        ]
        report.table(name, rows, caption="The same in numbers.", about=(title,))


def _report_design(design, base, report):
    """Tables V and VI: AMTEN against other front ends, and against parts of itself."""
    if not design:
        return
    report.section("What AMTEN is worth", DESIGN)
    _report_accuracies(
        "design",
        design,
        paper.MULTIPLE,
        report,
        caption="Accuracy of sources, as in Tables V and VI.",
    )
    titles = dict.fromkeys(title for title, _ in design)
    if base in titles:
        rows = [_error_reduction(design, title, base) for title in titles]
        rows = [row for row in rows if row["network"] != base]
        caption = f"RER: by which share of each network's error {base}'s is smaller."
        report.table("error_reduction", rows, caption=caption)


def _error_reduction(design, title, base):
    """A row: the relative error reduction of the base over one network, per set."""
    row = {"network": title}
    for row_title, trained_on in design:
        if row_title == title:
            accuracies = design[title, trained_on].per_seed
            base_accuracies = design[base, trained_on].per_seed
            seeds = min(len(accuracies), len(base_accuracies))  # that both have
            row[trained_on] = _reduction(
                1 - accuracies[:seeds].mean(), 1 - base_accuracies[:seeds].mean()
            )
    # Tables V and VI print accuracies on raw pictures alone.
    printed = {t: 1 - shares[PLAIN] for t, shares in paper.MULTIPLE.items()}
    if {title, base} <= printed.keys():
        row[f"{PLAIN}, paper"] = _reduction(printed[title], printed[base])
    return row


def _reduction(error, base_error):
    """The share of an error that the base does not make; None without any error."""
    if not error:
        return None
    return 1 - base_error / error


def _report_binary(binary, report):
    """Table VIII."""
    if not binary:
        return
    report.section("Real or fake", BY_LABEL)
    _report_accuracies(
        "binary",
        binary,
        paper.BINARY,
        report,
        caption="Accuracy of real and fake, as in Table VIII.",
    )


def _report_crossed(crossed, group, report):
    """Table X."""
    if not crossed:
        return
    report.section("After other operations than in training", OTHER_OPERATIONS)
    for title in group["models"]:
        cells = _cells_of(crossed, title)
        _report_matrix(f"crossed_{title}", title, cells, group["sets"], report)
    printed = [
        {"trained on": trained_on}
        | {name: paper.CROSSED[trained_on].get(name) for name in group["sets"]}
        for trained_on in group["sets"]
        if trained_on in paper.CROSSED
    ]
    if printed:
        caption = "AMTENnet in the paper, Table X."
        report.table("crossed_paper", printed, caption=caption, about=())


def _report_mixed(mixed, group, report):
    """Tables XI and XII, with what training on raw pictures alone gives beside them."""
    if not mixed:
        return
    report.section("Mixed training, unseen operations", UNSEEN)
    for title in group["models"]:
        cells = _cells_of(mixed, title)
        for name, columns in (
            ("mixed", group["tested_on"]),
            ("unseen", group["unseen"]),
        ):
            if columns:
                _report_matrix(f"{name}_{title}", title, cells, columns, report)
    columns = *group["tested_on"], *group["unseen"]
    printed = [
        {"trained on": mixture} | {name: paper.MIXED[name][mixture] for name in columns}
        for mixture in group["sets"]
        if mixture in MIXTURES
    ]
    if printed:
        caption = "AMTENnet in the paper, Tables XI and XII."
        report.table("mixed_paper", printed, caption=caption, about=())


def _cells_of(accuracies, title):
    """{(trained on, tested on): Accuracy} of one network."""
    return {
        (trained_on, tested_on): values
        for (cell_title, trained_on, tested_on), values in accuracies.items()
        if cell_title == title
    }


def _report_matrix(name, title, cells, columns, report):
    """Accuracies of a network by the set it was trained on, tested on the columns."""
    trainings = list(dict.fromkeys(trained_on for trained_on, _ in cells))

    def rows_of(kind):
        rows = []
        for trained_on in trainings:
            per_seed = {c: getattr(cells[trained_on, c], kind) for c in columns}
            row = {"trained on": trained_on}
            row |= {c: tables.spread(values) for c, values in per_seed.items()}
            row["average"] = tables.spread(np.mean(list(per_seed.values()), axis=0))
            rows.append(row)
        return rows

    caption = f"{title}: accuracy of sources."
    report.table(name, rows_of("per_seed"), caption=caption, about=(title,))
    class_rows = rows_of("class_means")
    caption = "Means over classes instead."
    report.table(f"{name}_classes", class_rows, caption=caption, about=(title,))
    figure = figures.matrix(
        [[cells[t, c].per_seed.mean() for c in columns] for t in trainings],
        rows=trainings,
        columns=columns,
        x_label="tested on",
        y_label="trained on",
        title=title,
    )
    report.figure(name, figure, caption="The same, means over the seeds.")


def _report_grid(measured, report):
    """Accuracy after every operation of Table IX that runs on the device."""
    operations = dict.fromkeys(operation for operation, _ in grid.CELLS.values())
    for trained_on, by_title in measured.grid.items():
        report.section(f"Robustness, trained on {trained_on}", ROBUSTNESS)
        rows = [
            {"operation": column}
            | {title: tables.spread(cells[column]) for title, cells in by_title.items()}
            for column in grid.COLUMNS
        ]
        name = f"robustness_{trained_on}"
        caption = "Accuracy of sources."
        report.table(name, rows, caption=caption, about=tuple(by_title))
        for operation in operations:
            figure = figures.curves(
                {title: _curve(cells, operation) for title, cells in by_title.items()},
                x_label=f"{degrade.AMTEN[operation].name} ({operation})",
                y_label="accuracy",
                y_limits=SHARES,
                level=(measured.commonest[trained_on][SOURCE], "always the commonest"),
            )
            caption = f"{operation}: accuracy by severity; a band holds all seeds."
            report.figure(f"{name}_{operation}", figure, caption=caption)


def _curve(accuracies, operation):
    """(severities, accuracies (seeds, severities)) after one operation."""
    columns = {
        severity: column
        for column, (name, severity) in grid.CELLS.items()
        if name == operation
    }
    values = np.array([accuracies[column] for column in columns.values()])
    return list(columns), values.T
