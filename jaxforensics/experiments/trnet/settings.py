"""What the config says of TR-Net's study: rows of its arena, cells of its tables."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jaxforensics import attacks
from jaxforensics.data.items import is_real_source
from jaxforensics.experiments.common import checks
from jaxforensics.experiments.common.arena import (
    HARDENED,
    ITSELF,
    LIKELIEST,
    THRESHOLD,
    UNDEFENDED,
    Arena,
    Attack,
    Cell,
    Network,
    Victim,
)
from jaxforensics.experiments.common.detectors import WATCH
from jaxforensics.methods import classifier, fingerprint, reconstruction, trnet
from jaxforensics.settings import call, choose

WEAK = "weak"  # the defence of victims that learn from degraded pictures
DEFENCES = UNDEFENDED, WEAK, HARDENED  # of Tables 1, 2 and 3
LABELS = {"reals": 0, "fakes": 1}  # what a network learns from
# What counts steps in a network's row, and in the schedules of its optimisers.
STEPS = "steps", "epoch", "last"
SCHEDULE_STEPS = "steps", "every"
OPTIMISERS = {"optimiser", "critic_optimiser"}
# What a victim's row may say of its decisions.
DECISIONS = {"likeliest": LIKELIEST, "threshold": THRESHOLD}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    A selection {'victims', 'attacks', 'seeds'} says which rows a table or figure is
    about, and how many of all `seeds` it takes, from the first on.
    """

    # {title: {'method': of DETECTORS, 'decides': of DECISIONS, and its settings}}
    victims: dict
    # {title: {'attack': in `attacks`, 'follows', 'network', 'equals', its settings}}
    attacks: dict
    networks: dict  # {title: {'method': of REDRAWERS, 'learns_from', settings}}
    classifier: dict  # settings that all classifiers share
    weak: tuple  # operations of the weak defence
    seeds: tuple
    # {'none', 'weak', 'strong': a selection}: Tables 1 to 3.  Several selections, as a
    # tuple, make one table, such as all victims against some attacks and some against
    # all.
    defences: dict
    # Fig. 14, a selection of one 'attack' that has less to learn from: 'fractions' of
    # the pairs, or all without one of the kinds of fakes 'leave_out'.
    limited: dict
    critics: dict  # a selection of attacks whose networks learnt from some critics
    # Figs. 3 to 6 and 15 to 17, a selection: Grad-CAM of 'layer', t-SNE of 'pictures'.
    traces: dict


def arena(settings, data):
    """The `Arena` of these settings on a Corpus."""
    return Arena(
        data=data,
        victims={
            title: victim(row, title, settings, data)
            for title, row in settings.victims.items()
        },
        attacks={title: attack(row, title) for title, row in settings.attacks.items()},
        networks={
            title: network(row, title, data) for title, row in settings.networks.items()
        },
        operations={WEAK: settings.weak},
        knowledge=_knowledge(settings, data),
    )


def victim(row, title, settings, data):
    """The `Victim` of a config's row."""
    where = f"victims.{title}"
    row = dict(row)
    method = _required(row, "method", where)
    make = choose(DETECTORS, method, f"method of {title}")
    return make(row, where, settings, data)


def attack(row, title):
    """The `Attack` of a config's row."""
    row = dict(row)
    name = _required(row, "attack", f"attacks.{title}")
    choose(attacks.NAMES, name, "attack")
    return Attack(
        name,
        partial(attacks.build, name),
        follows=row.pop("follows", ""),
        network=row.pop("network", ""),
        equals=row.pop("equals", ""),
        settings=row,
    )


def network(row, title, data):
    """The `Network` of a config's row."""
    where = f"networks.{title}"
    row = dict(row)
    part = _required(row, "learns_from", where)
    label = choose(LABELS, part, f"part of the data for {title}")
    method = _required(row, "method", where)
    make = choose(REDRAWERS, method, f"method of {title}")
    start = row.pop("start", None)
    for role, path in (start or {}).items():
        if not Path(path).is_file():
            raise ValueError(f"{where}.start.{role}: there is no file {path}")
    return Network(
        lambda share: make(_in_proportion(row, share), where, data),
        label,
        start,
    )


