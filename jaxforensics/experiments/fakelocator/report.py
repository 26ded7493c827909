"""The report of FakeLocator's study: tables, figures, claims."""

import numpy as np

from jaxforensics.experiments.common import claims
from jaxforensics.experiments.fakelocator import claims as locator_claims
from jaxforensics.experiments.fakelocator import degradations, paper_tables, views
from jaxforensics.experiments.fakelocator.findings import findings
from jaxforensics.experiments.fakelocator.settings import OF_ANSWERS
from jaxforensics.reporting import figures, tables

TITLE = "FakeLocator"
PROTOCOL = """\
A network draws where a fake differs from its original, a gray map, and says real or
fake. It learns from fakes and their originals side by side; its checkpoint has the
highest cosine similarity of maps (COSS) on the validation split. Where whole faces are
learned it is that with the least error: every even map is similar to ones. The test
split is opened when training is over. Measures of maps are means over fakes, IoU, PBCA
and IINC over those whose target has a pixel of 0.1 or more. Accuracy is the mean of
that of reals and of fakes at a score of one half. Figures are means over seeds, ± the
standard deviation. Beside every table of maps stand maps that look at nothing: zeros,
ones, and the mean target of the training set; faces are aligned, and such maps score
well.
"""
LOSSES = "What the map is compared by in training, as in Table IV."
CROSSED = "Trained on one editor and property, tested on others, as in Table VI."
AUGMENTED = """\
(p, q): a share p of reals and q of fakes is augmented in training, as in Tables VII and
VIII. What an augmentation leaves on reals alone says "real": so fakes are tested
augmented too, below.
"""
UNIVERSAL = "One network for all editors and properties, as in Table IX."
ATTENTION = """\
Encoder features weighed in training by a map of where the property lies; all ones in
tests, as in Table X. Similarities in the region count its pixels alone. The map is of
the exact parsing, or of what a small network predicts, whose mean IoU over classes
stands last.
"""
DETECTION = """\
Detection alone, as in Table III: the locator's branch beside detectors, which learn
from the same fakes and all reals.
"""
SETS = """\
Other sets, as in Table V; whole faces have targets of ones, where a map is a verdict.
Patch is P(fake) of every patch, enlarged; FFD's map is of 19 x 19 in the paper.
"""
TYPES = """\
Trained on one type of manipulation, tested on others, as in Table I, without and with
partial augmentation. Clusters: the features of a test's pictures, in two clusters, of
which one labelled picture says which are fakes; the better naming is what they could
reach. The set's share of fakes helps them, and they see all of its pictures at once.
"""
LOOKS = """\
Pictures are shifted by a quarter, with their targets; the map of a neighbour's picture
is compared with a picture's own target; quadrants change places; fakes and reals are
augmented alike. A map that looks at nothing falls where pictures are shifted, and loses
nothing by a neighbour's. "Moved" was trained on pictures shifted at random, up to three
tenths of a side each way.
"""
DEGRADED = """\
γ is the share of a measure that is left after a degradation. The paper compares with
the difference between the original and the degraded fake: then the target is where the
picture was degraded. Beside it stands the difference before degradation.
"""
WIDEST = 7  # columns of a figure of pictures, at most
# Columns of tables: {title: measure}.
MAPS = {
    "COSS": "cosine_similarity",
    "PSNR": "map_psnr",
    "SSIM": "map_ssim",
    "Dice": "soft_dice",
    "IoU": "iou",
    "PBCA": "pixel_accuracy",
    "IINC": "iinc",
}
ANSWERS = {"real": "real_accuracy", "fake": "fake_accuracy", "AUC": "auc"}
REGION = {
    "COSS, region": "region_cosine_similarity",
    "PSNR, region": "region_map_psnr",
    "SSIM, region": "region_map_ssim",
}
COLUMNS = {
    "losses": ANSWERS | MAPS,
    "crossed": ANSWERS | dict(list(MAPS.items())[:3]),
    "augmented": ANSWERS | {"COSS": "cosine_similarity"},
    "universal": ANSWERS | dict(list(MAPS.items())[:3]),
    "attention": ANSWERS | REGION | {"IoU of parsing": "parsing_iou"},
    "types": ANSWERS,
    "detection": ANSWERS,
    "sets": ANSWERS | MAPS,
}
SECTIONS = {
    "losses": ("Losses and baselines", LOSSES),
    "crossed": ("Other editors and properties", CROSSED),
    "augmented": ("Partial augmentation", AUGMENTED),
    "universal": ("One network for all", UNIVERSAL),
    "attention": ("Attention to the face", ATTENTION),
    "types": ("Types of manipulation", TYPES),
    "detection": ("Detection beside detectors", DETECTION),
    "sets": ("Other sets", SETS),
}


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    for group, (title, text) in SECTIONS.items():
        if measured.groups[group]:
            report.section(title, text)
            _report_group(group, measured, settings, report)
            if group == "types":
                _report_clusters(measured, report)
            printed = paper_tables.ROWS.get(group, list)()
            if printed:
                caption = "The paper's numbers, on photographs."
                report.table(f"{group}_paper", printed, caption=caption, about=())
    _report_looks(measured.looks, report)
    _report_degraded(measured.looks, settings, report)
    _report_gallery(measured.gallery, report)
    claims.report(report, measured.claims, caption=locator_claims.CAPTION)


