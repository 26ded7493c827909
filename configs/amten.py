"""AMTEN (Guo et al., CVIU 2021): who made a picture, and what operations do to that.

  python launch/main.py --config=configs/amten.py                      # embedded data
  python launch/main.py --config=configs/amten.py:variant=AMTEN_3      # one ablation
  python launch/main.py --config=configs/amten.py:paper --config.data.root=DIR

Presets: `default`, a telling part in minutes on two cores; `quick`, for tests; `full`,
every network and protocol on embedded data, in hours; `paper`, the paper's sizes on
prepared data (its videos: --config.others.HQ.root=DIR and LQ); `folder`, three networks
on your own prepared pictures; `variant=NAME`, one of Table VI against the full network.
`paper` and `folder` train by the paper's rule, the others with Adam.
"""

from configs import common
from jaxforensics.models.amtennet import VARIANTS

# Networks, {title: their model and its settings}: those of the paper's own method, the
# ablations of Table VI, the front ends of Table V, and the others of Table VII.
OWN = {
    "AMTENnet": {"model": "amtennet"},
    "model_base": {"model": "model_base"},
}
ABLATIONS = {
    name: {"model": "amtennet"} | switches for name, switches in VARIANTS.items()
}
FRONT_ENDS = {
    "model_base, high-pass": {"model": "model_base", "front_end": "high_pass"},
    "model_base, constrained": {"model": "model_base", "front_end": "constrained"},
    "model_base, SRM": {"model": "model_base", "front_end": "srm"},
}
BASELINES = {
    "1-D spectrum": {"model": "spectrum_linear"},  # not in the paper: what is easy
    "Meso-4": {"model": "meso4", "norm_momentum": 0.9},
    "MesoInception-4": {"model": "mesoinception4", "norm_momentum": 0.9},
    "Hand-Crafted-Res": {"model": "handcrafted_res"},
    "MISLnet": {"model": "mislnet"},
    "Xception": {"model": "xception"},
}
MODELS = OWN | BASELINES | FRONT_ENDS | ABLATIONS

# Optimisers of networks that the paper says nothing of: their authors', but for the
# first two, which are ours.
OPTIMISERS = {
    "1-D spectrum": {"name": "adam", "rate": 1e-2},
    "Hand-Crafted-Res": {"name": "adam", "rate": 1e-4},
    "Meso-4": {"name": "adam", "rate": 1e-3},
    "MesoInception-4": {"name": "adam", "rate": 1e-3},
    "Xception": {"name": "adam", "rate": 2e-4},
}
# Momentum of running averages in their authors' code; Caffe and Keras: 0.999.
AVERAGES = {
    "meso4": 0.99,
    "mesoinception4": 0.99,
    "xception": 0.99,
}

# Sets of pictures, as `jaxforensics.experiments.amten.sets` knows them.
OPERATIONS = "Raw", "JP60", "ME5"
CROSSED = "Raw", "JP60", "JP-mix", "ME5", "ME-mix"
MIXTURES = "Raw", "Small", "Middle", "Large"
UNSEEN = "GB-mix", "MED-mix", "GC-mix", "JP2-mix", "SC-mix"

LIGHT = "AMTENnet", *(title for title in BASELINES if title != "Xception")
ALL = *LIGHT, "Xception"

SEEDS = tuple(range(10))  # so many decide a gain of 0.05; three do not
STEPS = 750  # of `default` and `full`, so that the first is a part of the second
EVALUATE_EVERY = 75
BATCH = 16  # not the paper's 64: on few pictures it is updates that are missing


def get_config(preset="default"):
    """The config of a preset."""
    if preset.startswith("variant="):
        name = preset.removeprefix("variant=")
        common.preset(name, **ABLATIONS)
        groups = {"design": _group(*OWN, name)}
        return _config(_embedded(), groups, **_short(), steps=STEPS)
    make = common.preset(
        preset,
        default=_default,
        quick=_quick,
        full=_full,
        paper=_paper,
        folder=_folder,
    )
    return make()


