"""Is the embedded benchmark one?  Fakes of seen and unseen generators, compressed."""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.experiments.common import detectors
from jaxforensics.ops import degrade
from jaxforensics.reporting import figures, tables

TITLE = "SynthFaces: room to measure"
PROTOCOL = """\
Each detector is trained once per generator and seed, on that generator's fakes and all
reals of the training split; its checkpoint has the highest AUC on the validation split
of the same. It is then tested on every generator. 'Seen' is the generator of the
training, 'unseen' all others: those of whole faces, and forgers on which nothing is
trained. In another set every forger is told from the reals of that set. The accuracy is
taken at the equal-error threshold of the validation split.
Everything here is drawn by code: no figure is a claim about the wild.
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    `classifier` holds the settings that all of them share; `quality` is that of the
    JPEG that the test pictures are saved with once more.  A kind of fakes may also be
    the name of one of the config's other sets, or 'generators', those not trained on.
    """

    detectors: dict  # {title: {'model': …, and its settings}}
    generators: dict  # {name: sources of its fakes}; each is trained on in its turn
    unseen: dict  # {kind: forgers}, for tests alone
    together: dict  # {title: kinds}, whose forgers are averaged over once more
    steps: dict  # {title: steps}
    classifier: dict
    seeds: tuple
    quality: int


class Room(NamedTuple):
    """What one detector shows, arrays with a row per seed and a column per generator.

    `unseen` has a column per pair (trained on, tested on), as has each kind of them.
    Those of other sets are kinds, too, but not part of `unseen`.
    """

    accuracy: np.ndarray  # of the generator that was trained on
    seen: np.ndarray  # AUC of the same
    compressed: np.ndarray  # AUC of the same after JPEG
    unseen: np.ndarray  # AUC of all others in the same set
    by_kind: dict  # {kind: AUC}, of the other generators, what is unseen, other sets


class Measured(NamedTuple):
    """What the report says."""

    counts: dict  # {set: rows}, pictures per split and source
    columns: list  # names of what is tested on
    areas: dict  # {title: AUC, (seeds, trained on, tested on)}
    rooms: dict  # {title: Room}


def jobs(settings, data):
    """A detector per title, generator and seed, and its answers on all fakes."""
    graph = []
    compression = {"jpeg": degrade.jpeg(low=settings.quality, high=settings.quality)}
    for title, generator, seed in _runs(settings):
        train = data.main.train.only(settings.generators[generator])
        test = data.main.test
        method = detectors.classifier_of(
            settings.detectors[title],
            steps=settings.steps[title],
            classifier=settings.classifier,
        )
        name = _name(title, generator, seed)
        graph += [
            detectors.training_job(name, method, train, seed=seed, title=title),
            *detectors.answers_jobs(name, name, train=train, test=test, title=title),
            detectors.prediction_job(
                _compressed_name(settings, name),
                name,
                test.batches,
                test.digest,
                outputs=("jpeg",),
                change=partial(_through, compression),
                title=title,
            ),
        ]
        for other, corpus in data.others.items():
            graph += detectors.answers_jobs(
                _other_name(name, other), name, test=corpus.test, title=title
            )
    return graph


def measure(made, settings, data):
    """Areas under the curve, and accuracies, of every detector on every source."""
    numbers = {name: i for i, name in enumerate(data.main.test.sources)}
    tested = {
        column: [numbers[source] for source in sources]
        for column, sources in _tested(settings).items()
    }
    first = _name(*_runs(settings)[0])
    elsewhere = {
        other: _fakes(made[f"{_other_name(first, other)}/test"], corpus.test.sources)
        for other, corpus in data.others.items()
    }
    widths = {other: len(fakes) for other, fakes in elsewhere.items()}
    areas = {}
    rooms = {}
    for title in settings.detectors:
        shape = len(settings.seeds), len(settings.generators)
        area = []
        accuracy = []
        compressed = []
        for seed, generator in itertools.product(settings.seeds, settings.generators):
            name = _name(title, generator, seed)
            own = tested[generator]
            area.append(_row(made, name, tested, elsewhere))
            accuracy.append(_accuracy(detectors.answers(made, name), own))
            compressed.append(_auc(_compressed(made, settings, name), own))
        areas[title] = np.reshape(area, (*shape, -1))
        accuracy = np.reshape(accuracy, shape)
        compressed = np.reshape(compressed, shape)
        rooms[title] = _room(settings, areas[title], accuracy, compressed, widths)
    counts = {"data": detectors.counts(data.main)} | {
        other: detectors.counts(corpus) for other, corpus in data.others.items()
    }
    columns = list(tested)
    for other, fakes in elsewhere.items():
        columns += [f"{other}: {fake}" for fake in fakes]
    return Measured(counts, columns, areas, rooms)


def report(measured, settings, report):
    """The page of the study."""
    report.findings(_findings(measured, settings))
    report.section("Protocol", PROTOCOL)
    for name, rows in measured.counts.items():
        caption = f"Pictures per split and source, of the set {name}."
        report.table(f"pictures_{name}", rows, caption=caption)
    _report_room(measured.rooms, settings, report)
    _report_areas(measured, settings, report)


def _runs(settings):
    return [
        (title, generator, seed)
        for title in settings.detectors
        for generator in settings.generators
        for seed in settings.seeds
    ]


def _name(title, generator, seed):
    return f"{title}/{generator}/seed{seed}"


