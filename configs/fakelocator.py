"""FakeLocator: where a face was changed, and whether it was.

  python launch/main.py --config=configs/fakelocator.py    # embedded edits
  python launch/main.py --config=configs/fakelocator.py:folder --config.data.root=DIR

Presets:

  default   two editors, five properties, a small network; three seeds for what claims
            compare
  quick     for tests, in seconds
  full      more properties and seeds, every row
  folder    your own prepared pairs of pictures, at 128 x 128
  few       the same of a few people: one row, short
  paper     DeepLabv3 with ResNet-101 at 224 x 224, on prepared pairs
"""

from configs import common
from jaxforensics.synthfaces import sources
from jaxforensics.synthfaces.drawing.render import CLASSES

# Types of manipulation, as in Table I, and the forgers that stand for them.
TYPES = {
    "swap": "swap_neural",
    "edit": "edit_deconv",
    "whole, bilinear": "bilinear",
    "whole, nearest": "nearest",
}
ENTIRE = "bilinear", "nearest"
EDITORS = {"A": "edit_deconv", "B": "edit_skip"}
PROPERTIES = "blond", "black", "brown", "bald", "smile"

# Rows: what is set beside what all share.
OWN = {"L1": {}}
LOSSES = {
    "L1, no branch": {"branch": None},
    "L2": {"map_loss": "l2"},
    "Dice": {"map_loss": "dice"},
    "Focal": {"map_loss": "focal"},
}
TARGETS = {
    "Binary from 1/10": {"target": "binary", "threshold": 0.1},
    "Binary from 1/5": {"target": "binary", "threshold": 0.2},
}
# (of reals, of fakes), Section IV-D
AUGMENTED = {
    "(1, 0)": {"augment_reals": 1.0},
    "(1, 1)": {"augment_reals": 1.0, "augment_fakes": 1.0},
    "(0, 1)": {"augment_fakes": 1.0},
}
PARTIAL = "(1, 0)"  # the partial augmentation that the paper recommends
# Shifted at random in training, further than the test that shifts by a quarter.
MOVED = {"L1, moved": {"shift": 0.3}}
ATTENTION = {
    "L1, attention": {"attention": "parsing"},
    # Of parsings that a small network learns first, not of the exact ones.
    "L1, attention (predicted)": {
        "attention": "predicted",
        "parser": {"width": 8},
        "parser_steps": 500,
        "parser_optimiser": {"name": "adam", "rate": 2e-3, "schedule": "cosine"},
    },
}
# Stehouwer et al.'s attention map, from binary targets; it has an answer of its own.
BASELINES = {
    "FFD": {
        "model": "ffd_map",
        "model_settings": {},
        "branch": None,
        "target": "binary",
    }
}
# Rows that learn from reals and fakes as they come.  Wang et al.'s ResNet-50 with their
# shares of blurred and of compressed pictures, here from random weights.
SELDOM_DEGRADED = (
    {"name": "blur", "probability": 0.1, "sizes": (13,), "variance": (0.0, 9.0)},
    {"name": "jpeg", "probability": 0.1, "low": 30, "high": 100},
)
DETECTORS = {
    "CNNDetection": common.binary()
    | {"model": "resnet50", "model_settings": {}, "augment": SELDOM_DEGRADED},
    "DCTA": common.binary() | {"model": "dcta", "model_settings": {}},
}
# Chai et al.'s patches; a gain of one, as in short trainings.
PATCHES = {
    "Patch": common.binary() | {"model": "patch_cnn", "model_settings": {"gain": 1.0}}
}
CLASSIFIERS = DETECTORS | PATCHES
GROUPS = (
    *("losses", "crossed", "augmented", "universal", "attention"),
    *("types", "detection", "sets"),
)
ROWS = OWN | MOVED | LOSSES | TARGETS | AUGMENTED | ATTENTION | BASELINES

DEGRADATIONS = {
    "JPEG quality": (95, 75, 50, 25, 10),
    "blur size": (3, 5, 9, 15),
    "noise variance": (0.001, 0.005, 0.02, 0.05),
    "reduction": (1.5, 2.0, 4.0, 8.0),
}


def get_config(preset="default"):
    """The config of a preset."""
    make = common.preset(
        preset,
        default=_default,
        quick=_quick,
        full=_full,
        folder=_folder,
        few=_few,
        paper=_paper,
    )
    return make()


def _default():
    """One property of one editor in the centre, three seeds of what claims compare."""
    types = "swap", "edit", "whole, bilinear"
    one = dict.fromkeys((*LOSSES, *BASELINES), 1)
    predicted = {"L1, attention (predicted)": 1}
    bald = ("A, bald",)
    return _config(
        data=_edits(),
        types=types,
        faces_of_types=1500,
        clusters=_clusters(PARTIAL),
        groups={
            "losses": _group(
                *OWN,
                *MOVED,
                *LOSSES,
                *BASELINES,
                trained_on=bald,
                tests=bald,
                fewer=one,
            ),
            "crossed": _group(
                *OWN,
                trained_on=bald,
                tests=("A, bald", "B, bald", "A, black", "A, smile"),
            ),
            "augmented": _group(
                *OWN, *AUGMENTED, trained_on=bald, tests=("A, bald", "B, bald")
            ),
            "universal": _group(
                *OWN, trained_on=("all",), tests=("A, bald", "A, smile"), seeds=1
            ),
            "attention": _group(
                *OWN,
                *ATTENTION,
                trained_on=("A, blond",),
                tests=("A, black", "A, brown", "A, smile"),
                fewer=predicted,
            ),
            "types": _group(*OWN, PARTIAL, trained_on=types, tests=types, seeds=1),
        },
        longer={"all": 3} | dict.fromkeys(types, 0.4),
        steps=500,
        seeds=(0, 1, 2),
    )


def _full():
    """Every row, the editors both ways, more properties."""
    properties = (*PROPERTIES, "bangs", "long_hair")
    both = ("A, bald", "B, bald")
    types = tuple(TYPES)
    mixed = "every type", "videos"
    return _config(
        data=_edits(properties=properties),
        properties=properties,
        types=types,
        faces_of_types=2400,
        clusters=_clusters(PARTIAL, ratios=(1, 4)),
        groups={
            "losses": _group(
                *OWN,
                *MOVED,
                *LOSSES,
                *TARGETS,
                *BASELINES,
                trained_on=both,
                tests=both,
            ),
            "crossed": _group(
                *OWN, trained_on=(*both, "A, smile"), tests=tuple(_sets(properties))
            ),
            "augmented": _group(
                *OWN,
                *AUGMENTED,
                trained_on=(*both, "A, blond", "B, blond", "A, brown", "B, brown"),
                tests=(*both, "A, blond", "B, blond", "A, brown", "B, brown"),
            ),
            "universal": _group(
                *OWN, trained_on=("all",), tests=tuple(_sets(properties))
            ),
            "attention": _group(
                *OWN,
                *ATTENTION,
                trained_on=("A, blond", "B, blond"),
                tests=("A, black", "A, brown", "A, smile", "B, black", "B, brown"),
            ),
            "types": _group(*OWN, PARTIAL, trained_on=types, tests=types),
            "detection": _group(
                *OWN, *DETECTORS, trained_on=mixed, tests=mixed, seeds=1
            ),
            "sets": _group(
                *OWN,
                *BASELINES,
                *PATCHES,
                trained_on=(*both, *types, "videos"),
                tests=(*both, *types, "videos"),
                seeds=1,
            ),
        },
        videos=True,
        steps=1500,
        seeds=(0, 1, 2),
    )


def _quick():
    """Everything once, with networks that learn nothing in so few steps."""
    bald = ("A, bald",)
    return _config(
        data=_edits(faces=60, properties=("bald",)),
        properties=("bald",),
        groups={
            "losses": _group(*OWN, trained_on=bald, tests=bald, seeds=1),
            "types": _group(*OWN, trained_on=bald, tests=(*bald, "B, bald"), seeds=1),
            "detection": _group(*OWN, "DCTA", trained_on=bald, tests=bald, seeds=1),
        },
        clusters=_clusters(*OWN, draws=2),
        locator={
            "model": "unet",
            "model_settings": {"width": 4, "levels": 3},
            "branch": {"widths": (4,), "dense": (4,)},
        },
        looks=_looks("A, bald", "A, bald", {"JPEG quality": (50,)}, rows=tuple(OWN)),
        steps=4,
        seeds=(0,),
        evaluate_every=2,
    )


def _folder():
    """Pairs of pictures of any editor: {before, after} as `prepare.py` pairs them."""
    every = ("every edit",)
    return _config(
        data=common.folder(size=128, batch_size=8) | {"balance": None},
        sets={"every edit": _of()},
        regions={},
        groups={
            "losses": _group(
                *OWN, *MOVED, *LOSSES, *BASELINES, trained_on=every, tests=every
            ),
            "augmented": _group(*OWN, *AUGMENTED, trained_on=every, tests=every),
        },
        looks=_looks(every[0], every[0], DEGRADATIONS),
        steps=2000,
        seeds=(0, 1, 2),
    )


def _few():
    """Pairs of some tens of people: what a short training of one row says of them."""
    every = ("every edit",)
    return _config(
        data=common.folder(size=128, batch_size=8) | {"balance": None},
        sets={"every edit": _of()},
        regions={},
        groups={"losses": _group(*OWN, trained_on=every, tests=every)},
        looks=_looks(every[0], every[0], {}, rows=tuple(OWN), seeds=1),
        pictures=1,
        steps=300,
        seeds=(0,),
    )


