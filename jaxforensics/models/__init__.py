"""Architectures by the names of their papers."""

import inspect
from difflib import get_close_matches

from jaxforensics.models import (
    amtennet,
    dcta,
    durall,
    f3net,
    front_ends,
    ganprintr,
    handcrafted_res,
    lf,
    meso,
    mislnet,
    patch_cnn,
    trnet_discriminator,
    trnet_generator,
    vgg,
    xception,
)

NAMES = {
    "amtennet": amtennet.AMTENnet,
    "model_base": amtennet.ModelBase,
    "meso4": meso.Meso4,
    "mesoinception4": meso.MesoInception4,
    "mislnet": mislnet.MISLnet,
    "handcrafted_res": handcrafted_res.HandCraftedRes,
    "xception": xception.Xception,
    "patch_cnn": patch_cnn.PatchCNN,
    "dcta": dcta.DCTA,
    "f3net": f3net.F3Net,
    "lf": lf.LF,
    "spectrum_linear": durall.SpectrumLinear,
    "trnet_generator": trnet_generator.TRNetGenerator,
    "trnet_discriminator": trnet_discriminator.TRNetDiscriminator,
    "ganprintr": ganprintr.GANprintR,
    "vgg16": vgg.VGG16,
}

# params -> params, after every update, of whichever model: the identity for most.
project = front_ends.project


def build(name, **settings):
    """The linen module called `name`: module(image, train=False) -> logits, or more."""
    if name not in NAMES:
        raise ValueError(f"no model {name!r}; nearest: {_nearest(name, NAMES)!r}")
    known = [s for s in inspect.signature(NAMES[name]).parameters if s not in _FLAX]
    for setting in settings:
        if setting not in known:
            nearest = _nearest(setting, known)
            raise TypeError(f"{name} has no setting {setting!r}; nearest: {nearest!r}")
    return NAMES[name](**settings)


_FLAX = "parent", "name"  # fields of every linen module, not settings of a model


def _nearest(name, known):
    return get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
