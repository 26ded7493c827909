"""Audit pictures or a prepared data set: what `launch/prepare.py audit` calls."""

from pathlib import Path

from jaxforensics.audit import audit, page
from jaxforensics.commands.prepare import check_outside, checked_size, data_set_name
from jaxforensics.data.items import REAL
from jaxforensics.settings import call


def run(command, flags):
    """Audit what the flags describe; returns the text to print."""
    settings = dict(flags)
    path = settings.pop("path")
    return call(examine, settings, path, where=command)


def examine(
    path,
    *,
    out=None,
    size=None,
    limit=None,
    seed=0,
    workers=2,
    strict=False,
    real=REAL,
    group=None,
):
    """Audit a directory and write its JSON and page; returns the text to print."""
    # What cannot be written shows now, not when the work is done.
    out = Path(out or Path("audits") / data_set_name(path))
    check_outside(path, out)
    if Path(path).is_dir():
        out.mkdir(parents=True, exist_ok=True)
    audited = audit.audit(
        path,
        size=checked_size(size),
        limit=limit,
        seed=seed,
        workers=workers,
        strict=strict,
        real=real,
        group=group,
    )
    written = page.write(audited, out)
    return f"{page.text(audited.report)}\n\npage: {written}"
