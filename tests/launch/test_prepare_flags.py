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
        workers = () if arguments[0] == "pairs" else ("--workers", 1)
        argv = ["prepare.py", *map(str, (*arguments, *workers))]
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


def test_check_has_a_line_for_every_problem(prepare, pictures, tmp_path):
    prepare("folder", pictures, "--out", tmp_path)
    root = tmp_path / "my_faces" / "1.0.0"
    code, shown = prepare("check", tmp_path)
    assert code == 0
    assert shown.out == f"24 records are whole: {root}\n"
    lost = next(root.glob("*train.array_record*"))
    cut = next(root.glob("*test.array_record*"))
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    code, shown = prepare("check", root)
    summary, *lines = code.splitlines()
    assert summary.startswith("error: ") and "prepare the data set again" in summary
    assert f"{len(lines)} problems in {root}" in summary
    assert f"  {lost.name} is missing" in lines
    assert any(line.startswith(f"  {cut.name} has ") for line in lines)
    prepare("folder", pictures, "--out", tmp_path)
    assert prepare("check", root)[0] == 0


def test_the_exit_status_of_check_is_1_where_something_is_wrong(
    prepare, pictures, tmp_path
):
    prepare("folder", pictures, "--out", tmp_path)
    root = tmp_path / "my_faces" / "1.0.0"
    (root / "index-test.npy").unlink()
    command = [sys.executable, SCRIPT, "check", str(root)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 1
    assert "index-test.npy is missing" in checked.stderr
    assert "Traceback" not in checked.stderr


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
    shown = subprocess.run(
        [sys.executable, SCRIPT, "pairs", "--help"], capture_output=True, text=True
    )
    assert "--side" in shown.stdout and "--workers" not in shown.stdout
    shown = subprocess.run(
        [sys.executable, SCRIPT, "check", "--help"], capture_output=True, text=True
    )
    assert "--workers" in shown.stdout and "--out" not in shown.stdout


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


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A data set with a training and a validation split, and no test split."""
    root = tmp_path_factory.mktemp("published") / "faces"
    rng = np.random.default_rng(1)
    for split, count in (("train", 40), ("val", 10)):
        for source in ("real", "gan"):
            folder = root / split / source
            folder.mkdir(parents=True)
            for i in range(count):
                image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
                image.save(folder / f"{i}.png")
    return root


def names(root, split):
    return {record.name for record in stored(root, split)}


@pytest.mark.parametrize("old", ["validation", "val"])
def test_a_published_validation_split_becomes_the_test(
    prepare, published, tmp_path, old
):
    code, shown = prepare(
        "folder", published, "--out", tmp_path, "--rename", "train=", f"{old}=test",
        *("--fractions", 0.8, 0.2, 0),
    )  # fmt: skip
    assert code == 0 and "100 records" in shown.out
    root = tmp_path / "faces"
    kinds = ("real", "gan")
    assert names(root, "test") == {f"val/{k}/{i}.png" for k in kinds for i in range(10)}
    drawn = [names(root, split) for split in ("train", "validation")]
    assert set.union(*drawn) == {f"train/{k}/{i}.png" for k in kinds for i in range(40)}
    assert not set.intersection(*drawn) and 6 <= len(drawn[1]) <= 26  # of 80, 0.2


def test_fractions_are_the_shares_of_what_is_drawn(prepare, pictures, tmp_path):
    arguments = "folder", pictures, "--out", tmp_path, "--fractions", 0, 0, 1
    assert prepare(*arguments)[0] == 0
    sizes = [len(names(tmp_path, split)) for split in ("train", "validation", "test")]
    assert sizes == [0, 0, 24]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--rename tran=", "no split 'tran' (did you mean 'train'?)"),
        ("--rename test=train", "no split 'test'"),
        ("--rename train=tst", "no split 'tst' (did you mean 'test'?)"),
        ("--rename train", "expected SPLIT=NEW, not 'train'"),
        ("--rename =test", "expected SPLIT=NEW, not '=test'"),
        ("--rename train= train=test", "train= is given twice: '' and 'test'"),
        ("--edits a=b --rename train=", "--rename, --group and --real do not go with"),
        ("--edits a=b a=c", "a= is given twice: 'b' and 'c'"),
        ("--fractions 0.9 0.1 0", "nothing is drawn"),
        ("--rename train= --fractions 0.9 0.2 0", "not shares of one"),
        ("--rename train= --fractions 1.1 -0.1 0", "not shares of one"),
        ("--limit 0", "limit is at least 1, not 0"),
        ("--group (", "group pattern '(': missing )"),
    ],
)
def test_wrong_splits_and_pairs_are_named(prepare, published, tmp_path, flags, message):
    code, _ = prepare("folder", published, "--out", tmp_path, *flags.split())
    assert code.startswith("error: ") and message in code and "\n" not in code
    assert not list(tmp_path.glob("*/1.0.0"))


def test_folders_without_splits_have_none_to_rename(prepare, pictures, tmp_path):
    code, _ = prepare("folder", pictures, "--out", tmp_path, "--rename", "train=")
    assert code == "error: --rename: these folders have no splits"


def test_edits_are_paired_with_their_originals(prepare, pictures, tmp_path):
    code, shown = prepare(
        "folder", pictures / "real", "--edits", f"gan={pictures / 'gan'}",
        *("--out", tmp_path, "--name", "pairs"),
    )  # fmt: skip
    assert code == 0 and "24 records" in shown.out and "1 unpaired" in shown.out
    records = stored(tmp_path / "pairs")
    assert records and all(bool(r.pair) == bool(r.label) for r in records)


def test_pairs_are_the_nearest_reals_of_what_was_prepared(prepare, pictures, tmp_path):
    code, shown = prepare("pairs", tmp_path)
    assert code.startswith(f"error: {tmp_path} is not a prepared data set")
    arguments = "folder", pictures, "--out", tmp_path, "--fractions", 1, 0, 0
    assert prepare(*arguments)[0] == 0
    code, shown = prepare("pairs", tmp_path, "--side", 4)
    assert code == 0 and "| train |" in shown.out
    found = stored(tmp_path)
    reals = {record.image for record in found if not record.label}
    assert all(record.pair in reals for record in found if record.label)


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


@pytest.mark.parametrize("command", ["folder", "audit"])
@pytest.mark.parametrize("inside", ["", "real", "prepared"])
def test_nothing_is_written_among_the_pictures(prepare, pictures, command, inside):
    before = sorted(pictures.rglob("*"))
    code, _ = prepare(command, pictures, "--out", pictures / inside)
    assert code.startswith("error: ") and "choose another --out" in code
    assert sorted(pictures.rglob("*")) == before


def test_an_audit_that_cannot_be_written_is_refused_before_the_work(
    prepare, pictures, monkeypatch, tmp_path
):
    from jaxforensics.audit import audit

    prepare("audit", tmp_path / "none", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(audit, "audit", lambda *a, **k: pytest.fail("worked first"))
    (tmp_path / "file").touch()
    code, _ = prepare("audit", pictures, "--out", tmp_path / "file")
    assert code.startswith("error: ") and str(tmp_path / "file") in code


def test_ctrl_c_is_one_line_that_says_what_is_next(prepare, pictures, monkeypatch):
    from jaxforensics.commands import prepare as command

    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(command.dataset, "prepare", interrupted)
    monkeypatch.setattr(command.folders, "class_folders", interrupted)
    code, _ = prepare("folder", pictures)
    assert code.startswith("stopped; the same command goes on from here")
    code, _ = prepare("audit", pictures)
    assert "an audit starts anew" in code
