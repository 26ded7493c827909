"""Architectures of single pictures by the names of their papers."""

import inspect

from jaxforensics.models import (
    amtennet,
    blur_generator,
    dcta,
    deeplab,
    durall,
    efficientnet,
    f3net,
    ffd,
    ffd_map,
    ganprintr,
    handcrafted_res,
    lf,
    meso,
    mislnet,
    multi_attention,
    parser,
    patch_cnn,
    resnet,
    trnet_discriminator,
    trnet_generator,
    unet,
    vgg,
    xception,
)
from jaxforensics.settings import nearest_name

PICTURES = {
    "amtennet": amtennet.AMTENnet,
    "model_base": amtennet.ModelBase,
    "meso4": meso.Meso4,
    "mesoinception4": meso.MesoInception4,
    "mislnet": mislnet.MISLnet,
    "handcrafted_res": handcrafted_res.HandCraftedRes,
    "xception": xception.Xception,
    "ffd": ffd.FFD,
    "multi_attention": multi_attention.MultiAttention,
    "patch_cnn": patch_cnn.PatchCNN,
    "dcta": dcta.DCTA,
    "f3net": f3net.F3Net,
    "lf": lf.LF,
    "spectrum_linear": durall.SpectrumLinear,
    "trnet_generator": trnet_generator.TRNetGenerator,
    "trnet_discriminator": trnet_discriminator.TRNetDiscriminator,
    "blur_generator": blur_generator.BlurGenerator,
    "ganprintr": ganprintr.GANprintR,
    "vgg16": vgg.VGG16,
    "resnet18": resnet.of_depth(18),
    "resnet50": resnet.of_depth(50),
    "deeplabv3_resnet101": deeplab.DeepLabV3,
    "deeplabv3_small": deeplab.SmallDeepLabV3,
    "unet": unet.UNet,
    "ffd_map": ffd_map.FFDMap,
    "face_parser": parser.FaceParser,
    **{
        f"efficientnet_{scale}": efficientnet.of_scale(scale)
        for scale in efficientnet.SCALES
    },
}


def build(names, name, settings):
    """The linen module called `name` in a table, with settings {name: value}."""
    if name not in names:
        raise ValueError(f"no model {name!r}; nearest: {nearest_name(name, names)!r}")
    fields = inspect.signature(names[name]).parameters
    valid = [field for field in fields if field not in _FLAX]
    for setting in settings:
        if setting not in valid:
            nearest = nearest_name(setting, valid)
            raise TypeError(f"{name} has no setting {setting!r}; nearest: {nearest!r}")
    return names[name](**settings)


_FLAX = "parent", "name"  # fields of every linen module, not settings of a model
