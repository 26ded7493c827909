"""Blocks as Markdown, to be read where the report is stored: in a repository.

Each public function turns one block into Markdown; `document` calls them in order.
"""

from urllib.parse import quote

from jaxforensics.reporting import tables
from jaxforensics.reporting.blocks import split_verdict


def header(title, subtitle, facts):
    """The title, the subtitle and a list of facts {what: value}."""
    lines = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    return join([f"# {title}", subtitle, lines])


def heading(block):
    """The title of a section."""
    if not block.in_readme:
        return ""
    return f"## {block.text}"


def text(block):
    """Paragraphs and lists, which are Markdown already."""
    return block.text


def findings(block):
    """A list with bold verdicts."""
    return "\n".join(f"- {_finding(line)}" for line in block.lines)


def table(block):
    """A Markdown table, its remarks and its caption."""
    if not block.rows:
        return block.caption
    markdown = tables.markdown(
        block.rows,
        columns=block.columns,
        digits=block.digits,
        remarks=block.remarks,
    )
    return join([markdown, block.caption])


def figure(block):
    """A picture that is shown from its file; without one, its caption alone."""
    if not block.file:
        return block.caption
    # Shown as it is where the picture is not: without marks.
    alternative = block.caption.replace("`", "")
    return join([f"![{alternative}]({quote(block.file)})", block.caption])


def details(block):
    """Nothing: details are for the page alone."""
    return ""


def join(parts):
    """The parts that say something, apart by empty lines."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _finding(line):
    before, verdict, after = split_verdict(line)
    if not verdict:
        return line
    return f"{before}**{verdict}**{after}"
