"""Figures of AMTEN's maps: Fig. 3 of its paper."""

import numpy as np

from jaxforensics.experiments.amten.traces import DRAWN
from jaxforensics.reporting import figures, tables

TEXT = """\
The maps that AMTEN hands on, after some steps and of the checkpoint that is tested: the
picture's content should fade and traces stay. Content is the share of a map's variance
that a linear function of the picture's own colours explains, pixel by pixel, away from
the border, where maps see zeros; maps that are constant have none.
"""
PARTS = "F2", "F_mt"  # the six filters of F2, and the traces that they start from
COLUMNS = 9  # maps in a row of the figure
RANGE = 3  # standard deviations on either side of middle gray


def report(traces, report):
    """A section with the maps of every network and their content."""
    if not traces:
        return
    report.section("What AMTEN's filters let through", TEXT)
    for (title, trained_on), looked_at in traces.items():
        sources = ", ".join(looked_at.sources[:DRAWN])
        rows = []
        for name, moment in looked_at.moments.items():
            contents = {k: tables.spread(each) for k, each in moment.contents.items()}
            rows.append({"after": name} | contents)
            report.figure(
                f"traces_{title}_{trained_on}_{name.replace(' ', '_')}",
                _figure(moment.maps, looked_at.images),
                caption=f"{title} trained on {trained_on}, {name}, first seed. Rows: "
                f"{sources}.",
            )
        caption = f"{title} on {trained_on}: content of the maps, mean over pictures."
        report.table(
            f"traces_{title}_{trained_on}", rows, caption=caption, about=(title,)
        )


def _figure(maps, images):
    """A row per picture: itself, and AMTEN's maps of it."""
    places = [
        (part, channel)
        for part in PARTS
        if part in maps
        for channel in range(maps[part].shape[-1])
    ][:COLUMNS]
    rows = []
    for i, image in enumerate(images[:DRAWN]):
        grays = [_gray(maps[part][i, ..., channel]) for part, channel in places]
        rows.append([image, *grays])
    columns = ["picture", *(f"{part} {channel + 1}" for part, channel in places)]
    return figures.pictures(rows, columns=columns)


def _gray(response):
    """A map (h, w) around middle gray, in [0, 1]."""
    deviation = max(float(response.std()), 1e-6)
    return np.clip(0.5 + (response - response.mean()) / (2 * RANGE * deviation), 0, 1)
