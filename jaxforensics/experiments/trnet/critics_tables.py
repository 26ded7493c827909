"""One critic or several: what TR-Net learns from each, as tables and figures."""

import numpy as np

from jaxforensics.reporting import figures, tables

SECTION = """\
TR-Net trained with some of its three critics alone. Its paper argues that each kind of
trace needs one of its own, as one alone would have to tell apart what interferes.
Victims are undefended.
"""
MEAN = "mean"
NOISE = "mean after noise of the same PSNR"


def report(critics, report):
    """A section with a row per set of critics; `critics` are the measured ones."""
    if critics is None:
        return
    # Few critics first, and those of one number in the order of the settings.
    attacks = sorted(critics.critics, key=lambda attack: len(critics.critics[attack]))
    victims = list(critics.outcomes[attacks[0]].accuracies)
    report.section("One critic or several", SECTION)
    caption = (
        "Accuracy of attacked fakes, of the victims that are sound without attack: "
        f"{', '.join(victims)}."
    )
    if not victims:
        caption = "No victim is sound without attack, so no accuracy is shown."
    names = {attack: _listed(critics.critics[attack]) for attack in attacks}
    report.table(
        "critics",
        [_line(critics, attack, victims) for attack in attacks],
        caption=caption,
        # Pictures rest on a network of their own, accuracies on all victims.
        about={name: (attack, *victims) for attack, name in names.items()},
    )
    if not victims:
        return

    settings = {
        "y_label": "accuracy of attacked fakes",
        "y_limits": (0, 1.02),
        "level": (0.5, "chance"),
    }
    of_victims = {
        victim: {
            names[attack]: np.mean(critics.outcomes[attack].accuracies[victim])
            for attack in attacks
        }
        for victim in victims
    }
    figure = figures.bars(of_victims, **settings)
    report.figure("critics", figure, caption="The same, by victim.")
    if len(victims) > 1 or critics.noise:
        means = {
            MEAN: {names[a]: _mean(critics.outcomes[a]).mean() for a in attacks},
            NOISE: {names[a]: _mean(o).mean() for a, o in critics.noise.items()},
        }
        figure = figures.bars({k: v for k, v in means.items() if v}, **settings)
        caption = f"The same, means over {', '.join(victims)}."
        report.figure("critics_mean", figure, caption=caption)


def _line(critics, attack, victims):
    """The row of a set of critics."""
    outcome = critics.outcomes[attack]
    names = critics.critics[attack]
    line = {
        "critics": _listed(names),
        "number": len(names),
        "PSNR": tables.spread(outcome.psnr, digits=2),
        "SSIM": tables.spread(outcome.ssim, digits=3),
    }
    for victim in victims:
        line[victim] = tables.spread(outcome.accuracies[victim])
    if victims:
        line[MEAN] = tables.spread(_mean(outcome))
    if victims and critics.noise:
        line[NOISE] = None
        if attack in critics.noise:
            line[NOISE] = tables.spread(_mean(critics.noise[attack]))
    return line


def _mean(outcome):
    """The mean accuracy over victims, per seed."""
    return np.mean([*outcome.accuracies.values()], axis=0)


def _listed(names):
    """'spatial, spectral and fingerprint'."""
    *others, last = names
    if others:
        return f"{', '.join(others)} and {last}"
    return last
