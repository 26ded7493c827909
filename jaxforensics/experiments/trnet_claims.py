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
Each on these data, whatever it says. Attacks are judged by sound victims alone.\
"""


def report(bench, undefended, traces):
    """A section with every claim that these groups can decide."""
    few, settings = of_group(bench, undefended)
    found = of_attacks(few, **settings)
    few, settings = of_group(bench, traces)
    if REMOVER in settings["attacks"]:
        found += _of_traces(few)
    claims.report(bench.workspace, found, caption=CAPTION)


def of_attacks(bench, *, victims, attacks):
    """Rows of what is claimed of victims, and of attacks on those that are sound."""
    room = {victim: _room(bench, victim) for victim in victims}
    sound = tuple(victim for victim in victims if room[victim].mean() >= 0)
    return [
        *_of_victims(room),
        *_of_removal(bench, sound, attacks if victims else ()),
        *_of_gradients(bench, sound, attacks),
    ]


def _of_victims(room):
    for victim, by in room.items():
        claim = f"{victim} recognises {_limit(victim):.0%} of reals and of fakes: by"
        yield claims.decided(f"{claim} how much", by)


def _of_removal(bench, victims, attacks):
    if REMOVER not in attacks:
        return
    if victims:
        drops = np.mean([_falls(bench, v, REMOVER) for v in victims], axis=0)
        who = f"the mean accuracy of fakes ({', '.join(victims)})"
        claim = f"{REMOVER} lowers {who} by {DROP:.0%}: beyond"
        yield claims.decided(claim, drops - DROP)
    likeness = [
        trnet_bench.likeness(bench.attacked(REMOVER, s)["psnr"])[0] for s in bench.seeds
    ]
    claim = f"{REMOVER}'s pictures have a PSNR of {LIKENESS:g} dB: beyond"
    yield claims.decided(claim, np.array(likeness) - LIKENESS)


def _of_gradients(bench, victims, attacks):
    for attack in (a for a in GRADIENT if a in attacks):
        followed = bench.attacks[attack]["on"]
        falls = {v: _falls(bench, v, attack) for v in victims}
        others = [fall for v, fall in falls.items() if v != followed]
        if followed in falls and others:
            claim = f"{attack} hits {followed} hardest: its fall beyond the next one's"
            gap = falls[followed] - np.max(others, axis=0)
            yield claims.decided(claim, gap)
        spectral = [v for v in FREQUENCY if v in falls and v != followed]
        if spectral and PATCHES in falls and PATCHES != followed:
            claim = f"{attack} transfers worse to {', '.join(spectral)} than to"
            gap = falls[PATCHES] - np.mean([falls[v] for v in spectral], axis=0)
            yield claims.decided(f"{claim} {PATCHES}: its fall beyond", gap)


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