def _report_group(group, measured, settings, report):
    """A row per network, set and test, and constant maps beside; the paper's below."""
    columns = COLUMNS[group]
    rows = []
    beside = {}
    intervals = []
    for (row, trained_on), tests in measured.groups[group].items():
        for test, cell in tests.items():
            about = {"network": row, "trained on": trained_on, "tested on": test}
            values = {
                title: tables.spread(cell.summaries[name])
                for title, name in columns.items()
                if name in cell.summaries
            }
            if answers(row, settings):
                accuracy = tables.spread(locator_claims.accuracy(cell))
                values = {"accuracy": accuracy} | values
            else:
                # Its score ranks pictures; one half of it means nothing.
                values["real"] = values["fake"] = None
            rows.append(about | values)
            intervals.append(about | {"COSS": cell.interval})
            beside.setdefault((trained_on, test), None)
    report.table(group, rows, caption="Networks.")
    if group in OF_ANSWERS:
        return
    _report_constants(group, beside, columns, measured.constants, report)
    caption = "COSS of the first seed with 95 % bootstrap intervals over people."
    report.table(f"{group}_intervals", intervals, caption=caption)


def _report_clusters(measured, report):
    """Table I's third value: clusters named by one picture, beside the classifier."""
    rows = []
    for (row, trained_on), tests in measured.clusters.items():
        for test, by_ratio in tests.items():
            cell = measured.groups["types"][row, trained_on][test]
            rows += [
                {
                    "network": row,
                    "trained on": trained_on,
                    "tested on": test,
                    "reals per fake": str(ratio),
                    "classifier": tables.spread(locator_claims.accuracy(cell)),
                    "clusters": tables.spread(named.accuracies),
                    "better naming": tables.spread(named.better),
                }
                for ratio, named in by_ratio.items()
            ]
    if rows:
        caption = "Accuracy of clusters, means over draws of the labelled picture."
        report.table("types_clusters", rows, caption=caption)


def answers(row, settings):
    """Whether a row says real or fake, by a branch or by itself."""
    if row in settings.classifiers:
        return True
    chosen = dict(settings.locator) | dict(settings.rows[row])
    return chosen.get("branch", ()) is not None or chosen["model"] == "ffd_map"


def _report_constants(group, pairs, columns, constants, report):
    """Maps that look at nothing, of the same tests."""
    rows = []
    for trained_on, test in pairs:
        for name, summary in constants[trained_on, test].items():
            about = {"map": name, "trained on": trained_on, "tested on": test}
            values = {
                title: summary[measure]
                for title, measure in columns.items()
                if measure in summary and title not in ANSWERS
            }
            rows.append(about | values)
    caption = "Maps that look at nothing."
    report.table(f"{group}_constant", rows, caption=caption, about=())


