"""Detectors of any data set: trained, tested, degraded, reported.

  python launch/main.py --config=configs/detection.py

trains Meso-4, AMTENnet's plain base and a linear classifier of 1-D spectra on embedded
faces, in minutes on two cores.  Presets: `default`; `quick`, seconds, for
tests; `videos`, frames of 200 clips with four forgeries of each, which take minutes to
make; `folder`, your own prepared pictures (--config.data.root=DIR); `uniform_faces`,
the documented run of docs/detection.md.
"""

from configs import common

MESO = {
    "Meso-4": {"model": "meso4"},
    "MesoInception-4": {"model": "mesoinception4"},
    "1-D spectrum": {"model": "spectrum_linear"},
}
EMBEDDED = {
    "Meso-4": {"model": "meso4", "norm_momentum": 0.9},
    "model_base": {"model": "model_base"},
    "1-D spectrum": {"model": "spectrum_linear"},
}


def get_config(preset="default"):
    """The config of a preset."""
    detectors = EMBEDDED if preset in ("default", "quick", "videos") else MESO
    data, steps, evaluate_every, seeds = common.preset(
        preset,
        default=(
            common.embedded("pairs", faces=2400, size=64, batch_size=32),
            600,
            150,
            (0, 1),
        ),
        quick=(
            common.embedded(
                "pairs", faces=60, size=64, batch_size=16, fakes=("swap_graphic",)
            ),
            12,
            4,
            (0,),
        ),
        videos=(common.clips(size=64, batch_size=32), 600, 150, (0, 1)),
        folder=(common.folder(size=128, batch_size=32), 2000, 200, (0,)),
        uniform_faces=(
            common.folder(
                size=128, batch_size=32, sources=("began", "pggan", "stargan")
            ),
            1000,
            100,
            (0, 1, 2),
        ),
    )
    return common.config(
        data=data,
        experiment={
            "name": "detection",
            "detectors": detectors,
            "steps": steps,
            "classifier": common.binary(rate=2e-3 if detectors is EMBEDDED else 1e-3),
            "seeds": seeds,
            "degradations": {
                "jpeg": (95, 90, 75, 60),
                "blur": (3, 5, 7),
                "noise": (2, 5, 10),
            },
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every // 4),
    )
