"""What FakeLocator's paper prints (Huang et al., TIFS 2022).

Measured on photographs; accuracies and similarities are shares of one, PSNR is in dB.
"""

from typing import NamedTuple


class Printed(NamedTuple):
    """A row of Tables IV and V; None where the paper prints nothing."""

    accuracy: float | None
    real_accuracy: float | None
    fake_accuracy: float | None
    auc: float | None
    eer: float | None
    coss: float
    psnr: float
    ssim: float
    dice: float
    iou: float
    pbca: float
    iinc: float


class Located(NamedTuple):
    """A cell of Tables VI and IX."""

    accuracy: float
    psnr: float
    ssim: float
    coss: float


class Accuracies(NamedTuple):
    """A cell of Tables III, VII and VIII."""

    accuracy: float
    real: float | None
    fake: float | None


def _numbers(text):
    return [None if word == "-" else float(word) for word in text.split()]


def _rows(kind, text):
    """{name: kind} of lines "name | numbers"."""
    table = {}
    for line in text.strip().splitlines():
        name, _, numbers = line.partition("|")
        table[name.strip()] = kind(*_numbers(numbers))
    return table


def _printed(*, answers, maps):
    """{name: Printed} of two texts: what a row says of labels, and of maps."""
    of_maps = _rows(lambda *numbers: numbers, maps)
    of_answers = _rows(lambda *numbers: numbers, answers)
    return {name: Printed(*of_answers[name], *of_maps[name]) for name in of_maps}


# Table I: accuracy of a model trained on the row and tested on the column, without
# augmentation, with partial augmentation, and with one labelled sample naming clusters
# (where that was tried).
TYPES = {
    ("FF++", "StarGAN"): (0.490, 0.988, 0.999),
    ("FF++", "StyleGAN"): (0.363, 0.500, 0.854),
    ("FF++", "PGGAN"): (0.369, 0.500, 0.975),
    ("StarGAN", "FF++"): (0.425, 0.449, 0.817),
    ("StarGAN", "StyleGAN"): (1.000, 0.999, None),
    ("StarGAN", "PGGAN"): (1.000, 0.999, None),
    ("StyleGAN", "FF++"): (0.452, 0.452, 0.817),
    ("StyleGAN", "StarGAN"): (0.989, 0.993, None),
    ("StyleGAN", "PGGAN"): (1.000, 0.999, None),
    ("PGGAN", "FF++"): (0.448, 0.451, 0.676),
    ("PGGAN", "StarGAN"): (0.999, 0.990, None),
    ("PGGAN", "StyleGAN"): (1.000, 0.999, None),
}

# Table III: {set: {detector: Accuracies}}
DETECTION = {
    "UADFV": {
        "FakeLocator": Accuracies(1.0, 1.0, 1.0),
        "CNNDetection": Accuracies(1.0, 1.0, 1.0),
    },
    "Celeb-DF": {
        "FakeLocator": Accuracies(0.9304, 0.8560, 0.9977),
        "CNNDetection": Accuracies(0.9992, 0.9993, 0.9991),
        "DCTA": Accuracies(0.5800, None, None),
    },
}

# Table IV: STGAN, Bald.  AUC and EER of FFD are of hard decisions: do not compare.
LOSSES = _printed(
    answers="""
    FFD           | .9975 .995 1 .9975 .0050
    L1, no branch | - - - - -
    L1            | .9945 .998 .991 .9998 .0077
    L2            | .9935 .999 .988 .9997 .0072
    Dice          | .9950 1 .990 .9989 .0080
    Focal         | .9920 .996 .988 .9995 .0095
    """,
    maps="""
    FFD           | .6230 6.214 .2178 .1415 .1432 .3211 .4301
    L1, no branch | .9271 22.54 .7533 .1975 .5359 .8985 .1898
    L1            | .8813 22.89 .7876 .1899 .5517 .9272 .1996
    L2            | .8916 22.36 .7452 .1891 .5371 .9078 .2010
    Dice          | .7645 13.04 .3581 .2904 .5573 .9339 .1977
    Focal         | .4048 20.74 .3287 .0708 .1369 .8872 .3357
    """,
)

