"""Draw docs/images/synthfaces: python docs/make_synthfaces_figures.py.

It prints tables of docs/synthfaces.md, too.
"""

import io
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from jaxforensics.evaluation import metrics
from jaxforensics.experiments.forgers import sharpness
from jaxforensics.ops import spectrum
from jaxforensics.ops.color import to_float
from jaxforensics.prepare import layouts, videos
from jaxforensics.reporting import figures
from jaxforensics.synthfaces import clips, sources, views
from jaxforensics.synthfaces.drawing import render
from jaxforensics.training import mesh

OUT = Path(__file__).parent / "images" / "synthfaces"
SEED = 0
SIZE = 128
COLUMNS = 8  # pictures in a row
AVERAGED = 256  # pictures of which a spectrum is the mean
MEASURED = 256  # pictures of each forger whose detail is compared with reals'
EDITS_MEASURED = 64  # of each editor, property and size
VISIBLE = 0.1  # change of gray, black to white being 1, that counts as one
FACES_BY_PROPERTY = 3  # in the sheet of properties
DOMAINS = {"studio": "real", "street": "real/street", "scenes": "real/scenes"}
SYNTHESISED = (
    *("deconv", "nearest", "bilinear", "shuffle"),
    *("deconv_r", "deconv_a", "nearest_r", "nearest_a", "bilinear_r", "bilinear_a"),
)
VIEWS = {  # those of other pictures than studio faces: reals, then fakes
    "domain2": (
        "real/street",
        *("street_nearest", "street_bilinear", "street_bilinear_truncated"),
    ),
    "scenes": ("real/scenes", "scenes_nearest", "scenes_bilinear"),
}
EDITED = ("edit_deconv", "edit_skip")
REPLACED = ("swap_neural", "swap_graphic", "reenact_neural", "reenact_graphic")
PALETTE = np.array(matplotlib.colormaps["tab20"].colors)


def made(source, count, step=1, size=SIZE):
    """What a source makes of every `step`-th picture."""
    return sources.SOURCES[source](SEED, step * np.arange(count), size=size)


def save(figure, name, dpi=120):
    """Write a figure as JPEG: the noise of photographs fills a PNG."""
    page = Image.open(io.BytesIO(figures.png(figure, dpi=dpi))).convert("RGB")
    page.save(OUT / f"{name}.jpg", quality=80, optimize=True)


def draw_sheets():
    """Reals, whole faces, and forgeries between their originals and masks."""
    domains = {name: made(source, 2 * COLUMNS) for name, source in DOMAINS.items()}
    rows = []
    names = []
    for name, pictures in domains.items():
        rows += [pictures.image[::2], pictures.image[1::2]]
        names += [name, ""]
    save(figures.pictures(rows, names=names), "reals")

    studio = domains["studio"]
    rows = [studio.image[::2], PALETTE[studio.parsing[::2]]]
    save(figures.pictures(rows, names=("picture", "parsing")), "parsing")

    for figure, names in {"synthesis": SYNTHESISED, **VIEWS}.items():
        rows = [made(name, COLUMNS).image for name in names]
        names = [name.removeprefix("real/").replace("_", "\n") for name in names]
        save(figures.pictures(rows, names=names), figure)

    # Every tenth picture is edited in another attribute.
    draw_originals("edits", EDITED, step=10)
    draw_originals("replacement", REPLACED)


def draw_originals(figure, forgers, *, step=1):
    """A row of originals, then forgeries and masks of every forger of them."""
    forgeries = {name: made(name, COLUMNS, step) for name in forgers}
    rows = [forgeries[forgers[0]].original]
    names = ["original"]
    for name, pictures in forgeries.items():
        rows += [pictures.image, pictures.mask]
        names += [name.replace("_", "\n"), "changed"]
    save(figures.pictures(rows, names=names), figure)


def print_sharpness():
    """Print whether forgers paint as much detail as photographs have.

    The mean size of what a fourfold bicubic enlargement lacks, over that of the reals,
    and the AUC with which more of it says fake.
    """
    studio = ("real", *SYNTHESISED)
    print("| | " + " | ".join(f"{size}, ratio, AUC" for size in views.SIZES) + " |")
    print("| --- |" + " --- |" * len(views.SIZES))
    for real, *fakes in (studio, *VIEWS.values()):
        details = {
            size: sharpness(made(real, MEASURED, size=size).image)
            for size in views.SIZES
        }
        for name in fakes:
            cells = []
            for size, of_reals in details.items():
                of_fakes = sharpness(made(name, MEASURED, size=size).image)
                labels = np.repeat([0, 1], MEASURED)
                area = metrics.auc(labels, np.concatenate([of_reals, of_fakes]))
                cells.append(f"{of_fakes.mean() / of_reals.mean():.2f}, {area:.2f}")
            print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


