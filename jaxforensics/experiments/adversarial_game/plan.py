"""The jobs of the game's study: every training, every answer, every attacked set."""

from jaxforensics.experiments.adversarial_game import attacking, sets
from jaxforensics.experiments.adversarial_game.checks import check
from jaxforensics.experiments.adversarial_game.networks import training_job
from jaxforensics.experiments.adversarial_game.settings import all_exams, all_networks
from jaxforensics.experiments.common import detectors


def jobs(settings, data):
    """Detectors of all groups, their answers, and attacks on some of them."""
    check(settings, data)
    learnt_from = {
        name: sets.training(name, settings, data)
        for name in sets.used_for_training(settings)
    }
    trainings = [
        training_job(network, settings, learnt_from[network.trained_on])
        for network in all_networks(settings)
    ]
    # Thresholds are chosen on what a network was trained on, never on what it is asked.
    thresholds = [
        detectors.prediction_job(
            f"{network.name}/validation",
            network.name,
            learnt_from[network.trained_on].validation,
            learnt_from[network.trained_on].digest,
            title=network.title,
        )
        for network in dict.fromkeys(network for network, _ in all_exams(settings))
    ]
    answers = [
        job
        for network, name in all_exams(settings)
        for job in detectors.answers_jobs(
            network.answers_name(name),
            network.name,
            test=sets.corpus(name, data).test,
            title=network.title,
        )
    ]
    return [*trainings, *thresholds, *answers, *attacking.jobs(settings, data)]
