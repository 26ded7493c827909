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


# Tables I to III: what detectors are trained against.  Blurs are as strong as one of
# the root mean square RMS, also of the controls, which no adversary chooses.
GRADIENTS = {
    "Grad-AAT": _row("fgsm", attack={"epsilon": EPSILON}),
    # Ours: the released norm is 0.0055 pixels, without effect.
    "Grad-SAT": _row("flow", attack={"norm": 0.25}),
    "Grad-BAT": _row("blur", attack={"size": SIZE, "start": RMS}),
}
GENERATORS = {
    "Gen-BAT": _row("generator", generator={"size": SIZE}),
    "Two-Gen-BAT": _row("two_generators", generator={"size": SIZE}),
    "Combined AT": _row(
        "combined", attack={"epsilon": EPSILON}, generator={"size": SIZE}
    ),
}
ADVERSARIES = {"none": _row("none")} | GRADIENTS | GENERATORS
CONTROLS = {
    "Constant blur": _row("constant_blur", attack={"size": SIZE, "start": RMS}),
    "Random map": _row("random_blur", attack={"size": SIZE, "start": RMS}),
}
# Appendix C
STEPS = {
    "Grad-AAT, 3 steps": _row(
        "pgd", attack={"epsilon": EPSILON, "step": EPSILON / 2, "steps": 3}
    ),
    "Grad-BAT, 3 steps": _row("blur", attack={"size": SIZE, "start": RMS, "steps": 3}),
}
# Appendix E; the probabilities of blur and JPEG are not printed there.
NOISE = {"name": "noise", "probability": 0.5, "variance": (0.0, 30.0)}
BLUR = {"name": "blur", "probability": 0.5, "sizes": (9,), "variance": (0.0, 30.0)}
JPEG = {"name": "jpeg", "probability": 0.5, "low": 60, "high": 100}
TRADITIONAL = {
    "Gaussian Noise": _row("none", augment=(NOISE,)),
    "Gaussian Blur": _row("none", augment=(BLUR,)),
    "JPEG Compression": _row("none", augment=(JPEG,)),
    "Combined Traditional": _row("none", augment=(BLUR, NOISE, JPEG)),
}
# Tables XV and XVI
KERNELS = {
    f"Two-Gen-BAT, k {size}": _row("two_generators", generator={"size": size})
    for size in (3, 5, 7, 9)
}
ROWS = ADVERSARIES | CONTROLS | STEPS | TRADITIONAL | KERNELS

# Adversaries that are tried on a trained detector, see `idle`: those that detectors are
# trained against, and other readings of the paper's step.
IDLE = {
    "Grad-AAT": {"attack": "fgsm", "epsilon": EPSILON},
    "Grad-SAT": {"attack": "flow", "norm": 0.25},
    "Grad-SAT, released": {"attack": "flow", "norm": 0.0055},
    "Grad-BAT": {"attack": "blur", "size": SIZE, "start": RMS},
    "Grad-BAT, 3 steps": {"attack": "blur", "size": SIZE, "start": RMS, "steps": 3},
    "Grad-BAT, signed": {"attack": "blur", "size": SIZE, "update": "signed"},
    "Grad-BAT, released": {"attack": "blur", "size": SIZE, "update": "released"},
    "Grad-BAT, printed": {"attack": "blur", "size": SIZE, "update": "printed"},
}


def _bat(**settings):
    return {"attack": "blur", "size": 5, "start": 1.0} | settings


# Tables VII and XII to XIV; the map starts at σ = 1, which is a precision of 1, and
# moves by `normalised`: the printed step cannot have made the paper's numbers.
ATTACKS = {
    "FGSM": {"attack": "fgsm", "epsilon": 16 / 255},
    "PGD": {"attack": "pgd", "epsilon": 16 / 255, "steps": 3},
    "BAT": _bat(),
    "BAT, 3 steps": _bat(steps=3),
    "BAT, printed": _bat(update="printed", step=0.1),
    "BAT, k 3": _bat(size=3),
    "BAT, k 7": _bat(size=7),
    "BAT, k 9": _bat(size=9),
    "BAT, σ 1/10": _bat(start=100.0),
    "BAT, σ 10": _bat(start=1e-2),
    "BAT, σ 100": _bat(start=1e-4),
    # Without any step: what blur alone does.
    "Constant blur, k 3": {"attack": "constant_blur", "size": 3, "start": 1.0},
    "Constant blur": {"attack": "constant_blur", "size": 5, "start": 1.0},
    "Constant blur, k 9": {"attack": "constant_blur", "size": 9, "start": 1.0},
    "Random map": {"attack": "random_blur", "size": 5, "start": 1.0},
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
