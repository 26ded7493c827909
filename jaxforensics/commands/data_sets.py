"""Data sets that the project makes itself, prepared on first use."""

import functools
import os
from pathlib import Path

import jax
from jax.experimental import multihost_utils

from jaxforensics.commands import prepare
from jaxforensics.data import corpus
from jaxforensics.prepare import dataset, layouts
from jaxforensics.prepare.videos import convert_clip
from jaxforensics.settings import call, choose
from jaxforensics.synthfaces import clips as films
from jaxforensics.synthfaces import views
from jaxforensics.synthfaces.forgers import streams
from jaxforensics.training import mesh

PREFIX = "embedded:"
FACES = {"pairs": 2400, "hybrid": 600, "generators": 600, "edits": 600}


def synthfaces(
    out, *, view="pairs", faces=None, size=64, seed=0, fakes=None, workers=1
):
    """A view of SynthFaces, see `synthfaces.views`: the Report of what was prepared.

    `faces` counts identities; `fakes` names those to make, all of the view's if None.
    One worker uses all cores; more would compile everything again each.
    """
    if size not in views.SIZES:
        raise ValueError(f"pictures of SynthFaces are 64 or 128 wide, not {size}")
    faces = choose(FACES, view, "view") if faces is None else faces
    items = views.items(view, faces=faces, seed=seed, fakes=fakes)
    part = "_".join(["", *fakes]) if fakes else ""
    return dataset.prepare(
        items,
        out,
        name=f"synthfaces_{view}{part}_{faces}x{size}_seed{seed}_r{views.REVISION}",
        size=size,
        workers=workers,
        convert=views.convert,
        per_shard=4,
    )


def videos(
    out,
    *,
    clips=20,
    frames=24,
    size=64,
    seed=0,
    compression="c23",
    unseen=False,
    workers=1,
):
    """Clips in FaceForensics++'s layout, and the frames of one compression as records.

    `clips` counts originals; of each, four forgeries are made.  `unseen` makes a test
    set of other people, places and cameras with a fifth manipulation instead.
    """
    kind = "unseen" if unseen else "videos"
    name = f"synthfaces_{kind}_{clips}x{frames}x{size}_seed{seed}_r{films.revision()}"
    folder = Path(out) / f"{name}_clips"
    make = films.write_unseen if unseen else films.write
    with dataset.turn(folder):
        make(folder, clips=clips, frames=frames, size=size, seed=seed)
    listing = layouts.find(folder, compression="c23" if unseen else compression)
    return dataset.prepare(
        listing.items,
        out,
        name=name if unseen else f"{name}_{compression}",
        size=size,
        workers=workers,
        convert=functools.partial(convert_clip, frames=frames, detector="none"),
        left_out=listing.left_out,
    )


VIEWS = {view: functools.partial(synthfaces, view=view) for view in FACES}
VIEWS |= {"videos": videos, "unseen": functools.partial(videos, unseen=True)}


def run(kind, flags):
    """What `launch/prepare.py synthfaces` does: the text to print."""
    mesh.start()  # compiled programs are kept
    settings = dict(flags)
    out, view = settings.pop("out", "prepared"), settings.pop("view", "pairs")
    make = choose(VIEWS, view, "view")
    if "limit" in settings:
        settings["faces" if view in FACES else "clips"] = settings.pop("limit")
    return prepare.summary(call(make, settings, out, where=kind))


def data_dir(given):
    """The folder of embedded data: as given, $JAXFORENSICS_DATA, or the user cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(
        given or os.environ.get("JAXFORENSICS_DATA") or cache / "jaxforensics/data"
    )


def open_all(config, directory):
    """(the corpus of `config.data`, {name: corpus} of each section of `others`).

    Of data sets that have groups, none may learn from what another one tests.
    """
    sections = config.others if "others" in config else {}
    others = {
        name: open_data(directory=directory, where=f"others.{name}", **row)
        for name, row in sections.items()
    }
    data = open_data(directory=directory, **config.data)
    # Streams that are drawn on the fly, such as forgers' training, have no groups.
    corpora = {
        name: opened
        for name, opened in {"data": data, **others}.items()
        if isinstance(opened, corpus.Corpus)
    }
    corpus.check_disjoint(corpora)
    return data, others


def digests(data, others):
    """{what: digest} of both sides of `data`, and of the other sets."""
    found = {"training": data.train.digest, "test": data.test.digest}
    return found | {name: other.train.digest for name, other in others.items()}


def open_data(*, root, directory=None, view=None, where="data", **reading):
    """The corpus at `root`; 'embedded:NAME' is prepared first, with settings `view`.

    Of several processes the first one prepares; each reads its part of every batch.
    'embedded:forging' is never stored: it is what forgers are trained on.  `where`
    names the section of the config that an error is about.
    """
    if not root:
        raise ValueError(
            f"say where the data is: --config.{where}.root=DIR, as prepared"
        )
    if root == f"{PREFIX}forging":
        return call(streams.open, reading, where=where)
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
    return call(corpus.open, reading | processes, root, where=where)
