"""Rows of the adversarial game's tables: adversaries, controls, augmentation, attacks.

`configs/adversarial_game.py` makes presets of them.
"""

from jaxforensics.methods.adversarial_game import RMS

SIZE = 9  # of kernels, "radius of k" in the paper
# What FGSM adds in training: 1/255 of pictures in [-1, 1] in the released script; the
# paper gives no number.
EPSILON = 0.5 / 255


def _row(adversary, *, attack=None, generator=None, augment=()):
    return {
        "adversary": adversary,
        "attack": attack or {},
        "generator": generator or {},
        "augment": augment,
    }


# Titles, by table.
GRADIENTS = "Grad-AAT", "Grad-SAT", "Grad-BAT"
GENERATORS = "Gen-BAT", "Two-Gen-BAT", "Combined AT"
ADVERSARIES = ("none", *GRADIENTS, *GENERATORS)  # Tables I to III
CONTROLS = "Constant blur", "Random map"  # which no adversary chooses
STEPS = "Grad-AAT, 3 steps", "Grad-BAT, 3 steps"  # Appendix C
# Tables IV and V; by Appendix E, but for the probabilities of blur and JPEG, which are
# not printed there.
NOISE = {"name": "noise", "probability": 0.5, "variance": (0.0, 30.0)}
BLUR = {"name": "blur", "probability": 0.5, "sizes": (9,), "variance": (0.0, 30.0)}
JPEG = {"name": "jpeg", "probability": 0.5, "low": 60, "high": 100}
TRADITIONAL = {
    "Gaussian Noise": (NOISE,),
    "Gaussian Blur": (BLUR,),
    "JPEG Compression": (JPEG,),
    "Combined Traditional": (BLUR, NOISE, JPEG),
}
KERNELS = {f"Two-Gen-BAT, k {size}": size for size in (3, 5, 7, 9)}  # XV and XVI
ALL = (*ADVERSARIES, *CONTROLS, *STEPS, *TRADITIONAL, *KERNELS)


def strength(size):
    """The root mean square of precisions that blurs as much of a face of this size.

    It is RMS on pictures of 256 pixels, and a Gaussian of as many pixels covers more of
    a smaller face.  Left as it is, it leaves nothing to learn on pictures of 64.
    """
    return RMS * (256 / size) ** 2


def table(size):
    """{title: row}: what detectors are trained against, on pictures of this size."""
    rms = strength(size)
    blur = {"size": SIZE, "start": rms}
    drawn = {"size": SIZE, "rms": rms}
    fgsm = {"epsilon": EPSILON}
    steps = {"step": EPSILON / 2, "steps": 3}
    rows = {
        "none": _row("none"),
        "Grad-AAT": _row("fgsm", attack=fgsm),
        # Ours: the released norm is 0.0055 pixels, without effect.
        "Grad-SAT": _row("flow", attack={"norm": 0.25}),
        "Grad-BAT": _row("blur", attack=blur),
        "Gen-BAT": _row("generator", generator=drawn),
        "Two-Gen-BAT": _row("two_generators", generator=drawn),
        "Combined AT": _row("combined", attack=fgsm, generator=drawn),
        "Constant blur": _row("constant_blur", attack=blur),
        "Random map": _row("random_blur", attack=blur),
        "Grad-AAT, 3 steps": _row("pgd", attack=fgsm | steps),
        "Grad-BAT, 3 steps": _row("blur", attack=blur | {"steps": 3}),
    }
    for title, operations in TRADITIONAL.items():
        rows[title] = _row("none", augment=operations)
    for title, kernel in KERNELS.items():
        rows[title] = _row("two_generators", generator=drawn | {"size": kernel})
    return rows


def tried(size):
    """{title: attack} of adversaries that are tried on a trained detector.

    Those that detectors are trained against, and other readings of the paper's step.
    """
    blur = {"attack": "blur", "size": SIZE}
    own = blur | {"start": strength(size)}
    return {
        "Grad-AAT": {"attack": "fgsm", "epsilon": EPSILON},
        "Grad-SAT": {"attack": "flow", "norm": 0.25},
        "Grad-SAT, released": {"attack": "flow", "norm": 0.0055},
        "Grad-BAT": own,
        "Grad-BAT, 3 steps": own | {"steps": 3},
        "Grad-BAT, signed": own | {"update": "signed"},
        # At the precisions that they are printed with.
        "Grad-BAT, released": blur | {"update": "released"},
        "Grad-BAT, printed": blur | {"update": "printed"},
    }


# Of the ImageNet pictures of Tables VII and XII to XIV, for Inception networks.
ATTACKED_SIZE = 299


def attacks(size):
    """{title: attack} of Tables VII and XII to XIV, on pictures of this size.

    The paper's σ are pixels of 299, so that precisions grow as pictures get smaller.
    Maps move by `normalised`: the printed step cannot have made the paper's numbers.
    """
    sigma = size / ATTACKED_SIZE  # that of one pixel
    start = 1 / sigma**2
    printed = {"update": "printed", "start": sigma, "step": 0.1 * sigma}
    bat = {"attack": "blur", "size": 5, "start": start}
    constant = {"attack": "constant_blur", "start": start}
    return {
        "FGSM": {"attack": "fgsm", "epsilon": 16 / 255},
        "PGD": {"attack": "pgd", "epsilon": 16 / 255, "steps": 3},
        "BAT": bat,
        "BAT, 3 steps": bat | {"steps": 3},
        "BAT, printed": bat | printed,
        "BAT, k 3": bat | {"size": 3},
        "BAT, k 7": bat | {"size": 7},
        "BAT, k 9": bat | {"size": 9},
        "BAT, σ 1/10": bat | {"start": 100 * start},
        "BAT, σ 10": bat | {"start": 1e-2 * start},
        "BAT, σ 100": bat | {"start": 1e-4 * start},
        # Without any step: what blur alone does.
        "Constant blur, k 3": constant | {"size": 3},
        "Constant blur": constant | {"size": 5},
        "Constant blur, k 9": constant | {"size": 9},
        "Random map": {"attack": "random_blur", "size": 5, "start": start},
    }


# Precisions, from hardly any blur to a strong one, and the reach of steps.
_PRECISIONS = (32.0, 16.0, 8.0, 5.0, 3.0, 1.5, 0.8, 0.4)
_REACHES = tuple(x / 255 for x in (0.5, 1, 2, 3, 4, 6, 8, 12))
STRENGTHS = {
    "BAT": {"attack": "blur", "size": 5, "setting": "start", "values": _PRECISIONS},
    "FGSM": {"attack": "fgsm", "setting": "epsilon", "values": _REACHES},
    "Constant blur": {
        "attack": "constant_blur",
        "size": 5,
        "setting": "start",
        "values": _PRECISIONS,
    },
    "Noise": {
        "attack": "noise_of_psnr",
        "setting": "psnr",
        "values": (28.0, 30.0, 32.0, 35.0, 38.0, 40.0, 42.0, 46.0),
    },
}
