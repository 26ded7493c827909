"""Rows of TR-Net's tables: its attacks, victims and the game, as the paper has them.

`configs/trnet.py` makes presets of them.
"""

# One row each: the attack's name in `attacks` and its settings.  'follows' is whose
# gradients it follows: an undefended victim's or, "itself", those of each victim as it
# is.  'network' is what it redraws with, 'equals' the attack whose PSNR it has, picture
# by picture.  Section 5.5.1.
ATTACKS = {
    "Noise": {
        "attack": "noise",
        "low": 5.0,
        "high": 20.0,
    },
    "FGSM": {
        "attack": "fgsm",
        "follows": "Xception",
        # Sections 1d and 1e of the supplement print 0.003, which does not fit Table 4.
        "epsilon": 8 / 255,
    },
    "PGD": {
        "attack": "pgd",
        "follows": "Xception",
        "epsilon": 8 / 255,
        "steps": 10,  # ours: the paper does not say
    },
    # Ours, as the paper does not say which of the two its Tables 2 and 3 show.
    "FGSM, itself": {
        "attack": "fgsm",
        "follows": "itself",
        "epsilon": 8 / 255,
    },
    "PGD, itself": {
        "attack": "pgd",
        "follows": "itself",
        "epsilon": 8 / 255,
        "steps": 10,
    },
    "GANprintR": {
        "attack": "ganprintr",
        "network": "ganprintr",
    },
    "TR-Net": {
        "attack": "trnet",
        "network": "trnet",
    },
    # Ours, TR-Net's control: as much noise, which removes no trace.
    "Equal noise": {
        "attack": "noise_of_psnr",
        "equals": "TR-Net",
    },
}

# One row each: a 'method' of experiments/trnet/settings.py and its settings.  Rates are
# those of the victims' authors; presets say how many steps.  'decides' may be
# "likeliest", the class, as where nothing is said, or "threshold", that of equal error
# on validation; NF has a threshold alone.  Section 5.3.
VICTIMS = {
    "Xception": {
        "method": "classifier",
        "model": "xception",
        "target": "label",
        "optimiser": {"name": "adam", "rate": 2e-4},
    },
    "Patch-CNN": {
        "method": "classifier",
        "model": "patch_cnn",
        "target": "label",
        "block": 2,
        "optimiser": {"name": "adam", "rate": 1e-3},
    },
    "DCTA": {
        "method": "classifier",
        "model": "dcta",
        "target": "label",
        "optimiser": {"name": "adam", "rate": 1e-3},
    },
    "F3-Net": {
        "method": "classifier",
        "model": "f3net",
        "target": "label",
        "mix": True,
        "optimiser": {"name": "adam", "rate": 2e-4},
    },
    "LF": {
        "method": "classifier",
        "model": "lf",
        "target": "source",
        "equalized": True,  # weights scaled as they are used; False: He's, as they are
        "optimiser": {
            "name": "adam",
            "rate": 1e-3,
            "settings": {"b1": 0.0, "b2": 0.99, "eps": 1e-8},
        },
    },
    "NF": {"method": "fingerprint"},  # mean noise residuals: nothing to set
}
LIGHT = "Patch-CNN", "DCTA", "NF"  # a victim of each kind, those that are quick
# What differs in trainings of hundreds of steps: higher rates; a gain of 1, as from its
# authors' 0.02 Patch-CNN takes thousands.  LF starts from He's weights as they are,
# with Adam's own momenta, and decides by a threshold: its likeliest class is the real
# one too often, as half of the pictures are of that class.
SHORT_RATES = {"Xception": 1e-3, "F3-Net": 1e-3}
SHORT_SETTINGS = {
    "Patch-CNN": {"gain": 1.0},
    "LF": {
        "decides": "threshold",
        "equalized": False,
        "optimiser": {"name": "adam", "rate": 5e-4},
    },
}

CRITICS = "spatial", "spectral", "fingerprint"
PLAYERS = "generator", *CRITICS

# The paper's game; numbers of training are those of Section 5.4.
GAME = {
    "method": "trnet",
    "learns_from": "fakes",  # in pairs with their originals
    "critics": CRITICS,  # who plays: D1, D2 and D3 of Section 4.2.2
    "views": {
        "spatial": "image",
        "spectral": "log_amplitude",  # ours; Eq. 5 has the "amplitude" itself
        "fingerprint": "residual",
    },
    "generator": {
        "widths": (32, 64, 128, 256),
        "norm": "batch",
        "activation": "tanh",
        "residual": False,
    },
    "critic": {"width": 128, "norm": "batch"},
    "adversarial": "vanilla",  # Eq. 7
    "penalty": 0.0,
    "similarity": "ssim",  # Eqs. 8 and 9: "vgg", once features.weights name a file
    "features": {"weights": "", "layer": "relu3_3"},
    "regulariser": "power",  # Eqs. 10 and 11
    "cutoff": 1 / 16,
    "weights": {"adversarial": 1.0, "similarity": 1.0, "spectrum": 100.0},  # Eq. 13
    "balanced": False,  # whether critics are made to pull equally at each picture
    "optimiser": {"name": "rmsprop", "rate": 1.6e-3},
    "critic_optimiser": {"name": "rmsprop", "rate": 1.6e-4},
    "epoch": 400,  # 60,000 pairs in batches of 150; rates are halved at its end
    "last": 400,  # the best generator of the last epoch attacks
    "steps": 3200,  # 8 epochs
}
# The embedded set's kinds, three as in Section 5.2: synthesised, edited, replaced.
FAKES = "nearest", "edit_deconv", "swap_neural"


def weak(*, gandct_compat=False):
    """Section 4.1.2: each operation with a probability of a half, in this order.

    `gandct_compat` repeats two slips of the script that the paper refers to: a fixed
    sigma of 4, and JPEG at quality 95.
    """
    blur = {"name": "blur", "sizes": (3, 5, 7, 9)}
    crop = {"name": "crop", "low": 0.05, "high": 0.2}
    jpeg = {"name": "jpeg", "low": 10, "high": 75}
    noise = {"name": "noise", "low": 5.0, "high": 20.0}
    if gandct_compat:
        blur |= {"sigma": 4.0}
        jpeg |= {"low": 95, "high": 95}
    return tuple(row | {"probability": 0.5} for row in (blur, crop, jpeg, noise))
