"""The adversarial game: detectors trained against pixel-wise blurring adversaries.

  python launch/main.py --config=configs/adversarial_game.py   # embedded data
  python launch/main.py --config=configs/adversarial_game.py:paper \\
      --config.data.root=DIR --config.others.DFD.root=DIR …

Presets:

  default   200 clips, one small detector, the rows that claims need with three seeds
  demo      less of it, in minutes: no adversary, Two-Gen-BAT and both controls
  quick     for tests, in seconds
  full      every table on embedded clips; all of it wants a GPU
  folder    what the default compares, on your own prepared videos
  paper     the paper's sizes: FaceForensics++ at C23, and --config.others.NAME.root=DIR
            of Raw, C40, DFD and Celeb-DF
  released  the same with the released script's augmentation, norms and bounds

Attacks are evaluated on labelled test pictures, to measure and to harden detectors.
"""

from configs import common
from configs.rows import adversarial_game as rows

# The embedded forgers, by the names of FaceForensics++.
FAKES = "deepfakes", "face2face", "faceswap", "neuraltextures"
LEARNT = ("neuraltextures",)  # NT: what the paper trains on
ALL = "All qualities"
QUALITIES = "Raw", "C23", "C40"
UNSEEN = "NT", "DF", "F2F", "FS", "DFD", "Celeb-DF"


def _of(corpus, fakes=None):
    """The fakes of some sources (None: all) of a corpus, and its reals."""
    return {"corpus": corpus, "fakes": fakes}


TRAINING_SETS = {quality: _of(quality, LEARNT) for quality in QUALITIES}
TESTS = {
    "NT": _of("C23", LEARNT),
    "DF": _of("C23", ("deepfakes",)),
    "F2F": _of("C23", ("face2face",)),
    "FS": _of("C23", ("faceswap",)),
    "DFD": _of("DFD"),
    "Celeb-DF": _of("Celeb-DF"),
} | TRAINING_SETS
# Tables III and VI: of all qualities together.
UNION_SETS = {ALL: _of(ALL, LEARNT), "FF++": _of(ALL)}
# Several frames of a clip in every example.
SEGMENTS = 3
SEGMENT_SETS = {"C40, segments": _of("C40, segments", LEARNT)}
SEGMENT_TESTS = {
    f"{quality}, segments": _of(f"{quality}, segments", LEARNT) for quality in QUALITIES
} | {
    f"{name}, segments": _of("C40, segments", (source,))
    for name, source in zip(("DF", "F2F", "FS"), FAKES, strict=False)
}

SHOWN = "Grad-BAT", "Grad-AAT", "Grad-SAT"  # in pictures, as in Fig. 1

# Half as wide, and the stem keeps the size: pictures of 64 pixels are small.
SMALL_STEM = {"shrink": 0.5, "stem_stride": 1, "norm_momentum": 0.9}
# Quick ones that look for traces in three ways: plain layers, AMTEN's residuals, and
# constrained filters.
SMALL = {
    "model_base": {"model": "model_base"},
    "AMTENnet": {"model": "amtennet"},
    "MISLnet": {"model": "mislnet"},
}
# Those that are attacked, trained for 1,200 steps: attacks can only be compared on
# detectors that are right, and these are about 0.85 to 0.94 of the test's pictures.
VICTIMS = {f"{title}, longer": settings for title, settings in SMALL.items()}
# What the losses of two families have beside that of the label: the map learns from
# masks (Stehouwer), attention maps differ and are shown degraded pictures (Zhao).
OWN = {
    "Stehouwer": {"side_losses": {"map": 1.0}},
    "Zhao": {"side_losses": {"independence": 0.5}, "guided": 1.0},
}


def get_config(preset="default"):
    """The config of a preset."""
    make = common.preset(
        preset,
        default=_default,
        demo=_demo,
        quick=_quick,
        full=_full,
        folder=_folder,
        paper=_paper,
        released=_released,
    )
    return make()


