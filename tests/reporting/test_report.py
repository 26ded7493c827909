"""A report: findings first, files beside the page, the same bytes again."""

import io
import re

import pytest
from PIL import Image

from jaxforensics.reporting import figures
from jaxforensics.reporting.report import Report

ROWS = [{"net": "a, seed 0", "auc": (0.9, 0.8, 0.95)}, {"net": "b", "auc": None}]


def build(directory, **settings):
    """A report whose findings are told last."""
    report = Report(directory, **settings)
    report.section("Results", "Two numbers.")
    report.table("numbers", ROWS, caption="Numbers.")
    plot = figures.curves({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y")
    report.figure("plot", plot, caption="A line.", texts={"mark": "attacked"})
    report.findings(["holds: a beats b (0.1)", "open: b beats c"])
    return report


def write(report):
    return report.write(
        title="A study",
        subtitle="Of two nets",
        facts={"Code": "abc"},
        details={"Configuration": {"seed": 0}},
        notices=[("Diverged", "These did.", [{"training": "b", "step": 3}])],
    )


def stored(directory):
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def test_what_was_found_comes_first_then_notices(tmp_path):
    path = write(build(tmp_path))
    assert path == tmp_path / "index.html"
    titles = ["What was found", "Diverged", "Results"]
    page = path.read_text()
    assert re.findall("<h2.*>(.*)</h2>", page) == [*titles, "Reproduction"]
    readme = (tmp_path / "README.md").read_text()
    assert re.findall("^## (.*)$", readme, re.MULTILINE) == titles
    assert "# A study\n\nOf two nets\n\n- Code: abc\n\n## What was found" in readme
    assert "- **holds**: a beats b (0.1)\n- **open**: b beats c\n" in readme


def test_tables_and_figures_are_files_too(tmp_path):
    write(build(tmp_path))
    files = stored(tmp_path)
    assert sorted(files) == [
        "README.md",
        "figures/plot.png",
        "index.html",
        "tables/numbers.csv",
        "tables/numbers.md",
    ]
    assert files["tables/numbers.md"].decode() == (
        "Numbers.\n\n"
        "| net       |                  auc |\n"
        "| --------- | -------------------: |\n"
        "| a, seed 0 | 0.900 [0.800, 0.950] |\n"
        "| b         |                    – |\n"
    )
    assert files["tables/numbers.csv"] == (
        b'net,auc,auc_low,auc_high\n"a, seed 0",0.9,0.8,0.95\nb,,,\n'
    )
    assert b"![A line.](figures/plot.png)\n\nA line.\n" in files["README.md"]
    with Image.open(io.BytesIO(files["figures/plot.png"])) as picture:
        assert picture.text == {"mark": "attacked"}


def test_the_same_report_has_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(build(tmp_path / name))
        write(build(tmp_path / name))  # a second time over the first
    assert stored(tmp_path / "one") == stored(tmp_path / "two")


def test_remarks_reach_page_readme_and_tables(tmp_path):
    write(build(tmp_path, remarks={"a": "by other code", "b": "on 4 devices"}))
    files = {
        name: content.decode()
        for name, content in stored(tmp_path).items()
        if not name.endswith(".png")
    }
    for name in ("README.md", "tables/numbers.md"):
        assert "| a, seed 0 † |" in files[name]
        assert "\n† a: by other code\n\n† b: on 4 devices\n" in files[name]
    assert ">a, seed 0 †</td>" in files["index.html"]
    assert ">b †</td>" in files["index.html"]  # in the notice
    assert "† b: on 4 devices" in files["index.html"]
    assert files["tables/numbers.csv"].splitlines()[2] == "b,,,,on 4 devices"


def test_numbers_of_a_paper_have_no_remarks(tmp_path):
    report = Report(tmp_path, remarks={"a": "by other code"})
    report.table("ours", [{"net": "a", "auc": 0.5}])
    report.table("paper", [{"net": "a", "auc": 0.9}], about=())
    report.write(title="T")
    assert "by other code" in (tmp_path / "tables/ours.csv").read_text()
    assert (tmp_path / "tables/paper.csv").read_text() == "net,auc\na,0.9\n"
    page = (tmp_path / "index.html").read_text()
    assert page.count(">a †</td>") == page.count(">a</td>") == 1


def test_a_report_without_findings_begins_with_its_first_section(tmp_path):
    report = Report(tmp_path)
    report.section("Data", "None.")
    report.write(title="T")
    assert (tmp_path / "README.md").read_text() == "# T\n\n## Data\n\nNone.\n"


def test_names_make_no_folders_and_are_not_used_twice(tmp_path):
    report = Report(tmp_path / "report")
    report.table("../../a/b", ROWS)
    assert sorted(stored(tmp_path)) == [
        "report/tables/.._.._a_b.csv",
        "report/tables/.._.._a_b.md",
    ]
    with pytest.raises(ValueError, match="both called tables/.._.._a_b.md"):
        report.table(".._.._a/b", ROWS)


PAIR = [{"who": "net", "auc": 0.9}, {"who": "other", "auc": 0.8}]


@pytest.mark.parametrize(
    ("about", "marked"),
    [
        (None, ["net"]),
        ((), []),  # a paper's own numbers
        (("net",), ["net", "other"]),  # both rows are of this net
        (("unaffected",), []),
        ({"other": ("unaffected", "net")}, ["net", "other"]),  # such as an average
    ],
)
def test_remarks_go_to_the_rows_that_rest_on_a_net(tmp_path, about, marked):
    report = Report(tmp_path, remarks={"net": "is of other code"})
    report.table("rows", PAIR, about=about)
    lines = (tmp_path / "tables/rows.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert [r["who"] for r in PAIR if any(f"{r['who']} †" in x for x in rows)] == marked
    assert any("is of other code" in line for line in lines) == bool(marked)
