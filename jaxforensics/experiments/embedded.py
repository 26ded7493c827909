"""Data sets that the project makes itself, prepared on first use."""

import os
from pathlib import Path

import jax
from jax.experimental import multihost_utils

from jaxforensics.data import corpus, prepare, resampled
from jaxforensics.settings import call, choose

PREFIX = "embedded:"


def resampled_scenes(out, *, scenes, size, seed=0, workers=2):
    """Scenes against their upsampled copies, see `data.resampled`."""
    return prepare.prepare(
        resampled.items(scenes=scenes, seed=seed),
        out,
        name=f"resampled_{scenes}x{size}_seed{seed}",
        size=size,
        seed=seed,
        workers=workers,
        convert=resampled.convert,
    )


VIEWS = {"resampled": resampled_scenes}


def data_dir(given):
    """The folder of embedded data: as given, $JAXFORENSICS_DATA, or the user cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(
        given or os.environ.get("JAXFORENSICS_DATA") or cache / "jaxforensics/data"
    )


def open_data(*, root, directory=None, view=None, **reading):
    """The corpus at `root`; 'embedded:NAME' is prepared first, with settings `view`.

    Of several processes the first one prepares; each reads its part of every batch.
    """
    if not root:
        raise ValueError("say where the data is: --config.data.root=DIR, as prepared")
    if root.startswith(PREFIX):
        name = root.removeprefix(PREFIX)
        make = choose(VIEWS, name, "embedded data set")
        for mine in (True, False):
            if mine == (jax.process_index() == 0):
                out = data_dir(directory)
                report = call(make, dict(view or {}), out, where=root)
            multihost_utils.sync_global_devices(f"prepared by the first: {mine}")
        root = report.root
    processes = {
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }
    return call(corpus.open, reading | processes, root, where="data")
