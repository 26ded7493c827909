"""The head of TR-Net's report says in words what its numbers say."""

import numpy as np
import pytest
import tiny_arena

from jaxforensics.experiments.common.claims import decided
from jaxforensics.experiments.trnet import findings
from jaxforensics.experiments.trnet.claims import Claims
from jaxforensics.experiments.trnet.measure import Accuracies, Measured
from jaxforensics.reporting.blocks import split_verdict

ATTACKS = {
    "Noise": {"attack": "noise"},
    "FGSM": {"attack": "fgsm", "follows": "DCTA"},
    "PGD": {"attack": "pgd", "follows": "DCTA"},
    "PGD, itself": {"attack": "pgd", "follows": "itself"},
    "TR-Net": {"attack": "trnet", "network": "trnet"},
    "Equal noise": {"attack": "noise_of_psnr", "equals": "TR-Net"},
}
PSNR = {"Noise": 27.08, "FGSM": 30.28, "PGD": 31.58, "TR-Net": 35.88}
PSNR |= {"PGD, itself": 31.41, "Equal noise": 35.88}
SETTINGS = tiny_arena.settings(attacks=ATTACKS)


def accuracies(real, fake, attacked, *, seeds=2):
    return Accuracies(*(np.zeros(seeds) + part for part in (real, fake, attacked)))


def measured(cells, claims=None):
    return Measured(
        counts=[],
        pairs={},
        accuracies=cells,
        intervals={},
        quality={attack: {"psnr": (psnr, 0.1)} for attack, psnr in PSNR.items()},
        examples={},
        fractions={},
        left_out=[],
        critics=None,
        traces=None,
        claims=claims or Claims([], [], []),
    )


def undefended(fake, after):
    """Two victims, of which Patch-CNN has `fake`; `after` {attack: DCTA's accuracy}."""
    cells = {}
    for attack, share in after.items():
        cells["DCTA", attack, "none"] = accuracies(0.95, [0.9, 0.94], [share, share])
        cells["Patch-CNN", attack, "none"] = accuracies(0.93, fake, 0.0)
    return cells


def lines_of(*args):
    """The findings, with plain spaces before units: tests are to be read."""
    return [line.replace(findings.SPACE, " ") for line in findings.lines(*args)]


AFTER = {"Noise": 0.6, "FGSM": 0.2, "PGD": 0.1, "TR-Net": 0.8}


def test_removal_stands_beside_noise_of_its_psnr():
    """Of sound victims alone; those that follow gradients share a line."""
    after = AFTER | {"PGD, itself": 0.05, "Equal noise": 0.9}
    lines = lines_of(measured(undefended(0.5, after)), SETTINGS)
    victims, noise, gradients, removal = lines
    assert noise == "Noise: fakes recognised 92 % → 60 % (PSNR 27.1 dB)."
    assert victims == (
        "Sound without attack (at least 90 % of reals and of fakes): DCTA. Not sound, "
        "so left out below: Patch-CNN (93 % of reals, 50 % of fakes)."
    )
    assert gradients == (
        "FGSM and PGD, by gradients of DCTA: fakes recognised 92 % → 20 % (PSNR "
        "30.3 dB) and 10 % (PSNR 31.6 dB). PGD, itself, by gradients of the victim "
        "itself: fakes recognised 92 % → 5 % (PSNR 31.4 dB)."
    )
    assert removal == (
        "TR-Net: fakes recognised 92 % → 80 % (PSNR 35.9 dB); with white noise of the "
        "same PSNR, the control, 90 % (PSNR 35.9 dB)."
    )


@pytest.mark.parametrize("share", (0.5, 0.8))
def test_noise_that_does_as_well_is_said_to(share):
    after = AFTER | {"Equal noise": share}
    removal = lines_of(measured(undefended(0.5, after)), SETTINGS)[-1]
    assert removal.endswith(
        f"the control, {share:.0%} (PSNR 35.9 dB): the noise does as well, so nothing "
        "here shows that traces were removed.".replace("%", " %")
    )


