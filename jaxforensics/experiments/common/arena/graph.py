"""The jobs that cells of an arena need: networks → victims → attacks → answers.

Names of jobs are paths below the run's directory:

    networks/NETWORK/[KNOWLEDGE/]seedN            a network that redraws pictures
    victims/VICTIM/DEFENCE/seedN                  a detector
    …/validation, …/test                          what it says of both splits
    attacks/ATTACK/[KNOWLEDGE/]seedN/SPLIT        the attacked fakes of a split
    attacks/ATTACK/VICTIM/DEFENCE/…/SPLIT         the same, if it follows the victim
    victims/…/seedN/after/ATTACK[/KNOWLEDGE]      what it says of those of the test
"""

from functools import partial
from typing import Any, NamedTuple

import jax

from jaxforensics.data.items import is_real_source
from jaxforensics.data.marks import mark
from jaxforensics.experiments.common import detectors
from jaxforensics.experiments.common.arena.attacker import (
    OUTPUTS,
    Attacker,
    fake_logit,
    psnr_by_index,
)
from jaxforensics.experiments.common.arena.rows import (
    ITSELF,
    THRESHOLD,
    UNDEFENDED,
    Cell,
)
from jaxforensics.experiments.common.jobs import Job
from jaxforensics.settings import choose, digest, plain

SHARE = 0.5  # of attacked fakes among the fakes that a hardened victim trains on


class Attacked(NamedTuple):
    """The attacked fakes of a split: what was made, and what identifies it."""

    columns: dict  # image (8 bits), index, source, psnr, ssim: a row per picture
    digest: str


