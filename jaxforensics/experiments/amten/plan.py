"""The jobs of AMTEN's study: every training, and what is asked of what was trained."""

from jaxforensics.experiments.amten import grid, sets
from jaxforensics.experiments.amten.checks import check
from jaxforensics.experiments.amten.networks import training_job
from jaxforensics.experiments.amten.settings import (
    all_exams,
    all_networks,
    networks_of,
)
from jaxforensics.experiments.common import detectors


def jobs(settings, data):
    """Networks of all groups of experiments, their answers, and the robustness grid."""
    check(settings, data)
    corpora = sets.corpora(settings, data)
    trainings = [
        training_job(network, settings, corpora[network.trained_on].train)
        for network in all_networks(settings)
    ]
    answers = [
        job
        for network, name in all_exams(settings)
        for job in detectors.answers_jobs(
            network.answers_name(name),
            network.name,
            test=corpora[name].test,
            title=network.title,
        )
    ]
    grids = [
        grid.job(network, settings, corpora[network.trained_on].test)
        for network in networks_of(settings, "grid")
    ]
    return [*trainings, *answers, *grids]
