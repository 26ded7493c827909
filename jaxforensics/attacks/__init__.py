"""Attacks on detectors, to harden them and to measure how far they can be trusted."""

from jaxforensics.attacks import blur, combined, flow, gradient, noise, redraw
from jaxforensics.settings import call, choose

# What a config may name: each makes, of a detector and settings, the attack's function.
NAMES = {
    "noise": noise.noise,
    "noise_of_psnr": noise.noise_of_psnr,
    "fgsm": gradient.fgsm,
    "pgd": gradient.pgd,
    "blur": blur.blur,
    "constant_blur": blur.constant_blur,
    "random_blur": blur.random_blur,
    "flow": flow.flow,
    "combined": combined.combined,
    "generated_blur": redraw.redraw_by_class,
    "ganprintr": redraw.redraw,
    "trnet": redraw.redraw,
}


def build(name, predict, **settings):
    """The attack called `name` on a detector: attack(key, image, label) -> image.

    `predict` maps images (b, h, w, 3) in [0, 1] to logits (b, classes), where a single
    logit speaks for fake; `label` (b,) is the true class, to be missed.  The attacked
    image lies in [0, 1].  One compiled program serves all calls of a shape, whatever
    the numbers among the settings; given as a `jax.tree_util.Partial` of its weights,
    a detector shares it with the same architecture under other weights.
    """
    return call(choose(NAMES, name, "attack"), settings, predict, where=name)
