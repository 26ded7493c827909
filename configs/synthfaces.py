"""Is SynthFaces a benchmark?  Detectors of one generator, tested on the others.

  python launch/main.py --config=configs/synthfaces.py

trains Meso-4 and AMTENnet's plain base on each of four generators, three seeds, tests
them on all, on the same in disguise, on two editors, and on whole faces of the street
and landscapes, whose forgers are others; it writes the tables of docs/synthfaces.md.
Presets: `default`; `large`, the plain base on parts of 64 pixels of pictures of 128,
one seed; `compression`, the plain base on clips of c23, tested on c40, one seed;
`quick`, for tests.
"""

from configs import common

GENERATORS = ("deconv", "nearest", "bilinear", "shuffle")
DISGUISED = tuple(
    f"{name}_{how}" for name in ("deconv", "nearest", "bilinear") for how in "ra"
)
CROP = 64  # what detectors see of a picture: traces are everywhere
EDITORS = ("edit_deconv", "edit_skip")
# Fakes of other pictures, told from reals of their own: {set: (view, its forgers)}.
OTHERS = {
    "street": ("domain2", ("street_nearest", "street_bilinear")),
    "landscapes": ("scenes", ("scenes_nearest", "scenes_bilinear")),
}
MANIPULATIONS = ("deepfakes", "face2face", "faceswap", "neuraltextures")
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
            "trained": {
                "detectors": ("model_base",),
                "steps": {"model_base": 500},
                "seeds": (0,),
            },
        },
        compression={
            "clips": 100,
            "evaluate_every": 150,
            "trained": {
                "detectors": ("model_base",),
                "steps": {"model_base": 600},
                "seeds": (0,),
            },
        },
        quick={
            "faces": 40,
            "other_faces": 20,
            "generators": GENERATORS[:2],
            "disguised": (),
            "evaluate_every": 4,
            "batch_size": 16,
            "trained": {"steps": dict.fromkeys(STEPS, 8), "seeds": (0,)},
        },
    )
    if "clips" in settings:
        return _of_clips(**settings)
    return _of_faces(**settings)


def _of_faces(
    *,
    faces=1200,
    other_faces=600,
    size=64,
    generators=GENERATORS,
    disguised=DISGUISED,
    evaluate_every=60,
    batch_size=32,
    trained=None,
):
    reading = {"size": size, "batch_size": batch_size}
    data = common.embedded(
        "generators", faces=faces, fakes=(*generators, *disguised, *EDITORS), **reading
    )
    others = {
        name: common.embedded(view, faces=other_faces, fakes=fakes, **reading)
        for name, (view, fakes) in OTHERS.items()
    }
    # Windows of larger pictures: to reduce them would blur what is looked for.
    for section in (data, *others.values()):
        section |= {"size": CROP, "crop": size}
    return common.config(
        data=data,
        others=others,
        experiment=_experiment(
            generators={name: (name,) for name in generators},
            unseen={"disguises": disguised, "edits": EDITORS},
            together={"whole faces": ("generators", "street")},
            **(trained or {}),
        ),
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _of_clips(*, clips, frames=24, batch_size=32, evaluate_every, trained):
    sets = {
        compression: common.clips(
            size=CROP,
            batch_size=batch_size,
            clips=clips,
            frames=frames,
            compression=compression,
        )
        for compression in ("c23", "c40")
    }
    return common.config(
        data=sets["c23"],
        others={"c40": sets["c40"]},
        experiment=_experiment(
            generators={"c23": MANIPULATIONS}, unseen={}, together={}, **trained
        ),
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


def _experiment(
    *,
    generators,
    unseen,
    together,
    detectors=tuple(DETECTORS),
    steps=STEPS,
    seeds=(0, 1, 2),
):
    return {
        "name": "synthfaces",
        "detectors": {title: DETECTORS[title] for title in detectors},
        "generators": generators,
        "unseen": unseen,
        "together": together,
        "steps": {title: steps[title] for title in detectors},
        "classifier": common.binary(rate=2e-3),
        "seeds": seeds,
        "quality": 60,
    }
