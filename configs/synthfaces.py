"""Is SynthFaces a benchmark?  Detectors of one generator, tested on the others.

  python launch/main.py --config=configs/synthfaces.py

trains Meso-4 and AMTENnet's plain base on each of four generators, three seeds, tests
them on all, on the same in disguise and on two editors, and writes the tables of
docs/synthfaces.md.  Presets: `default`; `large`, the plain base on parts of 64
pixels of pictures of 128, one seed; `quick`, for tests.
"""

from configs import common

GENERATORS = ("deconv", "nearest", "bilinear", "shuffle")
DISGUISED = tuple(
    f"{name}_{how}" for name in ("deconv", "nearest", "bilinear") for how in "ra"
)
CROP = 64  # what detectors see of a picture: traces are everywhere
EDITORS = ("edit_deconv", "edit_skip")
# Steps of a detector where all of a preset do not take as many.
STEPS = {"Meso-4": 600, "model_base": 240}
DETECTORS = {
    "Meso-4": {"model": "meso4", "norm_momentum": 0.9},
    "model_base": {"model": "model_base"},
}


def get_config(preset="default"):
    """The config of a preset."""
    settings = common.preset(
        preset,
        default={},
        large={
            "faces": 600,
            "size": 128,
            "detectors": ("model_base",),
            "steps": {"model_base": 500},
            "seeds": (0,),
        },
        quick={
            "faces": 40,
            "generators": GENERATORS[:2],
            "disguised": (),
            "steps": dict.fromkeys(STEPS, 8),
            "evaluate_every": 4,
            "seeds": (0,),
            "batch_size": 16,
        },
    )
    return _config(**settings)


def _config(
    *,
    faces=1200,
    size=64,
    generators=GENERATORS,
    disguised=DISGUISED,
    detectors=tuple(DETECTORS),
    steps=None,
    evaluate_every=60,
    seeds=(0, 1, 2),
    batch_size=32,
):
    steps = steps or STEPS
    data = common.embedded(
        "generators",
        faces=faces,
        size=size,
        batch_size=batch_size,
        fakes=(*generators, *disguised, *EDITORS),
    )
    data["size"] = CROP
    return common.config(
        data=data,
        experiment={
            "name": "synthfaces",
            "detectors": {title: DETECTORS[title] for title in detectors},
            "generators": generators,
            "unseen": {"disguises": disguised, "edits": EDITORS},
            "steps": {title: steps[title] for title in detectors},
            "classifier": common.binary(rate=2e-3),
            "seeds": seeds,
            "quality": 60,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )
