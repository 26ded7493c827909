"""Figures in one house style, as matplotlib objects without global state.

Colours are Okabe and Ito's, which colour-blind readers tell apart; figures are as wide
as the report's column, so that nothing is scaled and texts keep one size.
"""

import io

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxforensics.reporting.tables import is_interval

COLORS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #666666".split()
INK, MUTED, RULE = "#24292f", "#6e7781", "#d8dee4"
WIDTH = 7.2  # inches, of the report's column

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
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
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # a second layout would move things a little
    FigureCanvasAgg(figure).print_figure(
        file, format="png", dpi=dpi, metadata={"Software": None} | (texts or {})
    )
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
        fpr, tpr = _roc(labels, np.asarray(scores))
        axes.plot(fpr, tpr, label=f"{name}  {np.trapezoid(tpr, fpr):.3f}")
        floor = min(floor, 1 / np.sum(~labels))
    chance = np.geomspace(floor, 1, 100)
    axes.plot(chance, chance, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.set(ylim=(0, 1.01), xlim=(floor if log else 0, 1))
    axes.set_xscale("log" if log else "linear")
    axes.set_box_aspect(1)
    _legend(figure, axes, title="area under the curve")
    return figure


@styled
def confusion(counts, names, *, title=""):
    """A confusion matrix: rows are the truth, and percentages add up along them."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(0.85 * WIDTH, 1.5 + 0.7 * len(names))
    figure, axes = _figure(side + 0.9, side)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share):
        axes.text(
            column,
            row,
            f"{100 * value:.1f}%\n{counts[row, column]:g}",
            color="white" if value > 0.55 else INK,
            fontsize=7.5 if len(names) <= 6 else 6,
            ha="center",
            va="center",
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    _tilt(axes, names, limit=9 * len(names))
    axes.set(xlabel="predicted", ylabel="true", title=title)
    _bare(axes)
    _scale(figure, image, axes, {"format": PercentFormatter(1)})
    return figure


@styled
def matrix(values, *, rows, columns, x_label, y_label, title="", limits=(0, 1)):
    """A heat map with its numbers: one cell per row and column."""
    values = np.asarray(values)
    cell = min(0.7, (0.85 * WIDTH - 1.5) / max(values.shape))
    height, width = cell * np.array(values.shape)
    figure, axes = _figure(2.4 + width, 1.5 + height)
    low, high = limits
    image = axes.imshow(values, cmap="Blues", vmin=low, vmax=high)
    for (row, column), value in np.ndenumerate(values):
        dark = value - low > 0.55 * (high - low)
        axes.text(
            column,
            row,
            f"{value:.3f}",
            color="white" if dark else INK,
            fontsize=7.5,
            ha="center",
            va="center",
        )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    _tilt(axes, columns, limit=9 * len(columns))
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    _bare(axes)
    below = "min" if values.size and np.nanmin(values) < low else "neither"
    _scale(figure, image, axes, {"extend": below})
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
            y, band = np.median(y, axis=0), (np.min(y, axis=0), np.max(y, axis=0))
        marker = "o" if len(x) <= 15 else None
        (line,) = axes.plot(x, y, label=name, marker=marker, markersize=3.5)
        if band:
            color = line.get_color()
            axes.fill_between(x, *band, color=color, alpha=0.18, linewidth=0)
    _level(axes, level)
    axes.set(xlabel=x_label, ylabel=y_label, title=title, ylim=y_limits)
    axes.set_xscale("log" if x_log else "linear")
    axes.set_yscale("log" if y_log else "linear")
    places = np.unique(np.concatenate([np.ravel(x) for x, *_ in series.values()]))
    if x_log and len(places) < 9:  # few enough to be named: 10 and not 10¹
        axes.set_xticks(places, [f"{place:g}" for place in places], minor=False)
        axes.minorticks_off()
    _legend(figure, axes)
    return figure


@styled
def bars(series, *, y_label, title="", y_limits=None, level=None):
    """Groups of bars from {name: {category: value or (point, low, high)}}.

    Intervals become whiskers; a category that a name lacks stays empty.
    """
    categories = list(dict.fromkeys(c for values in series.values() for c in values))
    places, width = np.arange(len(categories)), 0.84 / len(series)
    figure, axes = _figure(WIDTH, 0.44 * WIDTH)
    for index, (name, values) in enumerate(series.items()):
        points = np.array([_triple(values.get(c)) for c in categories], float)
        point, low, high = points.T
        axes.bar(
            places + (index - (len(series) - 1) / 2) * width,
            point,
            0.9 * width,
            yerr=(point - low, high - point),
            color=COLORS[index % len(COLORS)],
            hatch="///" if index >= len(COLORS) else None,
            error_kw=dict(elinewidth=0.9, capsize=min(2.5, 15 * width), ecolor=INK),
            label=name,
        )
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
    low, high = np.percentile(values, [1, 99.9])
    if signed:
        high = np.percentile(np.abs(values), 99.5)
        low = -high
    cmap = "RdBu_r" if signed else "magma"
    figure, panels = _panels(len(images), columns)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    for axes, (name, image) in zip(panels, images.items(), strict=True):
        drawn = axes.imshow(image, cmap=cmap, vmin=low, vmax=high)
        axes.set_title(name, fontsize=8.5, fontweight="normal", loc="center")
        _bare(axes)
        axes.set(xticks=[], yticks=[])
    _scale(figure, drawn, panels, {"label": label, "extend": "both"})
    return figure


@styled
def profiles(spectra, *, title="", y_label="power relative to DC, dB"):
    """Radial spectra {name: (pictures, bins)}: means and standard deviations."""
    series = {}
    for name, values in spectra.items():
        mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
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
    figure, panels = _panels(len(rows) * count, count, gap=0.15 if captions else 0.0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    for axes, (row, column) in zip(panels, np.ndindex(len(rows), count), strict=True):
        picture = rows[row][column] if column < len(rows[row]) else None
        _bare(axes)
        axes.set(xticks=[], yticks=[])
        if picture is not None:
            picture = np.asarray(picture)
            top = 255 if picture.dtype == np.uint8 else 1
            axes.imshow(np.clip(picture, 0, top), cmap="gray", vmin=0, vmax=top)
        if row == 0 and columns:
            axes.set_title(
                columns[column], fontsize=8.5, fontweight="normal", loc="center"
            )
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
            marker="os^DvP*"[index % 7],
            color=COLORS[index % len(COLORS)],
            alpha=0.65,
            linewidth=0,
            label=name,
        )
    axes.set(xticks=[], yticks=[], title=title)
    axes.set_aspect("equal", adjustable="datalim")
    _legend(figure, axes)
    return figure


@styled
def histogram(scores, *, title="", x_label="score", threshold=None, bins=40):
    """Distributions of scores {name: scores}, as shares of each, on one set of bins."""
    values = np.concatenate([np.ravel(group) for group in scores.values()])
    edges = np.histogram_bin_edges(values, bins)
    figure, axes = _figure(WIDTH, 0.4 * WIDTH)
    for index, (name, group) in enumerate(scores.items()):
        share = np.histogram(group, edges)[0] / np.size(group)
        color = COLORS[index % len(COLORS)]
        axes.stairs(share, edges, fill=True, color=color, alpha=0.25)
        axes.stairs(share, edges, color=color, linewidth=1.4, label=name)
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
    axes.set(xlabel=x_label, ylabel="share", title=title, xlim=edges[[0, -1]])
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def _figure(width, height):
    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots()


def _panels(count, columns, gap=0.15):
    """An even grid of at most `columns` square axes side by side, and the figure."""
    rows = -(-count // columns)
    columns = -(-count // rows)
    side = min(2.2, WIDTH / columns)
    figure = Figure((columns * side, rows * (side + gap) + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _roc(labels, scores):
    """False and true positive rates at every distinct score, greatest first."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true, false = np.cumsum(labels[order])[last], np.cumsum(~labels[order])[last]
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def _triple(value):
    if is_interval(value):
        return value
    return np.nan if value is None else value, np.nan, np.nan


def _bare(axes):
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _tilt(axes, names, *, limit):
    if sum(map(len, names)) > limit:
        axes.tick_params(axis="x", rotation=30)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")


def _level(axes, level):
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
    bar = figure.colorbar(image, ax=axes, shrink=0.85, aspect=28, pad=0.02, **settings)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)


def _legend(figure, axes, title=None):
    if len(axes.get_legend_handles_labels()[0]) > 1 or title:
        legend = figure.legend(loc="outside right upper", title=title, alignment="left")
        legend.get_title().set(fontsize=8, color=MUTED)
