"""What the finished jobs of an arena say: accuracies, falls, likeness of pictures."""

from typing import NamedTuple

import numpy as np

from jaxforensics.evaluation.decisions import fakeness, taken_for_fake
from jaxforensics.evaluation.intervals import bootstrap, mean
from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.common.arena.rows import THRESHOLD
from jaxforensics.training.checkpoints import digest as array_digest


class Accuracy(NamedTuple):
    """Shares of the reals and of the fakes that a victim recognises."""

    real: float
    fake: float


class Results(NamedTuple):
    """Numbers of cells, from what the jobs of an `Arena` have `made`."""

    made: dict  # a `jobs.Made`
    arena: tuple

    def clean(self, cell, *, decides=None):
        """The Accuracy of a cell's victim on the test split as it is.

        It decides as its row says, or by LIKELIEST or THRESHOLD.
        """
        answers = self._clean_answers(cell)
        decisions = self._decisions(cell, answers, decides)
        return Accuracy(
            real=recognised(decisions, answers, label=0),
            fake=recognised(decisions, answers, label=1),
        )

    def attacked_accuracy(self, cell, *, sources=None, decides=None):
        """The share of attacked test fakes (of some sources) that are recognised.

        `decides` as in `clean`.
        """
        answers = self._attacked_answers(cell)
        chosen = True
        if sources is not None:
            chosen = np.isin(answers["source"], sources)
        decisions = self._decisions(cell, answers, decides)
        return recognised(decisions, answers, label=1, chosen=chosen)

    def attacked(self, attack, seed, *, knowledge=""):
        """Columns of the attacked test fakes, see `graph.Attacked`.

        Of an attack that makes the same pictures for all victims.
        """
        name = self.arena.attacked_name(attack, seed, knowledge=knowledge)
        return self.made[name].columns

    def shown(self, cell):
        """Columns of the attacked test fakes that the victim of a cell is shown."""
        return self.made[self.arena.attacked_name_of(cell)].columns

    def intervals(self, cell):
        """{'real', 'fake', 'attacked', 'fall'}: each with its bootstrap interval.

        Pictures are resampled by groups; 'fall' is that of the accuracy of fakes, of
        the same pictures before and after.
        """
        clean = self._clean_answers(cell)
        attacked = self._attacked_answers(cell)
        clean_decisions = self._decisions(cell, clean)
        attacked_decisions = self._decisions(cell, attacked)

        # The same fakes in the same order, before and after.
        fakes = np.flatnonzero(clean["label"] == 1)
        fakes = fakes[np.argsort(clean["index"][fakes])]
        before = clean_decisions[fakes]
        after = attacked_decisions[np.argsort(attacked["index"])]
        fall = np.float64(before) - after
        groups = clean["group"][fakes]

        reals = clean["label"] == 0
        real_groups = clean["group"][reals]
        intervals = {
            "real": bootstrap(mean, ~clean_decisions[reals], groups=real_groups),
            "fake": bootstrap(mean, before, groups=groups),
            "attacked": bootstrap(mean, after, groups=groups),
            "fall": bootstrap(mean, fall, groups=groups),
        }
        return {name: tuple(interval) for name, interval in intervals.items()}

    def digests(self, cell):
        """Digests of all answers that `intervals` of a cell depend on."""
        victim = self.arena.victim_name(cell)
        names = [f"{victim}/test", self.arena.answers_name(cell)]
        if self.arena.victims[cell.victim].decides == THRESHOLD:
            names.append(f"{victim}/validation")
        return [array_digest(self.made[name]) for name in names]

    def _clean_answers(self, cell):
        """What a cell's victim says of the test split as it is."""
        return self.made[f"{self.arena.victim_name(cell)}/test"]

    def _attacked_answers(self, cell):
        """What a cell's victim says of the attacked test fakes."""
        return self.made[self.arena.answers_name(cell)]

    def _decisions(self, cell, answers, decides=None):
        """Whether the victim of a cell takes each picture for a fake."""
        threshold = None
        if (decides or self.arena.victims[cell.victim].decides) == THRESHOLD:
            victim = self.arena.victim_name(cell)
            answered = detectors.answers(self.made, victim)
            threshold = detectors.threshold(answered).value
        return decide(answers, reals=self.arena.reals, threshold=threshold)


def decide(answers, *, reals, threshold=None):
    """Whether each picture is taken for a fake: (n,) of bools.

    Its score reaches the threshold or, without one, its likeliest class is not among
    the sources `reals`.
    """
    if threshold is not None:
        return taken_for_fake(answers["score"], threshold)
    return fakeness(answers["logits"], reals=reals) > 0


def recognised(decisions, answers, *, label, chosen=True):
    """The share of the (chosen) pictures of a label that are taken for it.

    NaN if there are none.
    """
    of_label = chosen & (answers["label"] == label)
    if not of_label.any():
        return float("nan")
    return float(np.mean(decisions[of_label] == label))


def likeness(values):
    """Mean and standard deviation over pictures of PSNR or SSIM.

    Pictures left as they are, of infinite PSNR, count only where there are no others.
    """
    changed = values[np.isfinite(values)]
    if len(changed):
        return changed.mean(), changed.std()
    if len(values):
        return np.inf, 0.0
    return np.nan, 0.0
