"""Draw docs/images/synthfaces: python docs/make_synthfaces_figures.py."""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from jaxforensics.ops import spectrum
from jaxforensics.reporting import figures
from jaxforensics.synthfaces import sources
from jaxforensics.training import mesh

OUT = Path(__file__).parent / "images" / "synthfaces"
SEED, SIZE, SHOWN, AVERAGED = 0, 128, 8, 256
DOMAINS = {"studio": "real", "street": "real/street", "scenes": "real/scenes"}
SYNTHESISED = ("deconv", "nearest", "bilinear", "shuffle", "deconv_r", "deconv_a")
EDITED = ("edit_deconv", "edit_skip")
REPLACED = ("swap_neural", "swap_graphic", "reenact_neural", "reenact_graphic")
PALETTE = np.array(matplotlib.colormaps["tab20"].colors)


def made(source, count, step=1):
    """What a source makes of every `step`-th picture."""
    return sources.SOURCES[source](SEED, step * np.arange(count), size=SIZE)


def save(figure, name, dpi=120):
    """Write a figure as JPEG: the noise of photographs fills a PNG."""
    page = Image.open(io.BytesIO(figures.png(figure, dpi=dpi))).convert("RGB")
    page.save(OUT / f"{name}.jpg", quality=80, optimize=True)


def draw_sheets():
    """Reals, whole faces, and forgeries between their originals and masks."""
    domains = {name: made(source, 2 * SHOWN) for name, source in DOMAINS.items()}
    rows = [f.image[i::2] for f in domains.values() for i in range(2)]
    names = [name if i == 0 else "" for name in domains for i in range(2)]
    save(figures.pictures(rows, names=names), "reals")
    found = domains["studio"]
    rows = [found.image[::2], PALETTE[found.parsing[::2]]]
    save(figures.pictures(rows, names=("picture", "parsing")), "parsing")
    rows = [made(name, SHOWN).image for name in SYNTHESISED]
    save(figures.pictures(rows, names=SYNTHESISED), "synthesis")
    # Every tenth picture is edited in another attribute.
    for kind, forgers, step in (("edits", EDITED, 10), ("replacement", REPLACED, 1)):
        found = {name: made(name, SHOWN, step) for name in forgers}
        rows, names = [found[forgers[0]].original], ["original"]
        for name in forgers:
            rows += [found[name].image, found[name].mask]
            names += [name.replace("_", "\n"), "changed"]
        save(figures.pictures(rows, names=names), kind)


def draw_spectra():
    """Mean log spectra and azimuthal profiles of forgers, less those of reals."""
    mean, ring = {}, {}
    for name in ("real", *SYNTHESISED, *EDITED):
        images = np.float32(made(name, AVERAGED).image) / 255
        mean[name] = np.mean(spectrum.log_spectrum(images), 0)
        ring[name] = np.mean(spectrum.azimuthal_power(images, log=True), 0)
    real, rings = mean.pop("real"), ring.pop("real")
    panels = {name: values - real for name, values in mean.items()}
    save(figures.spectra(panels, label="log amplitude", signed=True), "spectra")
    radius = np.linspace(0, 1, len(rings))
    figure = figures.curves(
        {name: (radius, values - rings) for name, values in ring.items()},
        x_label="spatial frequency as a share of the greatest",
        y_label="mean log power less that of reals",
        level=(0, "reals"),
    )
    save(figure, "profiles")


if __name__ == "__main__":
    mesh.start()
    OUT.mkdir(parents=True, exist_ok=True)
    draw_sheets()
    draw_spectra()
