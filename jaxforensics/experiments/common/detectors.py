"""Jobs that train a detector and ask it, and what its answers say."""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation import metrics, protocols
from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.evaluation.decisions import taken_for_fake
from jaxforensics.experiments.common.jobs import Job
from jaxforensics.methods.classifier import make as make_classifier
from jaxforensics.training.watch import detection

WATCH = detection()  # the state with the highest AUC on validation is chosen


class Answers(NamedTuple):
    """A detector's predictions as columns, {name: array with a row per picture}.

    Beside its outputs these are label, source, group, index and name of the pictures.
    """

    validation: dict | None  # of the split that its threshold is chosen on
    test: dict


def classifier_of(model, *, steps, classifier):
    """The method that trains a model.

    `model` is {'model': its name in `models`, and its settings}, `classifier` holds the
    other settings of `classifier.make`.
    """
    model = dict(model)
    name = model.pop("model")
    return make_classifier(model=name, model_settings=model, steps=steps, **classifier)


def training_job(name, method, data, *, seed, watch=WATCH, title="", strict=False):
    """A job that trains a method on TrainingData: its result is a `Predictor`."""

    def train(workspace, made):
        del made
        return workspace.train(
            name, method, data, watch=watch, seed=seed, strict=strict
        )

    return Job(name, train, title=title)


def answers_jobs(name, net, *, train=None, test, title=""):
    """Jobs NAME/validation and NAME/test: what the net of a job says of both splits.

    Without `train`, a TrainingData, the test split alone is asked about.
    """
    jobs = []
    if train is not None:
        jobs.append(
            prediction_job(
                f"{name}/validation", net, train.validation, train.digest, title=title
            )
        )
    jobs.append(
        prediction_job(f"{name}/test", net, test.batches, test.digest, title=title)
    )
    return jobs


def prediction_job(
    name, net, batches, digest, *, outputs=("logits", "score"), change=None, title=""
):
    """A job whose result are the gathered outputs of the net of another job.

    `digest` identifies what `batches()` give.  `change(predictor)` is asked instead of
    the predictor itself, for example `through` degradations.
    """

    def predict(workspace, made):
        predictor = made[net]
        if change is not None:
            predictor = change(predictor)
        return workspace.predict(name, predictor, batches, digest, outputs=outputs)

    return Job(name, predict, (net,), title)


def answers(made, name):
    """The `Answers` that the jobs of `answers_jobs` made."""
    validation = f"{name}/validation"
    return Answers(
        validation=made[validation] if validation in made else None,
        test=made[f"{name}/test"],
    )


def threshold(answered):
    """The equal-error threshold of the validation split, of `Answers`."""
    validation = answered.validation
    return choose_threshold(validation["label"], validation["score"])


def right(answered):
    """Which test pictures the equal-error threshold of validation gets right."""
    decided = taken_for_fake(answered.test["score"], threshold(answered).value)
    return decided == answered.test["label"]


def balanced_accuracy(answered, *, chosen=True):
    """Mean accuracy of reals and of fakes at validation's equal-error threshold.

    Of the test pictures that are `chosen`.
    """
    hits = right(answered)
    labels = answered.test["label"]
    accuracies = [hits[chosen & (labels == label)].mean() for label in (0, 1)]
    return float(np.mean(accuracies))


def auc_by_source(test, sources):
    """{source: (AUC, low, high)} of all reals against the fakes of one source.

    `test` are columns of answers, `sources` the names that its numbers stand for.
    """
    rows = protocols.per_source(
        test["label"],
        test["score"],
        test["source"],
        {"auc": metrics.auc},
        groups=test["group"],
    )
    return {
        sources[row["source"]]: (row["auc"], row["auc_low"], row["auc_high"])
        for row in rows
    }


def counts(data):
    """Rows of how many pictures of each source the splits of a Corpus have."""
    splits = data.train.counts | data.test.counts
    return [{"split": split} | pictures for split, pictures in splits.items()]
