"""Groups of a paper's experiments: each names its own seeds, and what it is about."""

import time

from jaxforensics.workspace import Taken

PAUSE = 3.0  # seconds, before asking again for what other processes make


def of_group(bench, settings):
    """The bench with as many seeds as a group asks for, and its other settings.

    A helper goes through seeds and everything listed from the end.
    """
    settings = dict(settings)
    few = bench.first(settings.pop("seeds"))
    if bench.workspace.helper:
        few.seeds = few.seeds[::-1]
        settings = {
            name: value[::-1] if isinstance(value, tuple) else value
            for name, value in settings.items()
        }
    return few, settings


def share(workspace, parts):
    """With helpers, let every process call these functions for what they train.

    A part that meets what another process makes is left for later; helpers begin with
    the last.  Nothing is reported.  True for a helper, which is done then.
    """
    left = list(parts)[:: -1 if workspace.helper else 1] if workspace.shared else []
    with workspace.silent():
        while left:
            left = [part for part in left if _meets_others(part)]
            time.sleep(PAUSE if left else 0)
    return workspace.helper


def _meets_others(part):
    try:
        part()
    except Taken:
        return True
    return False
