"""Which tests `make check` runs."""

import subprocess

import affected
import pytest


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("jaxforensics/models/meso.py", ["tests/models/test_meso.py"]),
        ("jaxforensics/models/__init__.py", ["tests/models"]),
        ("jaxforensics/training/hooks/log.py", ["tests/training"]),
        ("jaxforensics/workspace.py", ["tests/test_workspace.py"]),
        ("jaxforensics/experiments/amten/grid.py", ["tests/experiments/amten"]),
        ("configs/amten.py", ["tests/experiments/amten"]),
        ("launch/prepare.py", ["tests/launch/test_prepare_flags.py"]),
        ("notebooks/spectra.ipynb", ["tests/test_notebooks.py"]),
        ("tests/ops/test_color.py", ["tests/ops/test_color.py"]),
        ("tests/ops/test_no_more.py", []),
        ("tests/affected.py", ["tests/test_affected.py"]),
        ("docs/data.md", []),
    ],
)
def test_a_changed_file_needs_its_mirror(path, tests):
    assert affected.tests_of(path, affected.ROOT) == tests


def test_what_always_runs_is_there():
    assert all((affected.ROOT / test).exists() for test in affected.ALWAYS)
    assert {*affected.ALWAYS} <= {*affected.affected(affected.ROOT)}


def test_files_of_folders_are_named_once():
    named = affected.without_parts(["tests/ops", "tests/ops/test_a.py", "tests/ops_b"])
    assert named == ["tests/ops", "tests/ops_b"]


def test_committed_changed_and_new_files_are_found(tmp_path):
    def git(*words):
        author = "-c", "user.name=a", "-c", "user.email=a@b.c"
        subprocess.run(["git", *author, *words], cwd=tmp_path, check=True)

    git("init", "-q", "-b", "main")
    for name in ("same", "changed", "committed"):
        (tmp_path / name).write_text(name)
    git("add", ".")
    git("commit", "-q", "-m", "first")
    assert affected.changed(tmp_path) == []

    git("checkout", "-q", "-b", "branch")
    (tmp_path / "committed").write_text("anew")
    git("commit", "-q", "-a", "-m", "second")
    (tmp_path / "changed").write_text("anew")
    (tmp_path / "new").write_text("")
    assert affected.changed(tmp_path) == ["changed", "committed", "new"]
