"""Blocks as one self-contained HTML page, without scripts or requests.

Each public function turns one block into HTML; `document` calls them in order.
"""

import base64
import html
import io
import json
import re

from PIL import Image

from jaxforensics.reporting import figures, tables
from jaxforensics.reporting.blocks import split_verdict


def header(title, subtitle, facts):
    """The page's title, subtitle and facts {what: value}."""
    entries = "".join(
        f"<div><dt>{_escape(key)}</dt><dd>{_escape(tables.cell(value))}</dd></div>"
        for key, value in facts.items()
    )
    parts = [f"<h1>{_escape(title)}</h1>", "", ""]
    if subtitle:
        parts[1] = f'<p class="subtitle">{_escape(subtitle)}</p>'
    if facts:
        parts[2] = f'<dl class="facts">{entries}</dl>'
    return "\n".join(["<header>", *parts, "</header>"])


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
    items = "".join(map(_finding, block.lines))
    return f'<ul class="findings">{items}</ul>' if items else ""


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
        dots = picture.info.get("dpi", (96, 96))[0]
        width = round(96 * picture.width / dots)  # CSS has 96 pixels to the inch
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
        style=_STYLE,
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
        if index % 2:
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
    if before:
        return f"<li>{_inline(before)}{label}{_inline(after)}</li>"
    text = after.removeprefix(":").strip()
    return f'<li class="judged">{label}<span>{_inline(text)}</span></li>'


def _caption(caption):
    return f'<p class="caption">{_inline(caption)}</p>' if caption else ""


def _side(rows, column):
    """The class of a column: numbers to the right; only long texts are wrapped."""
    if tables.numeric(rows, column):
        return "number"
    longest = max((len(tables.cell(row.get(column))) for row in rows), default=0)
    return "words" if longest > 32 else "words short"


def _cell(value, digits):
    text = _escape(tables.cell(value, digits=digits))
    if not tables.is_interval(value):
        return text
    point, interval = text.split(" ", 1)
    return f'{point} <span class="interval">{interval}</span>'


def _contents(titles):
    if len(titles) < 2:
        return ""
    links = "".join(
        f'<li><a href="#s{index}">{_escape(title)}</a></li>'
        for index, title in enumerate(titles, 1)
    )
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _escape(text):
    """Text that HTML shows as it is; characters that HTML forbids become a sign."""
    text = re.sub(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", str(text)
    )
    return html.escape(text)


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

_STYLE = """\
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1f2328; --muted: #636c76; --rule: #d8dee4;
  --soft: #f6f8fa; --link: #0969da; --good: #1a7f37; --bad: #cf222e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --ink: #e3e8ee; --muted: #929ba5; --rule: #2d343d;
    --soft: #171c23; --link: #6cb1ff; --good: #4cc26a; --bad: #ff7b72;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  display: grid; grid-template-columns: minmax(0, 46rem); justify-content: center;
  column-gap: 3.5rem; margin: 0; padding: 3rem 1.5rem 6rem;
  background: var(--page); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial,
    sans-serif;
}
h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -0.02em; }
h2 {
  margin: 3rem 0 1rem; padding-top: 1.5rem; border-top: 1px solid var(--rule);
  font-size: 1.3rem; line-height: 1.3; letter-spacing: -0.01em;
}
main > h2:first-child { border-top: 0; padding-top: 0; margin-top: 2rem; }
p, ul { margin: 0 0 1rem; max-width: 42rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.subtitle { margin: 0.5rem 0 0; color: var(--muted); font-size: 1.1rem; }
.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr));
  gap: 0.9rem 1.5rem; margin: 1.75rem 0 0; padding: 1.1rem 0;
  border: solid var(--rule); border-width: 1px 0;
}
dt, nav, figcaption, .caption, .interval { color: var(--muted); }
dt { font-size: 0.75rem; letter-spacing: 0.02em; }
dd { margin: 0; font-size: 0.9rem; line-height: 1.4; overflow-wrap: anywhere; }
nav { font-size: 0.875rem; line-height: 1.45; margin-top: 1.5rem; }
nav ol { margin: 0; padding: 0; list-style: none; }
nav li { margin: 0 0 0.4rem; }
nav a { color: inherit; }
.wide { margin: 0 0 1.5rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; line-height: 1.4; }
th, td { padding: 0.45rem 0.9rem; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { padding-left: 0; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--rule); }
td { vertical-align: top; }
tbody tr:hover { background: var(--soft); }
.words { text-align: left; }
.short, .number { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.interval { font-size: 0.8em; }
.findings { padding: 0; list-style: none; max-width: none; }
.findings li {
  padding: 0.55rem 0; border-bottom: 1px solid var(--rule); line-height: 1.45;
}
.findings li:first-child { border-top: 1px solid var(--rule); }
.judged {
  display: grid; grid-template-columns: 8rem minmax(0, 1fr); align-items: baseline;
}
.judged .verdict { justify-self: start; }
.verdict {
  display: inline-block; padding: 0 0.55em; border-radius: 1em; white-space: nowrap;
  font-size: 0.8em; font-weight: 600; line-height: 1.6; color: var(--tone);
  border: 1px solid var(--tone);
}
.holds { --tone: var(--good); }
.does-not-hold { --tone: var(--bad); }
.open { --tone: var(--muted); }
figure { margin: 0 0 1.75rem; }
img {
  display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px;
}
figcaption, .caption { margin-top: 0.6rem; font-size: 0.875rem; max-width: 42rem; }
.wide + .caption { margin: -0.8rem 0 1.75rem; }
.wide ~ .caption + .caption { margin: -1.4rem 0 1.75rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code {
  padding: 0.1em 0.3em; border-radius: 4px; background: var(--soft); font-size: 0.875em;
}
details { margin: 0 0 0.75rem; border: 1px solid var(--rule); border-radius: 6px; }
summary { padding: 0.5rem 0.9rem; cursor: pointer; font-size: 0.9rem; }
pre {
  margin: 0; padding: 0.9rem; overflow-x: auto; background: var(--soft);
  border-top: 1px solid var(--rule); border-radius: 0 0 6px 6px;
  font-size: 0.8rem; line-height: 1.5;
}
@media (prefers-color-scheme: dark) { img { padding: 0.5rem; } }
@media (min-width: 72rem) {
  body { grid-template-columns: 12rem minmax(0, 46rem) 0; }
  header, main { grid-column: 2; }
  nav {
    grid-column: 1; grid-row: 1 / span 2; position: sticky; top: 3rem;
    align-self: start; max-height: calc(100vh - 6rem); overflow-y: auto;
    margin: 0.6rem 0 0;
  }
}
@media print {
  :root { --page: #fff; --ink: #000; --muted: #555; --rule: #ccc; --soft: #f6f6f6; }
  body { display: block; padding: 0; font-size: 10.5pt; }
  nav { display: none; }
  h2 { break-after: avoid; margin-top: 1.5rem; }
  figure, tr { break-inside: avoid; }
  .wide { overflow: visible; }
  .short, .number { white-space: normal; }
  pre { white-space: pre-wrap; }
  details::details-content { content-visibility: visible; }
  img { padding: 0; }
}
"""