def draw_clips():
    """Frames of two clips of both unseen sets, filmed and forged."""
    rows = []
    names = []
    for view, write in (
        ("unseen", clips.write_unseen),
        ("unseen_dfd", clips.write_acted),
    ):
        with tempfile.TemporaryDirectory() as folder:
            write(folder, clips=2, frames=24, size=SIZE, seed=SEED, progress=False)
            for item in layouts.find(folder).items:
                shown = videos.read(item.path, range(1, 24, 24 // COLUMNS))
                rows.append(np.stack([frame.pixels for frame in shown]))
                names.append(f"{view}\n{('filmed', 'forged')[item.label]}")
    save(figures.pictures(rows, names=names), "clips")


def draw_properties():
    """A row for each property: originals, and the property added by both editors."""
    rows = []
    for name, attribute in sources.PROPERTIES.items():
        faces = sources.lacking(attribute, SEED, 20)[:FACES_BY_PROPERTY]
        edits = [by_property(editor, name, faces) for editor in EDITED]
        versions = [edits[0].original, *(pictures.image for pictures in edits)]
        rows.append(np.stack(versions, axis=1).reshape(-1, SIZE, SIZE, 3))
    save(figures.pictures(rows, names=tuple(sources.PROPERTIES)), "properties")


def by_property(editor, name, faces, size=SIZE):
    """Pictures of some faces to which an editor adds a property."""
    source = sources.by_property(editor, name)
    return sources.SOURCES[source](SEED, faces, size=size)


def print_visible_edits():
    """Print how many edits can be seen, and how much of the picture they change."""
    columns = [f"`{editor}`, {size}" for editor in EDITED for size in views.SIZES]
    print("| | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for name, attribute in sources.PROPERTIES.items():
        faces = sources.lacking(attribute, SEED, 2 * EDITS_MEASURED)[:EDITS_MEASURED]
        region = [render.CLASSES.index(part) for part in sources.REGIONS[attribute]]
        cells = [
            visible(by_property(editor, name, faces, size), region)
            for editor in EDITED
            for size in views.SIZES
        ]
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


def visible(pictures, region):
    """Percentages and levels of edits, as text.

    The share of pictures with a visible change, the mean share of pixels with one, and
    the mean change in gray levels of 255 outside the region of the edit.
    """
    changed = pictures.mask >= 255 * VISIBLE
    outside = ~np.isin(pictures.parsing, region)
    share = 100 * changed.any((1, 2)).mean()
    area = 100 * changed.mean()
    return f"{share:.0f}, {area:.1f}, {pictures.mask[outside].mean():.1f}"


def draw_spectra():
    """Mean log spectra and azimuthal profiles of forgers, less those of reals."""
    spectra = {}
    profiles = {}
    for name in ("real", *SYNTHESISED, *EDITED):
        images = to_float(made(name, AVERAGED).image)
        spectra[name] = np.mean(spectrum.log_spectrum(images), 0)
        profiles[name] = np.mean(spectrum.azimuthal_power(images, log=True), 0)
    real_spectrum = spectra.pop("real")
    real_profile = profiles.pop("real")

    panels = {name: values - real_spectrum for name, values in spectra.items()}
    save(figures.spectra(panels, label="log amplitude", signed=True), "spectra")
    radius = np.linspace(0, 1, len(real_profile))
    figure = figures.curves(
        {name: (radius, values - real_profile) for name, values in profiles.items()},
        x_label="spatial frequency as a share of the greatest",
        y_label="mean log power less that of reals",
        level=(0, "reals"),
    )
    save(figure, "profiles")


if __name__ == "__main__":
    mesh.start()
    OUT.mkdir(parents=True, exist_ok=True)
    draw_sheets()
    draw_clips()
    draw_properties()
    draw_spectra()
    print_sharpness()
    print_visible_edits()
