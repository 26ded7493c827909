"""The report of TR-Net's study: what was found, tables, figures, claims.

Everything here is drawn from a `Measured`; numbers of the paper stand beside ours.
"""

import numpy as np

from jaxforensics.data import marks
from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.arena import HARDENED, UNDEFENDED
from jaxforensics.experiments.trnet import findings, paper, thresholds, trace_figures
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.claims import CAPTION
from jaxforensics.reporting import figures, tables

TITLE = "TR-Net"
PROTOCOL = """\
Victims are trained on the training split; their checkpoint is the one of highest AUC on
the unattacked validation split, and the likeliest class decides, unless a victim's row
has the equal-error threshold of validation decide. NF is not trained, and always cuts
at that threshold. GANprintR is trained on real
pictures, TR-Net on pairs of a fake and its original or nearest real, neither on any
victim. FGSM and PGD follow the gradients of one undefended victim, named with their
settings, or those of the victim itself, with its defence; of a victim that tells
sources apart, those of its likeliest fake source over its likeliest real one. White
noise of the PSNR that TR-Net reached, picture by picture, is the control of TR-Net.
Each attacks the fakes of the test split, which are then stored in 8 bits, as a saved
file would be, and shown to all victims, or to the one followed. Accuracy is that within
a class: of the reals, of the fakes, of the attacked fakes. Figures are means over
seeds, ± the standard deviation; victims, networks and attacks of a seed belong
together. The paper's numbers, of photographs, stand beside ours for orientation.
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
        "one training per victim and attack; Table 3. What follows the victim itself "
        "follows it without defence for training and hardened for the test.",
    ),
}
QUALITY = """\
How much like the fakes the attacked ones are; Table 4. Mean ± standard deviation over
the pictures of the first seed. Noise that equals an attack has its PSNR, picture by
picture. What follows the victim itself makes pictures for each victim: the numbers are
over all of them, and none is shown.
"""
TRANSFER = """\
All cells of the tables above, one per row, of the first seed: accuracy within a class
and how much of that of fakes an attack takes away, with 95 % bootstrap intervals over
groups of pictures.
"""
LIMITED = """\
TR-Net trained on a part of the pairs alone, or without one kind of fake; Fig. 14.
Victims are undefended.
"""


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings.lines(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    for defence in rows.DEFENCES:
        _report_defence(measured, settings, defence, report)
    thresholds.report(measured.thresholds, report)
    _report_averages(measured.accuracies, report)
    _report_quality(measured, settings, report)
    _report_limited(measured, report)
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
        _report_hardened(cells, victims, settings, report)
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


def _report_hardened(cells, victims, settings, report):
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
        caption += _follow(settings, settings.defences[HARDENED]["attacks"])
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
    sentences = []
    for attack in attacks:
        row = settings.attacks[attack]
        if rows.follows_itself(settings, attack):
            sentences.append(f" “{attack}” follows the victim of the row.")
        elif "follows" in row:
            sentences.append(f" {attack} follows {row['follows']}, undefended.")
        elif "equals" in row:
            sentences.append(f" {attack} has the PSNR of {row['equals']}.")
    return "".join(sentences)


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
    drawn = [attack for attack in attacks if not rows.follows_itself(settings, attack)]
    columns = ["fake", *drawn]
    figure = figures.pictures(
        [
            [pictures[column] for column in columns]
            for pictures in measured.examples.values()
        ],
        columns=columns,
        names=list(measured.examples),
    )
    caption = "The first test fake of each kind, and what each attack makes of it."
    # The file shows attacked pictures, so it is marked like one.
    mark = marks.mark(", ".join(drawn), [settings.attacks[a] for a in drawn])
    report.figure("attacked", figure, caption=caption, texts={marks.FIELD: mark})


def _mean_and_deviation(pair, digits):
    """'26.86 ± 3.24', or None for what is not known."""
    if pair is None:
        return None
    mean, deviation = pair
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _report_limited(measured, report):
    """Fig. 14."""
    if not (measured.fractions or measured.left_out):
        return
    report.section("What TR-Net has to know", LIMITED)
    if measured.fractions:
        _report_fractions(measured.fractions, report)
    if measured.left_out:
        _report_left_out(measured.left_out, report)


def _report_fractions(fractions, report):
    """Fig. 14 a and b: {share of the pairs: Limited}."""
    lines = [
        {"pairs": f"{100 * fraction:g} %"} | _limited_columns(limited)
        for fraction, limited in fractions.items()
    ]
    caption = (
        "Accuracy of attacked fakes, and their likeness, by the pairs in training."
    )
    report.table("fractions", lines, caption=caption, about=_asked(fractions))
    percents = [100 * fraction for fraction in fractions]
    victims = next(iter(fractions.values())).accuracies
    curves = {
        victim: [limited.accuracies[victim] for limited in fractions.values()]
        for victim in victims
    }
    figure = figures.curves(
        # Rows are seeds, columns are shares of the pairs.
        {victim: (percents, np.transpose(per)) for victim, per in curves.items()},
        x_label="pairs in training, %",
        y_label="accuracy of attacked fakes",
        x_log=True,
        y_limits=(-0.02, 1.02),
    )
    report.figure("fractions", figure, caption="A band holds all seeds.")


def _report_left_out(left_out, report):
    """Fig. 14 c and d: {(source, 'with' or 'without'): Limited}."""
    lines = [
        {"source": source, "in training": presence} | _limited_columns(limited)
        for (source, presence), limited in left_out.items()
    ]
    caption = "Accuracy of attacked fakes of one kind, which TR-Net knew or did not."
    report.table("left_out", lines, caption=caption, about=_asked(left_out))
    # Its text names these few numbers of Fig. 14 c and d.
    of_paper = [
        {"source": "ProGAN", "in training": presence} | row
        for presence, row in zip(("with", "without"), paper.LEFT_OUT, strict=True)
    ]
    caption = "In the paper, which trains on two kinds each time; what its text says."
    report.table("left_out_paper", of_paper, caption=caption, about=())


def _asked(cells):
    """The victims of {…: Limited}; what attacks them shows in their answers."""
    return tuple(next(iter(cells.values())).accuracies)


def _limited_columns(limited):
    """Columns of a table, over the seeds."""
    columns = {v: tables.spread(per) for v, per in limited.accuracies.items()}
    columns["PSNR"] = tables.spread(limited.psnr, digits=2)
    columns["SSIM"] = tables.spread(limited.ssim, digits=3)
    return columns


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