def _default():
    groups = {
        "identification": _group(*OWN, "1-D spectrum", seeds=10),
        "confusions": _group(*OWN, seeds=10),
        "design": _group(*OWN, seeds=10),
        "grid": _group("AMTENnet", seeds=1),
        "traces": _traces("AMTENnet", after=(20, 100), seeds=1),
    }
    return _config(
        _embedded(),
        groups,
        **_short(),
        steps=STEPS,
        seeds=SEEDS,
        evaluate_every=EVALUATE_EVERY,
    )


def _quick():
    few = {"fakes": ("nearest",)}
    groups = {
        "identification": _group("Meso-4", sets=("Raw", "HQ")),
        "confusions": _group("Meso-4"),
        "design": _group(*OWN),
        "binary": _group("Meso-4"),
        "crossed": _group("Meso-4", sets=("Raw", "JP60")),
        "mixed": _mixed(
            "Meso-4", sets=("Raw", "Small"), tested_on=(), unseen=("JP2-mix",)
        ),
        "grid": _group("Meso-4"),
        "traces": _traces("AMTENnet", after=(2,)),
    }
    return _config(
        _embedded(faces=20, **few),
        groups,
        others={"HQ": _embedded(faces=10, **few)},  # clips would take a minute
        **_short(),
        steps=4,
        seeds=(0,),
        evaluate_every=2,
    )


def _full():
    """In hours.  Xception, as slow as all others together, has one seed, on Raw.

    Many short clips: what is counted for intervals is pairs of clips, not frames.
    """
    videos = {
        name: common.clips(
            clips=100, frames=5, size=64, batch_size=BATCH, compression=compression
        )
        for name, compression in (("HQ", "c23"), ("LQ", "c40"))
    }
    groups = _everything(after=(20, 100))
    for name in ("crossed", "traces"):
        groups[name]["seeds"] = 1
    # All of AMTENnet's seeds where there are ten; what claims compare it with has as
    # many as an interval needs on Raw, and one elsewhere, where they stay open.
    three = dict.fromkeys(BASELINES, 3)
    one = dict.fromkeys(("Xception", "JP60", "ME5", "HQ", "LQ"), 1)
    five = dict.fromkeys((*FRONT_ENDS, *ABLATIONS), 5)
    groups |= {
        "identification": _group(
            *ALL,
            sets=(*OPERATIONS, *videos),
            seeds=10,
            fewer=three | one,
            only={"Xception": ("Raw",)},
        ),
        "confusions": _group(*OWN, seeds=10),
        "design": _group(*OWN, *FRONT_ENDS, *ABLATIONS, seeds=10, fewer=five),
        "binary": _group(*ALL, seeds=3, fewer={"Xception": 1}),
        "grid": _group("AMTENnet", seeds=1),
    }
    return _config(
        _embedded(),
        groups,
        others=videos,
        **_short(),
        steps=STEPS,
        longer=dict.fromkeys(("ME5", "ME-mix"), 3),
        seeds=SEEDS,
        evaluate_every=EVALUATE_EVERY,
    )


def _paper():
    """HFF's 116,000 training pictures are 1,817 steps, ten times over.

    Nothing is mirrored, and normalisation averages over as many steps as in Caffe
    (0.999) and Keras.
    """
    data = common.folder(size=128, batch_size=64) | {"balance": None, "flip": False}
    videos = {name: dict(data) for name in ("HQ", "LQ")}
    everything = _everything(after=(100, 10_000))
    released = {title: row | _averaged(row["model"]) for title, row in MODELS.items()}
    return _config(
        data,
        everything,
        others=videos,
        models=released,
        steps=18_170,
        evaluate_every=1000,
    )


def _averaged(model):
    """The momentum of running averages that a network was released with."""
    if model in ("spectrum_linear", "handcrafted_res"):
        return {}  # without normalisation
    return {"norm_momentum": AVERAGES.get(model, 0.999)}