def _default():
    """Three seeds for what claims compare, one for the other adversaries."""
    detector = "model_base"
    trained = (*rows.ADVERSARIES, *rows.CONTROLS, "JPEG Compression")
    one = dict.fromkeys(("Grad-AAT", "Grad-SAT", "Grad-BAT", "Gen-BAT"), 1)
    return _config(
        data=_clips("c23"),
        others=_others(),
        detectors={detector: SMALL[detector]} | VICTIMS,
        groups={
            "unseen": _group(detector, rows=trained, tests=UNSEEN, fewer=one),
            "qualities": _group(detector, rows=trained, tests=QUALITIES, fewer=one),
        },
        idle=_idle(detector),
        attacks=_attacks(*VICTIMS),
        steps=300,
        longer=dict.fromkeys(VICTIMS, 4),
        seeds=(0, 1, 2),
    )


def _folder():
    """Prepared videos of one quality, with whatever manipulations they have."""
    detector = "model_base"
    trained = ("none", "Two-Gen-BAT", *rows.CONTROLS, "JPEG Compression")
    data = common.folder(size=128, batch_size=32)
    return _config(
        data=data,
        size=128,
        detectors={detector: SMALL[detector]},
        training_sets={"C23": _of("C23")},
        tests={"all": _of("C23")},
        groups={"unseen": _group(detector, rows=trained, tests=("all",))},
        idle=_idle(detector, size=128),
        attacks=_attacks(test="all", size=128),
        steps=1000,
        seeds=(0, 1, 2),
    )


def _demo():
    """One seed decides nothing, but shows what the default measures."""
    detector = "model_base"
    trained = ("none", "Two-Gen-BAT", *rows.CONTROLS)
    few = {"clips": 60, "frames": 12}
    tests = ("NT", "DF", "F2F", "FS", "C40")
    return _config(
        data=_clips("c23", **few),
        others={"C40": _clips("c40", **few)},
        detectors={detector: SMALL[detector]},
        tests={name: TESTS[name] for name in tests},
        groups={"unseen": _group(detector, rows=trained, tests=tests, seeds=1)},
        idle=_idle(detector),
        attacks=_attacks(test="NT"),
        steps=200,
        seeds=(0,),
    )


def _quick():
    """Everything once, with nets that learn nothing in so few steps."""
    detector = "Meso-4"
    few = {"clips": 20, "frames": 2, "batch_size": 8}
    trained = ("none", "Two-Gen-BAT")
    group = _group(detector, rows=trained, tests=("NT", "DF"), seeds=1)
    return _config(
        data=_clips("c23", **few),
        detectors={detector: {"model": "meso4", "norm_momentum": 0.9}},
        tests={name: TESTS[name] for name in ("NT", "DF")},
        groups={"unseen": group},
        idle=_idle(detector, pictures=8, few=True),
        attacks=_attacks(detector, few=True),
        kernels=("BAT",),
        steps=4,
        seeds=(0,),
        evaluate_every=2,
        generator={"width": 4, "blocks": 1},
    )


def _full():
    """Every table on embedded clips."""
    detector = "model_base"
    everything = rows.ALL
    tables = tuple(title for title in everything if title not in rows.KERNELS)
    of_union = (*rows.ADVERSARIES, *rows.CONTROLS)
    games = ("none", "Two-Gen-BAT", "Combined AT")
    one = dict.fromkeys((*rows.TRADITIONAL, *rows.STEPS), 1)
    one |= dict.fromkeys(("Grad-AAT", "Grad-SAT", "Gen-BAT"), 1)
    del one["JPEG Compression"]
    families = {
        "Xception": {"model": "xception", "norm_momentum": 0.9},
        "EfficientNet, half": {"model": "efficientnet_b0"} | SMALL_STEM,
        "Stehouwer": {"model": "ffd"},
        "Zhao": {"model": "multi_attention", "scale": "b0"} | SMALL_STEM,
    }
    return _config(
        data=_clips("c23"),
        others=_others() | _unions() | _segments(),
        detectors={detector: SMALL[detector]}
        | VICTIMS
        | families
        | {"TSN": {"model": "tsn", "frame_model": detector}},
        training_sets=TRAINING_SETS | UNION_SETS | SEGMENT_SETS,
        tests=TESTS | UNION_SETS | SEGMENT_TESTS,
        groups={
            "unseen": _group(detector, rows=tables, tests=UNSEEN, fewer=one),
            "qualities": _group(
                detector,
                rows=tables,
                trained_on=QUALITIES,
                tests=QUALITIES,
                fewer=one | {"Raw": 1, "C40": 1},
            ),
            "union": _group(
                detector, rows=of_union, trained_on=(ALL,), tests=(ALL, *QUALITIES)
            ),
            "families": _group(
                *families,
                rows=games,
                trained_on=("FF++",),
                tests=("FF++", "DFD", "Celeb-DF"),
                seeds=1,
            ),
            "kernels": _group(
                detector,
                rows=tuple(rows.KERNELS),
                tests=(*UNSEEN, "Raw", "C40"),
            ),
            "segments": _group(
                "TSN",
                rows=("none", "Two-Gen-BAT"),
                trained_on=tuple(SEGMENT_SETS),
                tests=tuple(SEGMENT_TESTS),
                seeds=1,
            ),
        },
        idle=_idle(detector),
        attacks=_attacks(*VICTIMS),
        steps=600,
        longer=dict.fromkeys(VICTIMS, 2),
        seeds=(0, 1, 2),
    )


