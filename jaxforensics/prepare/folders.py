"""Where items come from: class folders, paired folders, manifests, TFDS data sets.

A listing only looks at names; whether a file is a picture is for `prepare` to find out,
so that every file is either a record or a counted failure.  Hidden files, and files
where no rule puts them, are left out, and listed as well.
"""

import os
import re
from pathlib import Path

from jaxforensics.data.items import (
    REAL,
    REAL_PREFIX,
    Failure,
    Item,
    Listing,
    is_real,
    printable,
)
from jaxforensics.data.splits import ALIASES
from jaxforensics.prepare.manifests import manifest
from jaxforensics.prepare.tfds import tfds_dataset
from jaxforensics.settings import nearest

__all__ = ["REAL", "class_folders", "manifest", "paired_folders", "tfds_dataset"]


def class_folders(root, *, real=REAL, group=None):
    """DIR/<source>/… or DIR/{train,validation,test}/<source>/…, at any depth below.

    A source whose name matches one of the patterns `real` has label 0, any other label
    1; where several of the former lie side by side, they are told apart, as
    `real/<source>`.  `group` is a regular expression; what its first parentheses match
    in a file's name (relative to DIR) is its group, so frames of one video stay
    together: `r"(\\d+)_\\d+\\.png$"`.  Without it every picture is a group.
    """
    root = Path(root)
    _check_group(group)
    folders = _class_folders(root)
    sources = sorted({source.lower() for _, source, _ in folders})
    # Names as files may hold bytes that are no text; records hold text.
    names = {source: printable(source) for source in sources}
    reals = {source for source in sources if is_real(source, real)}
    if _side_by_side(reals, folders):
        names |= {source: f"{REAL_PREFIX}{names[source]}" for source in reals}
    if real and not reals:
        raise ValueError(
            f"none of {', '.join(sources)} in {root} is named as real "
            f"({', '.join(real)}): say which with --real (in Python, real=)"
        )
    items = []
    left_out = _strays(root, folders)
    for split, source, folder in folders:
        source = source.lower()  # Real and real are one class
        files, hidden = _walk(folder)
        if not files:
            raise ValueError(f"{folder} is empty: a class needs pictures")
        left_out += [Failure(_relative(path, root), "hidden") for path in hidden]
        for path in files:
            name = _relative(path, root)
            item = Item(
                path,
                label=int(source not in reals),
                source=names[source],
                group=_group(name, group),
                split=split,
                name=name,
            )
            items.append(item)
    return Listing(items, left_out)


def _side_by_side(sources, folders):
    """Whether a split has several of these sources."""
    present = {(split, source.lower()) for split, source, _ in folders}
    splits = [split for split, source in present if source in sources]
    return len(splits) > len(set(splits))


def paired_folders(real, fakes, *, masks=None):
    """Originals in one folder, edits of them under the same stem in others.

    `fakes` and, where there are some, `masks` map sources to folders.  The stem (path
    without suffix) is the group.  What has no partner is left out as 'unpaired'.
    """
    masks = masks or {}
    if "real" in fakes:
        raise ValueError(f"{fakes['real']} holds edits: call their source not 'real'")
    if strange := sorted(masks.keys() - fakes.keys()):
        raise ValueError(f"masks of {strange[0]!r}{nearest(strange[0], fakes)}")
    originals, left_out = _by_stem(real, "real")
    items = []
    used = set()  # stems of originals with an edit
    # An original enters once, however many edits of it there are.
    for source, folder in fakes.items():
        edits, not_edits = _by_stem(folder, source)
        left_out += not_edits
        mask_of = {}
        if source in masks:
            mask_of, not_masks = _by_stem(masks[source], f"mask/{source}")
            left_out += not_masks
        for stem, path in edits.items():
            name = f"{source}/{_relative(path, folder)}"
            if stem not in originals:
                left_out.append(Failure(name, "unpaired", f"no {stem} in {real}"))
            elif source in masks and stem not in mask_of:
                left_out.append(Failure(name, "no-mask", stem))
            else:
                used.add(stem)
                item = Item(
                    path,
                    label=1,
                    source=source,
                    group=stem,
                    pair=originals[stem],
                    mask=mask_of.get(stem, ""),
                    name=name,
                )
                items.append(item)
    for stem, path in originals.items():
        name = f"real/{_relative(path, real)}"
        if stem in used:
            items.append(Item(path, 0, "real", stem, name=name))
        else:
            left_out.append(Failure(name, "unpaired", "no edit of it"))
    if not items:
        raise ValueError(f"no stem of {real} occurs in {', '.join(map(str, fakes))}")
    return Listing(items, left_out)