def _folder():
    groups = {
        "identification": _group(*OWN, "Meso-4"),
        "confusions": _group(*OWN, "Meso-4"),
        "design": _group(*OWN),
    }
    data = common.folder(size=128, batch_size=BATCH) | {"balance": "source"}
    return _config(data, groups, rates=_falling(), steps=1000)


def _everything(*, after):
    every = _group(*ALL, sets=(*OPERATIONS, "HQ", "LQ"))
    return {
        "identification": every,
        "confusions": _group(*OWN),
        "design": _group(*OWN, *FRONT_ENDS, *ABLATIONS),
        "binary": every,
        "crossed": _group("AMTENnet", sets=CROSSED),
        "mixed": _mixed("AMTENnet", sets=MIXTURES, tested_on=CROSSED),
        "grid": _group(*OWN),
        "traces": _traces("AMTENnet", after=after),
    }


def _config(
    data,
    groups,
    *,
    others=None,
    models=None,
    steps,
    longer=None,
    seeds=(0, 1, 2),
    evaluate_every=100,
    solver=None,
    rates=None,
):
    """`solver`: of networks without one of their own; None, the paper's.

    `rates`: a schedule for all networks; None, that of each in the paper.
    """
    solver = solver or _caffe()
    rates = rates or {}
    nobody = {
        "identification": _group(),
        "confusions": _group(),
        "design": _group(),
        "binary": _group(),
        "crossed": _group(),
        "mixed": _mixed(sets=(), tested_on=()),
        "grid": _group(),
        "traces": _traces(after=()),
    }
    experiment = {
        "name": "amten",
        "models": models or MODELS,
        "base": "AMTENnet",
        "steps": steps,
        "longer": longer or {},
        "classifier": {"optimiser": solver | rates, "augment": ()},
        "optimisers": {title: row | rates for title, row in OPTIMISERS.items()},
        "seeds": seeds,
    }
    return common.config(
        data=data,
        others=others or {},
        experiment=experiment | nobody | groups,
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _group(*models, sets=("Raw",), seeds=3, fewer=None, only=None):
    """Networks, each trained on each of the sets, with so many seeds at most.

    `fewer` {network or set: seeds that it takes}; `only` {network: its sets}.
    """
    if not models:
        sets = ()
    return {
        "models": models,
        "sets": sets,
        "seeds": seeds,
        "fewer": fewer or {},
        "only": only or {},
    }


def _mixed(*models, sets, tested_on, unseen=UNSEEN):
    """The same, tested on sets like those of the mixture and on unseen ones."""
    return _group(*models, sets=sets) | {"tested_on": tested_on, "unseen": unseen}


def _traces(*models, after, seeds=3):
    """Networks with AMTEN, looked into after some steps."""
    return _group(*models, seeds=seeds) | {"after": after}


def _embedded(*, faces=600, fakes=None):
    """The view of SynthFaces that has eight classes, as HFF has; `fakes`: some."""
    data = common.embedded(
        "hybrid", faces=faces, size=64, batch_size=BATCH, fakes=fakes
    )
    return data | {"balance": "source"}


def _short():
    """Adam, with which AMTEN gets under way: by the paper's rule, within hundreds of
    steps of 16, it sometimes goes on letting the picture through (docs/amten.md).
    """
    return {
        "solver": {"name": "adam", "rate": 1e-3},
        "rates": _falling(),
    }


def _falling():
    """Rates for short trainings, from nothing to nothing as in the paper's 18 halvings.

    Not ended so, running averages of normalisations lag behind the weights.
    """
    return {"schedule": "cosine", "schedule_settings": {"warmup": 0.1}}


def _caffe():
    """Section IV.B: rate 1e-3 halved every 1,000 steps; the rest as in the release."""
    return {
        "name": "sgd",
        "rate": 1e-3,
        "schedule": "step",
        "schedule_settings": {"every": 1000, "factor": 0.5},
        "settings": {"momentum": 0.95, "rate_inside": True},
        "weight_decay": 0.005,
        "decay_norms": True,
        "bias_rate": 2.0,
    }
