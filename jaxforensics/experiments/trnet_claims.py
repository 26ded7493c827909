"""What TR-Net's paper claims, decided on the data at hand."""

import numpy as np

from jaxforensics.experiments import claims, trnet_traces
from jaxforensics.experiments.groups import of_group

SOUND = {"NF": 0.7}  # accuracy without attack that the rest presupposes; others 0.9
DROP, LIKENESS = 0.3, 30.0  # of the mean accuracy of fakes; PSNR in dB
REMOVER, WHITE = "TR-Net", "Xception"
GRADIENT = "FGSM", "PGD"
FREQUENCY, PATCHES = ("DCTA", "F3-Net"), "Patch-CNN"


def report(bench, undefended, traces):
    """A section with every claim that these groups can decide."""
    few, settings = of_group(bench, undefended)
    found = [
        *_of_victims(few, **settings),
        *_of_removal(few, **settings),
        *_of_gradients(few, **settings),
    ]
    few, settings = of_group(bench, traces)
    if REMOVER in settings["attacks"]:
        found += _of_traces(few)
    if found:
        bench.workspace.section("The paper's claims", claims.CRITERION)
        caption = "Each on these data, whatever it says."
        bench.workspace.table("claims", found, caption=caption)


def _of_victims(bench, *, victims, attacks):
    for victim in victims:
        least = [min(bench.clean(victim, seed)) for seed in bench.seeds]
        limit = SOUND.get(victim, 0.9)
        claim = f"{victim} recognises {limit:.0%} of reals and of fakes: by how much"
        yield claims.decided(claim, np.array(least) - limit)


def _of_removal(bench, *, victims, attacks):
    if REMOVER not in attacks:
        return
    drops = [
        np.mean([bench.clean(v, s).fake - bench.fooled(v, REMOVER, s) for v in victims])
        for s in bench.seeds
    ]
    claim = f"{REMOVER} lowers the victims' mean accuracy of fakes by {DROP:.0%}: "
    yield claims.decided(f"{claim}beyond", np.array(drops) - DROP)
    likeness = [bench.attacked(REMOVER, s)["psnr"].mean() for s in bench.seeds]
    claim = f"{REMOVER}'s pictures have a PSNR of {LIKENESS:g} dB: beyond"
    yield claims.decided(claim, np.array(likeness) - LIKENESS)


def _of_gradients(bench, *, victims, attacks):
    for attack in (a for a in GRADIENT if a in attacks):
        left = {
            v: np.array([bench.fooled(v, attack, s) for s in bench.seeds])
            for v in victims
        }
        others = [left[v] for v in left if v != WHITE]
        if WHITE in left and others:
            claim = f"{attack} hits {WHITE} hardest: accuracy of the next victim beyond"
            yield claims.decided(claim, np.min(others, axis=0) - left[WHITE])
        spectral = [left[v] for v in FREQUENCY if v in left]
        if spectral and PATCHES in left:
            claim = f"{attack} transfers worse to spectral victims than to {PATCHES}"
            gap = np.mean(spectral, axis=0) - left[PATCHES]
            yield claims.decided(f"{claim}: accuracy beyond", gap)


def _of_traces(bench):
    found = [trnet_traces.distances(bench, REMOVER, seed) for seed in bench.seeds]
    for name, what in (
        ("spectrum", "mean spectra come closer to those of the originals: nepers"),
        ("correlation", "residuals resemble their source's fingerprint less: NCC"),
    ):
        fall = [row["fake"][name] - row["attacked"][name] for row in found]
        yield claims.decided(f"After {REMOVER} {what}", np.array(fall))
