"""What TR-Net's paper claims, decided on the data at hand."""

from typing import NamedTuple

import numpy as np

from jaxforensics.experiments.common import claims
from jaxforensics.experiments.common.arena import ITSELF, UNDEFENDED, likeness
from jaxforensics.experiments.trnet import settings as rows

# Accuracy of reals and of fakes without attack that all else presupposes.  In Table 1
# NF has 0.788 and 0.711, all others more than 0.9.
SOUND = 0.9
SOUND_OF = {"NF": 0.7}
# Accuracy of fakes without attack below which a defence has not been learned.
LEARNED = 0.85
DROP = 0.3  # of the mean accuracy of fakes
LIKENESS = 30.0  # PSNR in dB
REMOVER = "TR-Net"
FREQUENCY = "DCTA", "F3-Net"  # victims that look at spectra
PATCHES = "Patch-CNN"
CAPTION = """\
Each on these data, whatever it says. Attacks are judged by sound victims alone.\
"""


class Claims(NamedTuple):
    """Rows of `claims.decided`, as text "claim: what is measured" and numbers."""

    soundness: list  # a row per victim
    attacks: list
    traces: list

    @property
    def rows(self):
        """All of them, in the order of the table."""
        return [*self.soundness, *self.attacks, *self.traces]

    def unless_diverged(self, diverged):
        """The same; if trainings diverged, without verdicts."""
        return Claims(*(claims.unless_diverged(part, diverged) for part in self))


def decide(results, settings, accuracies, traces):
    """The `Claims` that the selections of the settings can decide."""
    undefended = undefended_accuracies(accuracies)
    (selection,) = rows.selections(settings, UNDEFENDED)
    seeds = ()
    if selection["victims"] and REMOVER in selection["attacks"]:
        seeds = rows.seeds_of(settings, selection)
    psnr = [likeness(results.attacked(REMOVER, seed)["psnr"])[0] for seed in seeds]
    follows = {title: row.get("follows") for title, row in settings.attacks.items()}

    of_traces = []
    if traces is not None and REMOVER in settings.traces["attacks"]:
        of_traces = about_traces(traces.distances[REMOVER])
    return Claims(
        soundness=about_victims(undefended),
        attacks=about_attacks(
            undefended, follows=follows, psnr=psnr, control=control(settings)
        ),
        traces=of_traces,
    )


def control(settings):
    """The noise that has the remover's PSNR; '' without."""
    return rows.equal_noise(settings, REMOVER)


def undefended_accuracies(accuracies):
    """Those of victims without defence: {(victim, attack): Accuracies}."""
    return {
        (victim, attack): values
        for (victim, attack, defence), values in accuracies.items()
        if defence == UNDEFENDED
    }


def margins(accuracies):
    """By how much each victim is sound, per seed: {victim: array}.

    The lower of its accuracies of reals and of fakes, less what is asked of it;
    `accuracies` {(victim, attack): Accuracies} are those of undefended victims.
    """
    return {
        victim: np.minimum(values.real, values.fake) - limit(victim)
        for (victim, _), values in accuracies.items()
    }


def sound_victims(accuracies):
    """The victims that are sound on average over seeds, in their order."""
    by_victim = margins(accuracies)
    return [victim for victim, margin in by_victim.items() if margin.mean() >= 0]


def limit(victim):
    """The accuracy that a victim needs, of reals and of fakes, to be sound."""
    return SOUND_OF.get(victim, SOUND)


def has_learned(victim, accuracies):
    """Whether a victim finds the fakes without attack, so that its defence is one."""
    return accuracies.fake.mean() >= min(limit(victim), LEARNED)


def about_victims(accuracies):
    """Rows: whether each victim is sound, and by how much."""
    return [
        claims.decided(
            f"{victim} recognises {limit(victim):.0%} of reals and of fakes: "
            "by how much",
            margin,
        )
        for victim, margin in margins(accuracies).items()
    ]


def about_attacks(accuracies, *, follows, psnr, control=""):
    """Rows of what is claimed of attacks, judged by the victims that are sound.

    `accuracies` {(victim, attack): Accuracies} are those of undefended victims,
    `follows` {attack: a victim or None}, `psnr` the mean of the remover's pictures, per
    seed, and `control` the attack that only has its PSNR.
    """
    victims = sound_victims(accuracies)
    # How much of a victim's accuracy of fakes an attack takes away, per seed.
    falls = {
        (victim, attack): values.fake - values.attacked
        for (victim, attack), values in accuracies.items()
        if victim in victims
    }
    return [
        *_about_removal(falls, victims, psnr),
        *_about_control(falls, victims, control),
        *_about_gradients(falls, victims, follows),
    ]


def about_traces(distances):
    """Rows of what is claimed of traces; `distances` as `traces.Traces` has them."""
    decided = []
    for name, what in (
        ("spectrum", "mean spectra come closer to those of the originals: nepers"),
        ("correlation", "residuals resemble their source's fingerprint less: NCC"),
    ):
        falls = [row["fake"][name] - row["attacked"][name] for row in distances]
        decided.append(claims.decided(f"After {REMOVER} {what}", falls))
    return decided


def _about_removal(falls, victims, psnr):
    """How far TR-Net's attack gets (Table 1), and at which likeness (Table 4)."""
    if not psnr:
        return
    if victims:
        mean_fall = np.mean([falls[victim, REMOVER] for victim in victims], axis=0)
        who = f"the mean accuracy of fakes ({', '.join(victims)})"
        claim = f"{REMOVER} lowers {who} by {DROP:.0%}: beyond"
        yield claims.decided(claim, mean_fall - DROP)
    claim = f"{REMOVER}'s pictures have a PSNR of {LIKENESS:g} dB: beyond"
    yield claims.decided(claim, np.array(psnr) - LIKENESS)


def _about_control(falls, victims, control):
    """Whether the remover does more than noise of its PSNR: of each victim, of all."""
    gains = {
        victim: falls[victim, REMOVER] - falls[victim, control]
        for victim in victims
        if (victim, REMOVER) in falls and (victim, control) in falls
    }
    if not gains:
        return
    who = {f"of {victim}": gain for victim, gain in gains.items()}
    if len(gains) > 1:
        who[f"on average ({', '.join(gains)})"] = np.mean([*gains.values()], axis=0)
    for whose, gain in who.items():
        claim = (
            f"{REMOVER} lowers the accuracy of fakes {whose} by more than noise of its "
            "own PSNR: its fall beyond that one's"
        )
        yield claims.decided(claim, gain)


def _about_gradients(falls, victims, follows):
    """What attacks that follow one victim's gradients do to it and to others."""
    attacks = dict.fromkeys(attack for _, attack in falls)
    for attack in attacks:
        followed = follows[attack]
        # What follows each victim itself is transferred to none.
        if not followed or followed == ITSELF:
            continue

        others = [falls[v, attack] for v in victims if v != followed]
        if followed in victims and others:
            claim = f"{attack} hits {followed} hardest: its fall beyond the next one's"
            gap = falls[followed, attack] - np.max(others, axis=0)
            yield claims.decided(claim, gap)

        # From pixels to spectra; to the followed victim itself nothing is transferred.
        spectral = [v for v in FREQUENCY if v in victims and v != followed]
        if spectral and PATCHES in victims and PATCHES != followed:
            claim = f"{attack} transfers worse to {', '.join(spectral)} than to"
            mean_fall = np.mean([falls[v, attack] for v in spectral], axis=0)
            gap = falls[PATCHES, attack] - mean_fall
            yield claims.decided(f"{claim} {PATCHES}: its fall beyond", gap)