# Table V: {set: {method: Printed}}.  Three columns of FFD on FF++ are put right; the
# EER of FakeLocator on faceapp, .2355 beside an AUC of 1, is impossible.
SETS = {
    "faceapp": _printed(
        answers="""
        FakeLocator | .9998 1 .9997 1 .2355
        FFD         | 1 1 1 1 0
        Patch       | .9983 .9995 .9971 .9999 .0020
        """,
        maps="""
        FakeLocator | .7250 23.11 .6550 .0974 .2384 .8092 .4036
        FFD         | .5538 6.874 .1848 .0937 .0448 .2964 .4499
        Patch       | .5985 .7197 .0570 .0779 .0996 .1017 .4510
        """,
    ),
    "StarGAN": _printed(
        answers="""
        FakeLocator | .9997 1 .9995 1 .0086
        FFD         | 1 1 1 1 0
        Patch       | 1 1 1 1 0
        """,
        maps="""
        FakeLocator | .8373 19.39 .6433 .1822 .4953 .6749 .2551
        FFD         | .5308 16.23 .5541 .1137 .0345 .5733 .5141
        Patch       | .7462 1.019 .1453 .2033 .3887 .3887 .3056
        """,
    ),
    "PGGAN": _printed(
        answers="""
        FakeLocator | 1 1 1 1 0
        FFD         | .9997 .9995 1 .9997 .0004
        Patch       | 1 1 1 1 0
        """,
        maps="""
        FakeLocator | 1 142.8 .9999 .9999 1 1 0
        FFD         | .9231 4.656 .5358 .6148 .9809 .9809 .0095
        Patch       | .9984 28.86 .9745 .9957 .9993 .9993 .0003
        """,
    ),
    "StyleGAN": _printed(
        answers="""
        FakeLocator | .9998 1 .9997 .9999 .0024
        FFD         | 1 1 1 1 0
        Patch       | .9994 1 .9988 .9999 .0008
        """,
        maps="""
        FakeLocator | .9998 127.3 .9997 .9997 .9998 .9998 .0001
        FFD         | .7927 3.286 .3186 .5472 .8052 .8052 .0973
        Patch       | .9868 19.01 .8779 .9710 .9921 .9921 .0039
        """,
    ),
    "FF++": _printed(
        answers="""
        FakeLocator | .9398 .9275 .9521 .9846 .0576
        FFD         | .8714 .8042 .9386 .8714 .1725
        Patch       | .4909 .4667 .5150 .4659 .5332
        """,
        maps="""
        FakeLocator | .7529 26.94 .7691 .0811 .3097 .8687 .3143
        FFD         | .5739 5.539 .1877 .0863 .1174 .3391 .4194
        Patch       | .5208 6.717 .1017 .0689 .1056 .1230 .4432
        """,
    ),
}

# Table VI: {(trained on, tested on): Located}
CROSSED = {
    ("STGAN, Bald", "STGAN, Bald"): Located(0.994, 22.83, 0.7823, 0.8887),
    ("STGAN, Bald", "AttGAN, Bald"): Located(0.973, 21.46, 0.6688, 0.8141),
    ("STGAN, Bald", "AttGAN, Black"): Located(0.513, 22.84, 0.3966, 0.6932),
    ("STGAN, Bald", "AttGAN, Eyeglasses"): Located(0.519, 23.52, 0.4168, 0.6950),
    ("STGAN, Smile", "STGAN, Smile"): Located(1.000, 35.49, 0.9218, 0.8844),
    ("STGAN, Smile", "StyleGAN, Smile"): Located(0.588, 20.85, 0.5571, 0.6176),
    ("STGAN, Smile", "StyleGAN, Age"): Located(0.593, 18.59, 0.4958, 0.3141),
    ("STGAN, Smile", "StyleGAN, Gender"): Located(0.588, 16.50, 0.4301, 0.6470),
}

