"""Notebooks run from top to bottom, draw, define nothing and store no output."""

import ast
import base64
import io
import os
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIGURES = {"spectra": 9, "trace_discovery": 6}
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# jupyter's own: event loops, sockets that close late
quiet = pytest.mark.filterwarnings("ignore")


def execute(path, folder, monkeypatch, **settings):
    """The notebook with the outputs of a kernel of its own; its error is raised."""
    set_here = {
        "IPYTHONDIR": folder / "ipython",
        "JAX_COMPILATION_CACHE_DIR": ROOT / ".cache" / "jax-tests",
        "JAX_PLATFORMS": "cpu",
        "JAXFORENSICS_DATA": folder / "data",
        "JUPYTER_PLATFORM_DIRS": 1,
        "PYTHONPATH": ROOT,
    }
    for name, value in {**set_here, **settings}.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute(env=dict(os.environ))


def drawn(notebook):
    """The pictures among the outputs, in order."""
    return [
        Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def complaints(notebook):
    return "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr" and "Warning" in output["text"]
    )


def check(path, notebook):
    figures = drawn(notebook)
    assert len(figures) == FIGURES[path.stem]
    assert all(np.ptp(np.asarray(figure.convert("L"))) > 100 for figure in figures)
    assert not complaints(notebook)


@by_name
def test_definitions_live_in_the_library(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            found = [type(node) for node in ast.walk(ast.parse(cell.source))]
            assert not [node for node in found if issubclass(node, DEFINITIONS)]


@by_name
def test_no_output_is_stored(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs") and not cell.get("execution_count")


@quiet
@by_name
def test_it_runs_on_a_folder_of_pictures(path, tmp_path, monkeypatch):
    """Noise against the same noise enlarged from half its size."""
    random = np.random.default_rng(0)
    for source in ("real", "enlarged"):
        (tmp_path / "pictures" / source).mkdir(parents=True)
        for number in range(8):
            side = 48 if source == "real" else 24
            picture = Image.fromarray(random.integers(0, 256, (side, side, 3), "uint8"))
            picture.resize((48, 48)).save(
                tmp_path / "pictures" / source / f"{number}.png"
            )
    folder = {"JAXFORENSICS_FOLDER": tmp_path / "pictures"}
    small = {"JAXFORENSICS_SIZE": 32, "JAXFORENSICS_COUNT": 8, "JAXFORENSICS_STEPS": 2}
    notebook = execute(path, tmp_path, monkeypatch, **folder, **small)
    check(path, notebook)


@pytest.mark.slow
@quiet
@by_name
def test_it_runs_on_the_embedded_set(path, tmp_path, monkeypatch):
    small = {"JAXFORENSICS_VIEW": "pairs", "JAXFORENSICS_FAKES": "swap_graphic"}
    small |= {"JAXFORENSICS_STEPS": 2}
    notebook = execute(
        path, tmp_path, monkeypatch, JAXFORENSICS_COUNT=8, JAXFORENSICS_SIZE=64, **small
    )
    check(path, notebook)
