"""The networks of AMTEN's experiments: trained on a set, tested on many, each once."""

import copy
from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation import metrics
from jaxforensics.evaluation.intervals import bootstrap
from jaxforensics.experiments import detection
from jaxforensics.ops import degrade
from jaxforensics.settings import choose
from jaxforensics.training import watch as watches

MIXTURES = {"Small": 1, "Middle": 4 / 3, "Large": 3}  # pictures, of those of one set
PLAIN = "Raw"
SETS = {PLAIN: None, "JP60": ("jpeg", (60,)), "ME5": ("mean", (5,))} | {
    f"{name}-mix": (operation.name, operation.mixed)
    for name, operation in degrade.AMTEN.items()
}
MIXED = PLAIN, "JP-mix", "ME-mix"


class Tested(NamedTuple):
    """Predictions {'validation', 'test'} of one network, and the names of classes.

    On other sets than that it was trained on, of the test split alone.
    """

    found: dict
    sources: tuple


class Bench:
    """Networks `models` {title: {'model': …}} on data after operations, and others.

    A set is called as in `SETS`, or as one of `others` {name: Corpus}; those of
    `MIXTURES` can be trained on.  A network tells 'source's apart, or has two classes
    by the 'label'.  Trainings take `steps`, on a set {name: factor} of `longer` so many
    times as many, on a mixture in proportion to its pictures.
    """

    def __init__(
        self,
        workspace,
        data,
        others,
        *,
        models,
        steps,
        longer,
        training,
        optimisers,
        seeds,
    ):
        self.workspace, self.models, self.seeds = workspace, dict(models), seeds
        self._data, self._sets = data, dict(others)
        self._steps, self._training = steps, dict(training)
        self._longer = MIXTURES | dict(longer)
        self._optimisers = dict(optimisers)
        self._nets = {}

    def first(self, seeds):
        """The same networks and sets, of the first `seeds` seeds alone."""
        few = copy.copy(self)
        few.seeds = self.seeds[:seeds]
        return few

    def corpus(self, name):
        """Both sides of a set; of a mixture, training alone."""
        if name not in self._sets:
            self._sets[name] = self._after(name)
        return self._sets[name]

    def net(self, title, trained_on, seed, *, task="source", after=None):
        """A trained network, the best on validation; with `after` that many steps, as
        it is then."""
        key = title, task, trained_on, after, seed
        if key not in self._nets:
            self._nets[key] = self._train(*key)
        return self._nets[key]

    def tested(self, title, trained_on, seed, *, on=None, task="source"):
        """What a network says of a set, that which it was trained on if None."""
        on = trained_on if on is None else on
        name = f"{title}/{task}/{trained_on}/seed{seed}/on {on}"
        net = self.net(title, trained_on, seed, task=task)
        train, test = self.corpus(on)
        if on == trained_on:
            found = detection.predictions(self.workspace, net, name, train, test)
        else:  # no threshold is needed, so no validation
            mark = test.digest
            stored = self.workspace.predict(f"{name}/test", net, test.batches, mark)
            found = {"test": stored}
        return Tested(found, test.sources)

    def accuracies(self, title, trained_on, *, on=None, task="source"):
        """One accuracy per seed: of sources, or of real and fake at a threshold."""
        runs = (self.tested(title, trained_on, s, on=on, task=task) for s in self.seeds)
        return np.array([ACCURACIES[task](run.found) for run in runs])

    def interval(self, title, trained_on, *, task="source"):
        """The first seed's accuracy with its bootstrap interval over groups."""
        found = self.tested(title, trained_on, self.seeds[0], task=task).found
        classes, groups = found["test"][task], found["test"]["group"]
        right = RIGHT[task](found)
        return tuple(bootstrap(mean_of_classes, classes, right, groups=groups))

    def _after(self, name):
        if name in MIXTURES:
            parts, copies = [SETS[part] for part in MIXED], MIXTURES[name]
            train = self._data.train.degraded(*parts, copies=copies)
            return self._data._replace(train=train, test=None)
        operation = choose(SETS, name, "set")
        if operation is None:
            return self._data
        return type(self._data)(*(side.degraded(operation) for side in self._data))

    def _train(self, title, task, trained_on, after, seed):
        data = self.corpus(trained_on).train
        steps = round(self._steps * self._longer.get(trained_on, 1))
        stop = "" if after is None else f"/after {after}"
        own = dict(self._optimisers.get(title, self._training["optimiser"]))
        own["steps"] = steps  # of the whole training, wherever this one stops
        return detection.train(
            self.workspace,
            data,
            f"{title}/{task}/{trained_on}{stop}",
            seed,
            choose(self.models, title, "network"),
            steps if after is None else after,
            self._training | {"optimiser": own} | _task(task, data.sources),
            watch=WATCHES[task]._replace(select=None) if after else WATCHES[task],
        )


def accuracy(outputs, *, logits="logits"):
    """Mean over classes of the share of pictures that are recognised."""
    right, once = _likeliest(outputs, logits), np.ones((1, len(outputs["source"])))
    return float(mean_of_classes(outputs["source"], right, valid=once)[0])


def confusion(outputs, *, logits="logits"):
    """Shares (true, said): rows are the classes that occur, columns all of them."""
    counts = np.asarray(metrics.confusion(outputs["source"], outputs[logits]))
    present = counts.sum(1) > 0
    return (counts / np.maximum(counts.sum(1, keepdims=True), 1))[present]


def mean_of_classes(classes, right, *, valid):
    """Mean over classes of the share that is right, of those a resample holds."""
    member = classes[:, None] == np.unique(classes)
    counts = valid @ member
    shares = valid @ (member * right[:, None]) / np.where(counts, counts, np.nan)
    return np.nanmean(shares, axis=-1)


def _likeliest(outputs, logits="logits"):
    return np.argmax(outputs[logits], axis=-1) == outputs["source"]


def _task(task, sources):
    several = {"loss": "cross_entropy", "target": task}
    if task == "label":
        return several | {"num_classes": 2}
    reals = tuple(i for i, s in enumerate(sources) if s.split("/")[0] == "real")
    return several | {"num_classes": len(sources), "reals": reals}


WATCHES = {
    "source": watches.Watch(
        summary=lambda columns: {"accuracy": accuracy(columns)}, select="accuracy"
    ),
    "label": watches.detection(),
}
ACCURACIES = {
    "source": lambda found: accuracy(found["test"]),
    "label": detection.balanced_accuracy,
}
RIGHT = {
    "source": lambda found: _likeliest(found["test"]),
    "label": detection.right,
}