def test_all_sound_victims_are_averaged():
    (victims, removal) = lines_of(measured(undefended(0.96, {"TR-Net": 0.8})), SETTINGS)
    assert victims.endswith(": DCTA and Patch-CNN.")
    assert removal == "TR-Net: fakes recognised 94 % → 40 % (PSNR 35.9 dB)."


def test_noise_alone_is_an_attack():
    *_, noise = lines_of(measured(undefended(0.96, {"Noise": 0.6})), SETTINGS)
    assert noise == "Noise: fakes recognised 94 % → 30 % (PSNR 27.1 dB)."


def test_unsound_victims_say_nothing():
    cells = undefended(0.5, AFTER)
    cells = {where: values for where, values in cells.items() if where[0] != "DCTA"}
    (line,) = lines_of(measured(cells), SETTINGS)
    assert line == (
        "No victim is sound without attack (at least 90 % of reals and of fakes), so "
        "nothing is said of attacks: Patch-CNN (93 % of reals, 50 % of fakes)."
    )
    assert lines_of(measured({}), SETTINGS) == []


def test_defences_are_compared_on_the_same_cells():
    cells = undefended(0.5, AFTER)
    cells["DCTA", "TR-Net", "weak"] = accuracies(0.85, 0.86, 0.75, seeds=1)
    cells["Patch-CNN", "TR-Net", "weak"] = accuracies(0, 0, 0)  # unsound
    cells["NF", "TR-Net", "weak"] = accuracies(0, 0, 0)  # not known without
    cells["DCTA", "PGD", "strong"] = accuracies(0.9, 0.91, 0.99)
    line = lines_of(measured(cells), SETTINGS)[-1]
    assert line == (
        # Of the seed that both have.
        "Weak defence: attacked fakes 80 % → 75 %, fakes 90 % → 86 %, reals 95 % → "
        "85 %. Training on attacked fakes: attacked fakes 10 % → 99 %, fakes 92 % → "
        "91 %, reals 95 % → 90 %."
    )


def test_nothing_is_said_of_defences_that_are_not_learned():
    cells = undefended(0.96, AFTER)
    cells["DCTA", "TR-Net", "weak"] = accuracies(0.85, 0.8, 0.1)
    cells["Patch-CNN", "TR-Net", "weak"] = accuracies(0.9, 0.9, 0.2)
    cells["DCTA", "PGD", "strong"] = accuracies(0.9, [0.8, 0.88], 0.99)
    line = lines_of(measured(cells), SETTINGS)[-1]
    assert line == (
        "Weak defence: attacked fakes 0 % → 20 %, fakes 96 % → 90 %, reals 93 % → 90 % "
        "(not learned by DCTA, left out). Training on attacked fakes: not learned by "
        "DCTA against PGD."
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_claims_stand_by_verdict(seeds):
    noise = 0.001 * np.arange(seeds)
    claims = Claims(
        soundness=[decided("DCTA recognises 90% of fakes: by how much", 0.1 + noise)],
        attacks=[
            decided("TR-Net lowers it by 30%: beyond", -0.1 - noise),
            decided("TR-Net's pictures have 30 dB: beyond", 5.0 + noise),
        ],
        traces=[decided("Spectra come closer: nepers", 0.2 + noise)],
    )
    lines = lines_of(measured({}, claims), SETTINGS)
    if seeds == 1:
        assert lines == [
            "open: one seed decides nothing. Measured, above zero where true: TR-Net "
            "lowers it by 30% (-0.100). TR-Net's pictures have 30 dB (+5.000). "
            "Spectra come closer (+0.200)."
        ]
    else:
        assert lines == [
            "holds: TR-Net's pictures have 30 dB (+5.001 ± 0.001). Spectra come closer "
            "(+0.201 ± 0.001).",
            "does not hold: TR-Net lowers it by 30% (-0.101 ± 0.001).",
        ]
    for line in lines:
        before, verdict, _ = split_verdict(line)
        assert verdict and not before  # the report sets it apart
    diverged = claims.unless_diverged(["victims/A"])
    assert lines_of(measured({}, diverged), SETTINGS) == [
        "No claim is decided, as trainings diverged."
    ]
