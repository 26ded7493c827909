r"""Numbers in docs are those of the committed tables that stand beside them.

The rules:

1. A block is a paragraph, a list item, or a Markdown table together with the paragraph
   above it, its caption.  Code and the targets of links are no part of it.
2. A block that links tables, [...](results/STUDY/tables/NAME.csv), holds only decimal
   numbers that stand in one of them, rounded to as many digits as the text gives.
   Blocks that link no table, and whole numbers, are not looked at.
3. Numbers in a row of a Markdown table stand in a row of a linked table that has the
   same first cell; where no linked table has it, anywhere in them.
"""

import csv
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "adversarial_game.md",
    "amten.md",
    "fakelocator.md",
    "synthfaces.md",
    "trnet.md",
)
DOCS = [ROOT / "docs" / name for name in PAGES]

LINK = re.compile(r"\]\(([^)\s]*)\)")
TABLE = re.compile(r"results/\S+\.csv")
NUMBER = re.compile(r"(?<![\w.])[-−]?\d+\.\d+(?:e-?\d+)?(?![\w.]*\d)")
CODE = re.compile(r"^ *```.*?^ *```$|`([^`\n]*)`", re.MULTILINE | re.DOTALL)
# Where a block ends: an empty line, and where an item of a list begins.
END = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )")


def blocks(text):
    """The blocks of a page, as rule 1 has it."""
    # Of code there remains what may name a row, in the words of its table.
    text = CODE.sub(lambda code: NUMBER.sub("", code[1] or ""), text)
    parts = [part for part in END.split(text) if part.strip()]
    joined = []
    before = ""
    for part in parts:
        if is_row(part) and before and not is_row(before):
            joined[-1] = f"{before}\n\n{part}"
        else:
            joined.append(part)
        before = part
    return joined


def is_row(line):
    """Whether text begins as a row of a Markdown table."""
    return line.lstrip().startswith("|")


def wrong_numbers(text, folder):
    """What breaks rule 2 or 3 on a page of this folder: (number, its line)."""
    wrong = []
    for block in blocks(text):
        names = [name for name in LINK.findall(block) if TABLE.fullmatch(name)]
        if not names:
            continue
        rows = [row for name in names for row in read(folder / unquote(name))]
        for line in LINK.sub("]", block).splitlines():
            values = [value for row in chosen(rows, line) for value in row[1]]
            for number in NUMBER.findall(line):
                if not any(stands_for(number, value) for value in values):
                    wrong.append((number, line.strip()))
    return wrong


def read(path):
    """(first cell, numbers) of each row of a CSV file."""
    with open(path, newline="") as file:
        return [
            (row[0], [value for cell in row for value in numbers(cell)])
            for row in csv.reader(file)
            if row
        ]


def numbers(text):
    """All numbers of a text, whole ones too."""
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def chosen(rows, line):
    """Rows of tables that a line of a page may take its numbers from."""
    if is_row(line):
        name = re.sub(r"[*\\]", "", line.split("|")[1]).strip()
        same = [row for row in rows if row[0] == name]
        if same:
            return same
    return rows


def stands_for(number, value):
    """Whether a number of a page is a value, rounded as the page has it."""
    shown = float(number.replace("−", "-"))
    mantissa, _, exponent = number.partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - digits)
    # Stored values may have been rounded before, to a place further.
    return abs(shown - value) <= 0.5001 * unit


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_numbers_are_those_of_the_tables_beside_them(path):
    text = path.read_text()
    assert not wrong_numbers(text, path.parent)
    linked = [block for block in blocks(text) if TABLE.search(block)]
    assert linked, f"{path.name} links no table"


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_a_doctored_page_is_refused(path):
    """A number that no table has, in the place of one that is looked at, is found."""
    text = path.read_text()
    block = next(
        block
        for block in blocks(text)
        if TABLE.search(block) and NUMBER.search(LINK.sub("]", block))
    )
    number = NUMBER.search(LINK.sub("]", block))[0]
    doctored = block.replace(number, "98765.4", 1)
    assert "98765.4" in [found for found, _ in wrong_numbers(doctored, path.parent)]


@pytest.fixture
def folder(tmp_path):
    tables = tmp_path / "results" / "study" / "tables"
    tables.mkdir(parents=True)
    (tables / "a.csv").write_text(
        'network,Raw,"Raw, paper"\nAMTENnet,0.864 ± 0.010,0.9852\n'
        "model_base,-0.25,0.96161\n"
    )
    (tables / "b.csv").write_text("network,Raw\nMeso-4,0.5\n")
    return tmp_path


A = "[a](results/study/tables/a.csv)"
B = "[b](results/study/tables/b.csv)"


@pytest.mark.parametrize(
    "text",
    [
        f"It has 0.864 ± 0.010, the paper 0.985 ({A}).",
        f"It has 0.86, and 16 pictures, JAX 0.10.2, `rate=0.3` ({A}).",
        f"The fall is −0.25 ({A}), the other\nhas 0.500 ({B}).",
        f"Of {A}:\n\n| network | Raw |\n| --- | ---: |\n| **AMTENnet** | 0.864 |",
        f"Of {A}:\n\n| name | Raw |\n| --- | ---: |\n| both | 0.864 and 0.962 |",
        f"Of {B}:\n\n| x | y |\n| --- | ---: |\n| `Meso-4` | 0.500 |",
        f"- 0.5 ({B})\n- nothing is said of 0.7",
        f"Of {B}:\n\n| x |\n| --- |\n\n| without a caption |\n| --- |\n| 0.7 |",
        f"Of {A}.\n\n0.7 stands in a block without tables.",
    ],
)
def test_what_the_tables_say_may_be_written(folder, text):
    assert not wrong_numbers(text, folder)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"It has 0.865 ({A}).", ["0.865"]),
        (f"It has 0.8641 ({A}).", ["0.8641"]),
        (f"It has 0.86, 0.5 ({A}).", ["0.5"]),
        (f"It has 0.25, in the paper 0.96 ({A}).", ["0.25"]),
        (f"- 0.5 ({A}): another table\n- 0.5 ({B})", ["0.5"]),
        (f"Of {A}:\n\n| x | y |\n| --- | ---: |\n| AMTENnet | 0.962 |", ["0.962"]),
        (f"Of {A}:\n\n| x | y |\n| --- | ---: |\n| other | 0.7 |", ["0.7"]),
    ],
)
def test_what_they_do_not_say_is_refused(folder, text, wrong):
    assert [number for number, _ in wrong_numbers(text, folder)] == wrong


def test_a_table_that_is_not_there_is_refused(folder):
    with pytest.raises(FileNotFoundError):
        wrong_numbers("[c](results/study/tables/c.csv)", folder)


PAGES_WITH_LINKS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES_WITH_LINKS, ids=lambda path: path.stem)
def test_links_lead_to_files_and_headings(path):
    text = CODE.sub("", path.read_text())
    for link in LINK.findall(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / unquote(name) if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def anchors(text):
    """The names by which links find the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}