def _paper():
    """Section V: ten epochs, Adam with β₁ 0.99 as printed, batches of eight."""
    every = ("every edit",)
    epoch = 2500  # of 10,000 fakes with their originals
    adam = {
        "name": "adam",
        "rate": 1e-4,
        "settings": {"b1": 0.99},
        "weight_decay": 1e-7,
    }
    return _config(
        data=common.folder(size=224, batch_size=4) | {"balance": None},
        sets={"every edit": _of()},
        regions={},
        groups={
            "losses": _group(
                *OWN, *LOSSES, *TARGETS, *BASELINES, trained_on=every, tests=every
            ),
            "augmented": _group(*OWN, *AUGMENTED, trained_on=every, tests=every),
        },
        locator={
            "model": "deeplabv3_resnet101",
            "model_settings": {},
            "branch": {},
            "optimiser": adam,
        },
        looks=_looks(every[0], every[0], DEGRADATIONS, rows=tuple(OWN)),
        steps=10 * epoch,
        seeds=(0,),
        evaluate_every=epoch,
    )


def _config(
    *,
    data,
    properties=PROPERTIES,
    types=(),
    faces_of_types=0,
    videos=False,
    sets=None,
    regions=None,
    groups,
    clusters=None,
    locator=None,
    looks=None,
    pictures=3,
    longer=None,
    steps,
    seeds,
    evaluate_every=100,
):
    if sets is None:
        sets = _sets(properties) | {"all": _of(*_sources(properties))}
        sets |= {name: _of(TYPES[name], corpus="types") for name in types}
        if types:
            sets["every type"] = _of(corpus="types")
        if videos:
            sets["videos"] = _of(corpus="videos")
    if regions is None:
        regions = {name: _region(name) for name in _sources(properties)}
    shared = {
        "model": "unet",
        # Little of a picture is changed: maps that begin near zero learn sooner.
        "model_settings": {"width": 16, "first_logit": -3.0},
        "branch": {"widths": (64, 32), "dense": (64,)},
        "map_loss": "l1",
        "optimiser": {
            "name": "adam",
            "rate": 1e-3,
            "schedule": "cosine",
            "schedule_settings": {"warmup": 0.1},
        },
    }
    others = {}
    if types:
        others["types"] = _forgeries(types, faces_of_types)
    if videos:
        others["videos"] = common.clips(size=64, batch_size=8)
    nobody = {name: _group() for name in GROUPS}
    experiment = {
        "name": "fakelocator",
        "rows": ROWS,
        "classifiers": CLASSIFIERS,
        "locator": shared | (locator or {}),
        "training_sets": sets,
        "tests": sets,
        "entire": ENTIRE if types else (),
        "regions": regions,
        "looks": looks or _looks("A, bald", "A, bald", DEGRADATIONS),
        "pictures": pictures,
        "steps": steps,
        "longer": longer or ({"all": 3} if "all" in sets else {}),
        "clusters": clusters or _clusters(),
        "seeds": seeds,
    }
    return common.config(
        data=data,
        others=others,
        experiment=experiment | nobody | groups,
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _group(*rows, trained_on=(), tests=(), seeds=3, fewer=None):
    """Rows, each trained on every set and tested on all tests."""
    if not rows:
        trained_on = tests = ()
    return {
        "rows": rows,
        "trained_on": trained_on,
        "tests": tests,
        "seeds": seeds,
        "fewer": fewer or {},
    }


def _looks(trained_on, test, degradations, *, rows=(*OWN, *MOVED), seeds=3):
    """Whether networks look, and what degradations leave of the first row."""
    return {
        "rows": rows,
        "trained_on": trained_on,
        "test": test,
        "seeds": seeds,
        "degradations": degradations,
    }


def _edits(*, faces=800, properties=PROPERTIES):
    """Every property added to all portraits that lack it, by both editors."""
    return common.embedded(
        "edits",
        faces=faces,
        size=64,
        batch_size=8,
        fakes=tuple(EDITORS.values()),
        attributes=tuple(properties),
    )


def _forgeries(types, faces):
    """Faces that are shared out among the forgers of these types."""
    fakes = tuple(TYPES[name] for name in types)
    return common.embedded("pairs", faces=faces, size=64, batch_size=8, fakes=fakes)


def _clusters(*rows, draws=10, ratios=(1,)):
    """Whose features name clusters, with so many reals per fake."""
    return {"rows": rows, "draws": draws, "ratios": ratios}


def _of(*fakes, corpus="edits"):
    """The fakes of some sources (without names: all) of a set, and its reals."""
    return {"corpus": corpus, "fakes": tuple(fakes) or None}


def _sets(properties):
    """{'A, bald': …}: one property of one editor each."""
    return {
        f"{letter}, {name}": _of(f"{editor}/{name}")
        for letter, editor in EDITORS.items()
        for name in properties
    }


def _sources(properties):
    return [f"{editor}/{name}" for editor in EDITORS.values() for name in properties]


def _region(source):
    """Numbers of the classes of a parsing that an edit may change."""
    attribute = sources.PROPERTIES[source.split("/")[1]]
    return tuple(CLASSES.index(name) for name in sources.REGIONS[attribute])
