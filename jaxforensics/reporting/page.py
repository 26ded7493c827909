"""Blocks as one self-contained HTML page, without scripts or requests.

Each public function turns one block into HTML; `document` calls them in order.
"""

import base64
import html
import io
import json
import re
from pathlib import Path

from PIL import Image

from jaxforensics.reporting import figures, tables
from jaxforensics.reporting.blocks import split_verdict

_LONG = 32  # characters of a cell that may be wrapped


def header(title, subtitle, facts):
    """The page's title, subtitle and facts {what: value}."""
    entries = "".join(
        f"<div><dt>{_escape(key)}</dt><dd>{_escape(tables.cell(value))}</dd></div>"
        for key, value in facts.items()
    )
    parts = ["<header>", f"<h1>{_escape(title)}</h1>"]
    if subtitle:
        parts.append(f'<p class="subtitle">{_escape(subtitle)}</p>')
    if facts:
        parts.append(f'<dl class="facts">{entries}</dl>')
    return "\n".join([*parts, "</header>"])


def heading(block):
    """The title of a section, to which the contents lead."""
    return f'<h2 id="s{block.number}">{_escape(block.text)}</h2>'


def text(block):
    """Paragraphs and lists."""
    if not block.text.strip():
        return ""
    paragraphs = re.split(r"\n\s*\n", block.text.strip())
    return "\n".join(map(_paragraph, paragraphs))


def findings(block):
    """A list whose verdicts are coloured labels."""
    if not block.lines:
        return ""
    items = "".join(map(_finding, block.lines))
    return f'<ul class="findings">{items}</ul>'


def table(block):
    """A table that scrolls sideways where it is wide, its remarks and its caption."""
    columns = tables.columns_of(block.rows, block.columns)
    if not (block.rows and columns):
        return _caption(block.caption)
    sides = [_side(block.rows, column) for column in columns]
    daggers = tables.daggers(block.rows, columns=columns, remarks=block.remarks)

    head = "".join(
        f'<th class="{side}" scope="col">{_escape(column)}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    lines = [f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for row, dagger in zip(block.rows, daggers, strict=True):
        cells = [_cell(row.get(column), block.digits) for column in columns]
        cells[0] += dagger
        line = "".join(
            f'<td class="{side}">{cell}</td>'
            for cell, side in zip(cells, sides, strict=True)
        )
        lines.append(f"<tr>{line}</tr>")
    lines.append("</tbody>")

    body = '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"
    notes = tables.notes(block.rows, columns=columns, remarks=block.remarks)
    return "\n".join([body, *map(_caption, [*notes, block.caption])]).rstrip()


def figure(block):
    """A picture inside the page, as large as it is in inches."""
    content = block.content
    if not isinstance(content, bytes):
        content = figures.png(content)
    with Image.open(io.BytesIO(content)) as picture:
        # CSS has 96 pixels to the inch: a PNG that names no density keeps its pixels.
        dots = picture.info.get("dpi", (96, 96))[0]
        width = round(96 * picture.width / dots)
    # Inside the page: it opens from disk, is sent as one file and asks nobody.
    data = base64.b64encode(content).decode()
    alt = _escape(re.sub(r"[`*]", "", block.caption) or "figure")
    image = f'<img src="data:image/png;base64,{data}" alt="{alt}" width="{width}">'
    note = ""
    if block.caption:
        note = f"<figcaption>{_inline(block.caption)}</figcaption>"
    return f"<figure>{image}{note}</figure>"


def details(block):
    """Text or JSON that unfolds below its summary."""
    content = block.content
    if not isinstance(content, str):
        # Settings may hold paths and the like, which JSON does not know.
        content = json.dumps(content, indent=2, default=str)
    return (
        f"<details><summary>{_escape(block.summary)}</summary>"
        f"<pre>{_escape(content)}</pre></details>"
    )


def join(title, headings, parts):
    """The whole page of a header and blocks, with a list of contents beside them."""
    head, *body = filter(None, parts)
    return _PAGE.format(
        title=_escape(title),
        header=head,
        contents=_contents(headings),
        body="\n".join(body),
        style=_STYLE.read_text(encoding="utf-8"),
    )


def _paragraph(block):
    """A paragraph, or a list if every line starts with a dash."""
    lines = [line.strip() for line in block.splitlines()]
    if all(line.startswith("- ") for line in lines):
        items = "".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _inline(text):
    """Escaped text, with `code` and **bold** marked; nothing is bold inside code."""
    parts = re.split(r"(`[^`]+`)", text)
    for index, part in enumerate(parts):
        if index % 2:  # what the pattern caught is at every second place
            parts[index] = f"<code>{_escape(part[1:-1])}</code>"
        else:
            parts[index] = re.sub(
                r"\*\*(.+?)\*\*", r"<strong>\1</strong>", _escape(part)
            )
    return "".join(parts)


def _finding(line):
    """One finding; a verdict at its beginning has a column of its own."""
    before, verdict, after = split_verdict(line)
    if not verdict:
        return f"<li>{_inline(line)}</li>"
    style = verdict.replace(" ", "-")
    label = f'<strong class="verdict {style}">{verdict}</strong>'
    if before:  # a label inside the line
        return f"<li>{_inline(before)}{label}{_inline(after)}</li>"
    text = after.removeprefix(":").strip()  # the column stands for the colon
    return f'<li class="judged">{label}<span>{_inline(text)}</span></li>'


def _caption(caption):
    """A caption or a remark below a table, or nothing."""
    if not caption:
        return ""
    return f'<p class="caption">{_inline(caption)}</p>'


def _side(rows, column):
    """The class of a column: numbers to the right; only long texts are wrapped."""
    if tables.numeric(rows, column):
        return "number"
    longest = max((len(tables.cell(row.get(column))) for row in rows), default=0)
    if longest > _LONG:
        return "words"
    return "words short"


def _cell(value, digits):
    """A value as `tables.cell` writes it, with its interval in smaller letters."""
    text = _escape(tables.cell(value, digits=digits))
    if not tables.is_interval(value):
        return text
    point, interval = text.split(" ", 1)  # "0.953" and "[0.941, 0.964]"
    return f'{point} <span class="interval">{interval}</span>'


def _contents(titles):
    """Links to the sections; a single one needs none."""
    if len(titles) < 2:
        return ""
    links = "".join(
        f'<li><a href="#s{index}">{_escape(title)}</a></li>'
        for index, title in enumerate(titles, 1)
    )
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _escape(text):
    """Text that HTML shows as it is; characters that HTML forbids become a sign."""
    # Control characters are not HTML, and halves of surrogates (how Python keeps the
    # bytes of a broken file name) are not even UTF-8.
    text = re.sub(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", str(text)
    )
    return html.escape(text)


# Colours, light, dark and on paper; inlined, so that the page is one file.
_STYLE = Path(__file__).with_name("page.css")

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{header}
{contents}
<main>
{body}
</main>
</body>
</html>
"""
