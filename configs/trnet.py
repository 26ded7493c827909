"""TR-Net (Liu et al., 2022): how far attacks get against six detectors and defences.

  python launch/main.py --config=configs/trnet.py                      # embedded data
  python launch/main.py --config=configs/trnet.py:paper --config.data.root=DIR
  python launch/main.py --config=configs/trnet.py:folder --config.data.root=DIR

Presets: `default`, a telling part in minutes on two cores; `demo`, less of it; `quick`,
for tests; `full`, every victim, attack and limit on embedded data, in hours (of strong
defences, those of two victims);
`paper`, its sizes and losses on prepared data; `released`, the same with the losses,
rates and views of its released script; `folder`, what the default does on your own
prepared pictures.  Short trainings take a smaller TR-Net, see `_small`; docs/trnet.md
compares all readings.

Attacks are evaluated on labelled test pictures, to measure and to harden detectors.
"""

from configs import common

ATTACKS = {
    "Noise": {"attack": "noise", "low": 5.0, "high": 20.0},
    # Sections 1d and 1e: 0.003 as printed does not fit Table 4; steps of PGD are ours.
    "FGSM": {"attack": "fgsm", "on": "Xception", "epsilon": 8 / 255},
    "PGD": {"attack": "pgd", "on": "Xception", "epsilon": 8 / 255, "steps": 10},
    "GANprintR": {"attack": "ganprintr"},
    "TR-Net": {"attack": "trnet"},
}
VICTIMS = {  # models, and what they are told
    "Xception": {"model": "xception", "target": "label"},
    "Patch-CNN": {"model": "patch_cnn", "target": "label", "block": 2},
    "DCTA": {"model": "dcta", "target": "label"},
    "F3-Net": {"model": "f3net", "target": "label", "mix": True},
    "LF": {"model": "lf", "target": "source"},
    "NF": {},  # mean noise residuals: nothing to set
}
RATES = {"Xception": 2e-4, "Patch-CNN": 1e-3, "DCTA": 1e-3, "F3-Net": 2e-4, "LF": 1e-3}
SHORT = RATES | {"Xception": 1e-3, "F3-Net": 1e-3, "LF": 4e-3}  # in hundreds of steps
LF_ADAM = {"b1": 0.0, "b2": 0.99, "eps": 1e-8}
LIGHT = "Patch-CNN", "DCTA", "NF"
# The paper's game: 60,000 pairs, batches of 150, 8 epochs of 400 steps (Section 5.4).
GAME = {
    "views": {"spatial": "image", "spectral": "spectrum", "fingerprint": "residual"},
    "generator": {
        "widths": (32, 64, 128, 256),
        "norm": "batch",
        "activation": "tanh",
        "residual": False,
    },
    "critic": {"width": 128, "norm": "batch"},
    "adversarial": "vanilla",
    "penalty": 0.0,
    "similarity": "ssim",  # Eqs. 8 and 9: "vgg", once features.weights name a file
    "features": {"weights": "", "layer": "relu3_3"},
    "regulariser": "power",
    "cutoff": 1 / 16,
    "weights": {"adversarial": 1.0, "similarity": 1.0, "spectrum": 100.0},
    "optimiser": {"name": "rmsprop", "rate": 1.6e-3},
    "critic_optimiser": {"name": "rmsprop", "rate": 1.6e-4},
    "epoch": 400,  # rates are halved when an epoch's loss stops falling
    "last": 400,
    "steps": 3200,
}
# Of three kinds, as in the paper: synthesised, edited, replaced.
FAKES = "nearest", "edit_deconv", "swap_neural"


def get_config(preset="default"):
    """The config of a preset."""
    make = common.preset(
        preset,
        default=_default,
        demo=_demo,
        quick=_quick,
        full=_full,
        paper=_paper,
        released=_released,
        folder=_folder,
    )
    return make()


def _default():
    return _light(_embedded(faces=2400, batch_size=16))


def _folder():
    return _light(common.folder(size=128, batch_size=16))


def _light(data):
    """A victim of each kind.  Xception takes long: gradients are those of Patch-CNN."""
    attacks = _on("Patch-CNN")
    return _config(
        data,
        _victims(LIGHT, {"Patch-CNN": 600, "DCTA": 2000}),
        attacks=attacks,
        networks={"ganprintr": _ganprintr(400), "trnet": _small(1200)},
        defences={
            "none": _group(*LIGHT, attacks=attacks),
            "weak": _group(*LIGHT, attacks=attacks),
            "strong": _group("DCTA", "NF", attacks=("PGD", "TR-Net")),
        },
        traces=_traces("Patch-CNN"),
        seeds=(0,),
    )


