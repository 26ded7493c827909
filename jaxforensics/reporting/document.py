"""One walk over the blocks of a report writes both its HTML page and its README."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from jaxforensics.files import replacing
from jaxforensics.reporting import page, readme
from jaxforensics.reporting.blocks import (
    Details,
    Figure,
    Findings,
    Heading,
    Table,
    Text,
)


class Document(NamedTuple):
    """Blocks below a title, a subtitle and facts {what: value}."""

    title: str
    blocks: Sequence
    subtitle: str = ""
    facts: Mapping = {}


class Rendered(NamedTuple):
    """The same document twice, as text."""

    html: str
    markdown: str


class _Writers(NamedTuple):
    """How a block looks in each of the two."""

    html: Callable  # block -> str
    markdown: Callable  # block -> str, '' where a README has no such thing


# A new block is a type in `blocks`, a function in `page` and `readme`, and a row here.
_WRITERS = {
    Heading: _Writers(page.heading, readme.heading),
    Text: _Writers(page.text, readme.text),
    Findings: _Writers(page.findings, readme.findings),
    Table: _Writers(page.table, readme.table),
    Figure: _Writers(page.figure, readme.figure),
    Details: _Writers(page.details, readme.details),
}


def render(document):
    """The document as HTML and as Markdown; equal documents give equal bytes."""
    title, blocks, subtitle, facts = document
    html_parts = [page.header(title, subtitle, facts)]
    markdown_parts = [readme.header(title, subtitle, facts)]
    headings = []
    for block in blocks:
        if type(block) not in _WRITERS:
            names = ", ".join(block_type.__name__ for block_type in _WRITERS)
            raise ValueError(f"a report has no block {block!r}; there are {names}")
        if isinstance(block, Heading):
            headings.append(block.text)
            block = block._replace(number=len(headings))
        writers = _WRITERS[type(block)]
        html_parts.append(writers.html(block))
        markdown_parts.append(writers.markdown(block))
    return Rendered(
        html=page.join(title, headings, html_parts),
        markdown=readme.join(markdown_parts),
    )


def write(document, *, html, markdown=None):
    """Write the document to the paths `html` and `markdown`, all files or none."""
    rendered = render(document)
    files = {html: rendered.html}
    if markdown is not None:
        files[markdown] = rendered.markdown
    # Every file is written in full before the first takes its place.
    with ExitStack() as stack:
        for path, content in files.items():
            partial = stack.enter_context(replacing(path))
            partial.write_text(content, encoding="utf-8", newline="\n")