def _paper(*, augment=(), bound="rms"):
    """The paper's sizes.  Epochs and the generator's k are from the released script."""
    detector = "EfficientNet-B5"
    # An epoch draws 32,000 pictures of each class; how many epochs is not printed.
    epoch = 2000
    rate = {
        "schedule": "step",
        "schedule_settings": {"every": 10 * epoch, "factor": 0.1},
    }
    data = common.folder(size=256, batch_size=32) | {"balance": "label"}
    names = ("Raw", "C40", ALL, "DFD", "Celeb-DF")
    of_paper = (*rows.ADVERSARIES, *rows.TRADITIONAL)
    everything = (*of_paper, *rows.CONTROLS, *rows.STEPS)
    main = detector, "Xception"
    families = {
        "Xception": {"model": "xception", "norm_momentum": 0.99},
        "EfficientNet-B5": {"model": "efficientnet_b5"},
        "Stehouwer": {"model": "ffd"},
        "Zhao": {"model": "multi_attention"},
    }
    return _config(
        data=data,
        size=256,
        others={name: dict(data) for name in names},
        detectors=families,
        training_sets=TRAINING_SETS | UNION_SETS,
        tests=TESTS | UNION_SETS,
        groups={
            "unseen": _group(*main, rows=everything, tests=UNSEEN),
            "qualities": _group(
                *main, rows=everything, trained_on=QUALITIES, tests=QUALITIES
            ),
            "union": _group(
                detector,
                rows=rows.ADVERSARIES,
                trained_on=(ALL,),
                tests=(ALL, *QUALITIES),
            ),
            "families": _group(
                *families,
                rows=("none", "Two-Gen-BAT", "Combined AT"),
                trained_on=("FF++",),
                tests=("FF++", "DFD", "Celeb-DF"),
            ),
            "kernels": _group(
                detector, rows=tuple(rows.KERNELS), tests=(*UNSEEN, "Raw", "C40")
            ),
        },
        idle=_idle(detector, size=256),
        attacks=_attacks(*main, "Stehouwer", size=256),
        steps=30 * epoch,
        seeds=(0,),
        evaluate_every=epoch,
        optimiser=_radam(5e-4) | rate,
        generator_optimiser=_radam(2e-3) | rate,
        generator={"width": 64},
        generator_steps=3,
        num_classes=2,
        augment=augment,
        bound=bound,
    )


def _released():
    """What its script does beside the paper: for every row alike."""
    augment = (
        {"name": "jpeg", "probability": 0.5, "low": 60, "high": 100},
        {"name": "noise", "probability": 0.1, "variance": (0.0, 30.0)},
    )
    return _paper(augment=augment, bound="clamp")


