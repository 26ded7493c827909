"""AMTEN's robustness grid: every operation of Table IX in one pass over a split."""

import jax
import numpy as np

from jaxforensics.experiments.amten import accuracy
from jaxforensics.experiments.amten.settings import SOURCE
from jaxforensics.experiments.common import detectors
from jaxforensics.ops import degrade

UNCHANGED = "none 0"  # the column of pictures as they are, see `Predictor.through`
# {column: (operation, severity)} of all of Table IX that runs on the device.
CELLS = {
    f"{operation} {severity}": (operation, severity)
    for operation, severity in degrade.amten_grid()
}
COLUMNS = UNCHANGED, *CELLS


def job(network, settings, test):
    """The job that asks a network about the test split under every operation."""

    def change(predictor):
        operations = degrade.amten_grid()
        changed = {column: operations[cell] for column, cell in CELLS.items()}
        key = jax.random.key(settings.seeds[0])
        return predictor.through(changed, key, output="logits")

    return detectors.prediction_job(
        _name(network),
        network.name,
        test.batches,
        test.digest,
        outputs=COLUMNS,
        change=change,
        title=network.title,
    )


def accuracies(made, networks):
    """{column: accuracies of sources}, a value for each of the networks."""
    answers = [made[_name(network)] for network in networks]
    shares = {
        column: [accuracy.of(each, SOURCE, logits=column) for each in answers]
        for column in COLUMNS
    }
    return {
        column: np.array([each.pictures for each in of_column])
        for column, of_column in shares.items()
    }


def _name(network):
    return f"{network.name}/grid"
