"""What was found, in eight lines at most: the head of the report.

Accuracies are means over seeds and over victims that are sound: what a detector that
does not work says of attacks is left out.
"""

import numpy as np

from jaxforensics.experiments.common.arena import HARDENED, ITSELF, UNDEFENDED
from jaxforensics.experiments.common.claims import DIVERGED
from jaxforensics.experiments.trnet import claims
from jaxforensics.experiments.trnet.settings import WEAK

DEFENCES = {WEAK: "Weak defence", HARDENED: "Training on attacked fakes"}
SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit
VERDICTS = "holds", "does not hold", "open"


def lines(measured, settings):
    """Which victims are sound, what attacks and defences do to them, what holds."""
    undefended = claims.undefended_accuracies(measured.accuracies)
    sound = claims.sound_victims(undefended)
    texts = []
    if undefended:
        texts.append(_about_victims(undefended, sound))
    if sound:
        texts += _about_attacks(undefended, sound, measured.quality, settings)
        texts += _about_defences(measured.accuracies, sound)
    return texts + _about_claims(measured.claims)


def _about_victims(accuracies, sound):
    """Which victims are sound, and what the others recognise."""
    clean = {victim: values for (victim, _), values in accuracies.items()}
    asked = f"{_percent(claims.SOUND)} of reals and of fakes"
    for victim in clean:
        if claims.limit(victim) != claims.SOUND:
            asked += f", {victim} {_percent(claims.limit(victim))}"

    unsound = [
        f"{victim} ({_percent(values.real)} of reals, {_percent(values.fake)} of fakes)"
        for victim, values in clean.items()
        if victim not in sound
    ]
    if not sound:
        return (
            f"No victim is sound without attack (at least {asked}), so nothing is said "
            f"of attacks: {_listed(unsound)}."
        )
    text = f"Sound without attack (at least {asked}): {_listed(sound)}."
    if unsound:
        text += f" Not sound, so left out below: {_listed(unsound)}."
    return text


def _about_attacks(accuracies, sound, quality, settings):
    """A line about what follows gradients, one about removal, one about the rest."""
    by_followed = {}
    for attack in dict.fromkeys(attack for _, attack in accuracies):
        followed = settings.attacks[attack].get("follows")
        by_followed.setdefault(followed or attack, []).append(attack)

    def share(attack):
        return np.mean([accuracies[victim, attack].attacked for victim in sound])

    def after(attack):
        psnr, _ = quality[attack]["psnr"]
        return f"{_percent(share(attack))} (PSNR {psnr:.1f}{SPACE}dB)"

    control = claims.control(settings)
    beside = ""
    if control in by_followed and claims.REMOVER in by_followed:
        # Beside what it is the control of, instead of in a line of its own.
        del by_followed[control]
        beside = f"; with white noise of the same PSNR, the control, {after(control)}"
        if share(control) <= share(claims.REMOVER):
            beside += (
                ": the noise does as well, so nothing here shows that traces were "
                "removed"
            )
    lines = {}
    for followed, attacks in by_followed.items():
        before = np.mean([accuracies[v, a].fake for v in sound for a in attacks])
        title = _listed(attacks)
        line = "rest"
        if followed not in attacks:
            line = "gradients"
            whose = "the victim itself" if followed == ITSELF else followed
            title += f", by gradients of {whose}"
        shares = f"{_percent(before)} → {_listed(map(after, attacks))}"
        if claims.REMOVER in attacks:
            line = "removal"
            shares += beside
        lines.setdefault(line, []).append(f"{title}: fakes recognised {shares}.")
    return [" ".join(sentences) for sentences in lines.values()]


def _about_defences(accuracies, sound):
    """What each defence makes of accuracies, of the same victims and attacks."""
    texts = []
    for defence, title in DEFENCES.items():
        cells = {
            (victim, attack): values
            for (victim, attack, cell_defence), values in accuracies.items()
            if cell_defence == defence
            and victim in sound
            and (victim, attack, UNDEFENDED) in accuracies
        }
        pairs = []
        unlearned = {}
        for (victim, attack), values in cells.items():
            if claims.has_learned(victim, values):
                pairs.append((accuracies[victim, attack, UNDEFENDED], values))
            elif defence == HARDENED:
                unlearned[f"{victim} against {attack}"] = values
            else:
                unlearned[victim] = values
        aside = ""
        if unlearned:
            aside = f"not learned by {_listed(unlearned)}"
            if pairs:
                aside = f" ({aside}, left out)"
        if not pairs:
            if aside:
                texts.append(f"{title}: {aside}.")
            continue
        changes = [
            f"{what} {_change(pairs, name)}"
            for name, what in (
                ("attacked", "attacked fakes"),
                ("fake", "fakes"),
                ("real", "reals"),
            )
        ]
        texts.append(f"{title}: {', '.join(changes)}{aside}.")
    if texts:
        yield " ".join(texts)


def _change(pairs, name):
    """'91 % → 58 %': means of (without, with) a defence, over the seeds of both."""
    before = []
    after = []
    for undefended, defended in pairs:
        shares = getattr(defended, name)
        after.append(shares)
        before.append(getattr(undefended, name)[: len(shares)])
    return f"{_percent(before)} → {_percent(after)}"


def _about_claims(decided):
    """A line per verdict on attacks and traces; victims have their own line."""
    claimed = [*decided.attacks, *decided.traces]
    texts = []
    for verdict in VERDICTS:
        rows = [row for row in claimed if row["verdict"] == verdict]
        if not rows:
            continue
        few_seeds = ""
        if any(row["95 % interval"] is None for row in rows):
            few_seeds = "one seed decides nothing. Measured, above zero where true: "
        texts.append(f"{verdict}: {few_seeds}{'. '.join(map(_measured, rows))}.")
    if any(row["verdict"] == DIVERGED for row in claimed):
        texts.append("No claim is decided, as trainings diverged.")
    return texts


def _measured(row):
    """A claim with its number: 'TR-Net lowers … by 30% (-0.294)'."""
    statement, _, _ = row["claim"].partition(":")  # behind it stands what is measured
    number = row["measured"]
    if not number.startswith("-"):
        number = f"+{number}"
    return f"{statement} ({number})"


def _percent(shares):
    """The mean of shares, '91 %'."""
    return f"{100 * np.mean(shares):.0f}{SPACE}%"


def _listed(texts):
    """'a, b and c'."""
    *others, last = texts
    if others:
        return f"{', '.join(others)} and {last}"
    return last
