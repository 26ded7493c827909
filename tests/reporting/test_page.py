"""The page: well formed, self-contained, escaped, repeatable."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.reporting import figures, page

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
    sections = [
        {"title": "First", "text": "One.\n\n- a\n- `b`\n\nTwo **bold**."},
        {"title": "Second", "table": ROWS, "caption": "A table."},
        {"figure": figure, "caption": "A figure with `code`."},
        {"title": "Third", "details": {"config": {"a": [1, 2]}, "text": "plain"}},
    ]
    settings = {"title": "T", "subtitle": "S", "meta": {"seed": 0, "share": 0.5}}
    return settings | {"sections": sections} | changes


def test_the_page_has_everything():
    reader = Reader(page.render(**sample()))
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
    content = page.render(**sample())
    (source,) = Reader(content).sources
    assert re.fullmatch("data:image/png;base64,[A-Za-z0-9+/]+=*", source)
    assert not re.search(r"https?:|//|@import|url\(", content.replace(source, ""))


def test_figures_are_inlined_as_they_are():
    figure = sample()["sections"][2]["figure"]
    content = figures.png(figure)
    (source,) = Reader(page.render(**sample())).sources
    assert base64.b64decode(source.partition(",")[2]) == content
    same = page.render(**sample(sections=[{"figure": content}]))
    assert Reader(same).sources == [source]
    # shown at its size in inches: 96 CSS pixels each
    width = int(re.search(r'width="(\d+)"', same)[1])
    assert width == pytest.approx(96 * figures.WIDTH, abs=1)


def test_other_pictures_keep_their_pixels():
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 37, 3), np.uint8)).save(file, "PNG")
    assert 'width="37"' in page.render(
        title="T", sections=[{"figure": file.getvalue()}]
    )


def test_equal_bytes_and_whole_files(tmp_path):
    path = tmp_path / "new" / "index.html"
    page.write(path, **sample())
    first = path.read_bytes()
    page.write(path, **sample())
    assert path.read_bytes() == first == page.render(**sample()).encode()
    assert [p.name for p in path.parent.iterdir()] == ["index.html"]


def test_a_failed_write_keeps_the_last_page(tmp_path):
    path = tmp_path / "index.html"
    page.write(path, **sample())
    first = path.read_bytes()
    with pytest.raises(ValueError):
        page.write(path, **sample(sections=[{"tabel": ROWS}]))
    assert path.read_bytes() == first and len(list(tmp_path.iterdir())) == 1


def test_unknown_keys_propose_known_ones():
    with pytest.raises(ValueError, match="no 'tabel'; nearest: 'table'"):
        page.render(title="T", sections=[{"tabel": ROWS}])


def test_table_options():
    section = {"table": ROWS, "columns": ["AUC"], "digits": 1}
    reader = Reader(page.render(title="T", sections=[section]))
    assert reader.of("th") == ["AUC"] and reader.of("td") == ["1.0 ", "–"]


def test_light_dark_and_print():
    content = page.render(**sample())
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
    content = page.render(
        title=text,
        subtitle=text,
        meta={text: text},
        sections=[
            {"title": text, "text": f"x {text}", "table": [{text: text}]},
            {"caption": text, "details": {text: text}},
        ],
    )
    reader = Reader(content)
    for tag in ("h1", "h2", "dt", "dd", "th", "td", "summary", "pre"):
        assert "".join(reader.of(tag)) == text, tag
    assert "".join(reader.of("p")) == f"{text}x {text}{text}"


def test_forbidden_characters_are_replaced():
    content = page.render(title="a\x00b\ud800c\x1b", sections=[])
    assert Reader(content).of("h1") == ["a\ufffdb\ufffdc\ufffd"]
    content.encode()
