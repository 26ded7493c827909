"""One document twice: the page is well formed, self-contained, escaped, repeatable."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.reporting import document, figures
from jaxforensics.reporting.blocks import (
    Details,
    Figure,
    Findings,
    Heading,
    Table,
    Text,
    split_verdict,
)

VOID = {"meta", "img", "br", "hr", "link", "input"}
ROWS = [{"model": "a|b", "AUC": (0.953, 0.941, 0.964)}, {"model": "c<d>", "AUC": None}]


class Reader(HTMLParser):
    """Texts by element, ids, links and attributes; insists that tags are balanced."""

    def __init__(self, content):
        super().__init__()
        self.open, self.texts, self.ids, self.links, self.sources = [], [], [], [], []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        if "src" in attributes:
            self.sources.append(attributes["src"])
        assert tag not in ("script", "link", "iframe", "object", "base")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def of(self, tag):
        return [text for where, text in self.texts if where == tag]


def sample(**changes):
    figure = figures.curves({"a": ([0, 1], [1, 0])}, x_label="x", y_label="y")
    blocks = [
        Heading("First"),
        Text("One.\n\n- a\n- `b`\n\nTwo **bold**."),
        Heading("Second"),
        Table(ROWS, caption="A table."),
        Figure(figure, caption="A figure with `code`."),
        Heading("Third"),
        Details("config", {"a": [1, 2]}),
        Details("text", "plain"),
    ]
    facts = {"seed": 0, "share": 0.5}
    return document.Document("T", blocks, subtitle="S", facts=facts)._replace(**changes)


def html(*blocks):
    """The page of these blocks alone."""
    return document.render(document.Document("T", blocks)).html


def test_the_page_has_everything():
    reader = Reader(document.render(sample()).html)
    assert reader.of("h1") == ["T"] and reader.of("h2") == ["First", "Second", "Third"]
    assert reader.links == ["#s1", "#s2", "#s3"] == [f"#{name}" for name in reader.ids]
    assert reader.of("a") == reader.of("h2")
    assert reader.of("li") == ["a"] and reader.of("code") == ["b", "code"]
    assert reader.of("strong") == ["bold"]
    assert reader.of("dt") == ["seed", "share"] and reader.of("dd") == ["0", "0.500"]
    assert reader.of("th") == ["model", "AUC"]
    assert reader.of("td") == ["a|b", "0.953 ", "c<d>", "–"]
    assert reader.of("span") == ["[0.941, 0.964]"]
    assert reader.of("summary") == ["config", "text"]
    assert reader.of("pre") == ['{\n  "a": [\n    1,\n    2\n  ]\n}', "plain"]


def test_the_page_asks_the_network_for_nothing():
    content = document.render(sample()).html
    (source,) = Reader(content).sources
    assert re.fullmatch("data:image/png;base64,[A-Za-z0-9+/]+=*", source)
    assert not re.search(r"https?:|//|@import|url\(", content.replace(source, ""))


def test_figures_are_inlined_as_they_are():
    figure = sample().blocks[4].content
    content = figures.png(figure)
    (source,) = Reader(document.render(sample()).html).sources
    assert base64.b64decode(source.partition(",")[2]) == content
    same = html(Figure(content))
    assert Reader(same).sources == [source]
    # shown at its size in inches: 96 CSS pixels each
    width = int(re.search(r'width="(\d+)"', same)[1])
    assert width == pytest.approx(96 * figures.WIDTH, abs=1)


def test_other_pictures_keep_their_pixels():
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 37, 3), np.uint8)).save(file, "PNG")
    assert 'width="37"' in html(Figure(file.getvalue()))


def test_equal_bytes_and_whole_files(tmp_path):
    path = tmp_path / "new" / "index.html"
    document.write(sample(), html=path)
    first = path.read_bytes()
    document.write(sample(), html=path)
    assert path.read_bytes() == first == document.render(sample()).html.encode()
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


@pytest.mark.parametrize("wrong", [{"tabel": ROWS}, Table([{"a": 1}], columns=["b"])])
def test_a_failed_write_keeps_the_last_files(tmp_path, wrong):
    paths = {"html": tmp_path / "index.html", "markdown": tmp_path / "README.md"}
    document.write(sample(), **paths)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError):
        document.write(sample(title="Other", blocks=[wrong]), **paths)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == set(paths.values())


def test_a_full_disk_keeps_both_of_the_last_files(tmp_path, monkeypatch):
    """Neither is replaced when only the second cannot be written."""
    paths = {"html": tmp_path / "index.html", "markdown": tmp_path / "README.md"}
    document.write(sample(), **paths)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write_text = Path.write_text

    def full(path, *args, **kwargs):
        if "README" in path.name:
            raise OSError("no space left")
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        document.write(sample(title="Other"), **paths)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unknown_blocks_and_fields_are_named():
    with pytest.raises(ValueError, match="no block {'tabel'.*there are Heading, Text"):
        document.render(sample(blocks=[{"tabel": ROWS}]))
    with pytest.raises(TypeError, match="colums"):
        Table(ROWS, colums=["AUC"])


def test_table_options():
    reader = Reader(html(Table(ROWS, columns=["AUC"], digits=1)))
    assert reader.of("th") == ["AUC"] and reader.of("td") == ["1.0 ", "–"]


def test_light_dark_and_print():
    content = document.render(sample()).html
    for rule in (
        "prefers-color-scheme: dark",
        "@media print",
        "color-scheme: light dark",
    ):
        assert rule in content


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1
).filter(lambda text: text.strip() == text and not re.search(r"[`*]", text))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(texts)
def test_any_text_is_shown_as_it_is(text):
    blocks = [
        Heading(text),
        Text(f"x {text}"),
        Table([{text: text}], caption=text),
        Details(text, text),
    ]
    whole = document.Document(text, blocks, subtitle=text, facts={text: text})
    reader = Reader(document.render(whole).html)
    for tag in ("h1", "h2", "dt", "dd", "th", "td", "summary", "pre"):
        assert "".join(reader.of(tag)) == text, tag
    assert "".join(reader.of("p")) == f"{text}x {text}{text}"


def test_forbidden_characters_are_replaced():
    content = document.render(document.Document("a\x00b\ud800c\x1b", [])).html
    assert Reader(content).of("h1") == ["a\ufffdb\ufffdc\ufffd"]
    content.encode()


README = """\
# T

