"""PGD of ten steps against Foolbox's: Meso-4, 32 pictures at 64 x 64, one JAX function.

Foolbox calls the model as it is given, and in the second row compiled; its attack
itself cannot be.  Both must end at the same pictures.
"""

import os
import warnings

import jax
import numpy as np
from harness import compare, save
from jax.tree_util import Partial
from skimage import data

from jaxforensics import attacks, models

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # Foolbox asks for git
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import foolbox

BATCH, SIDE, STEPS, EPSILON = 32, 64, 10, 8 / 255


def crops():
    picture = data.astronaut()
    corners = np.random.default_rng(0).integers(0, 512 - SIDE, (BATCH, 2))
    parts = [picture[y : y + SIDE, x : x + SIDE] for y, x in corners]
    return jax.numpy.asarray(np.stack(parts) / np.float32(255))


def foolboxs(predict, image, label):
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(
        rel_stepsize=0.25, steps=STEPS, random_start=False
    )
    model = foolbox.JAXModel(predict, bounds=(0, 1))
    criterion = foolbox.Misclassification(label)
    # `run` is the attack alone: calling it would also judge its success.
    return lambda: attack.run(model, image, criterion, epsilon=EPSILON)


def main():
    image, label = crops(), jax.numpy.arange(BATCH) % 2
    key, rows = jax.random.key(0), []
    net = models.build("meso4", num_classes=2)
    predict = Partial(net.apply, jax.jit(net.init)(key, image))
    attack = attacks.build("pgd", predict, epsilon=EPSILON, steps=STEPS)
    peers = [
        ("Foolbox", foolboxs(predict, image, label), 3),
        ("Foolbox, model compiled", foolboxs(jax.jit(predict), image, label), 1),
    ]

    def ours():
        return attack(key, image, label)

    for peer_name, peer, goal in peers:
        assert np.mean(np.abs(np.asarray(ours()) - peer()) > 1e-5) < 1e-3
        row = compare(
            f"PGD on Meso-4, {STEPS} steps",
            ours,
            peer,
            peer_name=peer_name,
            goal=goal,
            rounds=3,
        )
        rows.append(row)
    save(rows, "attacks")


if __name__ == "__main__":
    main()
