"""Prints the test files that a change needs, for `make check`.

  python tests/affected.py

These are the tests that mirror each file changed since the branch left main, whether
committed or not, and a few that every change needs.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = (
    "tests/test_conventions.py",
    "tests/test_settings.py",
    "tests/test_files.py",
    "tests/test_store.py",
    "tests/experiments/common",
    "tests/launch/test_mistakes.py",
)
# What is not mirrored by its path.
ELSEWHERE = {
    "jaxforensics/experiments": "tests/experiments",  # a study's folder or file
    "jaxforensics": "tests",
    "configs": "tests/experiments",
    "launch/prepare.py": "tests/launch/test_prepare_flags.py",
    "notebooks": "tests/test_notebooks.py",
}


def changed(root):
    """Paths below `root` that differ from where the branch left main, new ones too."""

    def git(*words):
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True)

    since = "HEAD"
    for main in ("main", "origin/main"):
        fork = git("merge-base", "HEAD", main)
        if fork.returncode == 0:
            since = fork.stdout.strip()
            break
    tracked = git("diff", "--name-only", "--relative", since)
    untracked = git("ls-files", "--others", "--exclude-standard")
    return sorted({*tracked.stdout.splitlines(), *untracked.stdout.splitlines()})


def tests_of(path, root):
    """Test files or folders, below `root`, that belong to one changed file."""
    path = Path(path)
    if path.parts[0] == "tests":
        return _changed_test(path, root)
    for prefix, folder in ELSEWHERE.items():
        if path.is_relative_to(prefix):
            return _mirror(Path(folder), path.relative_to(prefix), root)
    return []


def _changed_test(path, root):
    """A test file itself; of a helper, the test files that import it."""
    if path.name.startswith("test_"):
        return [str(path)] if (root / path).is_file() else []
    imported = re.compile(rf"^(from|import) {path.stem}\b", re.MULTILINE)
    files = sorted((root / "tests").rglob("test_*.py"))
    return [str(f.relative_to(root)) for f in files if imported.search(f.read_text())]


def _mirror(folder, path, root):
    """The test file of a module; without one, the nearest folder that has tests.

    A study's module may be tested by one file or folder named as the study.
    """
    if folder.suffix:
        return [str(folder)]
    for stem in (path.with_suffix(""), *path.parents):
        file = folder / stem.parent / f"test_{stem.name}.py"
        if (root / file).is_file():
            return [str(file)]
        if stem.name and (root / folder / stem).is_dir():
            return [str(folder / stem)]
    return []


def without_parts(tests):
    """The tests in order, without files of folders that are among them."""
    tests = {Path(test) for test in tests}
    return [str(test) for test in sorted(tests) if not tests & {*test.parents}]


def affected(root):
    """The test files and folders that `changed` needs, and what every change needs."""
    found = [test for path in changed(root) for test in tests_of(path, root)]
    return without_parts([*ALWAYS, *found])


if __name__ == "__main__":
    print("\n".join(affected(ROOT)))
