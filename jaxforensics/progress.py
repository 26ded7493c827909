"""Progress bars that a log file can bear."""

import sys

from tqdm import tqdm

UNWATCHED = 10.0  # seconds between two updates where no terminal shows them


def bar(items, *, desc, unit, total=None, initial=0, shown=True, delay=0.0):
    """A tqdm bar on standard error; seldom updated where that is no terminal.

    It appears after `delay` seconds: what is done by then shows none.
    """
    return tqdm(
        items,
        desc=desc,
        unit=unit,
        total=total,
        initial=initial,
        disable=not shown,
        delay=delay,
        mininterval=0.1 if sys.stderr.isatty() else UNWATCHED,
    )