def _demo():
    """The default on fewer faces and steps: sound enough to look at, no more."""
    return _config(
        _embedded(faces=900, batch_size=16),
        _victims(LIGHT, {"Patch-CNN": 240, "DCTA": 1000}),
        attacks=_on("Patch-CNN"),
        networks={"ganprintr": _ganprintr(100), "trnet": _small(240)},
        defences={
            "none": _group(*LIGHT, attacks=ATTACKS),
            "weak": _group("DCTA", "NF", attacks=("Noise", "PGD", "TR-Net")),
            "strong": _group("NF", attacks=("TR-Net",)),
        },
        traces=_traces("Patch-CNN"),
        seeds=(0,),
    )


def _quick():
    steps = {"Patch-CNN": 4, "DCTA": 4}
    two = "Patch-CNN", "NF"
    attacks = _on("Patch-CNN")
    attacks["PGD"]["steps"] = 2
    small = _small(2)
    small["generator"] |= {"widths": (4, 8), "norm": "affine"}
    small["critic"]["width"] = 4
    return _config(
        _embedded(faces=80, batch_size=8, fakes=("nearest", "swap_graphic")),
        _victims(two, steps),
        attacks=attacks,
        networks={"ganprintr": _ganprintr(2), "trnet": small},
        defences={
            "none": _group(*two, attacks=attacks),
            "weak": _group(*two, attacks=("Noise",)),
            "strong": _group(*two, attacks=("GANprintR",)),
        },
        limited=_limited(*two, fractions=(0.5, 1), leave_out=("nearest",)),
        traces=_traces("Patch-CNN", pictures=16),
        seeds=(0,),
        evaluate_every=2,
    )


def _full():
    """In hours; Xception, F3-Net and LF take nearly all of them.

    Strong defences are one training per victim and attack: of the two quickest alone.
    """
    steps = dict.fromkeys(VICTIMS, 600) | {"Xception": 300, "F3-Net": 200, "DCTA": 2000}
    return _config(
        _embedded(faces=2400, batch_size=16),
        _victims(VICTIMS, steps),
        networks={"ganprintr": _ganprintr(400), "trnet": _small(2000)},
        defences={
            "none": _group(*VICTIMS, attacks=ATTACKS, seeds=3),
            "weak": _group(*VICTIMS, attacks=ATTACKS),
            "strong": _group("DCTA", "NF", attacks=ATTACKS),
        },
        limited=_limited("Xception", "DCTA", fractions=(0.1, 1), leave_out=FAKES),
        traces=_traces("Xception", seeds=3),
        seeds=(0, 1, 2),
    )


def _paper():
    return _of_paper(GAME, weak=_weak())


def _released():
    """What its authors released, which hardly ever halves its rates."""
    game = _losses(generator={"norm": "affine"}) | {
        "penalty": 1.0,
        "optimiser": {"name": "rmsprop", "rate": 1.6e-4},
        "critic_optimiser": {"name": "rmsprop", "rate": 1.6e-3},
        "epoch": 0,
    }
    return _of_paper(game, weak=_weak(gandct_compat=True))


def _of_paper(game, *, weak):
    steps = dict.fromkeys(VICTIMS, 20_000)
    fractions = 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1
    return _config(
        common.folder(size=128, batch_size=150) | {"flip": False},  # no augmentation
        _victims(VICTIMS, steps, falling=False),
        networks={
            "ganprintr": _ganprintr(80_000) | {"size": 224},
            "trnet": game,
        },
        defences={
            name: _group(*VICTIMS, attacks=ATTACKS, seeds=3)
            for name in ("none", "weak", "strong")
        },
        limited=_limited("Xception", "F3-Net", fractions=fractions, leave_out=None),
        traces=_traces("Xception", layer="block_12", pictures=2000),
        weak=weak,
        seeds=(0, 1, 2),
        evaluate_every=400,
    )


