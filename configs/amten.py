"""AMTEN (Guo et al., CVIU 2021): sources told apart, before and after operations.

  python launch/main.py --config=configs/amten.py            # embedded data
  python launch/main.py --config=configs/amten.py:quick      # the same in seconds

Presets: `default`; `quick`, for tests.
"""

from configs import common

CROSSED = ("Raw", "JP60", "JP-mix", "ME5", "ME-mix")
MODELS = {
    "AMTENnet": {"model": "amtennet"},
    "model_base": {"model": "model_base"},
    "Meso-4": {"model": "meso4", "norm_momentum": 0.9},
}


def get_config(preset="default"):
    """The config of a preset."""
    names = tuple(MODELS)
    faces, batch_size, steps, evaluate_every, seeds, models, crossed, grid_models = (
        common.preset(
            preset,
            default=(600, 64, 300, 60, (0, 1, 2), names, (), names[:2]),
            quick=(20, 16, 4, 2, (0,), names[::2], ("Raw", "JP60"), names[2:]),
        )
    )
    data = common.embedded("hybrid", faces=faces, size=64, batch_size=batch_size)
    return common.config(
        data=data | {"balance": "source"},
        experiment={
            "name": "amten",
            "models": {title: MODELS[title] for title in models},
            "base": "AMTENnet",
            "sets": ("Raw",),
            "crossed": crossed,
            "crossed_models": ("AMTENnet",),
            "grid_models": grid_models,
            "steps": steps,
            "training": {"optimiser": _caffe(), "augment": ()},
            "seeds": seeds,
        },
        run=common.run(evaluate_every=evaluate_every, log_every=evaluate_every),
    )


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
