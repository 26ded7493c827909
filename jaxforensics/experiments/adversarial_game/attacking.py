"""Blur as an attack: what detectors say of pictures that were attacked through one.

Tables VII and XII to XIV.  Every picture of a test, real or fake, is attacked through
one victim, rounded to 8 bits as a file would hold it, and shown to all victims.
"""

import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics import attacks
from jaxforensics.data.marks import mark
from jaxforensics.evaluation import quality
from jaxforensics.evaluation.decisions import fakeness
from jaxforensics.experiments.adversarial_game import sets
from jaxforensics.experiments.adversarial_game.settings import victims_of
from jaxforensics.experiments.common.jobs import Job
from jaxforensics.ops.color import to_float
from jaxforensics.settings import digest, plain
from jaxforensics.training import mesh as meshes
from jaxforensics.training.loop import ahead

UNATTACKED = "unattacked"


class Attack(NamedTuple):
    """A row of the tables of attacks, or a point of a curve of strengths."""

    title: str
    name: str  # in `attacks`; UNATTACKED leaves pictures as they are
    settings: dict


class Attacker:
    """An attack through one victim in the place of a predictor, asked of all victims.

    `attack` is (key, image, label) -> image or None, `victims` {title: images ->
    logits}.  `digest` identifies it, and `notice`, its mark, is stored with answers.
    """

    def __init__(self, attack, victims, key, mesh, *, digest, notice):
        self._attack = attack
        self._victims = victims
        self._key = key
        self._mesh = mesh
        self.digest = digest
        self.notice = notice

    def over(self, batches, *, outputs):
        """{'psnr', 'label', a logit of P(fake) per victim}: a row per picture."""
        parts = []
        for _, batch in ahead(batches, self._mesh):
            # Random numbers follow from the batch, however many came before it.
            key = jax.random.fold_in(self._key, batch["index"][0])
            image = meshes.floats(batch)["image"]
            attacked = image
            if self._attack is not None:
                attacked = _saved(self._attack(key, image, batch["label"]))
            columns = {"psnr": _psnr(attacked, image), "label": batch["label"]}
            for title, logits in self._victims.items():
                columns[title] = _margin(logits, attacked)
            columns |= {"valid": batch["valid"], "index": batch["index"]}
            parts.append({name: meshes.fetch(c) for name, c in columns.items()})
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        is_picture = whole["valid"] > 0
        return {k: whole[k][is_picture] for k in ("label", "index", *outputs)}


def rows(settings):
    """All `Attack`s: no attack, those of the tables, those of the curves."""
    chosen = settings.attacks
    table = [Attack(UNATTACKED, UNATTACKED, {})]
    for title, row in chosen["attacks"].items():
        table.append(_attack(title, row))
    for family, row in chosen["strengths"].items():
        table += strengths(family, row)
    return table


def strengths(family, row):
    """The `Attack`s of one curve: a setting of an attack takes one value after another.

    `row` is {'attack', 'setting', 'values'} and the attack's other settings.
    """
    row = dict(row)
    setting = row.pop("setting")
    values = row.pop("values")
    return [
        _attack(f"{family}, {setting} {value:.4g}", row | {setting: value})
        for value in values
    ]


def job_name(source, attack):
    """The name of the job that attacks through a victim."""
    return f"attacks/{source.detector}/{attack.title}"


def jobs(settings, data):
    """A job per victim and attack: the columns of `Attacker.over`."""
    victims = victims_of(settings)
    if not victims:
        return []
    test = settings.tests[settings.attacks["test"]]
    exam = sets.corpus(test["corpus"], data).test.only(test["fakes"])
    return [
        _job(source, attack, victims, settings, exam)
        for source in victims
        for attack in rows(settings)
    ]


def measure(made, settings):
    """{(attack, source, target): (accuracy, mean PSNR)} of `rows` and all victims."""
    victims = victims_of(settings)
    table = {}
    for source in victims:
        for attack in rows(settings):
            columns = made[job_name(source, attack)]
            for target in victims:
                says_fake = columns[_column(target)] > 0
                is_right = says_fake == (columns["label"] == 1)
                cell = attack.title, source.detector, target.detector
                psnr = float(np.mean(columns["psnr"]))
                table[cell] = float(np.mean(is_right)), psnr
    return table


def at_psnr(points, psnr):
    """The accuracy at a PSNR between those of a curve's points, NaN beyond them.

    `points` are (accuracy, PSNR) of attacks that differ in their strength.
    """
    accuracies, psnrs = np.array(sorted(points, key=lambda point: point[1])).T
    if not psnrs[0] <= psnr <= psnrs[-1]:
        return float("nan")
    return float(np.interp(psnr, psnrs, accuracies))


def _attack(title, row):
    row = dict(row)
    return Attack(title, row.pop("attack"), row)


def _job(source, attack, victims, settings, exam):
    every = settings.attacks["every"]
    name = job_name(source, attack)

    def make(workspace, made):
        logits = {v: made[v.name].function("logits") for v in victims}
        build = None
        if attack.name != UNATTACKED:
            build = attacks.build(attack.name, logits[source], **attack.settings)
        identity = [source.name, attack.name, plain(attack.settings), every]
        identity += [made[victim.name].digest for victim in victims]
        attacker = Attacker(
            build,
            {_column(victim): logits[victim] for victim in victims},
            jax.random.key(source.seed),
            workspace.mesh,
            digest=digest(identity),
            notice=mark(attack.name, plain(attack.settings)),
        )
        batches = partial(_every, exam, every)
        outputs = "psnr", *(_column(victim) for victim in victims)
        return workspace.predict(name, attacker, batches, exam.digest, outputs=outputs)

    needs = tuple(victim.name for victim in victims)
    return Job(name, make, needs, attack.title)


def _every(exam, every):
    """Every so many batches of a test."""
    return itertools.islice(exam.batches(), 0, None, every)


def _column(victim):
    return f"said by {victim.detector}"


@jax.jit
def _saved(attacked):
    """Pictures after 8 bits."""
    pixels = jnp.round(255 * jnp.clip(attacked, 0, 1)).astype(jnp.uint8)
    return to_float(pixels)


@jax.jit
def _psnr(attacked, image):
    return quality.psnr(attacked, image)


@jax.jit
def _margin(logits, image):
    """By how much a victim finds a picture fake, (b,)."""
    return fakeness(logits(image).astype(jnp.float32))
