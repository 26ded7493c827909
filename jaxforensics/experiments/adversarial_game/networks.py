"""The detectors of the game's study: how each is trained."""

from jaxforensics.experiments.common import detectors
from jaxforensics.methods import adversarial_game
from jaxforensics.settings import call, choose


def training_job(network, settings, train):
    """The job that trains a network on `train`, a TrainingData."""
    return detectors.training_job(
        network.name,
        method(network, settings, in_turn=train.labels_in_turn),
        train,
        seed=network.seed,
        title=network.title,
    )


def method(network, settings, *, in_turn=False):
    """The game that trains a network; reals and fakes may come `in_turn`.

    All rows share the settings of the game, but for those that a detector has of its
    own.  What they differ in is the adversary, and for traditional augmentation what
    pictures go through beside what all go through.
    """
    model_settings = dict(choose(settings.detectors, network.detector, "detector"))
    model = model_settings.pop("model")
    row = dict(choose(settings.rows, network.row, "row"))
    shared = dict(settings.game) | dict(settings.own.get(network.detector, {}))
    generator = dict(shared.pop("generator")) | dict(row["generator"])
    varied = {
        "model": model,
        "model_settings": model_settings,
        "adversary": row["adversary"],
        "attack": dict(row["attack"]),
        "generator": generator | {"in_turn": in_turn},
        "augment": (*shared.pop("augment"), *row["augment"]),
        "steps": whole_steps(settings, network),
    }
    return call(adversarial_game.make, shared | varied, where="game")


def whole_steps(settings, network):
    """The steps of a training."""
    longer = dict(settings.longer)
    factor = longer.get(network.detector, 1) * longer.get(network.trained_on, 1)
    return round(settings.steps * factor)
