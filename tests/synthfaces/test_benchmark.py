"""A benchmark, not a giveaway: nothing trivial tells fakes, and detectors have room."""

import csv
from contextlib import closing

import pytest

from configs import synthfaces as config
from jaxforensics.audit import audit, containers
from jaxforensics.commands import data_sets
from jaxforensics.experiments import synthfaces
from jaxforensics.experiments.common import study
from jaxforensics.prepare import layouts
from jaxforensics.settings import call
from jaxforensics.synthfaces import sources, views
from jaxforensics.synthfaces.forgers import neural
from jaxforensics.workspace import Workspace

LIMIT = 0.6  # AUC of what says nothing of forgery
FACES = {"pairs": 600, "domain2": 200, "scenes": 200, "hybrid": 150, "edits": 200}
# Higher limits, {view: {family: AUC}}, and why.
ALLOWED = {
    # Decoders are soft at the border, where scenes show something and portraits a
    # backdrop.  Measured: 0.65.
    "scenes": {"border": 0.7},
    # Two of three kinds of reals come from the street, four of five of fakes from the
    # studio: what is behind a head tells these apart.  Measured: 0.72.
    "hybrid": {"border": 0.75},
}
DETECTOR = "model_base"
CLIPS = 60  # 12 of each class test, in 6 pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory, worker_id):
    """Where the sets lie that several tests read, in whichever process they run."""
    base = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        base = base.parent
    shared = base / "benchmark_sets"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.mark.slow
@pytest.mark.parametrize("view, faces", FACES.items())
def test_views_have_no_shortcuts(view, faces, folder):
    report = data_sets.synthfaces(folder, view=view, faces=faces)
    leaks = leaks_of(report.root)
    allowed = ALLOWED.get(view, {})
    assert not [row for row in leaks if row["auc"] > allowed.get(row["family"], LIMIT)]


@pytest.mark.slow
def test_generators_have_no_shortcuts_but_room(folder, tmp_path):
    """The study of docs/synthfaces.md with its quicker detector and one generator."""
    preset, known = config.get_config(), "bilinear"
    report = data_sets.synthfaces(
        folder,
        view="generators",
        faces=400,
        fakes=(*config.GENERATORS, *config.EDITORS),
    )
    assert not leaks_of(report.root)
    # That of the test of shortcuts, with one forger twice: as it is, and truncated.
    street = data_sets.synthfaces(folder, view="domain2", faces=FACES["domain2"])
    others = tuple(name for name in config.GENERATORS if name != known)
    found = room(
        preset,
        {"": report.root, "street": street.root},
        tmp_path,
        generators={known: (known,)},
        unseen={"faces": others, "edits": config.EDITORS},
        together={"whole faces": ("faces", "street")},
    )
    assert 0.85 <= found["accuracy, seen"] <= 0.999, found
    assert found["points lost, unseen"] >= 10, found
    assert found["points lost, unseen whole faces"] >= 10, found
    assert found["points lost, JPEG 60"] >= 5, found


@pytest.mark.slow
def test_stronger_compression_costs_detectors_of_clips_points(folder, tmp_path):
    """With all four manipulations: a single one may show in c40 as well."""
    films = {"": "c23", "c40": "c40"}
    roots = {
        name: data_sets.videos(
            folder, view="videos", clips=CLIPS, compression=compression
        ).root
        for name, compression in films.items()
    }
    found = room(
        config.get_config("compression"), roots, tmp_path, steps={DETECTOR: 240}
    )
    assert 0.65 <= found["AUC, seen"] <= 0.999, found
    assert found["points lost, unseen c40"] >= 5, found


@pytest.mark.slow
def test_containers_of_clips_have_no_shortcuts(folder):
    """With 200 clips at most 0.58; of fewer the interval has to reach down to 0.6."""
    data_sets.videos(folder, view="videos", clips=CLIPS)
    (films,) = folder.glob("*_clips")
    for compression in layouts.COMPRESSIONS:
        items = layouts.find(films, compression=compression).items
        leaks = containers.container_leaks(items)
        # What the container says of itself is the same in all; sizes and types of
        # frames follow from what is shown, and that of one manipulation may show.
        assert all(leak.auc == 0.5 for leak in leaks if leak.family == "stream")
        alone = [
            leak
            for leak in leaks
            if leak.fakes == "all fakes" and leak.family in containers.FAMILIES
        ]
        assert len(alone) == len(containers.FAMILIES)
        assert not [leak for leak in alone if leak.low > LIMIT]


@pytest.mark.slow
@pytest.mark.parametrize("size", views.SIZES)
@pytest.mark.parametrize("editor", neural.EDITORS)
def test_edits_can_be_seen(editor, size):
    """Nine in ten change some pixel by a tenth of what is between black and white."""
    for name, attribute in sources.PROPERTIES.items():
        faces = sources.lacking(attribute, 0, 80)[:32]
        source = sources.SOURCES[sources.by_property(editor, name)]
        gray_maps = source(0, faces, size=size).mask
        assert (gray_maps.max((1, 2)) >= 25.5).mean() >= 0.9, name


def room(preset, roots, folder, **experiment):
    """What the study says of one detector and one seed, {column: number}.

    `roots` are prepared sets by name, '' the one that is trained on; `experiment` are
    settings that differ from the preset's.
    """
    settings = preset.experiment.to_dict() | experiment
    settings["detectors"] = {DETECTOR: settings["detectors"][DETECTOR]}
    settings["seeds"] = settings["seeds"][:1]
    del settings["name"]
    reading = dict(preset.data) | {"view": None}
    opened = {
        name: data_sets.open_data(**(reading | {"root": root}))
        for name, root in roots.items()
    }
    sets = study.Sets(opened.pop(""), opened)
    settings = call(synthfaces.Settings, settings, where="experiment")
    with closing(call(Workspace, preset.run, folder / "run")) as workspace:
        study.run(synthfaces, workspace, settings, sets)
    with (folder / "run/report/tables/room.csv").open() as file:
        (row,) = csv.DictReader(file)
    del row["detector"]
    return {name: float(value.split(" ")[0]) for name, value in row.items()}


def leaks_of(root):
    """What says nothing of forgery and still tells fakes from reals."""
    found = audit.audit(root, progress=False).report
    leaks = [row for row in found["leaks"] if row["fakes"] == "all fakes"]
    families = {row["family"] for row in leaks}
    assert families >= {"file size", "contrast", "border", "sharpness"}
    alone = [row for row in leaks if row["family"] != "all together"]
    return [row for row in alone if row["auc"] > LIMIT]
