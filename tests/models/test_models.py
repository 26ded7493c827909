"""Every architecture: names, output shapes, numbers of trained parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxforensics import models
from jaxforensics.models.amtennet import VARIANTS
from jaxforensics.models.deeplab import Located

# One class at 64 x 64: 300 weights and a bias fewer, and maps of 3 x 3 in the end.
FULL, BASE = (n - 301 - 300 * 128 * (7 * 7 - 3 * 3) for n in (2_023_047, 2_020_194))
# EfficientNet-B4 without its logits; then for maps, for the texture of 32 channels in
# four groups, and for what sees both.
MULTI = 19_341_616 - 1_793 * 1_000
MULTI += (9 * 160 + 1) * 160 + 2 * 160 + 160 * 4 + 2 * 4
MULTI += (9 * 32 + 1) * 32 + 4 * 32 * (25 * 32 + 1)
MULTI += 4 * 32 * (9 * 32 + 1 + 9 * 64 + 1 + 9 * 96 + 1 + 128 + 1)
MULTI += 2 * 4 * 32 * (1 + 2 + 3 + 4 + 1)
MULTI += (4 * 32 + 1) * 256 + 257 * 256 + 1_793 * 256 + 513 * 256
F3NET = 41_979_661  # its filters are as large as the picture
# Two blocks of two convolutions in each stage; short cuts of those that widen.
SMALL_TRUNK = 9 * 3 * 16 + 2 * 16
SMALL_TRUNK += sum(
    9 * (before + 3 * width) * width
    + 8 * width
    + (before < width) * (before + 2) * width
    for before, width in ((16, 16), (16, 32), (32, 64), (64, 128))
)
# Two 1x1, three 3x3 from 128 maps to 64, and one 1x1 from all five; six normalisations.
SMALL_PYRAMID = 64 * (2 * 128 + 3 * 9 * 128 + 5 * 64) + 6 * 2 * 64
# Two convolutions and their normalisations at each of four levels and on three ways up.
UNET = sum(
    9 * (before + width) * width + 4 * width
    for before, width in (
        *((3, 32), (32, 64), (64, 128), (128, 256)),
        *((256 + 128, 128), (128 + 64, 64), (64 + 32, 32)),
    )
)
PARSER = sum(
    9 * (before + width) * width + 4 * width
    for before, width in (
        *((3, 16), (16, 32), (32, 64), (64, 128)),
        *((128 + 64, 64), (64 + 32, 32), (32 + 16, 16)),
    )
)
# name, settings, picture size, numbers of trained parameters
TABLE = [
    ("amtennet", {"num_classes": 2}, 128, 2_023_047),
    ("amtennet", {"num_classes": 8}, 128, 2_024_853),
    ("amtennet", {}, 64, FULL),
    ("amtennet", VARIANTS["AMTEN_1"], 64, FULL - 3 * 9 * 3),
    # without F_mt in Conv4, 3 maps fewer there and in Conv6
    ("amtennet", VARIANTS["AMTEN_2"], 64, FULL - 3 * 9 * 6 - 3 * 9 * 24),
    ("amtennet", VARIANTS["AMTEN_3"], 64, FULL - 660 + 165 + 84 - 3 * 9 * 24),
    ("amtennet", VARIANTS["AMTEN_4"], 64, FULL - 660 + 660 + 1_308 + 6 * 9 * 24),
    ("amtennet", VARIANTS["AMTEN_5"], 64, FULL + 3 * (25 - 9) * 3),
    ("amtennet", VARIANTS["AMTEN_6"], 64, FULL - 84 - 330),
    ("amtennet", VARIANTS["AMTENnet_7"], 64, FULL),
    ("amtennet", VARIANTS["AMTENnet_8"], 64, FULL + 8 * 64 * 128),
    ("model_base", {"num_classes": 2}, 128, 2_020_194),
    ("model_base", {}, 64, BASE),
    # Conv6 sees 9, 3 or 3 maps instead of R, G and B; three kernels of 5 x 5 x 3
    ("model_base", {"front_end": "high_pass"}, 64, BASE + 6 * 9 * 24),
    ("model_base", {"front_end": "srm"}, 64, BASE),
    ("model_base", {"front_end": "constrained"}, 64, BASE + 3 * 25 * 3),
    ("meso4", {}, 256, 27_977),
    ("meso4", {}, 128, 15_689),
    ("meso4", {"num_classes": 8}, 128, 15_689 + 7 * 17),
    ("mesoinception4", {}, 256, 28_615),
    ("mesoinception4", {}, 128, 16_327),
    ("mesoinception4", {"num_classes": 4}, 128, 16_327 + 3 * 17),
    # 437,124 has a later version of six kernels and 2 x 2 maps in the end, because its
    # pools do not hang over the border; Caffe's leave 3 x 3.
    ("mislnet", {"num_classes": 2, "filters": 6}, 128, 437_124 + 200 * 128 * (9 - 4)),
    ("mislnet", {"num_classes": 2}, 128, 565_124 - 3 * 25 * 3 - 3 * 49 * 96),
    ("mislnet", {}, 65, 565_124 - 14_337 - 201 - 200 * 128 * (9 - 1)),
    # (9 · 9 + 1) 32, (9 · 32 + 1) 64, (9 · 64 + 1) 128; 16 x 16 maps; 1024, 512, 2
    (
        "handcrafted_res",
        {"num_classes": 2},
        128,
        2_624 + 18_496 + 73_856 + (16 * 16 * 128 + 1) * 1024 + 1025 * 512 + 513 * 2,
    ),
    ("xception", {"num_classes": 2}, 128, 20_811_050),
    ("ffd", {"num_classes": 2}, 128, 20_811_050 + 7_280),
    ("multi_attention", {"num_classes": 2}, 64, MULTI + 257 * 2),
    ("patch_cnn", {"num_classes": 2, "block": 1}, 64, 55_010),
    ("patch_cnn", {"num_classes": 2}, 64, 191_330),
    ("patch_cnn", {"num_classes": 2, "block": 3}, 64, 1_108_218),
    ("patch_cnn", {"num_classes": 2, "block": 4}, 64, 2_722_194),
    ("patch_cnn", {"num_classes": 2, "block": 5}, 64, 4_336_170),
    ("patch_cnn", {}, 64, 191_330 - 257),
    ("dcta", {"num_classes": 5}, 128, 169_961),
    ("dcta", {}, 128, 38_885),
    ("dcta", {}, 64, 38_885 - 32 * (32 * 32 - 16 * 16)),
    ("f3net", {}, 299, F3NET),
    # the smallest picture
    ("f3net", {"num_classes": 2}, 10, F3NET + 4096 + 1 - 4 * (299**2 - 10**2)),
    # cross-attention at 728 maps after block 7 and at 1024 after block 12
    ("f3net", {"size": 299, "mix": True}, 128, F3NET + 2_128_674 + 4_206_594),
    ("lf", {"num_classes": 5}, 128, 8_913_797),
    ("lf", {"num_classes": 4}, 128, 8_913_284),
    # no stage at 128 x 128, and 3 x 3 kernels from 3 maps to 32 instead of 32
    ("lf", {}, 64, 8_913_797 - 4 * 513 - 448 - 4_640 - 9 * 29 * 32),
    # with two classes as the detectors have them, with 1,000 as their authors'
    ("efficientnet_b0", {"num_classes": 2}, 64, 4_010_110),
    ("efficientnet_b3", {"num_classes": 2}, 64, 10_699_306),
    ("efficientnet_b5", {"num_classes": 2}, 64, 28_344_882),
    ("efficientnet_b7", {"num_classes": 2}, 64, 63_792_082),
    ("efficientnet_b1", {"num_classes": 1000}, 64, 7_794_184),
    ("efficientnet_b2", {"num_classes": 1000}, 64, 9_109_994),
    ("efficientnet_b4", {"num_classes": 1000}, 64, 19_341_616),
    ("efficientnet_b6", {"num_classes": 1000}, 64, 43_040_704),
    ("efficientnet_lite0", {"num_classes": 1000}, 64, 4_652_008),
    ("resnet18", {"num_classes": 1000}, 64, 11_689_512),
    ("resnet50", {"num_classes": 1000}, 64, 25_557_032),
    ("resnet50", {}, 64, 25_557_032 - 2049 * 1000 + 2049),
    ("tsn", {"num_classes": 2}, 64, 4_010_110),
    (
        "tsn",
        {
            "num_classes": 2,
            "frame_model": "meso4",
            "frame_settings": {"norm_momentum": 0.9},
        },
        128,
        15_689 + 17,
    ),
    ("spectrum_linear", {}, 128, 91 + 1),  # rings 0 … 90 and a bias
    ("spectrum_linear", {"num_classes": 4}, 64, 4 * (46 + 1)),
]
# Networks that do not classify: the last column is what they give for two pictures.
TRACES, REAL = ("features", (2, 4, 4, 512)), ("logits", (2,))
OTHERS = [
    ("trnet_generator", {}, 128, 1_800_687, (2, 128, 128, 3)),
    ("trnet_generator", {"norm": "affine"}, 128, 1_800_687, (2, 128, 128, 3)),
    ("trnet_discriminator", {}, 128, 11_028_097, dict([TRACES, REAL])),
    ("trnet_discriminator", {"norm": "batch"}, 128, 11_028_097, dict([TRACES, REAL])),
    (
        "trnet_discriminator",
        {"view": "log_amplitude"},
        128,
        11_026_049,
        dict([TRACES, REAL]),
    ),
    ("trnet_discriminator", {"view": "power"}, 128, 11_024_001, dict([TRACES, REAL])),
    (
        "trnet_discriminator",
        {"view": "residual", "sources": 4},
        128,
        11_028_097 + (4 * 4 * 512 + 1) * 128 + (128 + 1) * 4,
        dict([TRACES, REAL, ("sources", (2, 4))]),
    ),
    # one layer 512 -> 512 and its norm fewer
    (
        "trnet_discriminator",
        {},
        64,
        11_028_097 - 16 * 512 * 512 - 2 * 512,
        dict([TRACES, REAL]),
    ),
    ("ganprintr", {}, 128, 260_259, (2, 128, 128, 3)),
    ("blur_generator", {}, 64, 4_293_121, (2, 64, 64)),
    ("blur_generator", {"blocks": 6}, 64, 7_835_137, (2, 64, 64)),
    ("blur_generator", {"blocks": 9}, 64, 11_377_153, (2, 64, 64)),
    # torchvision's 138,357,544 without its three dense layers
    (
        "vgg16",
        {"layer": "relu5_3"},
        32,
        138_357_544 - 25_089 * 4_096 - 4_097 * 4_096 - 4_097 * 1_000,
        (2, 2, 2, 512),
    ),
    ("vgg16", {}, 33, 1_735_488, (2, 8, 8, 256)),
    # torchvision's has 21 classes, and an auxiliary head: 3x3, normalisation, 1x1
    (
        "deeplabv3_resnet101",
        {},
        224,
        60_996_202 - (9 * 1024 * 256 + 512 + 257 * 21) - 257 * 21 + 257,
        Located(
            logits=(2, 224, 224), features=(2, 28, 28, 2048), attended=(2, 28, 28, 2048)
        ),
    ),
    # ResNet-18's layers at a quarter of their widths, with a stem of 3x3; the pyramid
    (
        "deeplabv3_small",
        {},
        64,
        SMALL_TRUNK + SMALL_PYRAMID + 9 * 64 * 64 + 128 + 65,
        Located(
            logits=(2, 64, 64), features=(2, 16, 16, 128), attended=(2, 16, 16, 128)
        ),
    ),
    (
        "unet",
        {},
        64,
        UNET + 33,
        Located(logits=(2, 64, 64), features=(2, 8, 8, 256), attended=(2, 8, 8, 256)),
    ),
    (
        "ffd_map",
        {},
        128,
        20_811_050 - 2_049 + 7_280,
        Located((2, 8, 8), (2, 8, 8, 1), (2, 8, 8, 1), (2, 1)),
    ),
    ("face_parser", {}, 64, PARSER + 17 * 11, (2, 64, 64, 11)),
]
# One scale of EfficientNet stands for the layers of all.
DISTINCT = [
    name
    for name in models.NAMES
    if name == "efficientnet_b0" or not name.startswith("efficientnet")
]
CLASSIFIERS = [
    name
    for name, module in models.NAMES.items()
    if "num_classes" in module.__dataclass_fields__
]


def trace(name, settings, size, batch=2):
    """Shapes of the variables and of the logits, without compiling anything."""
    module = models.build(name, **settings)
    image = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32)
    logits, variables = jax.eval_shape(
        module.init_with_output, jax.random.key(0), image
    )
    return variables, logits


@pytest.mark.parametrize(("name", "settings", "size", "count"), TABLE)
def test_shapes_and_counts(name, settings, size, count):
    variables, logits = trace(name, settings, size)
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count
    assert logits.shape == (2, settings.get("num_classes", 1))


@pytest.mark.parametrize(("name", "settings", "size", "count", "shapes"), OTHERS)
def test_shapes_and_counts_of_others(name, settings, size, count, shapes):
    variables, given = trace(name, settings, size)
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count
    assert jax.tree.map(lambda x: x.shape, given) == shapes


REFUSED = [
    (name, shape)
    for name in DISTINCT
    for shape in ((32, 32, 3), (2, 32, 32, 1))
    if not (name in ("meso4", "mesoinception4") and len(shape) == 3)
]


@pytest.mark.parametrize(("name", "shape"), REFUSED)
def test_other_shapes_are_refused_by_name(name, shape):
    """MesoNet's networks also take a picture by itself, see their own tests."""
    module = models.build(name)
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    expected = r"shape \(.*\) but expected \((None|\.\.\.), "
    with pytest.raises(AssertionError, match=expected):
        jax.eval_shape(module.init, jax.random.key(0), image)


