"""The networks of AMTEN's study: how each is trained, and by what it is judged."""

from jaxforensics.data.items import is_real_source
from jaxforensics.experiments.amten import accuracy
from jaxforensics.experiments.amten.sets import MIXTURES
from jaxforensics.experiments.amten.settings import LABEL, SOURCE
from jaxforensics.experiments.common import detectors
from jaxforensics.settings import choose
from jaxforensics.training.watch import Watch


def summarise_sources(columns):
    """{'accuracy'} of sources, mean over classes, of gathered predictions."""
    return {"accuracy": accuracy.of(columns, SOURCE).classes}


# What is measured on validation, and by which value the state is chosen.
WATCHES = {
    SOURCE: Watch(summary=summarise_sources, select="accuracy"),
    LABEL: detectors.WATCH,
}


def training_job(network, settings, train):
    """The job that trains a network on `train`, a TrainingData."""
    watch = WATCHES[network.task]
    if network.after is not None:
        watch = watch._replace(select=None)  # the state at that step, good or bad
    return detectors.training_job(
        network.name,
        method(network, settings, train.sources),
        train,
        seed=network.seed,
        watch=watch,
        title=network.title,
    )


def method(network, settings, sources):
    """The method that trains a network on a set whose sources have these names."""
    model = choose(settings.models, network.title, "network")
    optimiser = dict(
        settings.optimisers.get(network.title, settings.classifier["optimiser"])
    )
    # Learning rates fall over the whole training, also of a network that stops before.
    optimiser["steps"] = whole_steps(settings, network.trained_on)
    steps = optimiser["steps"]
    if network.after is not None:
        steps = network.after
    shared = dict(settings.classifier) | {"optimiser": optimiser}
    shared |= _classes(network.task, sources)
    return detectors.classifier_of(model, steps=steps, classifier=shared)


def whole_steps(settings, trained_on):
    """The steps of a whole training on a set."""
    factors = MIXTURES | dict(settings.longer)
    return round(settings.steps * factors.get(trained_on, 1))


def _classes(task, sources):
    """Settings of `classifier.make` that say which classes there are."""
    if task == LABEL:
        return {"loss": "cross_entropy", "target": LABEL, "num_classes": 2}
    reals = [number for number, name in enumerate(sources) if is_real_source(name)]
    return {
        "loss": "cross_entropy",
        "target": SOURCE,
        "num_classes": len(sources),
        "reals": tuple(reals),
    }
