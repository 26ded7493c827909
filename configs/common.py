"""Fragments that the configs share: data, run, and the choice of a preset."""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def embedded(name, *, faces, size, batch_size, fakes=None, attributes=None):
    """Reading a view of SynthFaces, prepared on first use; `fakes`: some of them.

    `attributes` are those that the editors of the view `edits` add, each in pictures
    of its own.
    """
    view = {"faces": faces, "size": size, "fakes": fakes}
    if attributes:
        view |= {"attributes": attributes}
    return {
        "root": f"embedded:{name}",
        "view": view,
        "size": size,
        "batch_size": batch_size,
        "seed": 0,
        "flip": True,
        "sources": placeholder(tuple),  # names of the fakes to keep; all of them
        "balance": "label",
    }


CLIPS = 200  # enough to compare videos: 40 of each class test, in 20 pairs


def clips(
    *, size, batch_size, clips=CLIPS, frames=24, compression="c23", view="videos"
):
    """Reading frames of SynthFaces' videos, prepared on first use.

    `compression` may name several, "raw,c23,c40".  The views `unseen` and `unseen_dfd`
    are tests alone: they belong in `others`.
    """
    settings = embedded(view, faces=0, size=size, batch_size=batch_size)
    view = {"clips": clips, "frames": frames, "size": size, "compression": compression}
    return settings | {"view": view, "balance": "source"}


def folder(*, size, batch_size, sources=None):
    """Reading prepared pictures; `data.root` has to be given."""
    settings = embedded("", faces=0, size=size, batch_size=batch_size)
    settings |= {"root": "", "view": {}}
    return settings if sources is None else settings | {"sources": sources}


def binary(*, rate=1e-3):
    """Settings of a classifier of real and fake, its model and steps apart."""
    return {
        "num_classes": 1,
        "target": "label",
        "loss": "binary_cross_entropy",
        "optimiser": {"name": "adam", "rate": rate},
        "augment": (),
    }


def run(*, evaluate_every, log_every, save_seconds=60.0):
    """Seed and intervals of a run, in steps; checkpoints by the clock."""
    return {
        "seed": 0,
        "log_every": log_every,
        "evaluate_every": evaluate_every,
        "save_every": 0,
        "save_seconds": save_seconds,
        "keep": 2,
        "profile": placeholder(tuple),  # (first step, steps) to trace
    }


def preset(name, **presets):
    """The entry of `presets` called `name`; an unknown one is named with the choice."""
    if name not in presets:
        raise ValueError(f"no preset {name!r}; there are: {', '.join(presets)}")
    return presets[name]


def config(**sections):
    """A ConfigDict of the sections: keys are fixed, values may be overridden."""
    return ConfigDict(sections).lock()
