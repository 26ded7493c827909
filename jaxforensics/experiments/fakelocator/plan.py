"""The jobs of FakeLocator's study: every training, and the maps of every test."""

from jaxforensics.experiments.common.jobs import Job
from jaxforensics.experiments.fakelocator import clusters, degradations, sets, views
from jaxforensics.experiments.fakelocator.checks import check
from jaxforensics.experiments.fakelocator.networks import training_job
from jaxforensics.experiments.fakelocator.settings import (
    all_exams,
    all_networks,
    looking_networks,
)

LOOKS = views.SHIFTED, views.NEIGHBOURS, views.SHUFFLED, views.AUGMENTED


def jobs(settings, data):
    """Networks of all groups, and what is measured of their maps."""
    check(settings, data)
    trainings = [
        training_job(network, settings, data) for network in all_networks(settings)
    ]
    exams = [
        _job(network, views.PLAIN, test, settings, data)
        for network, test in all_exams(settings)
    ]
    looks = [
        _job(network, kind, settings.looks["test"], settings, data)
        for network in looking_networks(settings)
        for kind in LOOKS
    ]
    degraded = [
        _degraded_job(network, name, settings, data, own_target=own_target)
        for network in looking_networks(settings)[:1]
        for name in degradations.of(settings)
        for own_target in (False, True)
    ]
    return [*trainings, *exams, *looks, *degraded, *clusters.jobs(settings, data)]


def _job(network, kind, test, settings, data):
    exam = sets.test(test, settings, data)
    function = views.view(
        kind,
        sets.entire(settings, exam.sources),
        views.regions(kind, settings, exam),
    )
    return _measuring(network, kind, test, exam, function)


def _degraded_job(network, name, settings, data, *, own_target):
    test = settings.looks["test"]
    exam = sets.test(test, settings, data)
    operation_name, severity = degradations.of(settings)[name]
    function = views.degraded(
        degradations.operation(operation_name, severity),
        sets.entire(settings, exam.sources),
        own_target=own_target,
    )
    kind = degradations.view_name(name, own_target=own_target)
    return _measuring(network, kind, test, exam, function)


def _measuring(network, kind, test, exam, function):
    name = network.looked_name(kind, test)

    def make(workspace, made):
        predictor = made[network.name].by(function, description=kind)
        outputs = (*views.MEASURES, *views.OF_REGION)
        return workspace.predict(
            name, predictor, exam.batches, exam.digest, outputs=outputs
        )

    return Job(name, make, (network.name,), network.row)