def all_cells(settings, data):
    """The cells of all tables."""
    cells = [cell for defence in DEFENCES for cell in defence_cells(settings, defence)]
    for knowledge in ("", *limits(settings, data)):
        cells += limited_cells(settings, knowledge)
    for title in critic_attacks(settings):
        cells += critic_cells(settings, title)
    return cells


def defence_cells(settings, defence):
    """The cells of Table 1, 2 or 3, each once."""
    cells = [
        Cell(victim, attack, seed, defence)
        for selection in selections(settings, defence)
        for victim in selection["victims"]
        for attack in selection["attacks"]
        for seed in seeds_of(settings, selection)
    ]
    return list(dict.fromkeys(cells))


def selections(settings, defence):
    """The selections that make Table 1, 2 or 3, one or several."""
    chosen = settings.defences[defence]
    if hasattr(chosen, "keys"):
        return (chosen,)
    return tuple(chosen)


def titles(settings, defence, of):
    """The 'victims' or 'attacks' of Table 1, 2 or 3: its longest selection's first."""
    chosen = sorted(
        selections(settings, defence),
        key=lambda selection: len(selection[of]),
        reverse=True,
    )
    return list(dict.fromkeys(title for part in chosen for title in part[of]))


def critic_attacks(settings):
    """The attacks of one critic or several, and noise that equals them."""
    titles = settings.critics["attacks"]
    noises = [equal_noise(settings, title) for title in titles]
    return [*titles, *filter(None, noises)]


def critic_cells(settings, attack):
    """The cells of an attack of one critic or several, or of noise that equals it."""
    selection = settings.critics
    return [
        Cell(victim, attack, seed)
        for victim in selection["victims"]
        for seed in seeds_of(settings, selection)
    ]


def critics_of(settings, attack):
    """The critics that the network of an attack learns from."""
    network = settings.attacks[attack].get("network", "")
    row = settings.networks.get(network, {})
    if row.get("method") != "trnet":
        raise ValueError(
            f"critics.attacks: {attack!r} has no critics, as no network of method "
            "'trnet' makes its pictures"
        )
    return tuple(row.get("critics", trnet.CRITICS))


def equal_noise(settings, attack):
    """The attack that has the PSNR of this one, by its row's 'equals', or ''."""
    for title, row in settings.attacks.items():
        if row.get("equals") == attack:
            return title
    return ""


def cells_of(settings, attack, seed):
    """The cells of Tables 1 to 3 with this attack."""
    return [
        cell
        for defence in DEFENCES
        for cell in defence_cells(settings, defence)
        if (cell.attack, cell.seed) == (attack, seed)
    ]


def follows_itself(settings, attack):
    """Whether an attack follows each victim itself: its pictures differ by victim."""
    return settings.attacks[attack].get("follows") == ITSELF


def limits_knowledge(settings):
    """Whether Fig. 14 is asked for: who is attacked, and what the attack may lack."""
    selection = settings.limited
    parts = selection["fractions"] or selection["leave_out"] != ()
    return bool(selection["victims"] and parts)


def limited_cells(settings, knowledge):
    """The cells of Fig. 14 for one part of what there is to learn from."""
    selection = settings.limited
    if not limits_knowledge(settings):
        return []
    return [
        Cell(victim, selection["attack"], seed, knowledge=knowledge)
        for victim in selection["victims"]
        for seed in seeds_of(settings, selection)
    ]


def limits(settings, data):
    """Names of what networks learn from when it is less than everything."""
    fractions = [f for f in settings.limited["fractions"] if f < 1]
    return [*map(_share, fractions), *map(_without, left_out(settings, data))]


def knowledge_of(*, fraction=1, without=""):
    """The name of a part of the training data."""
    if without:
        return _without(without)
    if fraction >= 1:
        return ""
    return _share(fraction)


def left_out(settings, data):
    """The kinds of fakes to leave out: those named; None, each kind there is."""
    named = settings.limited["leave_out"]
    if named is None:
        return _fakes(data)
    return tuple(named)


def seeds_of(settings, selection):
    """The seeds that a selection takes."""
    return tuple(settings.seeds)[: selection["seeds"]]