- Seeds: 3

## First

One.

- a
- `b`

| model |   AUC |
| ----- | ----: |
| a\\|b  | 0.953 |

A table.

![A figure of code.](figures/a%20b.png)

A figure of `code`.

## Last
"""


def test_the_readme_of_a_small_report(tmp_path):
    """The same blocks, figures by reference and no details."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, "PNG")
    blocks = [
        Heading("First"),
        Text("One.\n\n- a\n- `b`\n"),
        Table([{"model": "a|b", "AUC": 0.9534}], caption="A table."),
        Figure(file.getvalue(), "A figure of `code`.", file="figures/a b.png"),
        Heading("Last"),
        Details("config", {"a": 1}),
        Heading("On the page alone", in_readme=False),
    ]
    path = tmp_path / "README.md"
    whole = document.Document("T", blocks, facts={"Seeds": 3})
    document.write(whole, html=tmp_path / "index.html", markdown=path)
    assert path.read_text() == README


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("holds: noise hides (0.1)", ("", "holds", ": noise hides (0.1)")),
        ("It works: does not hold", ("It works: ", "does not hold", "")),
        ("It works: open, 0.1 ± 0.2", ("It works: ", "open", ", 0.1 ± 0.2")),
        ("It works (holds)", ("It works (", "holds", ")")),
        ("Yes – holds (0.1 [0, 1])", ("Yes – ", "holds", " (0.1 [0, 1])")),
        (
            "Eyes open wide; what holds here",
            ("Eyes open wide; what holds here", "", ""),
        ),
    ],
)
def test_verdicts_in_findings(line, parts):
    assert split_verdict(line) == parts


def test_findings_in_both():
    lines = ["holds: `a` beats b<c", "does not hold: **never**"]
    lines += ["It works: open (0)", "Nothing else."]
    both = document.render(document.Document("T", [Findings(lines)]))
    reader = Reader(both.html)
    assert reader.of("strong") == ["holds", "does not hold", "never", "open"]
    assert reader.of("span") == [" beats b<c"]
    assert reader.of("li") == ["It works: ", " (0)", "Nothing else."]
    assert 'class="verdict does-not-hold"' in both.html
    assert both.markdown == (
        "# T\n\n- **holds**: `a` beats b<c\n- **does not hold**: **never**\n"
        "- It works: **open** (0)\n- Nothing else.\n"
    )


def test_remarks_stand_beside_the_rows_in_both():
    remarks = {"a|b": "Trained on `4` devices."}
    both = document.render(document.Document("T", [Table(ROWS, remarks=remarks)]))
    reader = Reader(both.html)
    assert reader.of("td") == ["a|b †", "0.953 ", "c<d>", "–"]
    assert reader.of("p") == ["† a|b: Trained on ", " devices."]
    assert "| a\\|b † |" in both.markdown
    assert both.markdown.endswith("|\n\n† a|b: Trained on `4` devices.\n")
