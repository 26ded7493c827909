"""TR-Net's victims and attacks: each trained once, each fake attacked once."""

import copy
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxforensics import attacks
from jaxforensics.data.items import is_real_source
from jaxforensics.data.marks import mark
from jaxforensics.evaluation import quality
from jaxforensics.evaluation.calibration import choose_threshold
from jaxforensics.evaluation.intervals import bootstrap
from jaxforensics.methods import classifier, fingerprint, reconstruction, trnet
from jaxforensics.settings import call, choose, digest, plain
from jaxforensics.training import mesh as meshes
from jaxforensics.training import watch as watches
from jaxforensics.training.loop import ahead

NONE, WEAK, STRONG = "none", "weak", "strong"
SHARE = 0.5  # of the attacked fakes among the fakes that a strong defence trains on
GRADIENT = ("fgsm", "pgd")


class Accuracy(NamedTuple):
    """Shares of the reals and of the fakes that a victim recognises."""

    real: float
    fake: float


class Bench:
    """Victims {title: settings} against attacks {title: settings} on one corpus.

    A victim's settings: 'model' and its own, 'target' ('label' or 'source'), 'steps',
    'optimiser'; one with none of these is NF.  An attack's: 'attack', the name in
    `attacks`, and its own; attacks by gradients are made 'on' a victim without defence,
    networks that redraw are trained with the settings in `networks`.  `training` are
    the classifier's other settings, `weak` the operations of the weak defence.
    """

    def __init__(
        self, workspace, data, *, victims, attacks, networks, training, weak, seeds
    ):
        self.workspace, self.data, self.seeds = workspace, data, tuple(seeds)
        self.victims, self.attacks = dict(victims), dict(attacks)
        self.networks, self._training = dict(networks), dict(training)
        self._weak, self._nets = tuple(weak), {}
        self._known, self._less = data.train, ""
        self._once, self.batch_size = {}, data.train.batch_size
        self.fakes, names = data.test.labelled(1), enumerate(data.train.sources)
        self.reals = tuple(i for i, name in names if is_real_source(name))

    def first(self, seeds):
        """The same victims and attacks, of the first `seeds` seeds alone."""
        few = copy.copy(self)
        few.seeds = self.seeds[:seeds]
        return few

    def knowing(self, less, train):
        """The same victims, and attacks whose networks learn from `train` alone.

        `less` says what that is.
        """
        limited = copy.copy(self)
        limited._known, limited._less = train, less
        return limited

    def once(self, name, function):
        """function(), kept under this name."""
        if name not in self._once:
            self._once[name] = function()
        return self._once[name]

    def victim(self, title, seed, *, defence=NONE, attack=None):
        """A trained detector; a strong defence is one against an attack."""
        key = "victim", title, seed, defence, attack
        if key not in self._nets:
            self._nets[key] = self._train(title, seed, defence, attack)
        return self._nets[key]

    def network(self, name, seed):
        """A trained network that redraws pictures, GANprintR's or TR-Net's."""
        key = "network", name, seed, self._less
        if key not in self._nets:
            folder = _path("networks", name, self._less, f"seed{seed}")
            self._nets[key] = self._learn(name, folder, seed)
        return self._nets[key]

    def attacked(self, attack, seed, *, split="test"):
        """The attacked fakes of a split: image (8 bits), index, source, psnr, ssim.

        'mark' says what they are.
        """
        settings = dict(choose(self.attacks, attack, "attack"))
        name, victim = settings.pop("attack"), settings.pop("on", None)
        marks, asked = [attack, plain(self.attacks[attack]), seed], None
        if name in GRADIENT:
            victim = self.victim(victim, seed)
            asked = victim.function("logits")
            marks.append(victim.digest)
        if name in self.networks:
            network = self.network(name, seed)
            settings["network"] = network.function("image")
            marks.append(network.digest)
        fakes, once = self.fakes, self.fakes.batches
        if split == "train":
            fakes = self.data.train.labelled(1)
            once = fakes.once
        attacker = Attacker(
            attacks.build(name, asked, **settings),
            jax.random.fold_in(jax.random.key(seed), split == "test"),
            self.workspace.mesh,
            digest(marks),
            mark(attack, self.attacks[attack]),
        )
        found = self.workspace.predict(
            _path("attacks", attack, self._less, f"seed{seed}", split),
            attacker,
            once,
            fakes.digest,
            outputs=("image", "psnr", "ssim"),
        )
        return found | {"mark": digest([*marks, fakes.digest])}

    def clean(self, title, seed, *, defence=NONE, attack=None):
        """A victim's Accuracy on the test split as it is."""
        found, fake = self._said(title, seed, defence, attack, "test", self.data.test)
        return Accuracy(*(recognised(fake, found, label=label) for label in (0, 1)))

    def fooled(self, title, attack, seed, *, defence=NONE, sources=None):
        """The share of attacked test fakes (of some sources) that a victim recognises.

        Under a strong defence, by the victim that knows this attack.
        """
        found, fake = self._after(title, attack, seed, defence)
        chosen = True if sources is None else np.isin(found["source"], sources)
        return recognised(fake, found, label=1, chosen=chosen)

    def intervals(self, title, attack, seed, *, defence=NONE):
        """{'real', 'fake', 'attacked', 'fall'}: each with its bootstrap interval.

        Pictures are resampled by groups; 'fall' is that of the accuracy of fakes, of
        the same pictures before and after.
        """
        known = attack if defence == STRONG else None
        clean, fake = self._said(title, seed, defence, known, "test", self.data.test)
        left, still = self._after(title, attack, seed, defence)
        mine = np.flatnonzero(clean["label"] == 1)
        mine = mine[np.argsort(clean["index"][mine])]
        before, after = fake[mine], still[np.argsort(left["index"])]
        groups, real = clean["group"][mine], clean["label"] == 0
        fall = np.float64(before) - after
        rows = {"fake": before, "attacked": after, "fall": fall}
        found = {"real": bootstrap(_mean, ~fake[real], groups=clean["group"][real])}
        found |= {k: bootstrap(_mean, v, groups=groups) for k, v in rows.items()}
        return {name: tuple(interval) for name, interval in found.items()}

    def _after(self, title, attack, seed, defence):
        known = attack if defence == STRONG else None
        shown = self.attacked(attack, seed)
        exam = self.fakes.shown_as(shown["image"], shown["index"], shown["mark"])
        after = _path("after", attack, self._less)
        return self._said(title, seed, defence, known, after, exam)

    def _said(self, title, seed, defence, attack, what, exam):
        """(what a victim says of a split, whether it takes each picture for a fake)."""
        victim = self.victim(title, seed, defence=defence, attack=attack)
        name = f"{_name(title, seed, defence, attack)}/{what}"
        predict = self.workspace.predict
        found = predict(name, victim, exam.batches, exam.digest)
        limit = self._limit(title, seed, defence, attack)
        return found, said_fake(found, limit, self.reals)

    def _limit(self, title, seed, defence, attack):
        """NF's score from which on a picture is fake; None: what is likelier counts."""
        if self.victims[title]:
            return None
        victim = self.victim(title, seed, defence=defence, attack=attack)
        name = f"{_name(title, seed, defence, attack)}/validation"
        train = self.data.train
        found = self.workspace.predict(name, victim, train.validation, train.digest)
        return choose_threshold(found["label"], found["score"]).value

    def _train(self, title, seed, defence, attack):
        data, watched = self.data.train, {}
        if defence == STRONG:
            shown = self.attacked(attack, seed, split="train")
            pictures = shown["image"], shown["index"], shown["mark"]
            data = data.shown_as(*pictures, share=SHARE)
        if self.victims[title]:
            watched = {"watch": watches.detection()}
        else:
            data = data.plain()  # averages are those of the pictures as they are
        method = self.detector(title, defence)
        name = _name(title, seed, defence, attack)
        return self.workspace.train(name, method, data, **watched, seed=seed)

    def detector(self, title, defence):
        """The method that makes a victim."""
        own, sources = dict(self.victims[title]), len(self.data.train.sources)
        common = {"reals": self.reals, "augment": self._weak if defence == WEAK else ()}
        if not own:
            steps = -(-self.data.train.num_train // self.batch_size)
            return fingerprint.make(**common, sources=sources, steps=steps)
        target, steps = own.pop("target"), own.pop("steps")
        common |= self._training | {"optimiser": own.pop("optimiser"), "target": target}
        if target == "source":
            common |= {"num_classes": sources, "loss": "cross_entropy"}
        model = own.pop("model")
        return classifier.make(**common, model=model, model_settings=own, steps=steps)

    def redrawer(self, name):
        """The method of a network that redraws, and the label that it learns from."""
        settings = dict(self.networks[name])
        if name == "trnet":  # on pairs
            settings["sources"] = len(self.data.train.sources)
            return call(trnet.make, settings, where="networks.trnet"), 1
        return call(reconstruction.make, settings, where=f"networks.{name}"), 0

    def _learn(self, name, folder, seed):
        method, label = self.redrawer(name)
        data = self._known.labelled(label)
        return self.workspace.train(folder, method, data, seed=seed)


class Attacker:
    """An attack over a split, as `Workspace.predict` takes it: pictures as saved.

    Batches draw from `key` and the record they start with; `notice` is their mark.
    """

    def __init__(self, attack, key, mesh, digest, notice):
        self._attack, self._key, self._mesh = attack, key, mesh
        self.digest, self.notice = digest, notice

    def over(self, batches, *, outputs):
        """{'image', 'psnr', 'ssim', 'index', 'source'} of the valid rows."""
        parts = []
        for _, batch in ahead(batches, self._mesh):
            key = jax.random.fold_in(self._key, batch["index"][0])
            image = meshes.floats(batch)["image"]
            found = _saved(image, self._attack(key, image, batch["label"]))
            found |= {name: batch[name] for name in ("index", "source", "valid")}
            parts.append({name: meshes.fetch(value) for name, value in found.items()})
        whole = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        valid = whole["valid"] > 0
        return {k: whole[k][valid] for k in (*outputs, "index", "source")}


@jax.jit
def _saved(image, attacked):
    """Attacked pictures in 8 bits, and how much like the given ones they are."""
    pixels = jnp.round(255 * jnp.clip(attacked, 0, 1)).astype(jnp.uint8)
    kept = pixels.astype(jnp.float32) / 255
    return {
        "image": pixels,
        "psnr": quality.psnr(kept, image),
        "ssim": quality.ssim(kept, image),
    }


def likeness(values):
    """Mean and standard deviation over pictures of PSNR or SSIM.

    Those left as they are, of infinite PSNR, count only where there are no others.
    """
    changed = values[np.isfinite(values)]
    if len(changed):
        return changed.mean(), changed.std()
    return np.inf if len(values) else np.nan, 0.0


def recognised(said, found, *, label, chosen=True):
    """The share of the (chosen) pictures of a label that are said to have it."""
    mine = chosen & (found["label"] == label)
    return float(np.mean(said[mine] == label)) if mine.any() else float("nan")


def said_fake(found, limit, reals):
    """Whether pictures are taken for fakes: their score reaches the limit, or without
    one, their likeliest class is none of `reals`."""
    if limit is not None:
        return found["score"] >= limit
    logits = found["logits"]
    if logits.shape[-1] == 1:
        return logits[:, 0] > 0
    return ~np.isin(np.argmax(logits, axis=-1), reals)


def _mean(values, *, valid):
    return valid @ values / valid.sum(-1)


def _name(title, seed, defence, attack):
    known = f"{defence} against {attack}" if attack else defence
    return _path("victims", title, known, f"seed{seed}")


def _path(*parts):
    return "/".join(part for part in parts if part)
