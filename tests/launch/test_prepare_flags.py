import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "launch" / "prepare.py"


@pytest.fixture
def prepare(monkeypatch, capsys):
    """The script in this process: arguments in, (exit code or message, output) out."""
    spec = importlib.util.spec_from_file_location("launch_prepare", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)

    def run(*arguments):
        argv = ["prepare.py", *map(str, arguments), "--workers", "1"]
        monkeypatch.setattr(sys, "argv", argv)
        try:
            module.main()
        except SystemExit as end:
            return end.code, capsys.readouterr()
        return 0, capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("flags") / "My faces"
    rng = np.random.default_rng(0)
    for source in ("real", "gan"):
        (root / source).mkdir(parents=True)
        for i in range(12):
            image = Image.fromarray(rng.integers(0, 256, (12, 10, 3), np.uint8))
            image.save(root / source / f"{i}.png")
    (root / "gan" / "bad.png").write_bytes(b"junk")
    return root


def stored(root, split="train"):
    from jaxforensics.data.records import open as open_records

    return list(open_records(root, split))


def test_help_shows_examples_and_every_command():
    for command in ([], ["folder"], ["manifest"], ["videos"], ["audit"]):
        shown = subprocess.run(
            [sys.executable, SCRIPT, *command, "--help"], capture_output=True, text=True
        )
        assert shown.returncode == 0 and not shown.stderr
        names = ["--out", "--size", "--limit", "--seed", "--workers", "--strict"]
        for word in names if command else ["Examples:", "folder", "videos", "audit"]:
            assert word in shown.stdout


def test_folder_sums_up_what_was_written_and_what_not(prepare, pictures, tmp_path):
    code, shown = prepare("folder", pictures, "--out", tmp_path, "--size", 8)
    assert code == 0
    root = tmp_path / "my_faces" / "1.0.0"
    assert f"24 records: {root}" in shown.out
    assert f"left out: 1 not-an-image; listed in {root}/failures.json" in shown.out
    assert "| train" in shown.out and "gan" in shown.out
    image = Image.open(io.BytesIO(stored(root)[0].image))
    assert image.size == (8, 8)


def test_folder_limit_seed_name_and_strict(prepare, pictures, tmp_path):
    arguments = ["folder", pictures, "--out", tmp_path, "--limit", 4, "--seed", 3]
    code, shown = prepare(*arguments, "--name", "four")
    assert code == 0 and "4 records" in shown.out
    assert (tmp_path / "four" / "1.0.0" / "prepared.json").exists()
    code, _ = prepare("folder", pictures, "--out", tmp_path, "--strict")
    assert "error: strict: 1 not-an-image" in code


def test_edits_are_paired_with_their_originals(prepare, pictures, tmp_path):
    code, shown = prepare(
        "folder", pictures / "real", "--edits", f"gan={pictures / 'gan'}",
        *("--out", tmp_path, "--name", "pairs"),
    )  # fmt: skip
    assert code == 0 and "24 records" in shown.out and "1 unpaired" in shown.out
    records = stored(tmp_path / "pairs")
    assert records and all(bool(r.pair) == bool(r.label) for r in records)


def test_manifest(prepare, pictures, tmp_path):
    lines = [f"{pictures}/real/0.png,real,train", f"{pictures}/gan/0.png,fake,train"]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *lines]))
    code, shown = prepare("manifest", tmp_path / "list.csv", "--out", tmp_path)
    assert code == 0 and f"2 records: {tmp_path}/list/1.0.0" in shown.out


def test_videos(prepare, tmp_path):
    for source in ("real", "gan"):
        path = tmp_path / "clips" / source / "a.mp4"
        path.parent.mkdir(parents=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width = stream.height = 16
            for i in range(9):
                image = np.full((16, 16, 3), 20 * i, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
            container.mux(stream.encode())
    arguments = ["videos", tmp_path / "clips", "--out", tmp_path / "out", "--frames", 3]
    code, shown = prepare(*arguments, "--detector", "none", "--size", 8)
    assert code == 0 and "6 records" in shown.out
    code, _ = prepare(*arguments, "--name", "faces")
    assert "error: not one of the pictures can be used: 6 no-face" in code


def test_audit(prepare, pictures, tmp_path):
    code, shown = prepare("audit", pictures, "--out", tmp_path / "audit")
    assert code == 0
    assert (
        "24 pictures in" in shown.out
        and "1 files left out: 1 not-an-image" in shown.out
    )
    assert f"page: {tmp_path / 'audit' / 'index.html'}" in shown.out
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["pictures"] == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["folder", "/no/such"], "there is no folder /no/such"),
        (["folder", "."], "real"),
        (["folder", "{}", "--edits", "gan"], "expected SOURCE=DIR, not 'gan'"),
        (["folder", "{}", "--masks", "gan=x"], "--masks belongs to --edits"),
        (["folder", "{}", "--size", "3"], "--size is at least 8, not 3"),
        (["manifest", "none.csv"], "none.csv"),
        (["videos", "{}", "--detector", "lpb"], "did you mean 'lbp'"),
        (["videos", "{}", "--frames", "0"], "--frames is at least 1"),
        (["videos", "{}", "--layout", "plain"], "there is no layout 'plain'"),
        (["audit", "{}", "--name", "x"], "audit has no setting 'name'"),
        (["audit", "{}", "--strict"], "1 not-an-image"),
    ],
)
def test_mistakes_are_told_in_one_line(prepare, pictures, tmp_path, arguments, message):
    filled = [argument.format(pictures) for argument in arguments]
    out = ["--out", tmp_path / "out"]
    code, shown = prepare(*filled, *out)
    assert code.startswith("error: ") and message in code and "\n" not in code
    assert "Traceback" not in shown.err


def test_records_do_not_go_among_the_pictures(prepare, pictures):
    arguments = "--out", pictures.parent, "--name", pictures.name
    code, _ = prepare("folder", pictures, *arguments)
    assert code.startswith("error: ") and "choose another --out" in code
