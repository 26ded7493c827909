"""Tables and figures of blur as an attack, and of whether adversaries do anything."""

import math

import numpy as np

from jaxforensics.experiments.adversarial_game import attacking, idle, paper
from jaxforensics.reporting import figures

ATTACKED = """\
Every picture of the test, real or fake, is attacked through the detector of a row,
saved in 8 bits, and shown to the detectors of the columns; accuracy is at a score of
one half. The constant blur takes no step: what it does is not the attack's doing. The
paper's numbers are of ImageNet's networks.
"""
STRENGTHS = """\
Attacks are as strong as one makes them. Here each is tried at several strengths, and
the accuracy on the attacked detector itself is read between them at equal PSNR; a dash
stands where no strength reaches it.
"""
IDLE = f"""\
An adversary that hardly moves is a constant blur, and training against it augmentation.
Each is tried on training pictures of a trained detector: the loss after it is compared
with that after a constant blur of the same root mean square or, where it does not blur,
after white noise of the same PSNR. It is idle if that ratio is below
{idle.LEAST_RATIO}, or if its map varies by less than {idle.LEAST_DEVIATION} of its
mean.
"""
EQUAL_PSNR = (30.0, 35.0, 40.0)


def report_idle(trials, report):
    """The table of adversaries and controls."""
    if not trials:
        return
    report.section("Does the adversary do anything?", IDLE)
    rows = []
    for title, trial in trials.items():
        rows.append(
            {
                "adversary": title,
                "loss, unchanged": trial.clean,
                "after the control": trial.control,
                "after the adversary": trial.adversary,
                "ratio": trial.ratio,
                "deviation of the map": trial.deviation,
                "PSNR": trial.psnr,
                "idle": "yes" if trial.is_idle else "no",
            }
        )
    report.table("idle", rows, caption="Cross-entropy of the true label.")


def report_attacks(measured, settings, report):
    """Tables VII and XII to XIV, transfer included, and accuracy at equal PSNR."""
    if not measured:
        return
    report.section("Blur as an attack", ATTACKED)
    victims = list(dict.fromkeys(target for _, _, target in measured))
    titles = [attacking.UNATTACKED, *settings.attacks["attacks"]]
    for source in victims:
        rows = []
        for title in titles:
            cells = {v: measured[title, source, v] for v in victims}
            accuracies = {v: cell[0] for v, cell in cells.items()}
            psnr = cells[source][1]
            row = {"attack": title} | accuracies
            row["PSNR"] = psnr if math.isfinite(psnr) else None
            rows.append(row)
        caption = f"Accuracy after attacks through {source}."
        report.table(f"attacks_{source}", rows, caption=caption, about=())
    _report_paper(titles, report)
    _report_strengths(measured, settings, victims, report)


def at_equal_psnr(measured, settings, victim):
    """{family: {PSNR: accuracy of the victim that is attacked itself}}."""
    table = {}
    for family, row in settings.attacks["strengths"].items():
        points = _points(measured, attacking.strengths(family, row), victim)
        table[family] = {psnr: attacking.at_psnr(points, psnr) for psnr in EQUAL_PSNR}
    return table


def _points(measured, attacks, victim):
    return [measured[attack.title, victim, victim] for attack in attacks]


def _report_paper(titles, report):
    """White box and transfer of the same attacks in the paper."""
    rows = []
    for title in titles:
        if title in paper.ATTACKS:
            white, transfer = paper.attacks_alike(title)
            rows.append({"attack": title, "white box": white, "transfer": transfer})
    if rows:
        caption = "Mean accuracy in the paper, over three ImageNet networks."
        report.table("attacks_paper", rows, caption=caption, about=())


def _report_strengths(measured, settings, victims, report):
    """Accuracy by PSNR of each victim, attacked itself."""
    families = settings.attacks["strengths"]
    if not families:
        return
    report.section("The same PSNR", STRENGTHS)
    rows = []
    for victim in victims:
        for family, accuracies in at_equal_psnr(measured, settings, victim).items():
            row = {"detector": victim, "attack": family}
            for psnr, accuracy in accuracies.items():
                row[f"{psnr:.0f} dB"] = None if math.isnan(accuracy) else accuracy
            rows.append(row)
        series = {}
        for family, row in families.items():
            points = _points(measured, attacking.strengths(family, row), victim)
            accuracies, psnrs = np.array(sorted(points, key=lambda p: p[1])).T
            series[family] = psnrs, accuracies
        figure = figures.curves(
            series, x_label="PSNR in dB", y_label="accuracy", y_limits=(0, 1.02)
        )
        report.figure(
            f"strengths_{victim}",
            figure,
            caption=f"Accuracy of {victim} by the PSNR of attacks through itself.",
        )
    report.table("equal_psnr", rows, caption="Accuracy at equal PSNR.", about=())


def report_gallery(gallery, report):
    """Figs. 1, 2 and 4: pictures after adversaries, their maps, and kernels."""
    if gallery is None:
        return
    report.section("What adversaries do to pictures")
    kinds = ["fake" if label else "real" for label in gallery.labels]
    report.figure(
        "adversaries",
        figures.pictures(
            list(gallery.changed.values()), columns=kinds, names=list(gallery.changed)
        ),
        caption="Pictures of the test as adversaries leave them, as in Fig. 1.",
    )
    if gallery.maps:
        limit = max(each.max() for each in gallery.maps.values())
        report.figure(
            "maps",
            figures.pictures(
                [list(each / limit) for each in gallery.maps.values()],
                columns=kinds,
                names=list(gallery.maps),
            ),
            caption=(
                "Standard deviations of every pixel's kernel, as in Fig. 2: black is "
                f"0, white {limit:.2f} pixels."
            ),
        )
    if gallery.kernels:
        report.figure(
            "kernels",
            figures.pictures(
                list(gallery.kernels.values()),
                columns=kinds,
                names=list(gallery.kernels),
            ),
            caption="By the size of the kernel, as in Fig. 4.",
        )


def findings(trials, measured, settings):
    """Lines for the head of a report: idle adversaries, and blur against FGSM."""
    lines = []
    if trials:
        idle_titles = [title for title, trial in trials.items() if trial.is_idle]
        line = "Every adversary that was tried does more than its control."
        if idle_titles:
            line = f"Idle, no better than their control: {', '.join(idle_titles)}."
        lines.append(line)
    families = settings.attacks["strengths"]
    if measured and {"BAT", "FGSM"} <= set(families):
        victims = list(dict.fromkeys(target for _, _, target in measured))
        for psnr in EQUAL_PSNR:
            pairs = []
            for victim in victims:
                accuracies = at_equal_psnr(measured, settings, victim)
                pairs.append((accuracies["BAT"][psnr], accuracies["FGSM"][psnr]))
            both = [pair for pair in pairs if not np.isnan(pair).any()]
            if both:
                fewer = sum(blur < sign for blur, sign in both)
                lines.append(
                    f"At {psnr:.0f} dB blur lowers the accuracy of {fewer} of "
                    f"{len(both)} detectors by more than FGSM does."
                )
    return lines