def _config(
    *,
    data,
    size=64,
    others=None,
    detectors,
    training_sets=None,
    tests=None,
    groups,
    idle=None,
    attacks=None,
    kernels=("BAT, k 3", "BAT", "BAT, k 7", "BAT, k 9"),
    longer=None,
    steps,
    seeds,
    evaluate_every=100,
    optimiser=None,
    generator_optimiser=None,
    generator=None,
    bound="rms",
    generator_steps=1,
    num_classes=1,
    augment=(),
):
    attacks = attacks or _attacks(size=size)
    idle = idle or _idle("")
    adversaries = idle["adversaries"]
    nobody = {
        name: _group()
        for name in (
            "unseen",
            "qualities",
            "union",
            "families",
            "kernels",
            "segments",
        )
    }
    # The paper's are 64 wide; of width 8, two of them make a step of a small detector
    # ten times as long.
    small = {
        "width": 8,
        "blocks": 3,
        "size": rows.SIZE,
        "bound": bound,
        "least": 1.0,
    }
    experiment = {
        "name": "adversarial_game",
        "detectors": detectors,
        "rows": rows.table(size),
        "training_sets": training_sets or TRAINING_SETS,
        "tests": tests or TESTS,
        "without_accuracy": tuple(t for t in ("DFD",) if t in (tests or TESTS)),
        "idle": idle,
        "attacks": attacks,
        "pictures": {
            "count": 3,
            "adversaries": tuple(title for title in SHOWN if title in adversaries),
            "kernels": tuple(title for title in kernels if title in attacks["attacks"]),
        },
        "game": {
            "num_classes": num_classes,
            "share": 0.5,  # Eq. 3
            "generator_steps": generator_steps,
            "generator": small | (generator or {}),
            "optimiser": optimiser or _short(2e-3),
            "generator_optimiser": generator_optimiser or _short(2e-3),
            "augment": augment,
        },
        "own": {title: OWN[title] for title in detectors if title in OWN},
        "steps": steps,
        "longer": longer or {},
        "seeds": seeds,
    }
    return common.config(
        data=data,
        others=others or {},
        experiment=experiment | nobody | groups,
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _group(*detectors, rows=(), trained_on=("C23",), tests=(), seeds=3, fewer=None):
    """Detectors, each trained against every row, on every set, tested on all tests.

    `fewer` {detector, row or set: seeds that it takes}.
    """
    if not detectors:
        rows = trained_on = tests = ()
    return {
        "detectors": detectors,
        "rows": rows,
        "trained_on": trained_on,
        "tests": tests,
        "seeds": seeds,
        "fewer": fewer or {},
    }


def _idle(detector, *, pictures=64, games=("Two-Gen-BAT",), size=64, few=False):
    """What is tried on a detector that was trained on C23, `none` and `games`."""
    if not detector:
        games = ()
    adversaries = rows.tried(size)
    if few:
        adversaries = {"Grad-BAT": adversaries["Grad-BAT"]}
    return {
        "detector": detector,
        "trained_on": "C23",
        "games": games,
        "pictures": pictures,
        "adversaries": adversaries,
    }


def _attacks(*victims, test="NT", size=64, few=False):
    """Attacks on victims, which are trained on C23 without adversary.

    Every third batch of the test is attacked; `few`: with two attacks.
    """
    table = rows.attacks(size)
    curves = rows.STRENGTHS
    if few:
        table = {title: table[title] for title in ("FGSM", "BAT")}
        curves = {
            family: curves[family] | {"values": curves[family]["values"][2:4]}
            for family in table
        }
    return {
        "victims": victims,
        "trained_on": "C23",
        "test": test,
        "every": 3,
        "attacks": table,
        "strengths": curves,
    }


def _clips(compression, *, view="videos", batch_size=32, clips=common.CLIPS, frames=24):
    """Frames of embedded videos, as many reals as fakes in every batch."""
    settings = common.clips(
        size=64,
        batch_size=batch_size,
        clips=clips,
        frames=frames,
        compression=compression,
        view=view,
    )
    return settings | {"balance": "label"}


def _others():
    """The same clips in other qualities, and other people by other forgers."""
    return {
        "Raw": _clips("raw"),
        "C40": _clips("c40"),
        "DFD": _clips("c23", view="unseen_dfd", clips=40),
        "Celeb-DF": _clips("c23", view="unseen", clips=40),
    }


def _unions():
    return {ALL: _clips("raw,c23,c40")}


def _segments():
    """The same clips, several frames of each in an example."""
    return {
        f"{quality}, segments": _clips(quality.lower(), batch_size=16)
        | {"frames": SEGMENTS}
        for quality in QUALITIES
    }


def _short(rate):
    """Adam, whose rate rises and falls over a short training."""
    return {
        "name": "adam",
        "rate": rate,
        "schedule": "cosine",
        "schedule_settings": {"warmup": 0.1},
    }


def _radam(rate):
    """Section IV: decay apart from the rule, as in the package that the script uses."""
    return {
        "name": "radam",
        "rate": rate,
        "weight_decay": 5e-4,
        "decoupled": True,
    }
