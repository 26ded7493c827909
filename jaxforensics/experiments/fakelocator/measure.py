"""The numbers of FakeLocator's study, from finished networks and their maps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics.evaluation.intervals import bootstrap, mean
from jaxforensics.experiments.common import claims as common_claims
from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.fakelocator import (
    claims,
    clusters,
    degradations,
    plan,
    sets,
    views,
)
from jaxforensics.experiments.fakelocator.settings import (
    GROUPS,
    all_pairs,
    cells_of,
    looking_networks,
    over_seeds,
    tests_of,
)
from jaxforensics.methods import fakelocator
from jaxforensics.training import mesh as meshes

ZEROS, ONES, MEAN = "all zeros", "all ones", "mean training map"


class Cell(NamedTuple):
    """What the networks of one cell say of a test."""

    summaries: dict  # {measure: array with one value per seed}, see `fakelocator`
    # (point, low, high) of the first seed's COSS over groups; None without maps.
    interval: tuple | None


class Gallery(NamedTuple):
    """Some pictures of a test, what was changed, and what the first seed says."""

    originals: np.ndarray
    fakes: np.ndarray
    targets: np.ndarray
    maps: np.ndarray
    maps_of_originals: np.ndarray
    spreads: np.ndarray
    sources: list


class Looks(NamedTuple):
    """Whether locators look: summaries by the way pictures are seen."""

    rows: dict  # {row: {view: {measure: array with one value per seed}}}
    constant: dict  # {view: {measure: value}} of the mean training map
    degraded: dict  # {view: {measure: value}} of the first row's first seed


class Measured(NamedTuple):
    """What the report says."""

    counts: list
    groups: dict  # {group: {(row, trained on): {test: Cell}}}
    constants: dict  # {(trained on, test): {constant map: {measure: value}}}
    looks: Looks | None
    clusters: dict  # see `clusters.measure`
    gallery: Gallery | None
    claims: list


def measure(made, settings, data):
    """Every number and picture of the report."""
    groups = {
        group: {
            cell: _cell(made, settings, group, cell)
            for cell in cells_of(settings, group)
        }
        for group in GROUPS
    }
    constants = {
        pair: _constants(made, settings, data, *pair) for pair in all_pairs(settings)
    }
    looks = _looks(made, settings, data)
    named = clusters.measure(made, settings, data)
    decided = claims.decide(groups, constants, looks, named, settings)
    return Measured(
        counts=[
            {"corpus": name} | row
            for name, corpus in data.named(sets.MAIN).items()
            for row in detectors.counts(corpus)
        ],
        groups=groups,
        constants=constants,
        looks=looks,
        clusters=named,
        gallery=_gallery(made, settings, data),
        claims=common_claims.unless_diverged(decided, made.workspace.diverged),
    )


def _cell(made, settings, group, cell):
    """{test: Cell} of the networks of a cell, over its seeds."""
    networks = over_seeds(settings, group, *cell)
    cells = {}
    for test in tests_of(settings, group, networks[0].trained_on):
        columns = [made[n.looked_name(views.PLAIN, test)] for n in networks]
        cells[test] = Cell(
            summaries=_over_seeds([fakelocator.summarise(each) for each in columns]),
            interval=_interval(columns[0]),
        )
    return cells


def _over_seeds(summaries):
    """{measure: array with one value per seed}."""
    return {name: np.array([each[name] for each in summaries]) for name in summaries[0]}


def _interval(columns):
    """COSS of fakes with its bootstrap interval over groups; None without maps."""
    if "cosine_similarity" not in columns:
        return None
    chosen = (columns["label"] > 0) & (columns["usable"] > 0)
    similarity = columns["cosine_similarity"][chosen]
    return tuple(bootstrap(mean, similarity, groups=columns["group"][chosen]))


def _constants(made, settings, data, trained_on, test):
    """{constant map: summary} of a test; the mean is that of a training set."""
    side = sets.training(trained_on, settings, data).size
    maps = {
        ZEROS: np.zeros((side, side), np.float32),
        ONES: np.ones((side, side), np.float32),
        MEAN: mean_map(made, settings, data, trained_on),
    }
    return {
        name: _constant(made, settings, data, trained_on, test, name, drawn)
        for name, drawn in maps.items()
    }


def _constant(made, settings, data, trained_on, test, name, drawn, *, kind=views.PLAIN):
    """The summary of one map, `drawn` for every picture of a test."""
    exam = sets.test(test, settings, data)
    predictor = views.constant(
        drawn,
        made.workspace.mesh,
        digest=f"{name} {sets.training(trained_on, settings, data).digest}",
        entire=sets.entire(settings, exam.sources),
        regions=views.regions(kind, settings, exam),
        kind=kind,
    )
    columns = made.workspace.predict(
        f"constants/{name}/{trained_on}/{kind}/{test}",
        predictor,
        exam.batches,
        exam.digest,
        outputs=(*views.MEASURES, *views.OF_REGION),
    )
    return fakelocator.summarise(columns)


def mean_map(made, settings, data, trained_on):
    """The mean target (h, w) of the fakes of a training set."""
    train = sets.training(trained_on, settings, data)
    entire = sets.entire(settings, train.sources)

    def average():
        total = 0.0
        count = 0
        for batch in train.once():
            numeric = meshes.floats(meshes.numeric(batch))
            targets = np.asarray(fakelocator.targets(numeric, entire=entire), float)
            is_picture = batch["valid"] > 0
            total = total + targets[is_picture].sum(0)
            count += is_picture.sum()
        return {"map": np.float32(total / count)}

    stored = made.workspace.arrays(f"means/{trained_on}", average, train.digest)
    return stored["map"]


def _looks(made, settings, data):
    """`Looks` of the networks that are asked whether they look, or None."""
    networks = looking_networks(settings)
    if not networks:
        return None
    test = settings.looks["test"]
    by_row = {}
    for network in networks:
        by_row.setdefault(network.row, []).append(network)
    summaries = {
        row: {
            kind: _over_seeds(
                [fakelocator.summarise(made[n.looked_name(kind, test)]) for n in same]
            )
            for kind in (views.PLAIN, *plan.LOOKS)
        }
        for row, same in by_row.items()
    }
    trained_on = settings.looks["trained_on"]
    drawn = mean_map(made, settings, data, trained_on)
    constant = {
        kind: _constant(made, settings, data, trained_on, test, MEAN, drawn, kind=kind)
        for kind in (views.PLAIN, views.SHIFTED, views.SHUFFLED)
    }
    degraded = {}
    for name in degradations.of(settings):
        for own_target in (False, True):
            kind = degradations.view_name(name, own_target=own_target)
            columns = made[networks[0].looked_name(kind, test)]
            degraded[kind] = fakelocator.summarise(columns)
    return Looks(rows=summaries, constant=constant, degraded=degraded)


def _gallery(made, settings, data):
    """The first fakes of every source of a test, and what the first seed says."""
    networks = looking_networks(settings)
    if not networks or not settings.pictures:
        return None
    exam = sets.test(settings.looks["test"], settings, data)
    predictor = made[networks[0].name]
    entire = sets.entire(settings, exam.sources)

    def look():
        batch = _examples(exam, settings.pictures)
        arrays = {
            "originals": batch["real"],
            "fakes": batch["image"],
            "targets": fakelocator.targets(batch, entire=entire),
            "maps": _drawn(predictor.function("mask"), batch["image"]),
            "maps_of_originals": _drawn(predictor.function("mask"), batch["real"]),
            "spreads": _drawn(predictor.function("spread"), batch["image"]),
            "numbers": batch["source"],
        }
        return {name: np.asarray(array) for name, array in arrays.items()}

    arrays = made.workspace.arrays(
        "gallery", look, predictor.digest, exam.digest, settings.pictures
    )
    numbers = arrays.pop("numbers").tolist()
    return Gallery(sources=[exam.sources[number] for number in numbers], **arrays)


@jax.jit
def _drawn(function, image):
    return function(image)


def _examples(exam, count):
    """A batch of the first fakes of every source."""
    rows = {}
    for batch in exam.labelled(1).batches():
        for row in np.flatnonzero(batch["valid"]):
            of_source = rows.setdefault(int(batch["source"][row]), [])
            if len(of_source) < count:
                picture = {
                    k: batch[k][row] for k in ("image", "real", "label", "source")
                }
                of_source.append(picture)
    pictures = [each for number in sorted(rows) for each in rows[number]]
    stacked = {k: np.stack([each[k] for each in pictures]) for k in pictures[0]}
    stacked["valid"] = np.ones(len(pictures), np.float32)
    batch = {name: jnp.asarray(column) for name, column in stacked.items()}
    return meshes.floats(batch)