def test_every_model_is_in_a_table():
    assert {name for name, *_ in TABLE} == set(CLASSIFIERS)
    assert {name for name, *_ in TABLE + OTHERS} == set(models.NAMES)


@pytest.mark.parametrize("name", DISTINCT)
def test_parameters_and_logits_stay_float32(name):
    variables, logits = trace(name, {"dtype": "bfloat16"}, 64)
    leaves = jax.tree.leaves([variables, logits])
    assert {x.dtype for x in leaves} == {jnp.dtype("float32")}


NORMALISED = [
    name
    for name in DISTINCT
    if "norm_momentum" in models.NAMES[name].__dataclass_fields__
]


@pytest.mark.parametrize("name", NORMALISED)
def test_every_normalisation_keeps_the_momentum_that_is_set(name):
    momenta = []

    def listen(call, args, kwargs, context):
        if isinstance(context.module, nn.BatchNorm):
            momenta.append(context.module.momentum)
        return call(*args, **kwargs)

    choice = "norm" in models.NAMES[name].__dataclass_fields__
    settings = {"norm": "batch"} if choice else {}
    module = models.build(name, norm_momentum=0.7, **settings)
    image = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    with nn.intercept_methods(listen):
        variables = jax.eval_shape(module.init, jax.random.key(0), image)
    assert set(momenta) == {0.7}
    means = [p for p, _ in jax.tree.leaves_with_path(variables) if p[-1].key == "mean"]
    assert len(momenta) == len(means)


def test_a_wrong_name_proposes_the_right_one():
    with pytest.raises(ValueError, match="'messo4'; nearest: 'meso4'"):
        models.build("messo4")
    with pytest.raises(ValueError, match="'mesoinception'; nearest: 'mesoinception4'"):
        models.build("mesoinception")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_wrong_setting_proposes_the_right_one(name):
    with pytest.raises(TypeError, match="'num_class'; nearest: 'num_classes'"):
        models.build(name, num_class=2)
    with pytest.raises(TypeError, match="no setting 'parent'"):
        models.build(name, parent=None)
