"""Train, validation and test, disjoint by group."""

import bisect
import hashlib
import itertools
from collections import defaultdict

NAMES = ("train", "validation", "test")
ALIASES = {name: name for name in NAMES} | {"val": "validation", "valid": "validation"}


def uniform(text, seed):
    """A number in [0, 1) drawn by the hash of a text: the same on every machine."""
    salt = (int(seed) % 2**64).to_bytes(8, "little")
    data = text.encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(data, digest_size=8, salt=salt).digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


def assign(items, *, seed=0, fractions=(0.75, 0.05, 0.20)):
    """The items with every split filled in: an empty one by the hash of its group.

    Adding or removing items moves no other item.  A group of which some items come with
    a split follows them.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions {fractions} are not shares of one")
    bounds = list(itertools.accumulate(fractions))
    given = {item.group: item.split for item in items if item.split}

    def draw(group):
        u = uniform(group, seed)
        return NAMES[min(bisect.bisect_right(bounds, u), len(NAMES) - 1)]

    return [
        item
        if item.split
        else item._replace(split=given.get(item.group) or draw(item.group))
        for item in items
    ]


def check(items):
    """Raise ValueError, naming the offenders, if a group is in two splits.

    Also if a split has a name that is none of train, validation, test.
    """
    where = defaultdict(dict)
    for item in items:
        if item.split not in NAMES:
            raise ValueError(f"{item.name}: no split {item.split!r}; they are {NAMES}")
        where[item.group].setdefault(item.split, item.name)
    offenders = {group: seen for group, seen in where.items() if len(seen) > 1}
    if offenders:
        shown = "; ".join(
            f"{group!r} ({', '.join(f'{s}: {n}' for s, n in seen.items())})"
            for group, seen in itertools.islice(offenders.items(), 5)
        )
        raise ValueError(
            f"{len(offenders)} groups are in more than one split, so a test would meet "
            f"what training saw: {shown}{' …' if len(offenders) > 5 else ''}"
        )
