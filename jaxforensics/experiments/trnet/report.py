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
    thresholds,
    trace_figures,
)
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.claims import (
    CAPTION,
    LEARNED,
    SOUND_OF,
    has_learned,
)
from jaxforensics.reporting import figures, tables

TITLE = "TR-Net"
NOT_LEARNED = "not learned"  # instead of an accuracy after attacks
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
groups of pictures. A victim has `learned` if it recognises enough of the fakes without
attack for the rest to say something, on average over seeds.
"""


def report(measured, settings, report):
    """The page of the study."""
    report.findings(findings.lines(measured, settings))
    report.section("Data and protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    pairs.report(measured.pairs, report)
    for defence in rows.DEFENCES:
        _report_defence(measured, settings, defence, report)
    thresholds.report(measured.thresholds, report)
    _report_averages(measured.accuracies, report)
    _report_quality(measured, settings, report)
    knowledge_tables.report(measured, report)
    critics_tables.report(measured.critics, report)
    trace_figures.report(measured.traces, settings, report)
    claims.report(report, measured.claims.rows, caption=CAPTION)
    _report_every_accuracy(measured, report)


def _report_defence(measured, settings, defence, report):
    """Table 1, 2 or 3."""
    cells = {
        (victim, attack): values
        for (victim, attack, cell_defence), values in measured.accuracies.items()
        if cell_defence == defence
    }
    if not cells:
        return
    report.section(*DEFENCES[defence])
    victims = rows.titles(settings, defence, "victims")
    attacks = rows.titles(settings, defence, "attacks")
    if defence == HARDENED:
        _report_hardened(cells, victims, attacks, settings, report)
        return

    lines = []
    left_out = set()
    for victim in victims:
        of_victim = {attack: cells.get((victim, attack)) for attack in attacks}
        # Without hardening it is one and the same victim in all of these cells.
        clean = next(filter(None, of_victim.values()))
        line = {"victim": victim, "real": clean.real, "fake": clean.fake}
        says_something = defence == UNDEFENDED or has_learned(victim, clean)
        for attack, values in of_victim.items():
            line[attack] = None
            if values is not None:
                line[attack] = values.attacked if says_something else NOT_LEARNED
        lines.append(line)
        if not says_something:
            left_out |= {(victim, column) for column in ("real", "fake")}
    caption = f"Accuracy within a class.{_follow(settings, attacks)}"
    if left_out:
        caption += f" {_why_left_out()}"
    _report_lines(
        f"accuracy_{defence}", lines, report, caption=caption, left_out=left_out
    )

    # Of the victims of this run only; what a config adds the paper does not have.
    printed = {UNDEFENDED: paper.NONE, rows.WEAK: paper.WEAK}[defence]
    of_paper = [{"victim": v} | row for v, row in printed.items() if v in victims]
    if of_paper:
        caption = "The same in the paper, whose FGSM and PGD follow Xception."
        report.table(f"accuracy_{defence}_paper", of_paper, caption=caption, about=())


def _report_hardened(cells, victims, attacks, settings, report):
    """Table 3, a table for each kind of picture.

    Each cell has a victim of its own, hardened against the attack of its column.
    """
    left_out = {
        (victim, attack)
        for (victim, attack), values in cells.items()
        if not has_learned(victim, values)
    }
    for kind, title in (
        ("real", "reals"),
        ("fake", "fakes"),
        ("attacked", "attacked fakes"),
    ):
        lines = []
        for victim in victims:
            line = {"victim": victim}
            for attack in attacks:
                values = cells.get((victim, attack))
                line[attack] = None
                if values is not None:
                    line[attack] = getattr(values, kind)
                if kind == "attacked" and (victim, attack) in left_out:
                    line[attack] = NOT_LEARNED
            lines.append(line)
        caption = f"Accuracy of {title}, after training against the attack of a column."
        caption += _follow(settings, attacks)
        if left_out:
            who = [
                f"{v} against {a}"
                for v in victims
                for a in attacks
                if (v, a) in left_out
            ]
            caption += f" {_why_left_out()} Here: {', '.join(who)}."
        _report_lines(
            f"accuracy_strong_{kind}", lines, report, caption=caption, left_out=left_out
        )

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


def _why_left_out():
    """What a table says of cells that are not learned."""
    others = "".join(
        f" ({victim}: {100 * share:.0f} %)"
        for victim, share in SOUND_OF.items()
        if share < LEARNED
    )
    return (
        "Not learned: a defended victim that recognises less than "
        f"{100 * LEARNED:.0f} %{others} of the fakes without attack says nothing of "
        "its defence; averages and figures leave it out."
    )


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


def _report_lines(name, lines, report, *, caption, left_out=()):
    """A table of accuracies with their averages, and a heat map.

    A cell is an array with a value per seed, NOT_LEARNED, or None where nothing was
    run.  Those `left_out`, (victim, column), are in the table alone.
    """
    columns = [column for column in lines[0] if column != "victim"]
    counted = {column: {} for column in columns}  # {column: {victim: values}}
    for line in lines:
        victim = line["victim"]
        for column in columns:
            has_values = isinstance(line[column], np.ndarray)
            if has_values and (victim, column) not in left_out:
                counted[column][victim] = line[column]

    spreads = []
    for line in lines:
        cells = {column: _spread(line[column]) for column in columns}
        spreads.append({"victim": line["victim"]} | cells)
    averaged = [line["victim"] for line in lines if _is_among(line["victim"], counted)]
    if averaged:
        average = {"victim": "average"}
        for column, by_victim in counted.items():
            average[column] = None
            if by_victim:
                # Seed by seed, so that the spread is that of the average.
                means = np.mean([*by_victim.values()], axis=0)
                average[column] = tables.spread(means)
        spreads.append(average)
        caption += f" Averages are over {_over(counted)}."
    report.table(name, spreads, caption=caption, about={"average": averaged})

    drawn = [column for column, by_victim in counted.items() if by_victim]
    if len(averaged) * len(drawn) <= 1:
        return  # one number makes no map
    figure = figures.matrix(
        [
            [np.mean(counted[column].get(victim, np.nan)) for column in drawn]
            for victim in averaged
        ],
        rows=averaged,
        columns=drawn,
        x_label="pictures",
        y_label="victim",
    )
    report.figure(name, figure, caption="The same, means over the seeds.")


def _spread(cell):
    """The text of a cell, None where nothing was run."""
    if isinstance(cell, np.ndarray):
        return tables.spread(cell)
    return cell


def _is_among(victim, counted):
    """Whether any column of {column: {victim: values}} has this victim."""
    return any(victim in by_victim for by_victim in counted.values())


def _over(by_column):
    """Whom averages are over: 'A, B', or 'A, B (x, y); A (z)' where columns differ."""
    columns_of = {}
    for column, victims in by_column.items():
        if victims:
            columns_of.setdefault(tuple(victims), []).append(column)
    if len(columns_of) == 1:
        (victims,) = columns_of
        return ", ".join(victims)
    return "; ".join(
        f"{', '.join(victims)} ({', '.join(columns)})"
        for victims, columns in columns_of.items()
    )


def _report_averages(accuracies, report):
    """Fig. 12: of each attack, over the victims that all of its defences have."""
    by_attack = {}  # {attack: {defence: {victim: mean accuracy of attacked fakes}}}
    for (victim, attack, defence), values in accuracies.items():
        if defence == UNDEFENDED or has_learned(victim, values):
            of_attack = by_attack.setdefault(attack, {})
            of_attack.setdefault(defence, {})[victim] = values.attacked.mean()

    # Bars of one attack are comparable only if they are about the same victims.
    averages = {}
    victims_of = {}
    for attack, of_attack in by_attack.items():
        first, *others = of_attack.values()
        shared = [v for v in first if all(v in by_victim for by_victim in others)]
        if not shared:
            continue
        victims_of[attack] = shared
        for defence, by_victim in of_attack.items():
            title, _ = DEFENCES[defence]
            mean = np.mean([by_victim[victim] for victim in shared])
            averages.setdefault(title, {})[attack] = mean
    if len(averages) < 2:
        return  # nothing to compare

    report.section("What defences are worth")
    figure = figures.bars(
        averages,
        y_label="accuracy of attacked fakes",
        y_limits=(0, 1.02),
        level=(0.5, "chance"),
    )
    caption = (
        "Averages over the victims that all defences of an attack have, as in Fig. 12: "
        f"{_over(victims_of)}."
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


def _report_every_accuracy(measured, report):
    """All cells of Tables 1 to 3 with their intervals, for programs above all."""
    if not measured.intervals:
        return
    lines = []
    for where, columns in measured.intervals.items():
        victim, attack, defence = where
        learned = "no"
        if has_learned(victim, measured.accuracies[where]):
            learned = "yes"
        line = {"victim": victim, "defence": defence, "attack": attack}
        lines.append(line | {"learned": learned} | columns)
    report.section("Every accuracy", TRANSFER)
    report.table("transfer", lines, caption="Of the first seed.")
