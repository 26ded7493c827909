"""Tables of detectors on tests: ours over seeds, and the paper's."""

import numpy as np

from jaxforensics.experiments.adversarial_game import paper
from jaxforensics.experiments.adversarial_game.settings import is_seen
from jaxforensics.reporting import figures, tables

MEAN = "average"
MEAN_UNSEEN = "average, unseen"
SHARES = (0.4, 1.02)  # limits of an axis of AUCs: below one half they say something


def trainings(cells):
    """(detector, trained on) of the cells of a group, each once."""
    return list(dict.fromkeys((d, trained_on) for d, _, trained_on in cells))


def rows_of(cells, detector, trained_on):
    """{row: {test: Scores}} of one detector and training set."""
    return {
        row: scores
        for (cell_detector, row, cell_set), scores in cells.items()
        if (cell_detector, cell_set) == (detector, trained_on)
    }


def report_training(name, by_row, trained_on, settings, report, *, printed=None):
    """Tables of AUCs, accuracies, videos and intervals of one training set; bars.

    `by_row` {row: {test: measure.Scores}}.  `printed` (row, test) -> paper.Printed or
    None: what the paper has there.
    """
    tests = list(next(iter(by_row.values())))
    unseen = [test for test in tests if not is_seen(settings, trained_on, test)]
    counted = [test for test in tests if test not in settings.without_accuracy]

    def table(kind, over, *, with_unseen):
        rows = []
        for row, scores in by_row.items():
            values = {test: getattr(scores[test], kind) for test in over}
            cells = {test: tables.spread(each) for test, each in values.items()}
            if len(over) > 1:
                cells[MEAN] = tables.spread(np.mean(list(values.values()), axis=0))
            if with_unseen and 0 < len(unseen) < len(over):
                of_unseen = np.mean([values[test] for test in unseen], axis=0)
                cells[MEAN_UNSEEN] = tables.spread(of_unseen)
            rows.append({"row": row} | cells)
        return rows

    report.table(
        f"{name}_auc",
        table("auc", tests, with_unseen=True),
        caption="AUC of frames, over seeds.",
    )
    if printed is not None:
        _report_printed(f"{name}_paper", by_row, tests, printed, report)
    report.figure(
        f"{name}_auc",
        figures.bars(
            {
                row: {test: _whiskers(scores[test].auc) for test in tests}
                for row, scores in by_row.items()
            },
            y_label="AUC",
            y_limits=SHARES,
            level=(0.5, "chance"),
        ),
        caption="The same; whiskers hold all seeds.",
    )
    report.table(
        f"{name}_accuracy",
        table("accuracy", counted, with_unseen=False),
        caption="Accuracy of frames at a score of one half, as the paper has it.",
    )
    report.table(
        f"{name}_accuracy_chosen",
        table("chosen_accuracy", counted, with_unseen=False),
        caption="The same at the equal-error threshold of the validation split.",
    )
    report.table(
        f"{name}_videos",
        table("video_auc", tests, with_unseen=True),
        caption="AUC of videos, by the mean score of their frames.",
    )
    intervals = [
        {"row": row}
        | {test: scores[test].interval for test in tests}
        | {f"{test}, videos": scores[test].video_interval for test in tests}
        for row, scores in by_row.items()
    ]
    caption = (
        "AUCs of the first seed with 95 % bootstrap intervals over pairs of clips."
    )
    report.table(f"{name}_intervals", intervals, caption=caption)


def report_qualities(name, cells, detector, report, *, printed):
    """One table of AUCs: every row trained on each quality, tested on all."""
    rows = []
    for (cell_detector, row, trained_on), scores in cells.items():
        if cell_detector == detector:
            line = {"row": row, "trained on": trained_on}
            for test, of_test in scores.items():
                line[test] = tables.spread(of_test.auc)
                cell = printed(row, trained_on, test)
                if cell is not None:
                    line[f"{test}, paper"] = cell.auc
            rows.append(line)
    caption = f"{detector}: AUC of frames by the quality of training and of the test."
    report.table(name, rows, caption=caption)


def unseen_printed(detector):
    """(row, test) -> Printed of Tables I, IV, VIII and X."""
    table = paper.UNSEEN.get(detector, paper.UNSEEN[paper.FIRST])
    return lambda row, test: table.get(row, {}).get(test)


def quality_printed(detector):
    """(row, trained on, test) -> Printed of Tables II, V, IX and XI."""
    table = paper.QUALITY.get(detector, paper.QUALITY[paper.FIRST])
    return lambda row, trained_on, test: table.get(row, {}).get((trained_on, test))


def families_printed(detector):
    """(row, test) -> Printed of Table VI."""
    table = paper.FAMILIES.get(detector, {})
    return lambda row, test: table.get(row, {}).get(test)


def union_printed(detector):
    """(row, test) -> Printed of Table III: one number per row, of EfficientNet."""
    del detector
    return lambda row, test: paper.UNION.get(row, {}).get(paper.AVERAGE)


def kernels_printed(detector):
    """(row, test) -> Printed of Table XV, of rows that end in their kernel's size."""
    del detector
    table = paper.KERNELS_UNSEEN
    return lambda row, test: table.get(row.rsplit(" ", 1)[-1], {}).get(test)


def nothing_printed(detector):
    """(row, test) -> None: of these the paper has a sentence, not a table."""
    del detector
    return lambda row, test: None


def _report_printed(name, by_row, tests, printed, report):
    """What the paper has for the same rows and tests, if it has anything."""
    lines = []
    for row in by_row:
        line = {"row": row}
        for test in tests:
            cell = printed(row, test)
            if cell is not None:
                line[test] = cell.auc
                line[f"{test}, accuracy"] = cell.accuracy
        if len(line) > 1:
            average = printed(row, paper.AVERAGE)
            if average is not None and paper.AVERAGE not in tests:
                line[MEAN] = average.auc
                line[f"{MEAN}, accuracy"] = average.accuracy
            lines.append(line)
    if lines:
        caption = "AUC and accuracy in the paper, on photographs."
        report.table(name, lines, caption=caption, about=())


def _whiskers(values):
    return values.mean(), values.min(), values.max()
