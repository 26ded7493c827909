"""Count measured pictures, and find those that show the same.

Every function takes the Pictures of `measure` and returns rows or clusters: plain data,
which the report stores as JSON and the page draws.
"""

from collections import Counter, defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

COMMON = 8  # values of a property that get a row of their own


def counts(pictures):
    """Rows: pictures and groups of each split, label and source."""
    pictures_of = Counter()
    groups_of = defaultdict(set)
    for picture in pictures:
        cell = picture.split, picture.label, picture.source
        pictures_of[cell] += 1
        groups_of[cell].add(picture.group)
    return [
        {
            "split": cell[0] or None,
            "label": ("real", "fake")[cell[1]],
            "source": cell[2],
            "pictures": pictures_of[cell],
            "groups": len(groups_of[cell]),
        }
        for cell in sorted(pictures_of)
    ]


def file_sizes(pictures):
    """{source: bytes of each of its pictures}."""
    sizes = defaultdict(list)
    for picture in pictures:
        sizes[picture.source].append(picture.bytes)
    return {source: np.array(sizes[source]) for source in _ordered(sizes)}


def properties(pictures):
    """Rows: a property, one of its values, and how many pictures of each source.

    The most frequent values come first; rare ones are counted together.
    """
    value_of = {
        "size": lambda picture: f"{picture.width}×{picture.height}",
        "format": lambda picture: picture.format,
        "colour mode": lambda picture: picture.mode,
        "JPEG quality": lambda picture: picture.quality or "–",
        "chroma": lambda picture: picture.sampling or "–",
    }
    sources = _ordered({picture.source for picture in pictures})
    rows = []
    for name, value in value_of.items():
        cells = Counter((value(picture), picture.source) for picture in pictures)
        totals = Counter(value(picture) for picture in pictures)
        # Equally frequent values in the order of their names, so that reports repeat.
        by_frequency = sorted(totals, key=lambda value: (-totals[value], value))
        for common in by_frequency[:COMMON]:
            row = {source: cells[common, source] for source in sources}
            rows.append({"property": name, "value": common} | row)
        if rare := by_frequency[COMMON:]:
            row = {s: sum(cells[value, s] for value in rare) for s in sources}
            rows.append({"property": name, "value": f"{len(rare)} others"} | row)
    return rows


def duplicates(pictures, near):
    """{'same file', 'same pixels', 'near': [cluster]}: pictures that show the same.

    `near` are the pairs (n, 2) of near duplicates.  A cluster is all pictures that
    pairs connect, and is described by names, splits, labels and number of groups.  It
    appears once, under the closest of the three relations that connects all of it.
    """
    pairs = {  # from the closest relation to the loosest
        "same file": _equal([picture.file_hash for picture in pictures]),
        "same pixels": _equal([picture.pixel_hash for picture in pictures]),
        "near": near,
    }
    described = {}
    listed = set()  # clusters that a closer relation connects already
    for relation, connected in pairs.items():
        clusters = _clusters(len(pictures), connected) - listed
        listed |= clusters
        described[relation] = [
            _describe([pictures[number] for number in cluster])
            for cluster in sorted(clusters)
        ]
    return described


def copies(pictures):
    """How many pictures show exactly what another one shows."""
    return len(pictures) - len({picture.pixel_hash for picture in pictures})


def fold_groups(pictures, near):
    """For every picture the number of a set that must not be split among folds, (n,).

    Such a set is what groups and near duplicates connect: with one part of it in
    training, testing on the other would reward memory.
    """
    same_group = _equal([picture.group for picture in pictures])
    return _components(len(pictures), np.concatenate([near, same_group]))


def overlap(pictures):
    """Rows: groups that are in more than one split."""
    splits_of = defaultdict(set)
    for picture in pictures:
        splits_of[picture.group].add(picture.split)
    return [
        {"group": group, "splits": ", ".join(sorted(splits))}
        for group, splits in sorted(splits_of.items())
        if len(splits) > 1
    ]


def _describe(cluster):
    """The names, splits, labels and groups of the pictures of a cluster."""
    first, *others = cluster
    # Pictures of another label or split than the first come right after it: the first
    # two names serve as the example, and should show what is wrong.
    others.sort(key=lambda p: (p.label == first.label, p.split == first.split))
    members = [first, *others]
    return {
        "names": [picture.name for picture in members],
        "splits": sorted({picture.split for picture in members}),
        "labels": sorted({picture.label for picture in members}),
        "groups": len({picture.group for picture in members}),
    }


def _clusters(count, pairs):
    """Sets of two or more numbers below `count` that pairs connect: {(i, j, …), …}."""
    members = defaultdict(list)
    for number, component in enumerate(_components(count, pairs)):
        members[component].append(number)
    return {tuple(cluster) for cluster in members.values() if len(cluster) > 1}


def _equal(values):
    """Pairs (n, 2) of the first position of a value and each later one."""
    first_position = {}
    pairs = []
    for position, value in enumerate(values):
        first = first_position.setdefault(value, position)
        if first != position:
            pairs.append((first, position))
    return np.array(pairs, int).reshape(-1, 2)


def _components(count, pairs):
    """The number of the connected component of each of `count` nodes, (count,)."""
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _ordered(sources):
    """Names of sources, 'real' first, then by the alphabet."""
    return sorted(sources, key=lambda name: (name != "real", name))
