"""The numbers of TR-Net's study, from finished nets and attacked sets."""

from typing import NamedTuple

import numpy as np

from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.common.arena import Cell, Results, likeness
from jaxforensics.experiments.common.checks import fakes
from jaxforensics.experiments.trnet import claims, pairs, thresholds, traces
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.checks import used_attacks


class Accuracies(NamedTuple):
    """Accuracies within a class, arrays with one value per seed."""

    real: np.ndarray
    fake: np.ndarray
    attacked: np.ndarray


class Outcome(NamedTuple):
    """What an attack does to fakes, of one source or of all: values per seed."""

    accuracies: dict  # {victim: of attacked fakes}
    psnr: list
    ssim: list


class LeftOut(NamedTuple):
    """Fakes of one source, after an attack that lacks one kind of fakes."""

    kind: str  # that the attack has never seen
    source: str  # whose fakes are attacked: that kind, or one that it knows
    known: Outcome  # after the attack that knows all kinds
    lacking: Outcome


class Critics(NamedTuple):
    """What attacks do whose networks learnt from one critic, or from several."""

    critics: dict  # {attack: names of its critics}
    outcomes: dict  # {attack: Outcome, of sound victims alone}
    noise: dict  # the same after noise of the attack's PSNR, where there is such noise


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per split and source
    pairs: dict  # {source: pairs.Pairs}
    accuracies: dict  # {(victim, attack, defence): Accuracies}
    intervals: dict  # the same cells: {'real', …: (point, low, high)}, first seed
    quality: dict  # {attack: {'psnr', 'ssim': (mean, standard deviation)}}, first seed
    examples: dict  # {source: {'fake' or attack: a test picture}}
    fractions: dict  # {share of the pairs: Outcome}
    left_out: list  # of LeftOut: each kind left out, the fakes of each source
    critics: Critics | None
    traces: traces.Traces | None
    claims: claims.Claims
    thresholds: tuple = ()  # of thresholds.Rule: each victim without defence


def measure(made, settings, data):
    """All numbers, arrays and claims of the report."""
    results = Results(made, rows.arena(settings, data.main))
    accuracies = _accuracies(results, settings)
    measured_traces = traces.measure(results, settings)
    quality, examples = _look(results, settings)
    decided = claims.decide(results, settings, accuracies, measured_traces)
    return Measured(
        counts=detectors.counts(data.main),
        pairs=pairs.examples(data.main.test),
        accuracies=accuracies,
        intervals=_intervals(results, settings, accuracies),
        quality=quality,
        examples=examples,
        fractions=_fractions(results, settings),
        left_out=_left_out(results, settings),
        critics=_critics(results, settings),
        traces=measured_traces,
        claims=decided.unless_diverged(made.workspace.diverged),
        thresholds=tuple(thresholds.measure(results, settings)),
    )


def _accuracies(results, settings):
    """Those of every cell of Tables 1 to 3."""
    cells = [
        cell
        for defence in rows.DEFENCES
        for cell in rows.defence_cells(settings, defence)
    ]
    by_table_cell = {}
    for cell in cells:
        where = cell.victim, cell.attack, cell.defence
        clean = results.clean(cell)
        values = (clean.real, clean.fake, results.attacked_accuracy(cell))
        by_table_cell.setdefault(where, []).append(values)
    return {
        where: Accuracies(*np.array(per_seed).T)
        for where, per_seed in by_table_cell.items()
    }


def _intervals(results, settings, accuracies):
    """Bootstrap intervals of the same cells, of the first seed."""
    intervals = {}
    for victim, attack, defence in accuracies:
        # Thousands of resamplings each: stored, like all that takes time.
        cell = Cell(victim, attack, settings.seeds[0], defence)
        stored = results.made.workspace.measure(
            f"{results.arena.answers_name(cell)}/intervals",
            lambda cell=cell: results.intervals(cell),
            results.digests(cell),
        )
        intervals[victim, attack, defence] = {k: tuple(v) for k, v in stored.items()}
    return intervals


