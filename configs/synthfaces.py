"""Is SynthFaces a benchmark?  Detectors of one generator, tested on the others.

  python launch/main.py --config=configs/synthfaces.py

trains Meso-4 and AMTENnet's plain base on each of four generators, three seeds, tests
them on all and on two editors, and writes the tables of docs/synthfaces.md.  Presets:
`default`; `quick`, for tests.
"""

from configs import common

GENERATORS = ("deconv", "nearest", "bilinear", "shuffle")
EDITORS = ("edit_deconv", "edit_skip")


def get_config(preset="default"):
    """The config of a preset."""
    faces, generators, steps, evaluate_every, seeds, batch_size = common.preset(
        preset,
        default=(1200, GENERATORS, (600, 240), 60, (0, 1, 2), 32),
        quick=(40, GENERATORS[:2], (8, 8), 4, (0,), 16),
    )
    data = common.embedded(
        "generators",
        faces=faces,
        size=64,
        batch_size=batch_size,
        fakes=(*generators, *EDITORS),
    )
    return common.config(
        data=data,
        experiment={
            "name": "synthfaces",
            "detectors": {
                "Meso-4": {"model": "meso4", "norm_momentum": 0.9},
                "model_base": {"model": "model_base"},
            },
            "generators": generators,
            "editors": EDITORS,
            "steps": dict(zip(("Meso-4", "model_base"), steps, strict=True)),
            "classifier": common.binary(rate=2e-3),
            "seeds": seeds,
            "quality": 60,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )
