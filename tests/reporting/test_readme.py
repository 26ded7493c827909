"""The report as Markdown: the same content, figures by reference."""

from jaxforensics.reporting import readme

SECTIONS = [
    {"title": "First", "text": "One.\n\n- a\n- `b`\n"},
    {"table": [{"model": "a|b", "AUC": 0.9534}], "caption": "A table."},
    {"figure": b"", "file": "figures/a b.png", "caption": "A figure of `code`."},
    {"title": "Last", "details": {"config": {"a": 1}}},
]
EXPECTED = """\
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


def test_the_whole_of_a_small_report(tmp_path):
    path = tmp_path / "README.md"
    readme.write(path, title="T", meta={"Seeds": 3}, sections=SECTIONS)
    assert path.read_text() == EXPECTED