def _class_folders(root):
    """[(split, source, folder)], from either layout."""
    names = _folders(root)
    # What TFDS made has folders of versions, which would pass for classes.
    if (root / "dataset_info.json").exists():
        raise ValueError(
            f"{root} is a TFDS data set, not folders of pictures: what was prepared is "
            "ready for use; for others there is folders.tfds_dataset, in Python"
        )
    if not names:
        raise ValueError(
            f"{root} has no class folders: expected {root}/real, {root}/<forger>, …"
        )
    if not any(name.lower() in ALIASES for name in names):
        return [("", name, root / name) for name in names]
    if strange := [name for name in names if name.lower() not in ALIASES]:
        raise ValueError(
            f"{root} mixes splits with {', '.join(strange)}"
            f"{nearest(strange[0], ALIASES)}: splits are {', '.join(ALIASES)}"
        )
    return [
        (ALIASES[name.lower()], source, root / name / source)
        for name in names
        for source in _folders(root / name)
    ]


def _folders(root):
    """The names of the folders in a folder, hidden ones apart."""
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    return sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")


def _strays(root, folders):
    """Failures for what lies beside the class folders."""
    parents = {root} | {folder.parent for _, _, folder in folders}
    failures = []
    for parent in sorted(parents):
        for path in sorted(parent.iterdir()):
            if path.name[0] == ".":
                failures.append(Failure(_relative(path, root), "hidden"))
            elif not path.is_dir():
                failures.append(Failure(_relative(path, root), "no-class"))
    return failures


def _walk(folder):
    """(files, hidden) below a folder, sorted; links are followed, loops not.

    A link to a folder above is a loop too: it would bring other classes into this one.
    """
    files = []
    hidden = []
    waiting = [os.fspath(folder)]
    visited = {os.fspath(parent) for parent in Path(folder).resolve().parents}
    while waiting:
        current = waiting.pop()
        target = os.path.realpath(current)
        if target in visited:
            continue
        visited.add(target)
        with os.scandir(current) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    hidden.append(entry.path)
                elif os.path.isdir(entry.path):  # False for a link to itself
                    waiting.append(entry.path)
                else:
                    files.append(entry.path)
    return sorted(files), sorted(hidden)


def _by_stem(folder, source):
    """({stem: path}, failures) of a folder; the first of equal stems counts."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    files, hidden = _walk(folder)
    left_out = [Failure(f"{source}/{_relative(p, folder)}", "hidden") for p in hidden]
    stems = {}
    for path in files:
        name = _relative(path, folder)
        stem = os.path.splitext(name)[0]
        if stem in stems:
            left_out.append(Failure(f"{source}/{name}", "stem-twice", stems[stem]))
        else:
            stems[stem] = path
    return stems, left_out


def _relative(path, root):
    """What a file is called in reports: its path below the folder, with slashes."""
    return printable(Path(path).relative_to(root).as_posix())


def _check_group(pattern):
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise ValueError(f"group pattern {pattern!r}: {error}") from None


def _group(name, pattern):
    """What the pattern captures in a name; without a pattern, the name."""
    if pattern is None:
        return name
    match = re.search(pattern, name)
    if not match or not match.groups():
        raise ValueError(f"group pattern {pattern!r} captures nothing in {name!r}")
    return match[1]
