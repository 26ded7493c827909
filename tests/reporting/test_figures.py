"""Figures: drawn, repeatable to the byte, and showing the numbers they were given."""

import inspect
import io

import matplotlib
import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from jaxforensics.reporting import figures

random = np.random.default_rng(0)
LABELS = np.arange(60) % 2
SCORES = np.round(LABELS + random.normal(size=60), 1)  # with ties
STEPS = np.arange(5)
SPECTRA = {name: random.normal(size=(9, 12)) for name in "abc"}
PLACES = {name: random.normal(size=(20, 2)) for name in "abc"}
INTERVAL = (0.8, 0.7, 0.85)

SAMPLES = {
    "roc": lambda: figures.roc({"Meso-4": (LABELS, SCORES)}, log=True),
    "confusion": lambda: figures.confusion([[8, 2], [0, 0]], ["real", "fake"]),
    "matrix": lambda: figures.matrix(
        [[0.1, 0.9, 0.5]], rows=["a"], columns="xyz", x_label="x", y_label="y"
    ),
    "curves": lambda: figures.curves(
        {"a": (STEPS, STEPS**2), "b": (STEPS, STEPS, STEPS - 1, STEPS + 1)},
        x_label="x",
        y_label="y",
        level=(0.5, "chance"),
    ),
    "bars": lambda: figures.bars(
        {"a": {"x": INTERVAL, "y": 0.5}, "b": {"x": 0.25}}, y_label="accuracy"
    ),
    "spectra": lambda: figures.spectra(SPECTRA, title="spectra", columns=2),
    "profiles": lambda: figures.profiles({"real": SPECTRA["a"]}),
    "pictures": lambda: figures.pictures(
        [[random_picture(0), None], [random_picture(1)[..., 0]]],
        columns=["x", "y"],
        names=["a", "b"],
        captions=[["1", "2"], ["3", "4"]],
    ),
    "scatter": lambda: figures.scatter(PLACES, title="places"),
    "histogram": lambda: figures.histogram({"a": SCORES, "b": -SCORES}, threshold=0.5),
}


def random_picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_every_figure_has_a_sample():
    public = {
        name
        for name, value in vars(figures).items()
        if inspect.isfunction(value)
        and value.__module__ == figures.__name__
        and not name.startswith("_")
    }
    assert public - {"png"} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_drawn_and_repeatable(name):
    before = dict(matplotlib.rcParams)
    figure = SAMPLES[name]()
    content = figures.png(figure, dpi=50)
    assert content == figures.png(figure, dpi=50)
    assert content == figures.png(SAMPLES[name](), dpi=50)
    assert len(np.unique(pixels(content).reshape(-1, 3), axis=0)) > 20
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.info.keys() == {"dpi"}  # neither date nor version
    assert dict(matplotlib.rcParams) == before
    assert figure.canvas.manager is None  # unknown to pyplot


def test_fits_the_report():
    for make in SAMPLES.values():
        assert make().get_size_inches()[0] <= figures.WIDTH


@pytest.mark.parametrize("log", [False, True])
def test_roc_equals_scikit_learn(log):
    figure = figures.roc({"a": (LABELS, SCORES), "b": (LABELS, -SCORES)}, log=log)
    for line, sign in zip(figure.axes[0].lines, (1, -1), strict=False):
        fpr, tpr, _ = metrics.roc_curve(LABELS, sign * SCORES, drop_intermediate=False)
        np.testing.assert_allclose(line.get_xdata(), fpr)
        np.testing.assert_allclose(line.get_ydata(), tpr)
        area = metrics.roc_auc_score(LABELS, sign * SCORES)
        assert line.get_label().endswith(f"{area:.3f}")


def test_roc_needs_both_classes():
    with pytest.raises(ValueError, match="'a' has scores of one class only"):
        figures.roc({"a": (np.ones(3), np.arange(3))})