def _classifier(row, where, settings, data):
    """Any model, trained on real and fake or on sources."""
    common = dict(settings.classifier) | {"reals": _reals(data)}
    for name in ("model", "target", "steps", "optimiser"):
        common[name] = _required(row, name, where)
    decides = _decision(row, where, default="likeliest")
    # Degraded pictures take longer to learn from than pictures as they are.
    degraded_steps = row.pop("degraded_steps", common["steps"])
    common["model_settings"] = row  # what is left in it
    if common["target"] == "source":
        # A class per source instead of one logit of real and fake.
        common |= {"num_classes": len(data.train.sources), "loss": "cross_entropy"}

    def method(operations):
        complete = common | {"augment": operations}
        if operations:
            complete["steps"] = degraded_steps
        return call(classifier.make, complete, where=where)

    return Victim(method, watch=WATCH, decides=decides)


def _fingerprint(row, where, settings, data):
    """NF: mean noise residuals, averaged once over the training pictures."""
    del settings
    decides = _decision(row, where, default="threshold")
    if decides != THRESHOLD:
        raise ValueError(f"{where}.decides: correlations take a 'threshold' alone")
    of_data = {
        "sources": len(data.train.sources),
        "reals": _reals(data),
        # Each picture once; the last batch is filled up with the next round's first.
        "steps": -(-data.train.num_train // data.train.batch_size),
    }

    def method(operations):
        complete = row | of_data | {"augment": operations}
        return call(fingerprint.make, complete, where=where)

    return Victim(method, decides=decides, rules=(THRESHOLD,), plain=True)


def _decision(row, where, *, default):
    """Take out of a victim's row how it decides."""
    name = row.pop("decides", default)
    return choose(DECISIONS, name, f"decision of {where}")


def _removal(row, where, data):
    """TR-Net, whose third critic tells sources apart."""
    sources = len(data.train.sources)
    return call(trnet.make, row | {"sources": sources}, where=where)


def _reconstruction(row, where, data):
    """GANprintR's autoencoder."""
    del data
    return call(reconstruction.make, row, where=where)


# What rows of the config name as their 'method', of victims and of networks.
DETECTORS = {"classifier": _classifier, "fingerprint": _fingerprint}
REDRAWERS = {"trnet": _removal, "reconstruction": _reconstruction}


def _in_proportion(row, share):
    """A network's row for a share of the examples: as many epochs, at least a step."""
    if share == 1:
        return row
    row = _fewer(row, STEPS, share)
    for player in OPTIMISERS.intersection(row):
        optimiser = dict(row[player])
        if "schedule_settings" in optimiser:
            schedule = _fewer(optimiser["schedule_settings"], SCHEDULE_STEPS, share)
            if schedule.get("warmup", 0) >= 1:  # below 1 it is a share itself
                rising = int(share * schedule["warmup"])
                # Some steps have to remain after it.
                last = schedule.get("steps", row["steps"]) - 1
                schedule["warmup"] = min(rising, last)
            optimiser["schedule_settings"] = schedule
        row[player] = optimiser
    return row


def _fewer(numbers, names, share):
    """The settings with a share of the steps under `names`; 0 remains what it is."""
    fewer = dict(numbers)
    for name in names:
        if fewer.get(name):
            fewer[name] = max(1, round(share * fewer[name]))
    return fewer


def _required(row, name, where):
    """Take an entry out of a row that has to have it."""
    if name not in row:
        raise ValueError(f"{where} needs {name!r}")
    return row.pop(name)


def _knowledge(settings, data):
    """{name: TrainingData}: all there is to learn from, and the parts of Fig. 14."""
    parts = {"": data.train}
    for fraction in settings.limited["fractions"]:
        parts[_share(fraction)] = _part(data.train, fraction)
    for source in left_out(settings, data):
        others = [name for name in _fakes(data) if name != source]
        parts[_without(source)] = data.train.only(others)
    return parts


def _part(train, fraction):
    """A share of the training groups, in which there is something to learn from."""
    where = f"limited.fractions has {fraction:g}, which is too little"
    try:
        part = train.share(fraction)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not checks.fakes(part.counts["train"]):
        raise ValueError(f"{where}: no fake is among these groups")
    return part


def _reals(data):
    """Numbers of the sources that are real."""
    return tuple(
        number for number, name in enumerate(data.train.sources) if is_real_source(name)
    )


def _fakes(data):
    """Names of the kinds of fakes in training."""
    return checks.fakes(data.train.counts["train"])


# Names of parts of the training data; folders of a run are called so.
def _share(fraction):
    return f"share {fraction:g}"


def _without(source):
    return f"without {source}"