# Table VII: AttGAN, Bald, with augmentation (of reals, of fakes), tested on STGAN.
AUGMENTED = _rows(
    Accuracies,
    """
    itself | .998 .998 .998
    none   | .7315 .998 .465
    (1, 1) | .641 1 .282
    (1, 0) | .9535 .921 .986
    (0, 1) | .521 1 .042
    """,
)

# Table VIII: {(trained on, property): {'itself', 'none', '(1, 0)': Accuracies}}, tested
# on the other of AttGAN and STGAN.
PROPERTIES = {
    ("AttGAN", "Bald"): _rows(
        Accuracies,
        """
        itself | .998 .998 .998
        none   | .7315 .998 .465
        (1, 0) | .9535 .921 .986
        """,
    ),
    ("AttGAN", "Blond"): _rows(
        Accuracies,
        """
        itself | 1 1 1
        none   | .5 1 0
        (1, 0) | .5015 1 .003
        """,
    ),
    ("AttGAN", "Brown"): _rows(
        Accuracies,
        """
        itself | 1 1 1
        none   | .5 1 0
        (1, 0) | .5015 .998 .005
        """,
    ),
    ("STGAN", "Bald"): _rows(
        Accuracies,
        """
        itself | .993 .998 .988
        none   | .9595 .998 .921
        (1, 0) | .9875 .997 .978
        """,
    ),
    ("STGAN", "Blond"): _rows(
        Accuracies,
        """
        itself | .9975 1 .995
        none   | .796 1 .592
        (1, 0) | .850 .775 .925
        """,
    ),
    ("STGAN", "Brown"): _rows(
        Accuracies,
        """
        itself | .9995 .999 1
        none   | .725 .999 .451
        (1, 0) | .8145 .976 .653
        """,
    ),
}

# Table IX: one model for all.
UNIVERSAL = _rows(
    Located,
    """
    STGAN, Smile       | .9985 34.72 .9086 .8634
    STGAN, Bangs       | .9985 33.07 .9033 .8850
    STGAN, Bald        | .9985 27.51 .8572 .9014
    STGAN, Mustache    | .9935 36.59 .8829 .9152
    STGAN, Eyeglasses  | .9970 33.23 .8663 .9093
    STGAN, Black       | .9985 31.05 .9029 .8817
    StyleGAN, Age      | .9985 20.71 .6159 .7479
    StyleGAN, Smile    | .9990 22.68 .6625 .7365
    StyleGAN, Entire   | .9210 55.08 .8268 .9174
    StarGAN, Age       | .9990 26.38 .7929 .8494
    StarGAN, Gender    | .9990 26.71 .7952 .8416
    StarGAN, Black     | .9990 25.25 .7911 .8780
    AttGAN, Bald       | .9985 25.31 .7839 .8883
    AttGAN, Smile      | .9985 29.49 .8736 .8277
    AttGAN, Eyeglasses | .9985 28.19 .8207 .8313
    IcGAN, Bald        | .9995 17.57 .6002 .8352
    PGGAN              | .9775 48.70 .8945 .9972
    StyleGAN2          | .8550 72.00 .9262 .9678
    """,
)

# Table X: trained on STGAN, Blond, without and with attention; inside the region.
ATTENTION = {
    "Black": (
        Located(0.237, 28.270, 0.783, 0.855),
        Located(0.670, 25.296, 0.825, 0.817),
    ),
    "Brown": (
        Located(0.588, 30.611, 0.854, 0.876),
        Located(0.859, 21.926, 0.802, 0.863),
    ),
    "Smile": (
        Located(0.448, 41.836, 0.989, 0.803),
        Located(0.752, 40.723, 0.990, 0.808),
    ),
}
