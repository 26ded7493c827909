"""Pictures in folders become records: many workers, any accident, the same bytes.

Items are ordered by a seeded hash and cut into shards; a shard is made by one worker,
under a name that is the digest of all it depends on, and kept when the run ends early.
"""

import errno
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from jaxforensics.data import records, splits
from jaxforensics.data.items import (
    REAL_PREFIX,
    Failure,
    Item,
    Listing,
    is_real_source,
    printable,
)
from jaxforensics.files import alone
from jaxforensics.prepare import complete, shards, writing
from jaxforensics.prepare.convert import convert_picture
from jaxforensics.progress import bar

__all__ = [
    "DiskFull",
    "Failure",
    "Item",
    "Listing",
    "Report",
    "convert_picture",
    "prepare",
    "turn",
]

SHARDS = 128  # per split, at most
PER_SHARD = 32  # items, about, at least
FRACTIONS = (0.75, 0.05, 0.20)  # of groups: training, validation, test
# Errors that mean a full disk, a quota, a file system's largest file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Report(NamedTuple):
    """What `prepare` did: items = records + failures, where an item is a picture."""

    root: str  # the prepared data set, for corpus.open
    items: int
    records: int
    splits: dict  # {split: {source: records}}
    failures: int
    reasons: dict  # {reason: failures}, files left out by the source included
    sources: tuple  # names, 'real' first
    remarks: tuple = ()  # sentences the user should read


class DiskFull(OSError):
    """No space left; finished shards are kept."""


def prepare(
    items,
    out,
    *,
    name,
    size=None,
    limit=None,
    seed=0,
    workers=2,
    strict=False,
    fractions=FRACTIONS,
    convert=convert_picture,
    per_shard=PER_SHARD,
    left_out=(),
    progress=True,
):
    """Write the items as a TFDS data set at `<out>/<name>/1.0.0`; return a Report.

    Killed at any moment, the same call goes on where it was; called again when all is
    done, it only reports.  The bytes depend on neither, nor on `workers`.  Files of the
    set that were lost or damaged since are made again, see `complete`.

    Args:
      items: what a source listed.
      out: the folder of data sets.
      name: of this one.
      size: of the pictures; as they are, if None.
      limit: take so many items in all, equal shares of every source, choosing by group.
      seed: of all that is drawn.
      workers: processes that convert.
      strict: pictures that cannot be used, which are otherwise counted and listed in
        `failures.json`, are a ValueError, raised when all of them are known.
      fractions: of the items without a split for training, validation and test.
      convert: `convert(item, *, size)` gives the records and failures of one item;
        workers import it by its name.
      per_shard: items in a shard, what a killed run loses at most, or a few more.
      left_out: failures that the source knows of already.
      progress: whether to show it.
    """
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"a data set's name is made of a-z, 0-9 and _, not {name!r}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is at least 1, not {limit}")
    items = splits.assign(_completed(items), seed=seed, fractions=fractions)
    splits.check(items)
    items = _limited(items, limit, seed)
    # The set gets its folder's name last, by a rename: it is never seen half done.
    folder = Path(out) / name / records.VERSION
    work = folder.with_name(folder.name + records.UNFINISHED)
    tasks = _tasks(items, work / "shards", convert, size, seed, per_shard)
    # What the set is made of and how: shards' names are digests of their items.
    plan = _digest([[split, t.file.name] for split, ts in tasks.items() for t in ts])
    run = functools.partial(_run, name=name, workers=workers, progress=progress)
    try:
        # Nobody is waited for, and nothing written, where there is nothing to do.
        if not _is_whole(folder, plan, progress):
            with turn(folder.parent):
                # Whoever had the turn before may have done all of it.
                if folder.exists() and not _is_whole(folder, plan, progress):
                    _mend(folder, work, tasks, run)
                if not _published(folder, work, plan):
                    _clear(work)
                    run([task for group in tasks.values() for task in group])
                    _publish(tasks, work, name, plan, left_out=left_out, strict=strict)
                    _published(folder, work, plan)
    except (OSError, RuntimeError) as error:
        if not _is_full(error):
            raise
        message = (
            f"no space left below {out}: make some, then run the same command again; "
            "what is finished is kept"
        )
        raise DiskFull(errno.ENOSPC, message) from None
    report = _report(folder)
    if strict and report.reasons:  # finished earlier, without strict
        raise ValueError(f"strict: {_words(report.reasons)}; see {folder}")
    return report