def _config(
    data,
    victims,
    *,
    attacks=None,
    networks,
    defences,
    limited=None,
    traces,
    weak=None,
    seeds,
    evaluate_every=100,
):
    nobody = {name: _group(attacks=()) for name in ("none", "weak", "strong")}
    return common.config(
        data=data,
        experiment={
            "name": "trnet",
            "victims": victims,
            "attacks": attacks or ATTACKS,
            "networks": networks,
            "training": {
                "num_classes": 1,
                "loss": "binary_cross_entropy",
            },
            "weak": weak or _weak(),
            "seeds": seeds,
            "defences": nobody | defences,
            "limited": limited or _limited(fractions=(), leave_out=()),
            "traces": traces,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _victims(titles, steps, *, falling=True):
    """Their authors' rates; in short trainings higher ones, which fall to nothing."""
    found = {}
    for title in titles:
        found[title] = dict(VICTIMS[title])
        if title == "Patch-CNN" and falling:
            found[title]["gain"] = 1.0  # from its authors' 0.02 it takes thousands
        if title in RATES:
            rates = SHORT if falling else RATES
            optimiser = {"name": "adam", "rate": rates[title]}
            optimiser |= {"settings": LF_ADAM} if title == "LF" else {}
            if falling:
                warmup = min(50, steps[title] // 2)
                optimiser |= _falling(warmup)
            found[title] |= {"steps": steps[title], "optimiser": optimiser}
    return found


def _falling(warmup):
    return {"schedule": "cosine", "schedule_settings": {"warmup": warmup}}


def _ganprintr(steps):
    return {"steps": steps, "optimiser": {"name": "adam", "rate": 1e-3}}


def _small(steps):
    """For embedded pictures of 64 x 64: a quarter of G's widths, a 16th of critics'.

    G changes the picture instead of drawing it anew and is normalised by batch, critics
    by layer without a penalty, the adversarial weight is three times the released one
    and that of spectra twelve times, rates are ours and fall to nothing, and it is the
    G of the end that attacks: for hundreds of steps instead of thousands.
    """
    falling = {"name": "rmsprop", "rate": 5e-4} | _falling(min(50, steps // 2))
    small = {"widths": (8, 16, 32, 64), "residual": True}
    return _losses(generator=small, critic={"width": 8}) | {
        "weights": {"adversarial": 0.3, "similarity": 0.1, "spectrum": 10.0},
        "optimiser": falling,
        "critic_optimiser": dict(falling),
        "epoch": 0,
        "last": 0,
        "steps": steps,
    }


def _losses(*, generator, critic=None):
    """The losses, views and weights of the released script, without its penalty."""
    return GAME | {
        "views": GAME["views"] | {"spectral": "power"},
        "generator": GAME["generator"] | generator,
        "critic": GAME["critic"] | {"norm": "layer"} | (critic or {}),
        "adversarial": "lsgan",
        "regulariser": "log",
        "weights": {"adversarial": 0.1, "similarity": 0.1, "spectrum": 0.8},
    }


def _weak(*, gandct_compat=False):
    """Section 4.1.2, each at times.  `gandct_compat` repeats two slips of the script
    that it refers to: a fixed sigma of 4, and JPEG at quality 95.
    """
    sizes = {"sizes": (3, 5, 7, 9)} | ({"sigma": 4.0} if gandct_compat else {})
    low, high = (95, 95) if gandct_compat else (10, 75)
    operations = (
        {"name": "blur"} | sizes,
        {"name": "crop", "low": 0.05, "high": 0.2},
        {"name": "jpeg", "low": low, "high": high},
        {"name": "noise", "low": 5.0, "high": 20.0},
    )
    return tuple(operation | {"probability": 0.5} for operation in operations)


def _embedded(*, faces, batch_size, fakes=FAKES):
    return common.embedded(
        "pairs", faces=faces, size=64, batch_size=batch_size, fakes=fakes
    )


def _on(victim):
    """Attacks whose gradients are those of a victim."""
    return {
        title: row | ({"on": victim} if "on" in row else {})
        for title, row in ATTACKS.items()
    }


def _group(*victims, attacks, seeds=1):
    return {"victims": victims, "attacks": tuple(attacks), "seeds": seeds}


def _limited(*victims, fractions, leave_out, seeds=1):
    """`leave_out`: kinds of fakes; None, each kind there is."""
    return {
        "attack": "TR-Net",
        "victims": victims,
        "fractions": fractions,
        "leave_out": leave_out,
        "seeds": seeds,
    }


def _traces(*victims, layer="block_2", pictures=300, seeds=1):
    return {
        "victims": victims,
        "attacks": ("TR-Net",),
        "layer": layer,
        "pictures": pictures,
        "seeds": seeds,
    }