def _look(results, settings):
    """How much like the fakes the attacked ones are, and one of each source."""
    # Table 4 and Fig. 13 are about pictures: the first seed has all attacks.
    seed = settings.seeds[0]
    attacked = {}
    quality = {}
    for attack in used_attacks(settings):
        if rows.follows_itself(settings, attack):
            cells = rows.cells_of(settings, attack, seed)
            sets = [results.shown(cell) for cell in cells]
        else:
            sets = [results.attacked(attack, seed)]
            attacked[attack] = sets[0]
        quality[attack] = {
            name: likeness(np.concatenate([columns[name] for columns in sets]))
            for name in ("psnr", "ssim")
        }
    # The first picture of each source, before and after: rows are in the same order.
    _, fakes = traces.originals(results.arena)
    names = results.arena.data.test.sources
    numbers, places = np.unique(fakes.source, return_index=True)
    examples = {
        names[number]: {"fake": fakes.image[place]}
        | {attack: columns["image"][place] for attack, columns in attacked.items()}
        for number, place in zip(numbers, places, strict=True)
    }
    return quality, examples


def _fractions(results, settings):
    """Fig. 14 a and b: {share of the pairs: Outcome}."""
    if not rows.limits_knowledge(settings):
        return {}
    return {
        fraction: _limited(results, settings, rows.knowledge_of(fraction=fraction))
        for fraction in settings.limited["fractions"]
    }


def _left_out(results, settings):
    """Fig. 14 c and d: the fakes of each source, without one kind in training."""
    if not rows.limits_knowledge(settings):
        return []
    data = results.arena.data
    tested = fakes(data.test.counts["test"])
    # What knows all kinds is the attack of Table 1.
    known = {source: _limited(results, settings, "", source) for source in tested}
    return [
        LeftOut(
            kind,
            source,
            known[source],
            _limited(results, settings, rows.knowledge_of(without=kind), source),
        )
        for kind in rows.left_out(settings, data)
        for source in tested
    ]


def _critics(results, settings):
    """The `Critics` that the settings ask for, or None."""
    selection = settings.critics
    if not (selection["victims"] and selection["attacks"]):
        return None
    seeds = rows.seeds_of(settings, selection)

    def outcome(attack):
        cells = rows.critic_cells(settings, attack)
        attacked = [results.attacked(attack, seed) for seed in seeds]
        return _outcome(results, [c for c in cells if c.victim in sound], attacked)

    # Without attack the victims are the same, whatever they are shown then.
    cleans = {}
    for cell in rows.critic_cells(settings, selection["attacks"][0]):
        cleans.setdefault(cell.victim, []).append(results.clean(cell))
    sound = [
        victim
        for victim, clean in cleans.items()
        if np.mean(np.min(clean, axis=1)) >= claims.limit(victim)
    ]
    noises = {a: rows.equal_noise(settings, a) for a in selection["attacks"]}
    return Critics(
        critics={a: rows.critics_of(settings, a) for a in selection["attacks"]},
        outcomes={attack: outcome(attack) for attack in selection["attacks"]},
        noise={attack: outcome(noise) for attack, noise in noises.items() if noise},
    )


def _limited(results, settings, knowledge, source=None):
    """What the attack of Fig. 14 does, having learnt from this part of the data."""
    attack = settings.limited["attack"]
    attacked = [
        results.attacked(attack, seed, knowledge=knowledge)
        for seed in rows.seeds_of(settings, settings.limited)
    ]
    cells = rows.limited_cells(settings, knowledge)
    return _outcome(results, cells, attacked, source)


def _outcome(results, cells, attacked, source=None):
    """The `Outcome` for fakes of a source, or of all; `attacked` has a set per seed."""
    numbers = None
    if source is not None:
        numbers = (results.arena.data.test.sources.index(source),)
    accuracies = {}
    for cell in cells:
        value = results.attacked_accuracy(cell, sources=numbers)
        accuracies.setdefault(cell.victim, []).append(value)

    psnr = []
    ssim = []
    for columns in attacked:
        chosen = slice(None)
        if source is not None:
            chosen = np.isin(columns["source"], numbers)
        psnr.append(likeness(columns["psnr"][chosen])[0])
        ssim.append(likeness(columns["ssim"][chosen])[0])
    return Outcome(accuracies, psnr, ssim)
