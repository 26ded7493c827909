"""Groups of a paper's experiments: each names its own seeds, and what it is about."""

from jaxforensics.workspace import Taken


def of_group(bench, settings):
    """The bench with as many seeds as a group asks for, and its other settings.

    Helpers begin with the last seed.
    """
    settings = dict(settings)
    few = bench.first(settings.pop("seeds"))
    if bench.workspace.helper:
        few.seeds = few.seeds[::-1]
    return few, settings


def one_by_one(settings, name):
    """The settings of a group once for each of what it lists under this name."""
    return [{**settings, name: (each,)} for each in settings[name]]


def share(workspace, parts):
    """With helpers, let every process call these functions for what they train.

    A part that meets what another process makes is left for later; helpers begin with
    the last.  Nothing is reported.  True for a helper, which is done then.
    """
    left = list(parts) if workspace.shared else []
    if workspace.helper:
        left.reverse()
    with workspace.silent():
        while left:
            taken = {part: name for part in left if (name := _taken(part))}
            if len(taken) == len(left):  # nothing is free
                workspace.wait(taken[left[0]])
            left = list(taken)
    return workspace.helper


def _taken(part):
    """The name of what another process makes and this part needs, or ''."""
    try:
        part()
    except Taken as taken:
        return str(taken)
    return ""