def turn(folder):
    """Meanwhile no other process of this machine prepares what lies in this folder."""
    waiting = f"waiting for {folder}, which another process prepares"
    return alone(folder.with_name(f".{folder.name}.lock"), waiting=waiting)


def _completed(items):
    """The items with names and groups, checked."""
    completed = []
    names = set()
    for item in items:
        name = printable(item.name or item.path)
        source = "real"  # whatever it is called, unless it tells reals apart
        if item.label or item.source.startswith(REAL_PREFIX):
            source = printable(item.source)
        is_real = is_real_source(source)
        if item.label not in (0, 1) or not source or item.label == is_real:
            raise ValueError(f"{name}: label {item.label!r} with source {source!r}")
        if name in names:
            raise ValueError(f"{name} is listed twice: give items different names")
        names.add(name)
        group = printable(item.group) or name  # a picture of no group is its own
        completed.append(item._replace(name=name, source=source, group=group))
    if not completed:
        raise ValueError("nothing to prepare: no items")
    return completed


def _limited(items, limit, seed):
    """So many of the items, sources in turn."""
    if limit is None:
        return items

    def rank(item):  # not by the hash that draws splits: it would take one split only
        return splits.uniform(f"limit {item.group}", seed), item.name

    ranked = defaultdict(list)
    for item in sorted(items, key=rank):
        ranked[item.source].append(item)
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*ranked.values()))
    return [item for item in rounds if item is not None][:limit]


