"""Data sets that the project makes itself, prepared on first use."""

import functools
import os
from pathlib import Path

import jax
from jax.experimental import multihost_utils

from jaxforensics.commands import prepare
from jaxforensics.data import corpus
from jaxforensics.experiments.common.study import Sets
from jaxforensics.prepare import dataset, layouts
from jaxforensics.prepare.videos import convert_clip
from jaxforensics.settings import call, choose, digest
from jaxforensics.synthfaces import clips as films
from jaxforensics.synthfaces import views
from jaxforensics.synthfaces.forgers import streams
from jaxforensics.training import mesh

PREFIX = "embedded:"  # of roots that name a data set to be made, not a folder
FACES = {  # by view
    "pairs": 2400,
    "hybrid": 600,
    "generators": 600,
    "domain2": 600,
    "scenes": 600,
    "edits": 600,
}
PROPERTY_FACES = 800  # where properties are chosen: only some faces lack each
WRITERS = {  # of views of videos
    "videos": films.write,
    "unseen": films.write_unseen,
    "unseen_dfd": films.write_acted,
}
PAIRS = 20  # of clips: they take as long as what makes them takes to compile
PER_SHARD = 4  # blocks of pictures: what a killed run loses takes half a minute


def synthfaces(
    out,
    *,
    view="pairs",
    faces=None,
    size=64,
    seed=0,
    fakes=None,
    attributes=None,
    workers=1,
):
    """A view of SynthFaces, see `synthfaces.views`: the Report of what was prepared.

    `faces` counts identities; `fakes` names those to make, all of the view's if None;
    `attributes` those that every editor adds, each in pictures of its own.  One worker
    uses all cores; more would compile everything again each.
    """
    if size not in views.SIZES:
        raise ValueError(f"pictures of SynthFaces are 64 or 128 wide, not {size}")
    if faces is None:
        faces = PROPERTY_FACES if attributes else choose(FACES, view, "view")
    items = views.items(
        view, faces=faces, size=size, seed=seed, fakes=fakes, attributes=attributes
    )
    # Everything that pictures depend on is in the name: sets of other settings, of an
    # earlier revision or by other weights lie side by side.
    kind_of_set = "_".join(["synthfaces", view, *(fakes or ()), *(attributes or ())])
    made = sorted({item.attributes["made"] for item in items})
    revision = f"{views.REVISION}{digest(made)[:6]}"
    return dataset.prepare(
        items,
        out,
        name=f"{kind_of_set}_{faces}x{size}_seed{seed}_r{revision}",
        size=size,
        workers=workers,
        convert=views.convert,
        per_shard=PER_SHARD,
    )


def videos(
    out,
    *,
    view="videos",
    clips=20,
    frames=24,
    size=64,
    seed=0,
    compression="c23",
    workers=None,
):
    """Clips in the layout of a published set, and their frames as records.

    `clips` counts originals.  The view
    `videos` has four forgeries of each, in FaceForensics++'s layout; `unseen` and
    `unseen_dfd` are tests of other people with other manipulations, in those of
    Celeb-DF and DeepFakeDetection.  `compression` is "c23", or several, "raw,c23,c40".
    Without `workers` there is one for every `PAIRS` pairs of clips, if there are as
    many cores: each has to compile all that draws and forges.
    """
    write = choose(WRITERS, view, "view of videos")
    chosen = layouts.compressions(compression)
    if view == "unseen" and chosen != ["c23"]:
        raise ValueError(f"the clips of the view unseen are c23 alone, not {chosen}")
    if workers is None:
        workers = min(os.cpu_count(), max(1, clips // (2 * PAIRS)))
    numbers = f"{clips}x{frames}x{size}_seed{seed}_r{films.revision()}"
    folder = Path(out) / f"synthfaces_{view}_{numbers}_clips"  # of all compressions
    name = f"synthfaces_{view}_{numbers}"
    if view != "unseen":
        name = "_".join([name, *chosen])
    # Two processes may ask for two compressions of the same clips at once.
    with dataset.turn(folder):
        write(folder, clips=clips, frames=frames, size=size, seed=seed, workers=workers)
    listing = layouts.find(folder, compression=",".join(chosen))
    return dataset.prepare(
        listing.items,
        out,
        name=name,
        size=size,
        workers=workers,
        convert=functools.partial(convert_clip, frames=frames, detector="none"),
        left_out=listing.left_out,
    )


VIEWS = {view: functools.partial(synthfaces, view=view) for view in FACES}
VIEWS |= {view: functools.partial(videos, view=view) for view in WRITERS}


def run(command, flags):
    """Make what the flags of `launch/prepare.py synthfaces` say: the text to print."""
    mesh.start()  # compiled programs are kept
    settings = dict(flags)
    out = settings.pop("out", "prepared")
    view = settings.pop("view", "pairs")
    make = choose(VIEWS, view, "view")
    if "limit" in settings:
        unit = "faces" if view in FACES else "clips"
        settings[unit] = settings.pop("limit")
    return prepare.summary(call(make, settings, out, where=command))


def data_dir(directory):
    """The folder of embedded data: this one, $JAXFORENSICS_DATA, or the user cache."""
    # Where caches lie is told by the XDG base directory specification.
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    chosen = directory or os.environ.get("JAXFORENSICS_DATA")
    return Path(chosen or cache / "jaxforensics/data")


def open_all(config, directory):
    """The `Sets` of a config: its section `data`, and each of its section `others`.

    Of data sets that have groups, none may learn from what another one tests.
    """
    others = {}
    if "others" in config:
        for name, section in config.others.items():
            where = f"others.{name}"
            others[name] = open_data(directory=directory, where=where, **section)
    main = open_data(directory=directory, **config.data)
    if _is_test_alone(main):
        raise ValueError(
            f"data.root={config.data.root} has no training picture: sets that are a "
            "test alone belong in others"
        )
    # Streams that are drawn on the fly, such as forgers' training, have no groups.
    corpora = {
        name: opened
        for name, opened in {"data": main, **others}.items()
        if isinstance(opened, corpus.Corpus)
    }
    corpus.check_disjoint(corpora)
    return Sets(main, others)


def digests(data):
    """{what: digest} of both sides of the main set, and of the other ones."""
    found = {"training": data.main.train.digest, "test": data.main.test.digest}
    for name, other in data.others.items():
        side = other.test if _is_test_alone(other) else other.train
        found[name] = side.digest
    return found


def _is_test_alone(opened):
    """Whether there is nothing to train on; streams always have something."""
    return isinstance(opened, corpus.Corpus) and not opened.train.num_train


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
        root = _prepared(root, directory, dict(view or {}))
    processes = {
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
    }
    return call(corpus.open, reading | processes, root, where=where)


def _prepared(root, directory, settings):
    """The folder of an embedded data set, which is made if it is not there yet."""
    name = root.removeprefix(PREFIX)
    make = choose(VIEWS, name, "embedded data set")
    is_first = jax.process_index() == 0
    # The first process makes it while the others wait, then they find it made.
    for turn_of_first in (True, False):
        if is_first == turn_of_first:
            report = call(make, settings, data_dir(directory), where=root)
        multihost_utils.sync_global_devices(f"prepared by the first: {turn_of_first}")
    return report.root
