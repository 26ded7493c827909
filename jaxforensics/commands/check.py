"""Verify a prepared data set: what `launch/prepare.py check` calls."""

from jaxforensics.data.records import PREPARE_AGAIN
from jaxforensics.prepare.check import check
from jaxforensics.settings import call


def run(command, flags):
    """Verify the data set that the flags name; returns the text to print.

    A ValueError has a line for every problem.
    """
    settings = dict(flags)
    path = settings.pop("path")
    return call(verify, settings, path, where=command)


def verify(path, *, workers=4):
    """Verify digests and decode every record on `workers` threads: the text of it."""
    checked = check(path, threads=workers)
    remarks = [f"remark: {remark}" for remark in checked.remarks]
    # An error, so that the exit status tells it too.
    if checked.damages:
        lines = [f"  {damage.file} {damage.problem}" for damage in checked.damages]
        count = f"{len(lines)} problems in {checked.folder}"
        raise ValueError("\n".join([f"{count}; {PREPARE_AGAIN}", *lines, *remarks]))
    return "\n".join(
        [f"{checked.records} records are whole: {checked.folder}", *remarks]
    )
