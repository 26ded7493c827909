"""Figures in one house style, as matplotlib objects without global state.

Colours are Okabe and Ito's, which colour-blind readers tell apart; figures are as wide
as the report's column, so that nothing is scaled and texts keep one size.
"""

import io
import itertools
import textwrap

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxforensics.evaluation.classification import roc as roc_curve
from jaxforensics.reporting.tables import MISSING, is_interval

COLORS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #666666".split()
INK = "#24292f"
MUTED = "#6e7781"
RULE = "#d8dee4"
WIDTH = 7.2  # inches, of the report's column
PANEL_TITLE = {"fontsize": 8.5, "fontweight": "normal", "loc": "center"}

STYLE = {
    "axes.axisbelow": True,  # the grid lies behind what is drawn
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    # All colours with whole lines, then again with broken ones.
    "axes.prop_cycle": cycler(linestyle=["-", "--", ":"]) * cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 8.5,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}
styled = matplotlib.rc_context(STYLE)  # a decorator: the style holds inside a function


@styled
def png(figure, *, dpi=200, texts=None):
    """The figure as PNG with text fields {name: text}; equal figures, equal bytes."""
    file = io.BytesIO()
    # The layout is settled once, here, and not again when the file is drawn.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # a second layout would move things a little
    # Matplotlib would store its version, and equal figures of two versions differ.
    metadata = {"Software": None} | (texts or {})
    FigureCanvasAgg(figure).print_figure(file, format="png", dpi=dpi, metadata=metadata)
    return file.getvalue()


@styled
def roc(curves, *, title="", log=False):
    """ROC curves and their areas from {name: (labels, scores)}; label 1 is fake.

    `log` spreads out the low false-positive rates, where detectors are put to use.
    """
    figure, axes = _figure(WIDTH, 0.55 * WIDTH)
    floor = 1.0
    for name, (labels, scores) in curves.items():
        labels = np.asarray(labels) > 0
        if labels.all() or not labels.any():
            raise ValueError(f"{name!r} has scores of one class only")
        fpr, tpr, _ = roc_curve(labels, scores)
        axes.plot(fpr, tpr, label=f"{name}  {np.trapezoid(tpr, fpr):.3f}")
        # The lowest rate that can be told from zero is one false alarm.
        floor = min(floor, 1 / np.sum(~labels))

    chance = np.geomspace(floor, 1, 100)
    axes.plot(chance, chance, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.set(ylim=(0, 1.01), xlim=(0, 1))  # above 1: a perfect curve is not cut
    if log:
        axes.set_xlim(floor, 1)
        axes.set_xscale("log")
    axes.set_box_aspect(1)
    _legend(figure, axes, title="area under the curve")
    return figure


@styled
def confusion(counts, names, *, title=""):
    """A confusion matrix: rows are the truth, and percentages add up along them."""
    counts = np.asarray(counts)
    # A class without pictures has a row of zeros, not of nan.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(0.85 * WIDTH, 1.5 + 0.7 * len(names))
    figure, axes = _figure(side + 0.9, side)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 6  # points
    if len(names) <= 6:
        size = 7.5
    for place, share in np.ndenumerate(shares):
        text = f"{100 * share:.1f}%\n{counts[place]:g}"
        _write_in_cell(axes, place, text, dark=share > 0.55, size=size)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    _tilt(axes, names, limit=9 * len(names))
    axes.set(xlabel="predicted", ylabel="true", title=title)
    _bare(axes)
    _scale(figure, image, axes, {"format": PercentFormatter(1)})
    return figure


@styled
def matrix(values, *, rows, columns, x_label, y_label, title="", limits=(0, 1)):
    """A heat map with its numbers: one cell per row and column, NaN where none is."""
    values = np.asarray(values)
    cell = min(0.7, (0.85 * WIDTH - 1.5) / max(values.shape))  # inches
    height, width = cell * np.array(values.shape)
    # Below the cells lie their names, which are tilted where they are long.
    longest = max((len(str(column)) for column in columns), default=0)
    names = max(0.6, 0.035 * longest)
    figure, axes = _figure(2.4 + width, 0.9 + names + height)
    low, high = limits
    image = axes.imshow(values, cmap="Blues", vmin=low, vmax=high)
    for place, value in np.ndenumerate(values):
        text = f"{value:.3f}"
        if np.isnan(value):
            text = MISSING
        is_dark = value - low > 0.55 * (high - low)
        _write_in_cell(axes, place, text, dark=is_dark, size=7.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    _tilt(axes, columns, limit=9 * len(columns))
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    _bare(axes)
    extend = "neither"
    # Limits at 0.5 hide what lies below chance, if the scale does not say so.
    if values.size and np.nanmin(values) < low:
        extend = "min"  # a pointed end says that there are values beyond the scale
    _scale(figure, image, axes, {"extend": extend})
    return figure


@styled
def curves(
    series,
    *,
    x_label,
    y_label,
    title="",
    x_log=False,
    y_log=False,
    y_limits=None,
    level=None,
):
    """Lines from {name: (x, y)}, or {name: (x, y, low, high)} with a band.

    A y of shape (runs, points) gives the runs' median, and a band around all of them.
    `level` is (value, text) of a horizontal line, such as chance.
    """
    figure, axes = _figure(WIDTH, 0.44 * WIDTH)
    for name, (x, y, *band) in series.items():
        if np.ndim(y) == 2:
            band = np.min(y, axis=0), np.max(y, axis=0)
            y = np.median(y, axis=0)
        marker = None
        if len(x) <= 15:  # few enough to be told apart
            marker = "o"
        (line,) = axes.plot(x, y, label=name, marker=marker, markersize=3.5)
        if band:
            color = line.get_color()
            axes.fill_between(x, *band, color=color, alpha=0.18, linewidth=0)
    _level(axes, level)
    axes.set(xlabel=x_label, ylabel=y_label, title=title, ylim=y_limits)
    if x_log:
        axes.set_xscale("log")
    if y_log:
        axes.set_yscale("log")
    # The places of all lines, as ticks of a logarithmic axis.
    places = np.unique(np.concatenate([np.ravel(x) for x, *_ in series.values()]))
    if x_log and len(places) < 9:  # few enough to be named: 10 and not 10¹
        axes.set_xticks(places, [f"{place:g}" for place in places], minor=False)
        axes.minorticks_off()
    _legend(figure, axes)
    return figure


@styled
def bars(series, *, y_label, title="", y_limits=None, level=None, marked=()):
    """Groups of bars from {name: {category: value or (point, low, high)}}.

    Intervals become whiskers; a category that a name lacks stays empty.  Bars of the
    `marked` (name, category) are dotted.
    """
    # All categories, in the order in which the series first name them.
    categories = list(dict.fromkeys(c for values in series.values() for c in values))
    places = np.arange(len(categories))
    # Bars of a category stand side by side on 84 % of its room; the rest is a gap.
    width = 0.84 / len(series)
    figure, axes = _figure(WIDTH, 0.44 * WIDTH)
    for index, (name, values) in enumerate(series.items()):
        # nan, of a missing value or interval, is not drawn.
        points = np.array([_triple(values.get(c)) for c in categories], float)
        point, low, high = points.T
        hatch = None
        if index >= len(COLORS):  # colours begin again
            hatch = "///"
        drawn = axes.bar(
            places + (index - (len(series) - 1) / 2) * width,
            point,
            0.9 * width,
            yerr=(point - low, high - point),
            color=COLORS[index % len(COLORS)],
            hatch=hatch,
            error_kw=dict(elinewidth=0.9, capsize=min(2.5, 15 * width), ecolor=INK),
            label=name,
        )
        for bar, category in zip(drawn, categories, strict=True):
            if (name, category) in marked:
                bar.set(hatch="...", edgecolor="white", linewidth=0)
    _level(axes, level)
    axes.set_xticks(places, categories)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    _tilt(axes, categories, limit=50)
    axes.set(ylabel=y_label, title=title, ylim=y_limits)
    _legend(figure, axes)
    return figure


@styled
def spectra(images, *, title="", label="log power", columns=4, signed=False):
    """Centred log spectra {name: (h, w)} side by side, on one scale.

    `signed` is for differences: the scale is symmetric, and zero is white.
    """
    values = np.concatenate([np.ravel(image) for image in images.values()])
    # A few extreme values, DC above all, would leave the rest without contrast.
    low, high = np.percentile(values, [1, 99.9])
    colors = "magma"
    if signed:
        high = np.percentile(np.abs(values), 99.5)
        low = -high
        colors = "RdBu_r"
    figure, panels = _panels(len(images), columns)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    for axes, (name, image) in zip(panels, images.items(), strict=True):
        last_image = axes.imshow(image, cmap=colors, vmin=low, vmax=high)
        axes.set_title(name, **PANEL_TITLE)
        _bare(axes)
        axes.set(xticks=[], yticks=[])
    # All panels have one scale: that of any of them serves.
    _scale(figure, last_image, panels, {"label": label, "extend": "both"})
    return figure


@styled
def profiles(spectra, *, title="", y_label="power relative to DC, dB"):
    """Radial spectra {name: (pictures, bins)}: means and standard deviations."""
    series = {}
    for name, values in spectra.items():
        mean = np.mean(values, axis=0)
        spread = np.std(values, axis=0)  # of pictures, not of the mean
        x = np.linspace(0, 1, len(mean))
        series[name] = x, mean, mean - spread, mean + spread
    return curves(
        series,
        x_label="spatial frequency as a share of the greatest",
        y_label=y_label,
        title=title,
    )


@styled
def pictures(rows, *, columns=(), names=(), captions=(), title=""):
    """Pictures, (h, w, 3) or (h, w) and [0, 1] or uint8, in rows; None leaves a gap.

    `columns` are written above, `names` beside the rows and `captions`, laid out as the
    pictures, below each.
    """
    count = max(map(len, rows))
    gap = 0.0
    if captions:
        gap = 0.15
    figure, panels = _panels(len(rows) * count, count, gap=gap)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    fitting = max(8, int(16 * figure.get_figwidth() / count))  # letters above a picture
    for axes, (row, column) in zip(panels, np.ndindex(len(rows), count), strict=True):
        _bare(axes)
        axes.set(xticks=[], yticks=[])
        # A short row leaves gaps at its end.
        if column < len(rows[row]) and rows[row][column] is not None:
            picture = np.asarray(rows[row][column])
            white = 1
            if picture.dtype == np.uint8:
                white = 255
            axes.imshow(np.clip(picture, 0, white), cmap="gray", vmin=0, vmax=white)
        if row == 0 and columns:
            axes.set_title(textwrap.fill(columns[column], fitting), **PANEL_TITLE)
        if column == 0 and names:
            axes.set_ylabel(names[row])
        if captions:
            axes.set_xlabel(captions[row][column], fontsize=7.5, color=MUTED)
    return figure


@styled
def scatter(points, *, title=""):
    """Points {name: (n, 2)} in a plane whose axes mean nothing, as of t-SNE."""
    figure, axes = _figure(0.75 * WIDTH, 0.55 * WIDTH)
    for index, (name, places) in enumerate(points.items()):
        axes.scatter(
            *np.transpose(places),
            s=9,
            marker="os^DvP*"[index % 7],  # told apart without colours too
            color=COLORS[index % len(COLORS)],
            alpha=0.65,
            linewidth=0,
            label=name,
        )
    axes.set(xticks=[], yticks=[], title=title)
    # Distances mean something, and are alike in both directions.
    axes.set_aspect("equal", adjustable="datalim")
    _legend(figure, axes)
    return figure


@styled
def histogram(scores, *, title="", x_label="score", threshold=None, bins=40):
    """Distributions of scores {name: scores}, as shares of each, on one set of bins."""
    whole = np.concatenate([np.ravel(values) for values in scores.values()])
    edges = np.histogram_bin_edges(whole, bins)
    figure, axes = _figure(WIDTH, 0.4 * WIDTH)
    for index, (name, values) in enumerate(scores.items()):
        shares = np.histogram(values, edges)[0] / np.size(values)
        color = COLORS[index % len(COLORS)]
        axes.stairs(shares, edges, fill=True, color=color, alpha=0.25)
        axes.stairs(shares, edges, color=color, linewidth=1.4, label=name)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=0.9, linestyle="--")
        axes.annotate(
            f"threshold {threshold:.3g}",
            (threshold, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=7.5,
        )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    # Scores beyond the outer bins do not exist: the axis ends with them.
    axes.set(xlabel=x_label, ylabel="share", title=title, xlim=edges[[0, -1]])
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def _figure(width, height):
    """A figure of so many inches, and its axes."""
    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots()


def _panels(count, columns, gap=0.15):
    """An even grid of at most `columns` square axes side by side, and the figure."""
    rows = -(-count // columns)
    columns = -(-count // rows)  # five in two rows: three and two, not four and one
    side = min(2.2, WIDTH / columns)
    figure = Figure((columns * side, rows * (side + gap) + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _write_in_cell(axes, place, text, *, dark, size):
    """Write into a cell (row, column) of a matrix, in white where it is dark."""
    row, column = place  # axes count the other way: columns along x
    color = INK
    if dark:
        color = "white"
    axes.text(column, row, text, color=color, fontsize=size, ha="center", va="center")


def _triple(value):
    """(point, low, high) of a number, an interval or None; nan where there is none."""
    if is_interval(value):
        return value
    if value is None:
        value = np.nan
    return value, np.nan, np.nan


def _bare(axes):
    """Take grid, ticks and frame away, as for pictures."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _tilt(axes, names, *, limit):
    """Tilt the names below the axes if they are longer than `limit` together.

    So are they if two neighbours are longer than two names may be on average.
    """
    # Level names that are too long would run into each other.
    lengths = [len(name) for name in names]
    neighbours = [sum(pair) for pair in itertools.pairwise(lengths)]
    longest_pair = max(neighbours, default=0)
    if sum(lengths) > limit or longest_pair > 2 * limit / len(lengths):
        axes.tick_params(axis="x", rotation=30)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _level(axes, level):
    """Draw a horizontal line from (value, text), or none."""
    if level is not None:
        value, text = level
        axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=":")
        axes.annotate(
            text,
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            color=MUTED,
            fontsize=7.5,
            va="center",
        )


def _scale(figure, image, axes, settings):
    """Draw the colours of an image and what they mean beside the axes."""
    bar = figure.colorbar(image, ax=axes, shrink=0.85, aspect=28, pad=0.02, **settings)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _legend(figure, axes, title=None):
    """Name the lines beside the axes, unless there is one only and no title."""
    # Beside the axes: inside it would hide a line sooner or later.
    if len(axes.get_legend_handles_labels()[0]) > 1 or title:
        legend = figure.legend(loc="outside right upper", title=title, alignment="left")
        legend.get_title().set(fontsize=8, color=MUTED)
