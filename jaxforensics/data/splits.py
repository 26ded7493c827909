"""Train, validation and test, disjoint by group."""

import bisect
import hashlib
import itertools
from collections import defaultdict

NAMES = ("train", "validation", "test")
EXAMPLES = 5  # groups that an error names
ALIASES = {name: name for name in NAMES} | {"val": "validation", "valid": "validation"}


def uniform(text, seed):
    """A number in [0, 1) drawn by the hash of a text: the same on every machine."""
    # Names of files may hold bytes that are no UTF-8: they are hashed as they are.
    salt = (int(seed) % 2**64).to_bytes(8, "little")
    data = text.encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(data, digest_size=8, salt=salt).digest()
    # The upper 53 bits are what a float holds exactly.
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


def assign(items, *, seed=0, fractions=(0.75, 0.05, 0.20)):
    """The items with every split filled in: an empty one by the hash of its group.

    Adding or removing items moves no other item.  A group of which some items come with
    a split follows them.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions {fractions} are not shares of one")
    bounds = list(itertools.accumulate(fractions))
    split_of = {item.group: item.split for item in items if item.split}

    def draw(group):
        place = bisect.bisect_right(bounds, uniform(group, seed))
        return NAMES[min(place, len(NAMES) - 1)]  # fractions may sum to 0.999999

    assigned = []
    for item in items:
        if not item.split:
            item = item._replace(split=split_of.get(item.group) or draw(item.group))
        assigned.append(item)
    return assigned


def check(items):
    """Raise ValueError, naming the offenders, if a group is in two splits.

    Also if a split has a name that is none of train, validation, test.
    """
    members = defaultdict(dict)  # {group: {split: name of the first item}}
    for item in items:
        if item.split not in NAMES:
            raise ValueError(f"{item.name}: no split {item.split!r}; they are {NAMES}")
        members[item.group].setdefault(item.split, item.name)
    offenders = {group: names for group, names in members.items() if len(names) > 1}
    if not offenders:
        return
    examples = []
    for group, names in itertools.islice(offenders.items(), EXAMPLES):
        where = ", ".join(f"{split}: {name}" for split, name in names.items())
        examples.append(f"{group!r} ({where})")
    if len(offenders) > EXAMPLES:
        examples[-1] += " …"
    raise ValueError(
        f"{len(offenders)} groups are in more than one split, so a test would meet "
        f"what training saw: {'; '.join(examples)}"
    )
