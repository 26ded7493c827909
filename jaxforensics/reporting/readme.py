"""The report's page as Markdown, to be read where it is stored: in a repository."""

from urllib.parse import quote

from jaxforensics.files import replacing
from jaxforensics.reporting import tables


def write(path, *, title, sections, subtitle="", meta=None):
    """Write what `render` gives, the whole file or nothing."""
    content = render(title=title, sections=sections, subtitle=subtitle, meta=meta)
    with replacing(path) as partial:
        partial.write_text(content, encoding="utf-8", newline="\n")


def render(*, title, sections, subtitle="", meta=None):
    """Markdown of what `page.render` takes; equal arguments give equal text.

    A figure is shown from its `file`, relative to the page; details are left out.
    """
    blocks = [f"# {title}", subtitle]
    blocks.append("\n".join(f"- {key}: {value}" for key, value in (meta or {}).items()))
    for section in sections:
        blocks += _blocks(section)
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"


def _blocks(section):
    if section.get("title"):
        yield f"## {section['title']}"
    yield section.get("text", "")
    if section.get("table"):
        columns, digits = section.get("columns"), section.get("digits", 3)
        yield tables.markdown(section["table"], columns=columns, digits=digits)
    if section.get("file"):
        said = section.get("caption", "figure").replace("`", "")
        yield f"![{said}]({quote(section['file'])})"
    yield section.get("caption", "")