class Arena(NamedTuple):
    """Victims, attacks and networks {title: row} on one corpus.

    `operations` {defence: operations of `degrade`} are what the training pictures of
    defended victims go through; under HARDENED half of their fakes are shown as the
    attack leaves them.  `knowledge` {name: TrainingData} are what networks may learn
    from; '' is all of it, the training side of `data`.
    """

    data: Any
    victims: dict
    attacks: dict
    networks: dict
    operations: dict
    knowledge: dict

    @property
    def fakes(self):
        """The fakes of the test split: those that are attacked."""
        return self.data.test.labelled(1)

    @property
    def reals(self):
        """Numbers of the sources that are real."""
        names = enumerate(self.data.train.sources)
        return tuple(number for number, name in names if is_real_source(name))

    def jobs(self, cells):
        """All jobs that these cells need, each once."""
        graph = {}
        for cell in cells:
            for job in self._cell_jobs(cell):
                # Cells share most of their jobs: those of one name are the same job.
                graph.setdefault(job.name, job)
        return list(graph.values())

    def undefended_name(self, victim, seed):
        """The job that trains a victim without defence; attacks follow such ones."""
        return _path("victims", victim, UNDEFENDED, f"seed{seed}")

    def victim_name(self, cell):
        """The job that trains the victim of a cell."""
        defence = cell.defence
        if cell.hardened_against:
            defence = f"{defence} against {cell.hardened_against}"
        return _path("victims", cell.victim, defence, f"seed{cell.seed}")

    def network_name(self, network, seed, *, knowledge=""):
        """The job that trains a network."""
        return _path("networks", network, knowledge, f"seed{seed}")

    def attacked_name(
        self, attack, seed, *, knowledge="", split="test", victim="", defence=UNDEFENDED
    ):
        """The job that attacks the fakes of a split.

        What follows the victim itself makes a set for each `victim` and `defence`.
        """
        owner = ()
        if choose(self.attacks, attack, "attack").follows == ITSELF:
            if not victim:
                raise ValueError(f"{attack} follows a victim itself: say which")
            owner = victim, defence
        return _path("attacks", attack, *owner, knowledge, f"seed{seed}", split)

    def attacked_name_of(self, cell, *, split="test"):
        """The job that makes what the victim of a cell is shown."""
        return self.attacked_name(
            cell.attack,
            cell.seed,
            knowledge=cell.knowledge,
            split=split,
            victim=cell.victim,
            defence=cell.defence,
        )

    def answers_name(self, cell):
        """The job that asks the victim of a cell about the attacked test fakes."""
        return _path(self.victim_name(cell), "after", cell.attack, cell.knowledge)

    def undefended_job(self, victim, seed):
        """The job that `undefended_name` names."""
        name = self.undefended_name(victim, seed)
        return self._victim_job(name, victim, UNDEFENDED, seed)

    def attack_jobs(
        self, attack, seed, *, knowledge="", split="test", victim="", defence=UNDEFENDED
    ):
        """The job that attacks a split, after those that it needs.

        `victim` and `defence` matter to attacks that follow the victim itself.
        """
        row = choose(self.attacks, attack, "attack")
        name = self.attacked_name(
            attack,
            seed,
            knowledge=knowledge,
            split=split,
            victim=victim,
            defence=defence,
        )
        needs = {}
        if row.follows == ITSELF:
            followed = Cell(victim, attack, seed, defence)
            yield from self._victim_jobs(followed)
            needs["follows"] = self.victim_name(followed)
        elif row.follows:
            yield self.undefended_job(row.follows, seed)
            needs["follows"] = self.undefended_name(row.follows, seed)
        if row.network:
            network = self.network_name(row.network, seed, knowledge=knowledge)
            yield self._network_job(network, row.network, seed, knowledge, attack)
            needs["network"] = network
        if row.equals:
            yield from self.attack_jobs(
                row.equals, seed, knowledge=knowledge, split=split
            )
            needs["equals"] = self.attacked_name(
                row.equals, seed, knowledge=knowledge, split=split
            )
        yield self._attacked_job(name, attack, seed, split, needs)

    def exam(self, attacked):
        """The test fakes as an attack has left them, of its `Attacked`."""
        columns = attacked.columns
        return self.fakes.shown_as(columns["image"], columns["index"], attacked.digest)

    def _cell_jobs(self, cell):
        yield from self._victim_jobs(cell)

        # A threshold is chosen on validation: by it a victim decides, or could.
        train = None
        decides = self.victims[cell.victim].decides
        if decides == THRESHOLD or cell.defence == UNDEFENDED:
            train = self.data.train
        victim = self.victim_name(cell)
        yield from detectors.answers_jobs(
            victim, victim, train=train, test=self.data.test, title=cell.victim
        )
        yield from self.attack_jobs(
            cell.attack,
            cell.seed,
            knowledge=cell.knowledge,
            victim=cell.victim,
            defence=cell.defence,
        )
        yield self._answers_job(cell)

    def _victim_jobs(self, cell):
        """The job that trains a cell's victim, after those that it needs."""
        needs = []
        if cell.hardened_against:
            # An attack that follows the victim itself follows it as it was before.
            undefended = cell._replace(defence=UNDEFENDED, knowledge="")
            attack = cell.attack, cell.seed
            yield from self.attack_jobs(*attack, split="train", victim=cell.victim)
            needs = [self.attacked_name_of(undefended, split="train")]
        name = self.victim_name(cell)
        yield self._victim_job(name, cell.victim, cell.defence, cell.seed, needs)

    def _victim_job(self, name, title, defence, seed, needs=()):
        """Train a victim; `needs` are attacked fakes of the training split."""
        row = choose(self.victims, title, "victim")

        def train(workspace, made):
            data = self.data.train
            for attacked_name in needs:
                attacked = made[attacked_name]
                data = data.shown_as(
                    attacked.columns["image"],
                    attacked.columns["index"],
                    attacked.digest,
                    share=SHARE,
                )
            if row.plain:
                data = data.plain()
            method = row.method(self.operations.get(defence, ()))
            return workspace.train(name, method, data, watch=row.watch, seed=seed)

        return Job(name, train, tuple(needs), title)

    def _network_job(self, name, network, seed, knowledge, title):
        """Train a network on what it may know, for the attack of this title."""
        row = choose(self.networks, network, "network")
        data = self.knowledge[knowledge].labelled(row.label)
        # Groups differ in size: examples are counted.
        share = data.num_train / self.data.train.labelled(row.label).num_train

        def train(workspace, made):
            del made
            return workspace.train(
                name, row.method(share), data, seed=seed, start=row.start, export=True
            )

        return Job(name, train, title=title)

    def _attacked_job(self, name, title, seed, split, needs):
        """Attack the fakes of a split once: the result is an `Attacked`.

        `needs` {'follows', 'network' or 'equals': a job} are what the attack's row
        says that it needs.
        """
        row = self.attacks[title]
        if split == "test":
            fakes = self.fakes
            batches = fakes.batches
        else:
            fakes = self.data.train.labelled(1)
            batches = fakes.once
        # Each split of each seed draws random numbers of its own.
        key = jax.random.fold_in(jax.random.key(seed), split == "test")

        def make(workspace, made):
            needed = {what: made[job] for what, job in needs.items()}
            settings = dict(row.settings)
            predict = None
            if "follows" in needed:
                logits = needed["follows"].function("logits")
                predict = fake_logit(logits, reals=self.reals)
            if "network" in needed:
                settings["network"] = needed["network"].function("image")

            if "equals" in needed:
                # Pictures of each batch have values of their own.
                attack = partial(row.build, predict, **settings)
                psnr = psnr_by_index(needed["equals"].columns)
            else:
                attack = row.build(predict, **settings)
                psnr = None
            identity = [title, row.name, plain(row.settings), seed]
            identity += [each.digest for each in needed.values()]
            attacker = Attacker(
                attack,
                key,
                workspace.mesh,
                digest=digest(identity),
                notice=mark(title, [row.name, row.settings]),
                psnr=psnr,
            )
            columns = workspace.predict(
                name, attacker, batches, fakes.digest, outputs=OUTPUTS
            )
            return Attacked(columns, digest([*identity, fakes.digest]))

        return Job(name, make, tuple(needs.values()), title)

    def _answers_job(self, cell):
        """Ask the victim of a cell about the attacked test fakes."""
        name = self.answers_name(cell)
        victim = self.victim_name(cell)
        attacked = self.attacked_name_of(cell)

        def ask(workspace, made):
            exam = self.exam(made[attacked])
            return workspace.predict(name, made[victim], exam.batches, exam.digest)

        return Job(name, ask, (victim, attacked), cell.victim)


def _path(*parts):
    """The parts that are not empty, as a path."""
    return "/".join(part for part in parts if part)