def _tasks(items, folder, convert, size, seed, per_shard):
    """{split: [Task]}; a shard is a range of hashes, so changes elsewhere spare it."""
    # Their order in the set; the number places an item, whatever others there are.
    drawn = sorted((splits.uniform(item.name, seed), item) for item in items)
    named = {item.source for item in items} - {"real"}
    sources = (
        "real",
        *sorted(named, key=lambda name: (not is_real_source(name), name)),
    )
    tasks = {}
    for split in splits.NAMES:
        mine = [(u, item) for u, item in drawn if item.split == split]
        # A power of two: a few files more or less seldom move every shard's bounds.
        count = min(SHARDS, 1 << max(0, (len(mine) // per_shard).bit_length() - 1))
        shares = [[] for _ in range(count)]
        for u, item in mine:
            shares[int(u * count)].append(item)
        tasks[split] = [
            shards.task(folder, tuple(share), convert, size, sources)
            for share in shares
            if share
        ]
    return tasks


def _run(tasks, *, name, workers, progress):
    """Make the shards of these tasks that are not there yet."""
    total = sum(len(task.items) for task in tasks)
    finished = sum(len(task.items) for task in tasks if task.summary.exists())
    settings = {"desc": f"prepare {name}", "unit": "item", "shown": progress}
    with bar(None, total=total, initial=finished, **settings) as counter:
        shards.run(tasks, workers=workers, advance=counter.update)


def _publish(tasks, work, name, plan, *, left_out, strict):
    """Turn finished shards into a data set inside `work`, its notes written last."""
    parts = {
        split: [(task.file, shards.read(task)) for task in group]
        for split, group in tasks.items()
    }
    summaries = [summary for group in parts.values() for _, summary in group]
    failures = [Failure(*f) for summary in summaries for f in summary["failures"]]
    listing = {
        "left_out": [failure._asdict() for failure in left_out],
        "failures": [failure._asdict() for failure in failures],
    }
    writing.write_json(work / "failures.json", listing)
    totals = Counter(failure.reason for failure in (*failures, *left_out))
    reasons = dict(totals.most_common())
    listed = f"{_words(reasons)}; listed in {work / 'failures.json'}"
    if strict and reasons:
        raise ValueError(f"strict: {listed}")
    if not any(summary["records"] for summary in summaries):
        raise ValueError(f"not one of the pictures can be used: {listed}")
    sources = next(t.sources for group in tasks.values() for t in group)
    counts = complete.count_sources(sources, parts)
    # From here on files move, and only the same plan may go on with them.
    writing.write_json(work / "plan.json", {"plan": plan})
    published = writing.publish(work, name, sources, parts)
    task_names = {
        split: [path.stem for path, summary in group if summary["records"]]
        for split, group in parts.items()
    }
    prepared = {
        "name": name,
        "version": records.VERSION,
        "plan": plan,
        "sources": sources,
        "splits": published,
        "files": complete.describe(work, name, published, task_names),
        "counts": counts,
        "items": sum(summary["items"] for summary in summaries),
        "failures": len(failures),
        "reasons": reasons,
        "remarks": _remarks(counts, sources),
    }
    writing.write_json(work / "prepared.json", prepared)


def _is_whole(folder, plan, progress):
    """Whether the data set of this plan is there, with all its files as made."""
    if not folder.exists():
        return False
    _check_plan(folder, plan)
    return not complete.damages(folder, progress=progress)


def _check_plan(folder, plan):
    """Refuse a folder in which another data set lies."""
    notes = folder / "prepared.json"
    if not notes.exists() or records.read_prepared(folder)["plan"] != plan:
        raise FileExistsError(
            f"{folder} holds other pictures, or the same with other settings: delete "
            "it, or choose another name"
        )


def _mend(folder, work, tasks, run):
    """Make again what is damaged in a data set, or clear it away to be made anew."""
    # `work` holds the shards that are made again, and keeps them if this is killed.
    _clear(work)
    if not complete.mend(folder, tasks, run):
        shutil.rmtree(folder)
    shutil.rmtree(work)


def _published(folder, work, plan):
    """Whether the data set is there; takes the last steps of an interrupted run."""
    if folder.exists():
        _check_plan(folder, plan)
        return True
    # A run that was killed while it published may have had other pictures in mind.
    for notes in (work / "prepared.json", work / "plan.json"):
        if notes.exists() and json.loads(notes.read_text())["plan"] != plan:
            shutil.rmtree(work)
    if not (work / "prepared.json").exists():
        return False
    # All is written: what is left to do is the same whenever it was interrupted.
    shutil.rmtree(work / "shards", ignore_errors=True)
    (work / "plan.json").unlink(missing_ok=True)
    os.replace(work, folder)
    return True


def _clear(work):
    """Room to work in, without what a killed run left half-done."""
    (work / "shards").mkdir(parents=True, exist_ok=True)
    for pattern in ("*.tmp", "shards/*.tmp", "shards/*.place"):
        for path in work.glob(pattern):
            path.unlink()


def _remarks(counts, sources):
    """Sentences about what a set lacks, which training would only show later."""
    remarks = [f"split {s} is empty" for s, n in counts.items() if not sum(n.values())]
    for split, count in counts.items():
        real = sum(n for source, n in count.items() if is_real_source(source))
        for label, number in (("real", real), ("fake", sum(count.values()) - real)):
            if sum(count.values()) and not number:
                remarks.append(f"split {split} has no {label} picture")
    for source in sources[1:]:
        if not any(count[source] for count in counts.values()):
            remarks.append(f"not one picture of {source} can be used")
    return remarks


def _report(folder):
    prepared = records.read_prepared(folder)
    return Report(
        root=str(folder),
        items=prepared["items"],
        records=sum(sum(count.values()) for count in prepared["counts"].values()),
        splits=prepared["counts"],
        failures=prepared["failures"],
        reasons=prepared["reasons"],
        sources=tuple(prepared["sources"]),
        remarks=tuple(prepared["remarks"]),
    )


def _words(reasons):
    return ", ".join(f"{number} {reason}" for reason, number in reasons.items())


def _is_full(error):
    if getattr(error, "errno", None) in FULL:
        return True
    # ArrayRecord's errors have no number, but the system's words.
    return any(os.strerror(code) in str(error) for code in FULL)


def _digest(value):
    return hashlib.blake2b(repr(value).encode(), digest_size=16).hexdigest()
