"""What was found, in eight lines at most: the head of the report.

Accuracies are means over seeds and over victims that are sound: what a detector that
does not work says of attacks is left out.
"""

import numpy as np

from jaxforensics.experiments.common.arena import HARDENED, UNDEFENDED
from jaxforensics.experiments.common.claims import DIVERGED
from jaxforensics.experiments.trnet import claims
from jaxforensics.experiments.trnet.settings import WEAK

CONTROL = "Noise"  # white noise, which knows nothing of faces or detectors
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
    """A line per attack, or per victim whose gradients several attacks follow."""
    by_followed = {}
    for attack in dict.fromkeys(attack for _, attack in accuracies):
        followed = settings.attacks[attack].get("follows")
        by_followed.setdefault(followed or attack, []).append(attack)

    def after(attack):
        share = np.mean([accuracies[victim, attack].attacked for victim in sound])
        psnr, _ = quality[attack]["psnr"]
        return f"{_percent(share)} (PSNR {psnr:.1f}{SPACE}dB)"

    control = ""
    if CONTROL in by_followed and len(by_followed) > 1:
        # Beside each of the others instead of in a line of its own.
        del by_followed[CONTROL]
        control = f"; with white noise, the control, {after(CONTROL)}"
    for followed, attacks in by_followed.items():
        before = np.mean([accuracies[v, a].fake for v in sound for a in attacks])
        title = _listed(attacks)
        if followed not in attacks:
            title += f", by gradients of {followed}"
        shares = f"{_percent(before)} → {_listed(map(after, attacks))}"
        yield f"{title}: fakes recognised {shares}{control}."


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
