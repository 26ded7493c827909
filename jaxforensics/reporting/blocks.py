"""The blocks that a report is made of, as plain data.

`page` says how each looks in HTML, `readme` how in Markdown, and `document` walks a
list of them once for both.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

VERDICTS = "does not hold", "holds", "open"

# A verdict counts where it stands by itself: at the line's beginning or behind a mark,
# and before a mark, a bracket or the line's end.  "Eyes open wide" has none.
_VERDICT = re.compile(
    rf"(?:^|(?<=[:;,–—(] )|(?<=\())({'|'.join(VERDICTS)})(?=$|[:;,.)]| [(\[–—])"
)


class Heading(NamedTuple):
    """The title of a section, which the page lists in its contents."""

    text: str
    in_readme: bool = True  # False above details alone, which only the page has
    number: int = 0  # from 1 on, given by the walk


class Text(NamedTuple):
    """Paragraphs and "- " lists, apart by empty lines, with `code` and **bold**."""

    text: str


class Findings(NamedTuple):
    """What was found, one short line each, with the verdicts in them set apart."""

    lines: Sequence[str]


class Table(NamedTuple):
    """Rows as in `tables`, with a caption below them.

    `remarks` {name: text} mark the rows that begin with a name, see `tables.remarked`.
    """

    rows: Sequence[Mapping]
    columns: Sequence[str] | None = None
    digits: int = 3
    caption: str = ""
    remarks: Mapping[str, str] | None = None


class Figure(NamedTuple):
    """A matplotlib figure or the bytes of a PNG, with a caption below it.

    `file` is where the PNG lies beside the README, which shows it from there.
    """

    content: Any
    caption: str = ""
    file: str = ""


class Details(NamedTuple):
    """Text, or a dict as JSON, folded away below its summary; on the page only."""

    summary: str
    content: str | dict


class Verdict(NamedTuple):
    """A line of findings around its verdict, which is '' where there is none."""

    before: str
    verdict: str
    after: str


def split_verdict(line):
    """A line as the text before its first verdict, the verdict and the text behind it.

    "holds: noise hides traces (0.1)" -> ("", "holds", ": noise hides traces (0.1)")
    """
    match = _VERDICT.search(line)
    if not match:
        return Verdict(line, "", "")
    return Verdict(line[: match.start()], match[1], line[match.end() :])
