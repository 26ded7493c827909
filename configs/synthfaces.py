"""Is SynthFaces a benchmark?  Detectors of one generator, tested on the others.

  python launch/main.py --config=configs/synthfaces.py

trains Meso-4 and AMTENnet's plain base on each of four generators, three seeds, and
writes the tables of docs/synthfaces.md.  Presets: `default`; `quick`, for tests.
"""

from configs import common

GENERATORS = ("deconv", "nearest", "bilinear", "shuffle")


def get_config(preset="default"):
    """The config of a preset."""
    faces, generators, steps, evaluate_every, seeds, batch_size = common.preset(
        preset,
        default=(1500, GENERATORS, 300, 75, (0, 1, 2), 64),
        quick=(40, GENERATORS[:2], 8, 4, (0,), 16),
    )
    data = common.embedded(
        "generators", faces=faces, size=64, batch_size=batch_size, fakes=generators
    )
    return common.config(
        data=data,
        experiment={
            "name": "synthfaces",
            "detectors": {
                "Meso-4": {"model": "meso4"},
                "model_base": {"model": "model_base"},
            },
            "generators": generators,
            "steps": steps,
            "training": common.binary(),
            "seeds": seeds,
            "quality": 60,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every // 2),
    )