def test_confusion_shows_counts_and_row_shares():
    axes = figures.confusion([[6, 2], [0, 0]], ["real", "fake"]).axes[0]
    assert [text.get_text() for text in axes.texts] == [
        "75.0%\n6",
        "25.0%\n2",
        "0.0%\n0",
        "0.0%\n0",
    ]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])


def test_curves_of_several_runs():
    runs = np.array([[1.0, 5, 2], [2, 3, 9], [3, 4, 4]])
    axes = figures.curves({"a": (range(3), runs)}, x_label="x", y_label="y").axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [2, 4, 4])
    edges = axes.collections[0].get_paths()[0].vertices
    for x, low, high in [(0, 1, 3), (1, 3, 5), (2, 2, 9)]:
        at_x = edges[edges[:, 0] == x, 1]
        assert (at_x.min(), at_x.max()) == (low, high)


def test_bars_show_values_and_intervals():
    axes = figures.bars(
        {"a": {"x": INTERVAL, "y": 0.5}, "b": {"y": 0.25}}, y_label="accuracy"
    ).axes[0]
    heights = [patch.get_height() for patch in axes.patches]
    np.testing.assert_allclose(heights, [0.8, 0.5, np.nan, 0.25])
    whisker = axes.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(whisker[:, 1], [0.7, 0.85])
    assert [t.get_text() for t in axes.get_xticklabels()] == ["x", "y"]


def test_some_bars_can_be_marked():
    series = {"a": {"x": 0.5, "y": 0.25}, "b": {"x": 0.75}}
    axes = figures.bars(series, y_label="accuracy", marked={("a", "y")}).axes[0]
    dotted = [patch.get_height() for patch in axes.patches if patch.get_hatch()]
    assert dotted == [0.25]


def test_a_matrix_may_have_gaps():
    axes = figures.matrix(
        [[0.1, np.nan], [np.nan, 0.9]],
        rows="ab",
        columns="xy",
        x_label="x",
        y_label="y",
    ).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.100", "–", "–", "0.900"]


def test_scatter_shows_every_point_under_its_name():
    axes = figures.scatter(PLACES).axes[0]
    for shown, (name, places) in zip(axes.collections, PLACES.items(), strict=True):
        assert shown.get_label() == name
        np.testing.assert_allclose(shown.get_offsets(), places)
    colors = {tuple(shown.get_facecolor()[0]) for shown in axes.collections}
    assert len(colors) == len(PLACES)


def test_spectra_share_one_scale():
    figure = figures.spectra(SPECTRA)
    limits = {axes.images[0].get_clim() for axes in figure.axes[:3]}
    assert limits == {tuple(np.percentile(list(SPECTRA.values()), [1, 99.9]))}


def test_differences_of_spectra_have_zero_in_the_middle():
    figure = figures.spectra(SPECTRA, signed=True)
    ((low, high),) = {axes.images[0].get_clim() for axes in figure.axes[:3]}
    values = np.abs(list(SPECTRA.values()))
    assert low == -high and high == pytest.approx(np.percentile(values, 99.5))


def test_profiles_show_mean_and_deviation():
    axes = figures.profiles({"a": SPECTRA["a"]}).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), SPECTRA["a"].mean(0))
    edges = axes.collections[0].get_paths()[0].vertices
    top = SPECTRA["a"].mean(0) + SPECTRA["a"].std(0)
    assert edges[:, 1].max() == pytest.approx(top.max())


def test_pictures_keep_their_places():
    figure = SAMPLES["pictures"]()
    drawn = [len(axes.images) for axes in figure.axes]
    assert drawn == [1, 0, 1, 0]
    np.testing.assert_array_equal(
        figure.axes[0].images[0].get_array(), random_picture(0)
    )
    assert [axes.get_xlabel() for axes in figure.axes] == ["1", "2", "3", "4"]


def test_histogram_shares_add_up():
    axes = figures.histogram({"a": SCORES, "b": SCORES[:7]}, bins=9).axes[0]
    outlines = [patch.get_data() for patch in axes.patches]
    assert len(outlines) == 4
    for values, edges, _ in outlines:
        assert values.sum() == pytest.approx(1)
        assert len(edges) == 10
