"""The numbers of the game's study, from finished detectors and what they answered."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.evaluation.decisions import taken_for_fake
from jaxforensics.evaluation.intervals import bootstrap
from jaxforensics.experiments.adversarial_game import (
    attacking,
    claims,
    idle,
    sets,
)
from jaxforensics.experiments.adversarial_game.settings import (
    GROUPS,
    cells_of,
    idle_networks,
    over_seeds,
)
from jaxforensics.experiments.common import claims as common_claims
from jaxforensics.experiments.common import detectors
from jaxforensics.ops.color import to_float
from jaxforensics.settings import plain
from jaxforensics.training.checkpoints import digest as array_digest

UNCHANGED = "unchanged"
HALF = 0.5  # the threshold of the paper's accuracies


class Scores(NamedTuple):
    """What detectors of one cell reach on a test: arrays with one value per seed."""

    auc: np.ndarray
    accuracy: np.ndarray  # at a score of one half
    chosen_accuracy: np.ndarray  # at validation's equal-error threshold
    video_auc: np.ndarray
    video_accuracy: np.ndarray  # of mean scores, at one half
    interval: tuple  # of the first seed's AUC, over groups: (point, low, high)
    video_interval: tuple


class Gallery(NamedTuple):
    """Some test pictures as adversaries leave them: Figs. 1, 2 and 4."""

    labels: list  # of each picture
    changed: dict  # {title: pictures (n, h, w, 3)}, UNCHANGED first
    maps: dict  # {title: `kernel_deviations` (n, h, w)}
    kernels: dict  # {title of an attack: pictures (n, h, w, 3)}


class Measured(NamedTuple):
    """What the report says."""

    counts: list  # rows: pictures per corpus, split and source
    videos: list  # rows: videos and groups of every test
    groups: dict  # {group: {(detector, row, trained on): {test: Scores}}}
    idle: dict  # {adversary: idle.Trial}
    attacks: dict  # {(attack, source, target): (accuracy, PSNR)}
    gallery: Gallery | None
    claims: list  # rows of `common.claims.decided`


def measure(made, settings, data):
    """Every number and picture of the report."""
    groups = {
        group: {
            cell: _cell(made, settings, data, group, cell)
            for cell in cells_of(settings, group)
        }
        for group in GROUPS
    }
    trials = idle.measure(made, settings, data)
    attacks = attacking.measure(made, settings)
    decided = claims.decide(groups, settings)
    return Measured(
        counts=[
            {"corpus": name} | row
            for name, corpus in data.named(sets.MAIN).items()
            for row in detectors.counts(corpus)
        ],
        videos=_videos(made, settings, data),
        groups=groups,
        idle=trials,
        attacks=attacks,
        gallery=_gallery(made, settings, data),
        claims=common_claims.unless_diverged(decided, made.workspace.diverged),
    )


def _cell(made, settings, data, group, cell):
    """{test: Scores} of the detectors of a cell, over its seeds."""
    networks = over_seeds(settings, group, *cell)
    cells = {}
    for test in getattr(settings, group)["tests"]:
        per_seed = [_scores(made, settings, data, each, test) for each in networks]
        values = np.transpose([seed["values"] for seed in per_seed])
        cells[test] = Scores(
            *values,
            interval=tuple(per_seed[0]["interval"]),
            video_interval=tuple(per_seed[0]["video_interval"]),
        )
    return cells


def _scores(made, settings, data, network, test):
    """{'values', 'interval', 'video_interval'} of one detector on one test, cached."""
    chosen = settings.tests[test]
    corpus = sets.corpus(chosen["corpus"], data)
    answered = _answers(made, network, chosen["corpus"])
    is_first = network.seed == tuple(settings.seeds)[0]
    return made.workspace.measure(
        f"{network.answers_name(chosen['corpus'])}/of {test}",
        partial(_score, answered, plain(chosen), corpus.test.sources, is_first),
        [array_digest(answered.validation), array_digest(answered.test)],
        [plain(chosen), is_first],
    )


def _score(answered, test, sources, with_intervals):
    """What `_scores` says, of `detectors.Answers`."""
    rows = sets.rows_of_test(answered.test, test, sources)
    columns = {name: column[rows] for name, column in answered.test.items()}
    labels = columns["label"]
    scores = columns["score"]
    threshold = detectors.threshold(answered).value
    videos = _pooled(columns)
    none = [float("nan")] * 3
    intervals = {"interval": none, "video_interval": none}
    if with_intervals:
        over_groups = bootstrap(metrics.auc, labels, scores, groups=columns["group"])
        over_videos = bootstrap(
            metrics.auc, videos.labels, videos.scores, groups=videos.groups
        )
        intervals = {
            "interval": list(over_groups),
            "video_interval": list(over_videos),
        }
    values = [
        float(metrics.auc(labels, scores)),
        _accuracy(labels, scores, HALF),
        _accuracy(labels, scores, threshold),
        float(metrics.auc(videos.labels, videos.scores)),
        _accuracy(videos.labels, videos.scores, HALF),
    ]
    return {"values": values} | intervals


def _pooled(columns):
    """The `protocols.Videos` of answers about frames."""
    return protocols.pool_videos(
        columns["score"],
        columns["video"],
        labels=columns["label"],
        sources=columns["source"],
        groups=columns["group"],
    )


def _accuracy(labels, scores, threshold):
    """The share of right answers."""
    return float(np.mean(taken_for_fake(scores, threshold) == (labels == 1)))


def _answers(made, network, corpus):
    """What a network says of its validation split and of the test of a corpus."""
    return detectors.Answers(
        validation=made[f"{network.name}/validation"],
        test=made[f"{network.answers_name(corpus)}/test"],
    )


def _videos(made, settings, data):
    """Rows of how many frames, videos and groups each test has."""
    rows = {}
    for group in GROUPS:
        for cell in cells_of(settings, group):
            for test in getattr(settings, group)["tests"]:
                if test not in rows:
                    network = over_seeds(settings, group, *cell)[0]
                    rows[test] = _videos_of(made, settings, data, network, test)
    return list(rows.values())


def _videos_of(made, settings, data, network, test):
    chosen = settings.tests[test]
    sources = sets.corpus(chosen["corpus"], data).test.sources
    answers = made[f"{network.answers_name(chosen['corpus'])}/test"]
    is_member = sets.rows_of_test(answers, chosen, sources)
    columns = {name: column[is_member] for name, column in answers.items()}
    labels = columns["label"]
    videos = _pooled(columns)
    return {
        "test": test,
        "frames of reals": int((labels == 0).sum()),
        "of fakes": int((labels == 1).sum()),
        "videos of reals": int((videos.labels == 0).sum()),
        "of fakes, videos": int((videos.labels == 1).sum()),
        "groups": len(np.unique(columns["group"])),
    }


def _gallery(made, settings, data):
    """Test pictures after adversaries, or None where the settings ask for none."""
    networks = idle_networks(settings)
    if not settings.pictures["count"] or not networks:
        return None
    digests = [made[network.name].digest for network in networks]
    chosen = plain([settings.pictures, settings.idle, settings.attacks["attacks"]])

    def look():
        return _seen(made, settings, data)

    arrays = made.workspace.arrays("gallery", look, digests, chosen)
    parts = {"changed": {}, "maps": {}, "kernels": {}}
    for path, array in arrays.items():
        part, _, title = path.partition("/")
        if title:
            parts[part][title] = array
    return Gallery(labels=arrays["labels"].tolist(), **parts)


def _seen(made, settings, data):
    """The arrays of a `Gallery`, {'labels', 'changed/TITLE', 'maps/…', 'kernels/…'}."""
    plain_network, *games = idle_networks(settings)
    predictor = made[plain_network.name]
    count = settings.pictures["count"]
    images, labels = _examples(settings, data, plain_network, count)
    changed = {UNCHANGED: images}
    maps = {}
    for title in settings.pictures["adversaries"]:
        row = settings.idle["adversaries"][title]
        pictures = idle.follow(predictor, row, images, labels)
        changed[title] = pictures.changed
        if pictures.precision is not None:
            maps[title] = pictures.precision
    for network in games:
        pictures = idle.play(made[network.name], images, labels)
        changed[network.row] = pictures.changed
        maps[network.row] = pictures.precision
    kernels = {}
    for title in settings.pictures["kernels"]:
        row = settings.attacks["attacks"][title]
        kernels[title] = idle.follow(predictor, row, images, labels).changed
    maps = {title: kernel_deviations(each) for title, each in maps.items()}
    arrays = {"labels": np.asarray(labels)}
    for part, pictures in (("changed", changed), ("maps", maps), ("kernels", kernels)):
        for title, each in pictures.items():
            arrays[f"{part}/{title}"] = np.asarray(each)
    return arrays


def kernel_deviations(precision, *, size=idle.SIZE):
    """The standard deviation of each pixel's kernel, in pixels, (...) -> (...).

    A Gaussian that is cut off at the window's border is narrower than its precision
    says, and never wider than a constant.
    """
    offsets = np.arange(size) - size // 2
    weights = np.exp(-0.5 * np.asarray(precision)[..., None] * offsets**2)
    variance = (weights * offsets**2).sum(-1) / weights.sum(-1)
    return np.sqrt(variance)


def _examples(settings, data, network, count):
    """The first reals and fakes of the test, each of another video, and their labels.

    The fakes are of the manipulation that the network has learnt.
    """
    training = settings.training_sets[network.trained_on]
    test = sets.corpus(training["corpus"], data).test.only(training["fakes"])
    pictures = {0: {}, 1: {}}
    for batch in test.batches():
        for row in np.flatnonzero(batch["valid"]):
            of_label = pictures[int(batch["label"][row])]
            if len(of_label) < count:
                of_label.setdefault(batch["video"][row], batch["image"][row])
        if all(len(each) == count for each in pictures.values()):
            break
    images = [image for each in pictures.values() for image in each.values()]
    labels = [label for label, each in pictures.items() for _ in each]
    return to_float(jnp.asarray(np.stack(images))), jnp.asarray(labels)
