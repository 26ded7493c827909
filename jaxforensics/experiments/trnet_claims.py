"""What TR-Net's paper claims, decided on the data at hand."""

import numpy as np

from jaxforensics.experiments import claims, trnet_bench, trnet_traces
from jaxforensics.experiments.groups import of_group

SOUND = {"NF": 0.7}  # accuracy without attack that the rest presupposes; others 0.9
DROP, LIKENESS = 0.3, 30.0  # of the mean accuracy of fakes; PSNR in dB
REMOVER = "TR-Net"
GRADIENT = "FGSM", "PGD"
FREQUENCY, PATCHES = ("DCTA", "F3-Net"), "Patch-CNN"
CAPTION = """\
Each on these data, whatever it says. What is said of victims presupposes sound ones.\
"""


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
        bench.workspace.table("claims", found, caption=CAPTION)


def _of_victims(bench, *, victims, attacks):
    for victim in victims:
        claim = f"{victim} recognises {_limit(victim):.0%} of reals and of fakes: by"
        yield claims.decided(f"{claim} how much", _room(bench, victim))


def _of_removal(bench, *, victims, attacks):
    if not victims or REMOVER not in attacks:
        return
    drops = np.mean([_falls(bench, v, REMOVER) for v in victims], axis=0)
    who = f"the mean accuracy of fakes ({', '.join(victims)})"
    claim = f"{REMOVER} lowers {who} by {DROP:.0%}: beyond"
    yield _decided(bench, victims, claim, drops - DROP)
    likeness = [
        trnet_bench.likeness(bench.attacked(REMOVER, s)["psnr"])[0] for s in bench.seeds
    ]
    claim = f"{REMOVER}'s pictures have a PSNR of {LIKENESS:g} dB: beyond"
    yield claims.decided(claim, np.array(likeness) - LIKENESS)


def _of_gradients(bench, *, victims, attacks):
    for attack in (a for a in GRADIENT if a in attacks):
        followed = bench.attacks[attack]["on"]
        falls = {v: _falls(bench, v, attack) for v in victims}
        others = [fall for v, fall in falls.items() if v != followed]
        if followed in falls and others:
            claim = f"{attack} hits {followed} hardest: its fall beyond the next one's"
            gap = falls[followed] - np.max(others, axis=0)
            yield _decided(bench, victims, claim, gap)
        spectral = [v for v in FREQUENCY if v in falls and v != followed]
        if spectral and PATCHES in falls and PATCHES != followed:
            claim = f"{attack} transfers worse to {', '.join(spectral)} than to"
            gap = falls[PATCHES] - np.mean([falls[v] for v in spectral], axis=0)
            compared = *spectral, PATCHES
            yield _decided(bench, compared, f"{claim} {PATCHES}: its fall beyond", gap)


def _of_traces(bench):
    found = [trnet_traces.distances(bench, REMOVER, seed) for seed in bench.seeds]
    for name, what in (
        ("spectrum", "mean spectra come closer to those of the originals: nepers"),
        ("correlation", "residuals resemble their source's fingerprint less: NCC"),
    ):
        fall = [row["fake"][name] - row["attacked"][name] for row in found]
        yield claims.decided(f"After {REMOVER} {what}", np.array(fall))


def _limit(victim):
    return SOUND.get(victim, 0.9)


def _room(bench, victim):
    """By how much a victim is sound, per seed."""
    least = [min(bench.clean(victim, seed)) for seed in bench.seeds]
    return np.array(least) - _limit(victim)


def _falls(bench, victim, attack):
    """How much of a victim's accuracy of fakes an attack takes away, per seed."""
    left = [bench.fooled(victim, attack, seed) for seed in bench.seeds]
    before = [bench.clean(victim, seed).fake for seed in bench.seeds]
    return np.array(before) - left


def _decided(bench, victims, claim, values):
    """A row of a claim about victims, which says nothing of unsound ones."""
    row = claims.decided(claim, values)
    unsound = [v for v in victims if _room(bench, v).mean() < 0]
    if unsound:
        row["verdict"] = f"says nothing: {', '.join(unsound)} unsound"
    return row
