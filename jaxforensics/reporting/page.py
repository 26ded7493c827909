"""One self-contained HTML page: tables, figures and texts, no scripts, no requests."""

import base64
import html
import io
import json
import re
from difflib import get_close_matches

from PIL import Image

from jaxforensics.files import replacing
from jaxforensics.reporting import figures, tables

KEYS = "title", "text", "table", "columns", "digits", "figure", "file"
KEYS += "caption", "details"


def write(path, *, title, sections, subtitle="", meta=None):
    """Write the page that `render` describes, the whole file or nothing."""
    content = render(title=title, sections=sections, subtitle=subtitle, meta=meta)
    with replacing(path) as partial:
        partial.write_text(content, encoding="utf-8", newline="\n")


def render(*, title, sections, subtitle="", meta=None):
    """The page as text; equal arguments give equal bytes.

    `meta` is a dict of facts for the header.  Sections are dicts with any of
    title:    heading and entry of the contents; a section without continues the last
    text:     paragraphs and "- " lists apart by empty lines, with `code` and **bold**
    table:    rows as in `tables`, shown with `columns` and `digits`
    figure:   a matplotlib figure or PNG bytes, shown with its `caption`
    file:     where else the figure is, for `readme`
    details:  {summary: text, or dict for JSON}, folded away
    """
    body, contents = [], []
    for section in sections:
        _check(section)
        if section.get("title"):
            contents.append(section["title"])
            heading = f"s{len(contents)}"
            body.append(f'<h2 id="{heading}">{_escape(section["title"])}</h2>')
        body += _blocks(section)
    return _PAGE.format(
        title=_escape(title),
        subtitle=f'<p class="subtitle">{_escape(subtitle)}</p>' if subtitle else "",
        meta=_meta(meta or {}),
        contents=_contents(contents),
        body="\n".join(body),
        style=_STYLE,
    )


def _check(section):
    for key in section:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1, cutoff=0.0)[0]
            raise ValueError(f"a section has no {key!r}; nearest: {near!r}")


def _blocks(section):
    if section.get("text"):
        yield _text(section["text"])
    if section.get("table"):
        columns, digits = section.get("columns"), section.get("digits", 3)
        yield _table(section["table"], columns, digits)
    if section.get("figure") is not None:
        yield _figure(section["figure"], section.get("caption", ""))
    elif section.get("caption"):
        yield f'<p class="caption">{_inline(section["caption"])}</p>'
    for summary, content in section.get("details", {}).items():
        yield _details(summary, content)


def _text(text):
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(map(_paragraph, blocks))


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


def _table(rows, columns, digits):
    columns = tables.columns_of(rows, columns)
    sides = [_side(rows, column) for column in columns]
    head = "".join(
        f'<th class="{side}" scope="col">{_escape(column)}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    lines = [f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for row in rows:
        cells = "".join(
            f'<td class="{side}">{_cell(row.get(column), digits)}</td>'
            for column, side in zip(columns, sides, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    lines.append("</tbody>")
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


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


def _figure(figure, caption):
    content = figure if isinstance(figure, bytes) else figures.png(figure)
    with Image.open(io.BytesIO(content)) as picture:
        dots = picture.info.get("dpi", (96, 96))[0]
        width = round(96 * picture.width / dots)  # CSS has 96 pixels to the inch
    data = base64.b64encode(content).decode()
    alt = _escape(re.sub(r"[`*]", "", caption) or "figure")
    image = f'<img src="data:image/png;base64,{data}" alt="{alt}" width="{width}">'
    note = f"<figcaption>{_inline(caption)}</figcaption>" if caption else ""
    return f"<figure>{image}{note}</figure>"


def _details(summary, content):
    text = (
        content
        if isinstance(content, str)
        else json.dumps(content, indent=2, default=str)
    )
    return (
        f"<details><summary>{_escape(summary)}</summary>"
        f"<pre>{_escape(text)}</pre></details>"
    )


def _meta(meta):
    entries = (
        f"<div><dt>{_escape(key)}</dt><dd>{_escape(tables.cell(value))}</dd></div>"
        for key, value in meta.items()
    )
    return f'<dl class="meta">{"".join(entries)}</dl>' if meta else ""


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
<header>
<h1>{title}</h1>
{subtitle}
{meta}
</header>
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
  --soft: #f6f8fa; --link: #0969da;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318; --ink: #e3e8ee; --muted: #929ba5; --rule: #2d343d;
    --soft: #171c23; --link: #6cb1ff;
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
.meta {
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
figure { margin: 0 0 1.75rem; }
img {
  display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px;
}
figcaption, .caption { margin-top: 0.6rem; font-size: 0.875rem; max-width: 42rem; }
.wide + .caption { margin: -0.8rem 0 1.75rem; }
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
