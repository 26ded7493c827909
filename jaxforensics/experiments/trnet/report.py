"""The report of TR-Net's study: what was found, tables, figures, claims.

Everything here is drawn from a `Measured`; numbers of the paper stand beside ours.
"""

import numpy as np

from jaxforensics.data import marks
from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.arena import HARDENED, UNDEFENDED
from jaxforensics.experiments.trnet import (
    critics_tables,
    findings,
    knowledge_tables,
    pairs,
    paper,
    trace_figures,
)
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.claims import CAPTION
from jaxforensics.reporting import figures, tables

TITLE = "TR-Net"
PROTOCOL = """\
Victims are trained on the training split; their checkpoint is the one of highest AUC on
the unattacked validation split, and the likeliest class decides. NF is not trained: it
cuts at the equal-error threshold of the validation split. GANprintR is trained on real
pictures, TR-Net on pairs of a fake and its original or nearest real, neither on any
victim. FGSM and PGD follow the gradients of one undefended victim, named with their
settings. Each attacks the fakes of the test split, which are then stored in 8 bits, as
a saved file would be, and shown to all victims. Accuracy is that within a class: of the
reals, of the fakes, of the attacked fakes. Figures are means over seeds, ± the standard
deviation; victims, networks and attacks of a seed belong together. The paper's numbers,
of photographs, stand beside ours for orientation.
"""
DEFENCES = {
    UNDEFENDED: (
        "Without defence",
        "Victims trained on pictures as they are; Table 1.",
    ),
    rows.WEAK: (
        "Weak defence",
        "Training pictures are blurred, cropped, compressed and made noisy, each at "
        "times; Table 2.",
    ),
    HARDENED: (
        "Strong defence",
        "Half of the fakes in training are shown as the attack under test leaves them: "
        "one training per victim and attack; Table 3.",
    ),
}
QUALITY = """\
How much like the fakes the attacked ones are; Table 4. Mean ± standard deviation over
the pictures of the first seed.
"""
TRANSFER = """\
All cells of the tables above, one per row, of the first seed: accuracy within a class
and how much of that of fakes an attack takes away, with 95 % bootstrap intervals over
groups of pictures.
"""


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings.lines(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    pairs.report(measured.pairs, report)
    for defence in rows.DEFENCES:
        _report_defence(measured, settings, defence, report)
    _report_averages(measured.accuracies, report)
    _report_quality(measured, settings, report)
    knowledge_tables.report(measured, report)
    critics_tables.report(measured.critics, report)
    trace_figures.report(measured.traces, settings, report)
    claims.report(report, measured.claims.rows, caption=CAPTION)
    _report_every_accuracy(measured.intervals, report)


def _report_defence(measured, settings, defence, report):
    """Table 1, 2 or 3."""
    cells = {
        (victim, attack): values
        for (victim, attack, cell_defence), values in measured.accuracies.items()
        if cell_defence == defence
    }
    victims = dict.fromkeys(victim for victim, _ in cells)
    if not victims:
        return
    report.section(*DEFENCES[defence])
    if defence == HARDENED:
        _report_hardened(cells, victims, report)
        return

    lines = []
    for victim in victims:
        of_victim = {a: values for (v, a), values in cells.items() if v == victim}
        # Without hardening it is one and the same victim in all of these cells.
        clean = next(iter(of_victim.values()))
        attacked = {attack: values.attacked for attack, values in of_victim.items()}
        line = {"victim": victim, "real": clean.real, "fake": clean.fake} | attacked
        lines.append(line)
    attacks = settings.defences[defence]["attacks"]
    caption = f"Accuracy within a class.{_follow(settings, attacks)}"
    _report_lines(f"accuracy_{defence}", lines, report, caption=caption)

    # Of the victims of this run only; what a config adds the paper does not have.
    printed = {UNDEFENDED: paper.NONE, rows.WEAK: paper.WEAK}[defence]
    of_paper = [{"victim": v} | row for v, row in printed.items() if v in victims]
    if of_paper:
        caption = "The same in the paper, whose FGSM and PGD follow Xception."
        report.table(f"accuracy_{defence}_paper", of_paper, caption=caption, about=())


def _report_hardened(cells, victims, report):
    """Table 3, a table for each kind of picture.

    Each cell has a victim of its own, hardened against the attack of its column.
    """
    for kind, title in (
        ("real", "reals"),
        ("fake", "fakes"),
        ("attacked", "attacked fakes"),
    ):
        lines = []
        for victim in victims:
            line = {"victim": victim}
            for (cell_victim, attack), values in cells.items():
                if cell_victim == victim:
                    line[attack] = getattr(values, kind)
            lines.append(line)
        caption = f"Accuracy of {title}, after training against the attack of a column."
        _report_lines(f"accuracy_strong_{kind}", lines, report, caption=caption)

    # The paper prints pairs; its Table 3 has no column of reals.
    of_paper = [
        {"victim": victim}
        | {
            attack: f"{shares[attack, 'clean']:.3f}, {shares[attack, 'attacked']:.3f}"
            for attack in paper.ATTACKS
        }
        for victim, shares in paper.STRONG.items()
        if victim in victims
    ]
    if of_paper:
        caption = "In the paper: fakes, attacked fakes."
        report.table("accuracy_strong_paper", of_paper, caption=caption, about=())


def _follow(settings, attacks):
    """Which victims the attacks follow: for others they are a transfer."""
    return "".join(
        f" {attack} follows {settings.attacks[attack]['follows']}."
        for attack in attacks
        if "follows" in settings.attacks[attack]
    )


def _report_lines(name, lines, report, *, caption):
    """A table of accuracies per seed with their average, and a heat map."""
    columns = [column for column in lines[0] if column != "victim"]
    # Averaged seed by seed, so that the spread is that of the average.
    average = {c: np.mean([line[c] for line in lines], axis=0) for c in columns}
    spreads = []
    for line in [*lines, average | {"victim": "average"}]:
        cells = {column: tables.spread(line[column]) for column in columns}
        spreads.append({"victim": line["victim"]} | cells)
    victims = [line["victim"] for line in lines]
    report.table(name, spreads, caption=caption, about={"average": victims})

    if len(lines) == len(columns) == 1:
        return  # one number makes no map
    figure = figures.matrix(
        [[line[c].mean() for c in columns] for line in lines],
        rows=[line["victim"] for line in lines],
        columns=columns,
        x_label="pictures",
        y_label="victim",
    )
    report.figure(name, figure, caption="The same, means over the seeds.")


def _report_averages(accuracies, report):
    """Fig. 12, over the victims that all of its defences have."""
    by_defence = {}
    for (victim, attack, defence), values in accuracies.items():
        cells = by_defence.setdefault(defence, {})
        cells[victim, attack] = values.attacked.mean()
    if not by_defence:
        return

    # Bars of one attack are comparable only if they are about the same victims.
    shared = set.intersection(
        *({victim for victim, _ in cells} for cells in by_defence.values())
    )
    if not shared:
        return
    averages = {}
    for defence, cells in by_defence.items():
        by_attack = {}
        for (victim, attack), value in cells.items():
            if victim in shared:
                by_attack.setdefault(attack, []).append(value)
        title, _ = DEFENCES[defence]
        averages[title] = {a: np.mean(values) for a, values in by_attack.items()}
    report.section("What defences are worth")
    figure = figures.bars(
        averages,
        y_label="accuracy of attacked fakes",
        y_limits=(0, 1.02),
        level=(0.5, "chance"),
    )
    victims = dict.fromkeys(victim for victim, _, _ in accuracies if victim in shared)
    caption = (
        "Averages over victims that all of these have, as in Fig. 12: "
        f"{', '.join(victims)}."
    )
    report.figure("defences", figure, caption=caption)


def _report_quality(measured, settings, report):
    """Table 4 and Fig. 13."""
    # Those of the paper in its order, then what a config adds.
    of_paper = [attack for attack in paper.ATTACKS if attack in measured.quality]
    attacks = [*of_paper, *(a for a in measured.quality if a not in of_paper)]
    if not attacks:
        return
    report.section("What attacks look like", QUALITY)
    lines = []
    for attack in attacks:
        line = {"attack": attack}
        printed = paper.QUALITY.get(attack, (None, None))
        for name, digits, in_paper in zip(
            ("psnr", "ssim"), (2, 3), printed, strict=True
        ):
            ours = measured.quality[attack][name]
            line[name.upper()] = _mean_and_deviation(ours, digits)
            line[f"{name.upper()}, paper"] = _mean_and_deviation(in_paper, digits)
        lines.append(line)
    report.table("quality", lines, caption="PSNR in dB, peak 1; SSIM.")
    figure = figures.pictures(
        [
            [pictures["fake"], *(pictures[attack] for attack in attacks)]
            for pictures in measured.examples.values()
        ],
        columns=["fake", *attacks],
        names=list(measured.examples),
    )
    caption = "The first test fake of each kind, and what each attack makes of it."
    # The file shows attacked pictures, so it is marked like one.
    mark = marks.mark(", ".join(attacks), [settings.attacks[a] for a in attacks])
    report.figure("attacked", figure, caption=caption, texts={marks.FIELD: mark})


def _mean_and_deviation(pair, digits):
    """'26.86 ± 3.24', or None for what is not known."""
    if pair is None:
        return None
    mean, deviation = pair
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _report_every_accuracy(intervals, report):
    """All cells of Tables 1 to 3 with their intervals, for programs above all."""
    if not intervals:
        return
    lines = [
        {"victim": victim, "defence": defence, "attack": attack} | columns
        for (victim, attack, defence), columns in intervals.items()
    ]
    report.section("Every accuracy", TRANSFER)
    report.table("transfer", lines, caption="Of the first seed.")