def _report_looks(looks, report):
    """Whether networks look at the picture: a row for each and way of seeing it."""
    if looks is None:
        return
    report.section("Does it look?", LOOKS)
    rows = []
    seen_by_rows = [
        (network, kind, summary)
        for network, seen in looks.rows.items()
        for kind, summary in seen.items()
    ]
    for network, kind, summary in seen_by_rows:
        row = {"pictures": kind, "network": network}
        row |= {
            title: tables.spread(summary[name])
            for title, name in (ANSWERS | MAPS).items()
            if name in summary
        }
        row["false area"] = tables.spread(summary["false_area"])
        row["agreement"] = tables.spread(summary["agreement"])
        constant = looks.constant.get(kind)
        if constant is not None:
            row["COSS, mean map"] = constant["cosine_similarity"]
        rows.append(row)
    report.table("looks", rows, caption="The same networks, pictures seen otherwise.")


def _report_degraded(looks, settings, report):
    """Fig. 15: γ by severity, with both targets."""
    if looks is None or not looks.degraded:
        return
    report.section("Degradations", DEGRADED)
    first = next(iter(looks.rows.values()))
    plain = {name: values[0] for name, values in first[views.PLAIN].items()}
    names = {"fake accuracy": "fake_accuracy"} | {
        title: MAPS[title] for title in ("COSS", "PSNR", "SSIM")
    }
    rows = []
    curves = {}
    for name, (operation, severity) in degradations.of(settings).items():
        for own_target in (False, True):
            kind = degradations.view_name(name, own_target=own_target)
            target = "before" if own_target else "degraded"
            row = {"operation": operation, "severity": severity, "target": target}
            for title, measure in names.items():
                row[title] = _kept(looks.degraded[kind][measure], plain[measure])
            rows.append(row)
            of_operation = curves.setdefault(operation, {})
            of_operation.setdefault(f"COSS, {target}", []).append(
                (severity, row["COSS"])
            )
            if own_target:
                of_operation.setdefault("fake accuracy", []).append(
                    (severity, row["fake accuracy"])
                )
    report.table("degraded", rows, caption="γ of the first seed.", about=())
    for operation, series in curves.items():
        lines = {name: np.array(sorted(points)).T for name, points in series.items()}
        figure = figures.curves(
            {name: (x, y) for name, (x, y) in lines.items()},
            x_label=operation,
            y_label="γ",
            level=(1.0, "undegraded"),
        )
        name = operation.replace(" ", "_")
        report.figure(f"degraded_{name}", figure, caption=f"γ by {operation}.")


def _kept(value, plain):
    """The share that is left; None of nothing."""
    if not plain:
        return None
    return value / plain


def _report_gallery(gallery, report):
    """Figs. 1 and 16: fakes, what was changed, what the map says, how sure it is."""
    if gallery is None:
        return
    report.section("Maps")
    # Differences are faint: the brightest pixel of any map is white in all of them.
    white = max(gallery.targets.max(), gallery.maps.max(), 1e-6)
    whitest_spread = max(gallery.spreads.max(), 1e-6)
    rows = {
        "original": gallery.originals,
        "fake": gallery.fakes,
        "target": gallery.targets / white,
        "map": gallery.maps / white,
        "of original": (gallery.maps_of_originals / white).clip(0, 1),
        "spread": gallery.spreads / whitest_spread,
    }
    caption = (
        "Fakes of the test, the difference that is asked for, the map of the fake and "
        f"of its original (white: {white:.2f}), and how far the map changes where the "
        f"picture is mirrored, shifted and re-encoded (white: {whitest_spread:.2f})."
    )
    count = len(gallery.sources)
    parts = np.array_split(np.arange(count), -(-count // WIDEST))
    for number, columns in enumerate(parts, 1):
        figure = figures.pictures(
            [[pictures[i] for i in columns] for pictures in rows.values()],
            columns=[gallery.sources[i] for i in columns],
            names=tuple(rows),
        )
        name = "maps" if number == 1 else f"maps_{number}"
        report.figure(name, figure, caption=caption)