def _compressed_name(settings, name):
    return f"{name}/jpeg{settings.quality}"


def _other_name(name, other):
    return f"{name}/{other}"


def _tested(settings):
    """{column: its sources} of the test, what is trained on first."""
    unseen = itertools.chain(*settings.unseen.values())
    return dict(settings.generators) | {name: (name,) for name in unseen}


def _fakes(test, sources):
    """{name: number} of the sources of a test's answers that are fakes."""
    numbers = np.unique(test["source"][test["label"] == 1])
    return {sources[number]: number for number in numbers}


def _through(operations, predictor):
    return predictor.through(operations, jax.random.key(0))


def _compressed(made, settings, name):
    """Answers of a detector to the test pictures after JPEG."""
    columns = made[_compressed_name(settings, name)]
    return columns | {"score": columns["jpeg"]}


def _row(made, name, tested, elsewhere):
    """Areas of one detector for every column: of the same set, then of the others."""
    test = detectors.answers(made, name).test
    row = [_auc(test, numbers) for numbers in tested.values()]
    for other, fakes in elsewhere.items():
        test = detectors.answers(made, _other_name(name, other)).test
        row += [_auc(test, [number]) for number in fakes.values()]
    return row


def _auc(test, sources):
    """All reals against the fakes of some sources."""
    chosen = _with_reals(test, sources)
    return float(metrics.auc(test["label"][chosen], test["score"][chosen]))


def _accuracy(answered, sources):
    chosen = _with_reals(answered.test, sources)
    return detectors.balanced_accuracy(answered, chosen=chosen)


def _with_reals(test, sources):
    return (test["label"] == 0) | np.isin(test["source"], sources)


def _room(settings, areas, accuracy, compressed, others):
    """The parts of a detector's areas (seeds, trained on, tested on).

    `others` {set: number of fakes} are the last columns.
    """
    count = len(settings.generators)
    is_seen = np.eye(*areas.shape[1:], dtype=bool)
    same_set = areas.shape[-1] - sum(others.values())
    is_unseen = ~is_seen & (np.arange(areas.shape[-1]) < same_set)
    by_kind = {"generators": areas[:, :, :count][:, ~is_seen[:, :count]]}
    first = count
    widths = {kind: len(names) for kind, names in settings.unseen.items()} | others
    for kind, width in widths.items():
        columns = areas[:, :, first : first + width]
        by_kind[kind] = columns.reshape(len(areas), -1)
        first += width
    for title, kinds in settings.together.items():
        by_kind[title] = np.concatenate([by_kind[kind] for kind in kinds], axis=1)
    return Room(
        accuracy=accuracy,
        seen=areas[:, is_seen],
        compressed=compressed,
        unseen=areas[:, is_unseen],
        by_kind=by_kind,
    )


def _lost(room, aucs):
    """Points of AUC below those of seen generators, one per seed."""
    return 100 * (room.seen.mean(1) - aucs.mean(1))


def _findings(measured, settings):
    """How much room each detector leaves."""
    lines = []
    for title, room in measured.rooms.items():
        lost = {kind: aucs for kind, aucs in room.by_kind.items() if aucs.size}
        parts = [f"{_lost(room, aucs).mean():.1f} on {k}" for k, aucs in lost.items()]
        lost_compressed = _lost(room, room.compressed).mean()
        lines.append(
            f"{title}: AUC {room.seen.mean():.3f} on what it was trained on. It loses "
            f"points of AUC: {', '.join([*parts, f'{lost_compressed:.1f} by JPEG'])} "
            f"{settings.quality}."
        )
    return lines


def _report_room(rooms, settings, report):
    rows = []
    for title, room in rooms.items():
        row = {
            "detector": title,
            "accuracy, seen": tables.spread(room.accuracy.mean(1)),
            "AUC, seen": tables.spread(room.seen.mean(1)),
        }
        groups = {f"unseen {kind}": aucs for kind, aucs in room.by_kind.items()}
        groups |= {"unseen": room.unseen, f"JPEG {settings.quality}": room.compressed}
        for name, aucs in groups.items():
            if aucs.size:
                row[f"AUC, {name}"] = tables.spread(aucs.mean(1))
                lost = tables.spread(_lost(room, aucs), digits=1)
                row[f"points lost, {name}"] = lost
        rows.append(row)
    report.section("Room to measure")
    report.table(
        "room",
        rows,
        caption=f"Means over {len(settings.generators)} trainings, ± the standard "
        f"deviation over {len(settings.seeds)} seeds. Accuracy is the mean of that on "
        "reals and on fakes. Of the other sets, 'unseen' counts nothing.",
    )


def _report_areas(measured, settings, report):
    for title, matrix in measured.areas.items():
        mean = matrix.mean(0)
        rows = [
            {"trained on": generator} | dict(zip(measured.columns, values, strict=True))
            for generator, values in zip(
                settings.generators, mean.tolist(), strict=True
            )
        ]
        caption = f"{title}: AUC, mean over the seeds."
        report.table(f"matrix_{title}", rows, caption=caption, about=(title,))
        figure = figures.matrix(
            mean,
            rows=tuple(settings.generators),
            columns=measured.columns,
            x_label="tested on",
            y_label="trained on",
            title=title,
            limits=(0.5, 1.0),
        )
        report.figure(f"matrix_{title}", figure, caption=caption)
