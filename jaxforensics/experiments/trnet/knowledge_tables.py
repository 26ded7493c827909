"""What an attack has to know: Fig. 14 of TR-Net's paper, as tables and figures."""

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from jaxforensics.experiments.trnet import paper
from jaxforensics.reporting import figures, tables

LIMITED = """\
TR-Net trained on a part of the pairs alone, or without one kind of fake; Fig. 14.
Victims are undefended. Less to learn from is trained on for fewer steps: each network
sees its own pairs equally often.
"""
EVERY_KIND = "all kinds"


def report(measured, report):
    """A section on shares of the pairs and on kinds of fakes that are left out."""
    if not (measured.fractions or measured.left_out):
        return
    report.section("What TR-Net has to know", LIMITED)
    if measured.fractions:
        _report_fractions(measured.fractions, report)
    if measured.left_out:
        _report_left_out(measured.left_out, report)


def _report_fractions(fractions, report):
    """Fig. 14 a and b: {share of the pairs: Outcome}."""
    victims = tuple(next(iter(fractions.values())).accuracies)
    lines = []
    for fraction, outcome in fractions.items():
        line = {"pairs": f"{100 * fraction:g} %"}
        for quantity in _quantities(victims):
            line[quantity.title] = quantity.text(outcome)
        lines.append(line)
    caption = (
        "Accuracy of attacked fakes, and their likeness, by the pairs in training."
    )
    report.table("fractions", lines, caption=caption, about=victims)

    percents = [100 * fraction for fraction in fractions]
    curves = {
        # Rows are seeds, columns are shares of the pairs.
        quantity.title: (
            percents,
            np.transpose([quantity.values(outcome) for outcome in fractions.values()]),
        )
        for quantity in _quantities(victims)
    }
    settings = {"x_label": "pairs in training, %", "x_log": True}
    figure = figures.curves(
        {victim: curves[victim] for victim in victims},
        y_label="accuracy of attacked fakes",
        y_limits=(-0.02, 1.02),
        **settings,
    )
    report.figure("fractions", figure, caption="A band holds all seeds.")
    for name, y_label in (("PSNR", "PSNR, dB"), ("SSIM", "SSIM")):
        figure = figures.curves({name: curves[name]}, y_label=y_label, **settings)
        caption = f"{y_label}, by the pairs in training."
        report.figure(f"fractions_{name}", figure, caption=caption)


def _report_left_out(left_out, report):
    """Fig. 14 c and d: a row for each kind left out and the fakes of each source."""
    victims = tuple(left_out[0].known.accuracies)
    lines = []
    for row in left_out:
        known = "yes"
        if row.source == row.kind:
            known = "no"
        line = {"left out": row.kind, "fakes": row.source, "known": known}
        for quantity in _quantities(victims):
            line[f"{quantity.title}, {EVERY_KIND}"] = quantity.text(row.known)
            line[f"{quantity.title}, without"] = quantity.text(row.lacking)
        lines.append(line)
    caption = (
        "Accuracy of attacked fakes by their kind, and their likeness, after TR-Net "
        f"trained on {EVERY_KIND} and without the one left out: the fakes that are not "
        "known."
    )
    report.table("left_out", lines, caption=caption, about=victims)
    # Its text names these few numbers of Fig. 14 c and d.
    of_paper = [
        {"source": "ProGAN", "in training": presence} | row
        for presence, row in zip(("with", "without"), paper.LEFT_OUT, strict=True)
    ]
    caption = "In the paper, which trains on two kinds each time; what its text says."
    report.table("left_out_paper", of_paper, caption=caption, about=())

    unknown = {(row.kind, f"without {row.kind}") for row in left_out}
    for quantity in _quantities(victims):
        bars = {}
        for row in left_out:
            of_source = bars.setdefault(row.source, {})
            of_source[EVERY_KIND] = quantity.mean(row.known)
            of_source[f"without {row.kind}"] = quantity.mean(row.lacking)
        figure = figures.bars(
            bars, y_label=quantity.label, y_limits=quantity.limits, marked=unknown
        )
        caption = (
            f"{quantity.label}, by the kinds in training. Dotted: the kind left out."
        )
        report.figure(f"left_out_{quantity.title}", figure, caption=caption)


class _Quantity(NamedTuple):
    """Something measured of an `Outcome`, with a value per seed."""

    title: str  # of its column
    label: str  # of its axis
    values: Callable  # (outcome) -> values
    digits: int = 3
    limits: tuple | None = (0, 1.02)

    def text(self, outcome):
        """Mean ± standard deviation."""
        return tables.spread(self.values(outcome), digits=self.digits)

    def mean(self, outcome):
        """The mean over seeds."""
        return np.mean(self.values(outcome))


def _quantities(victims):
    """Accuracies of these victims, PSNR and SSIM."""
    accuracies = [
        _Quantity(
            victim,
            f"{victim}: accuracy of attacked fakes",
            lambda outcome, victim=victim: outcome.accuracies[victim],
        )
        for victim in victims
    ]
    return [
        *accuracies,
        _Quantity("PSNR", "PSNR, dB", attrgetter("psnr"), digits=2, limits=None),
        _Quantity("SSIM", "SSIM", attrgetter("ssim")),
    ]
