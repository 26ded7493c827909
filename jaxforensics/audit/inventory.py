"""Counts of what measured pictures are, and which of them are the same."""

from collections import Counter, defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

COMMON = 8  # values of a property that are told one by one


def counts(pictures):
    """Rows: pictures and groups of each split, label and source."""
    groups = defaultdict(set)
    counted = Counter()
    for p in pictures:
        key = p.split, p.label, p.source
        counted[key] += 1
        groups[key].add(p.group)
    return [
        {
            "split": split or None,
            "label": "fake" if label else "real",
            "source": source,
            "pictures": counted[split, label, source],
            "groups": len(groups[split, label, source]),
        }
        for split, label, source in sorted(counted)
    ]


def file_sizes(pictures):
    """{source: bytes of each of its pictures}."""
    sizes = defaultdict(list)
    for picture in pictures:
        sizes[picture.source].append(picture.bytes)
    return {source: np.array(sizes[source]) for source in _ordered(sizes)}


def properties(pictures):
    """Rows: a property, one of its values, and how many pictures of each source."""
    shown = {
        "size": lambda p: f"{p.width}×{p.height}",
        "format": lambda p: p.format,
        "colour mode": lambda p: p.mode,
        "JPEG quality": lambda p: p.quality or "–",
        "chroma": lambda p: p.sampling or "–",
    }
    names = _ordered({p.source for p in pictures})
    rows = []
    for name, value_of in shown.items():
        counted = Counter((value_of(p), p.source) for p in pictures)
        totals = Counter(value_of(p) for p in pictures)
        common = sorted(totals, key=lambda value: (-totals[value], value))
        for value in common[:COMMON]:
            row = {source: counted[value, source] for source in names}
            rows.append({"property": name, "value": value} | row)
        if rest := common[COMMON:]:
            row = {s: sum(counted[value, s] for value in rest) for s in names}
            rows.append({"property": name, "value": f"{len(rest)} others"} | row)
    return rows


def duplicates(pictures, near):
    """{kind: clusters of pictures}, each of the closest kind that joins all of it.

    A cluster tells names, splits, labels and groups.
    """
    pairs = {
        "same file": _equal([picture.file_hash for picture in pictures]),
        "same pixels": _equal([picture.pixel_hash for picture in pictures]),
        "near": near,
    }
    found, known = {}, set()
    for kind, joined in pairs.items():
        members = _clusters(len(pictures), joined) - known
        known |= members
        found[kind] = [_told(pictures, cluster) for cluster in sorted(members)]
    return found


def copies(pictures):
    """How many pictures show exactly what another one shows."""
    return len(pictures) - len({picture.pixel_hash for picture in pictures})


def fold_groups(pictures, near):
    """Numbers of what folds must not part: groups, joined where they share pictures."""
    pairs = np.concatenate([near, _equal([picture.group for picture in pictures])])
    return _components(len(pictures), pairs)


def overlap(pictures):
    """Rows: groups that are in more than one split."""
    where = defaultdict(set)
    for picture in pictures:
        where[picture.group].add(picture.split)
    return [
        {"group": group, "splits": ", ".join(sorted(found))}
        for group, found in sorted(where.items())
        if len(found) > 1
    ]


def _told(pictures, cluster):
    first, *rest = (pictures[i] for i in cluster)
    # Those that contradict the first come next to it: examples are taken from there.
    rest.sort(key=lambda p: (p.label == first.label, p.split == first.split))
    members = [first, *rest]
    return {
        "names": [p.name for p in members],
        "splits": sorted({p.split for p in members}),
        "labels": sorted({p.label for p in members}),
        "groups": len({p.group for p in members}),
    }


def _clusters(count, pairs):
    """The sets of positions that pairs join: {(i, j, …), …}."""
    members = defaultdict(list)
    for i, number in enumerate(_components(count, pairs)):
        members[number].append(i)
    return {tuple(cluster) for cluster in members.values() if len(cluster) > 1}


def _equal(values):
    """Pairs (first, other) of positions that hold the same."""
    first = {}
    pairs = [(first.setdefault(value, i), i) for i, value in enumerate(values)]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], int).reshape(-1, 2)


def _components(count, pairs):
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _ordered(names):
    return sorted(names, key=lambda name: (name != "real", name))
