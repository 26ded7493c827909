"""The numbers of TR-Net's study, from finished nets and attacked sets."""

from typing import NamedTuple

import numpy as np

from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.common.arena import Cell, Results, likeness
from jaxforensics.experiments.trnet import claims, thresholds, traces
from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.checks import used_attacks


class Accuracies(NamedTuple):
    """Accuracies within a class, arrays with one value per seed."""

    real: np.ndarray
    fake: np.ndarray
    attacked: np.ndarray


class Limited(NamedTuple):
    """What an attack that has learnt from less does: values per seed."""

    accuracies: dict  # {victim: of attacked fakes}
    psnr: list
    ssim: list


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per split and source
    accuracies: dict  # {(victim, attack, defence): Accuracies}
    intervals: dict  # the same cells: {'real', …: (point, low, high)}, first seed
    quality: dict  # {attack: {'psnr', 'ssim': (mean, standard deviation)}}, first seed
    examples: dict  # {source: {'fake' or attack: a test picture}}
    fractions: dict  # {share of the pairs: Limited}
    left_out: dict  # {(source, 'with' or 'without'): Limited}
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
        accuracies=accuracies,
        intervals=_intervals(results, settings, accuracies),
        quality=quality,
        examples=examples,
        fractions=_fractions(results, settings),
        left_out=_left_out(results, settings),
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
    """Fig. 14 a and b: {share of the pairs: Limited}."""
    if not rows.limits_knowledge(settings):
        return {}
    return {
        fraction: _limited(results, settings, rows.knowledge_of(fraction=fraction))
        for fraction in settings.limited["fractions"]
    }


def _left_out(results, settings):
    """Fig. 14 c and d: fakes of one source, which was in training or was not."""
    if not rows.limits_knowledge(settings):
        return {}
    names = results.arena.data.train.sources
    return {
        (source, presence): _limited(
            results, settings, knowledge, source=names.index(source)
        )
        for source in rows.left_out(settings, results.arena.data)
        for presence, knowledge in (
            # What knows all sources is the attack of Table 1.
            ("with", ""),
            ("without", rows.knowledge_of(without=source)),
        )
    }


def _limited(results, settings, knowledge, *, source=None):
    """Accuracies and likeness of attacked fakes, of one source or of all."""
    sources = None
    if source is not None:
        sources = (source,)
    accuracies = {}
    for cell in rows.limited_cells(settings, knowledge):
        value = results.attacked_accuracy(cell, sources=sources)
        accuracies.setdefault(cell.victim, []).append(value)

    psnr = []
    ssim = []
    for seed in rows.seeds_of(settings, settings.limited):
        attack = settings.limited["attack"]
        columns = results.attacked(attack, seed, knowledge=knowledge)
        chosen = slice(None)
        if source is not None:
            chosen = columns["source"] == source
        psnr.append(likeness(columns["psnr"][chosen])[0])
        ssim.append(likeness(columns["ssim"][chosen])[0])
    return Limited(accuracies, psnr, ssim)
