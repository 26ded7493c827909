"""The networks of FakeLocator's study: how each is trained, and how it is chosen."""

from functools import partial

from jaxforensics.experiments.common import checks, detectors
from jaxforensics.experiments.fakelocator import sets
from jaxforensics.experiments.fakelocator.settings import all_rows
from jaxforensics.methods import fakelocator
from jaxforensics.methods.classifier import make as make_classifier
from jaxforensics.settings import call, choose
from jaxforensics.training.watch import Watch

SELECTED = "cosine_similarity"
# Any even map, also one near zero, has a similarity of one with a target of ones.
SELECTED_OF_WHOLE = "map_closeness"


def training_job(network, settings, data):
    """The job that trains a network on its set of `data`, the `Sets` of a run."""
    train = sets.training(network.trained_on, settings, data)
    if network.row in settings.classifiers:
        # It learns from reals and fakes as they come; a locator from pairs.
        return detectors.training_job(
            network.name,
            method(network, settings, train.sources),
            sets.with_reals(network.trained_on, settings, data),
            seed=network.seed,
            title=network.row,
        )
    return detectors.training_job(
        network.name,
        method(network, settings, train.sources),
        train,
        seed=network.seed,
        # A parser, which may learn in a stage before, has no map to be chosen by.
        watch={"train": watch_of(settings, train)},
        title=network.row,
    )


def method(network, settings, sources):
    """The method that trains a network on a set whose sources have these names."""
    row = dict(choose(all_rows(settings), network.row, "row"))
    steps = whole_steps(settings, network)
    if network.row in settings.classifiers:
        return call(make_classifier, row | {"steps": steps}, where=network.row)
    derived = {
        "entire": sets.entire(settings, sources),
        "steps": steps,
    }
    if row.get("attention", "white") != "white":
        derived["regions"] = sets.regions(settings, sources)
    return call(
        fakelocator.make, dict(settings.locator) | row | derived, where="locator"
    )


def watch_of(settings, train):
    """Validation by the maps of fakes: the state with the highest COSS is kept.

    Of sets with faces that are synthesised as a whole, that with the least error.
    """
    entire = sets.entire(settings, train.sources)
    measures = partial(fakelocator.measure, entire=entire)
    has_whole = set(checks.fakes(train.counts["train"])) & set(settings.entire)
    return Watch(
        outputs=("score",),
        measures=measures,
        summary=summarise_maps,
        select=SELECTED_OF_WHOLE if has_whole else SELECTED,
    )


def summarise_maps(columns):
    """What validation says, of fakes alone: similarity, error and what is recognised.

    Means over no picture, such as of reals, are left out: they are nan.
    """
    summary = fakelocator.summarise(columns)
    kept = (SELECTED, "map_psnr", "map_error", "fake_accuracy")
    values = {name: summary[name] for name in kept}
    return values | {SELECTED_OF_WHOLE: 1 - summary["map_error"]}


def whole_steps(settings, network):
    """The steps of a network's whole training."""
    longer = dict(settings.longer)
    of_set = longer.get(network.trained_on, 1)
    return round(settings.steps * of_set * longer.get(network.row, 1))
