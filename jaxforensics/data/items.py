"""What sources hand to prepare: items, and what was left out."""

import fnmatch
from typing import NamedTuple

# Patterns of names, in any case, that say label 0 where a user gives no others.
REAL = ("real", "real[_-]*", "original*")
REAL_PREFIX = "real/"  # "real" and "real/…" are the sources with label 0


class Item(NamedTuple):
    """One unit of work: a picture (or video) and what is known about it.

    An empty `split` is drawn from the hash of `group`; an empty `group` is `name`, and
    an empty `name` is `path`.
    """

    path: str
    label: int  # 1 = fake
    source: str  # who made it: a forger; with label 0, 'real' or 'real/…'
    group: str = ""
    split: str = ""
    pair: str = ""  # path of the original it was made from
    mask: str = ""  # path of a gray mask of manipulated pixels
    attributes: dict = {}
    name: str = ""  # unique; what reports call it
    parsing: str = ""  # path of a gray picture of class numbers


class Failure(NamedTuple):
    """An item (or frame) left out: a short `reason` to count by, and the detail."""

    name: str
    reason: str
    detail: str = ""


class Listing(NamedTuple):
    """What a source found: items, and files it left out."""

    items: list
    left_out: list  # of Failure


def is_real(name, patterns):
    """Whether the name of a folder or class says label 0."""
    return any(fnmatch.fnmatchcase(name.lower(), p.lower()) for p in patterns)


def is_real_source(name):
    """Whether a source's name has label 0."""
    return name == "real" or name.startswith(REAL_PREFIX)


def printable(text):
    """The text without what UTF-8 cannot say (file names may hold any bytes)."""
    return text.encode("utf-8", "backslashreplace").decode()
