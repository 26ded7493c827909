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
trained. The accuracy is taken at the equal-error threshold of the validation split.
Everything here is drawn by code: no figure is a claim about the wild.
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a config says of this study.

    `classifier` holds the settings that all of them share; `quality` is that of the
    JPEG that the test pictures are saved with once more.
    """

    detectors: dict  # {title: {'model': …, and its settings}}
    generators: tuple  # each is trained on in its turn
    unseen: dict  # {kind: forgers}, for tests alone
    steps: dict  # {title: steps}
    classifier: dict
    seeds: tuple
    quality: int


class Room(NamedTuple):
    """What one detector shows, arrays with a row per seed and a column per generator.

    `unseen` has a column per pair (trained on, tested on), as has each kind of them.
    """

    accuracy: np.ndarray  # of the generator that was trained on
    seen: np.ndarray  # AUC of the same
    compressed: np.ndarray  # AUC of the same after JPEG
    unseen: np.ndarray  # AUC of all others
    unseen_by_kind: dict  # {kind: AUC}, of the other generators and of what is unseen


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per split and source
    areas: dict  # {title: AUC, (seeds, trained on, tested on)}
    rooms: dict  # {title: Room}


def jobs(settings, data):
    """A detector per title, generator and seed, and its answers on all fakes."""
    graph = []
    compression = {"jpeg": degrade.jpeg(low=settings.quality, high=settings.quality)}
    for title, generator, seed in _runs(settings):
        train = data.main.train.only([generator])
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
    return graph


def measure(made, settings, data):
    """Areas under the curve, and accuracies, of every detector on every source."""
    sources = [data.main.test.sources.index(name) for name in _tested(settings)]
    areas = {}
    rooms = {}
    for title in settings.detectors:
        answers = {
            (generator, seed): detectors.answers(made, _name(title, generator, seed))
            for generator in settings.generators
            for seed in settings.seeds
        }
        areas[title] = np.array(
            [
                [
                    [_auc(answers[generator, seed].test, source) for source in sources]
                    for generator in settings.generators
                ]
                for seed in settings.seeds
            ]
        )
        own_source = dict(zip(settings.generators, sources, strict=False))
        accuracy = [
            [
                _accuracy(answers[generator, seed], own_source[generator])
                for generator in settings.generators
            ]
            for seed in settings.seeds
        ]
        compressed = [
            [
                _auc(
                    _compressed(made, settings, title, generator, seed),
                    own_source[generator],
                )
                for generator in settings.generators
            ]
            for seed in settings.seeds
        ]
        rooms[title] = _room(
            settings, areas[title], np.array(accuracy), np.array(compressed)
        )
    return Measured(detectors.counts(data.main), areas, rooms)


def report(measured, settings, report):
    """The page of the study."""
    report.findings(_findings(measured, settings))
    report.section("Protocol", PROTOCOL)
    report.table("data", measured.counts, caption="Pictures per split and source.")
    _report_room(measured.rooms, settings, report)
    _report_areas(measured.areas, settings, report)


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


def _tested(settings):
    """The sources of the test, those of the training first."""
    return (*settings.generators, *itertools.chain(*settings.unseen.values()))


def _through(operations, predictor):
    return predictor.through(operations, jax.random.key(0))


def _compressed(made, settings, title, generator, seed):
    """Answers to the test pictures after JPEG."""
    columns = made[_compressed_name(settings, _name(title, generator, seed))]
    return columns | {"score": columns["jpeg"]}


def _auc(test, source):
    """All reals against the fakes of one source."""
    chosen = (test["label"] == 0) | (test["source"] == source)
    return float(metrics.auc(test["label"][chosen], test["score"][chosen]))


def _accuracy(answered, source):
    test = answered.test
    chosen = (test["label"] == 0) | (test["source"] == source)
    return detectors.balanced_accuracy(answered, chosen=chosen)


def _room(settings, areas, accuracy, compressed):
    """The parts of a detector's areas (seeds, trained on, tested on)."""
    count = len(settings.generators)
    is_seen = np.eye(*areas.shape[1:], dtype=bool)
    unseen_by_kind = {"generators": areas[:, :, :count][:, ~is_seen[:, :count]]}
    first = count
    for kind, names in settings.unseen.items():
        columns = areas[:, :, first : first + len(names)]
        unseen_by_kind[kind] = columns.reshape(len(areas), -1)
        first += len(names)
    return Room(
        accuracy=accuracy,
        seen=areas[:, is_seen],
        compressed=compressed,
        unseen=areas[:, ~is_seen],
        unseen_by_kind=unseen_by_kind,
    )


def _lost(room, aucs):
    """Points of AUC below those of seen generators, one per seed."""
    return 100 * (room.seen.mean(1) - aucs.mean(1))


def _findings(measured, settings):
    """How much room each detector leaves."""
    lines = []
    for title, room in measured.rooms.items():
        lines.append(
            f"{title}: AUC {room.seen.mean():.3f} on the generator that it was trained "
            f"on, {_lost(room, room.unseen).mean():.1f} points less on others, "
            f"{_lost(room, room.compressed).mean():.1f} points less after JPEG "
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
        for kind, aucs in room.unseen_by_kind.items():
            if aucs.size:
                row[f"AUC, unseen {kind}"] = tables.spread(aucs.mean(1))
                lost = tables.spread(_lost(room, aucs), digits=1)
                row[f"points lost, unseen {kind}"] = lost
        lost_unseen = tables.spread(_lost(room, room.unseen), digits=1)
        lost_compressed = tables.spread(_lost(room, room.compressed), digits=1)
        row["points lost, unseen"] = lost_unseen
        row[f"AUC, JPEG {settings.quality}"] = tables.spread(room.compressed.mean(1))
        row["points lost, JPEG"] = lost_compressed
        rows.append(row)
    report.section("Room to measure")
    report.table(
        "room",
        rows,
        caption=f"Means over {len(settings.generators)} generators, ± the standard "
        f"deviation over {len(settings.seeds)} seeds. Accuracy is the mean of that on "
        "reals and on fakes.",
    )


def _report_areas(areas, settings, report):
    tested = _tested(settings)
    for title, matrix in areas.items():
        mean = matrix.mean(0)
        rows = [
            {"trained on": generator} | dict(zip(tested, values, strict=True))
            for generator, values in zip(
                settings.generators, mean.tolist(), strict=True
            )
        ]
        caption = f"{title}: AUC, mean over the seeds."
        report.table(f"matrix_{title}", rows, caption=caption, about=(title,))
        figure = figures.matrix(
            mean,
            rows=settings.generators,
            columns=tested,
            x_label="tested on",
            y_label="trained on",
            title=title,
            limits=(0.5, 1.0),
        )
        report.figure(f"matrix_{title}", figure, caption=caption)
