"""Shards: the unit of work, of resuming and of atomicity in `prepare`."""

import functools
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from jaxforensics.data import records
from jaxforensics.data.items import Failure
from jaxforensics.prepare import writing
from jaxforensics.workers import follow_parent

# In a worker, what it shares with the others: items converted, whether to give up.
_count = None
_stop = None


class Task(NamedTuple):
    """A shard to make: `path` lacks the suffix; the summary's presence means done."""

    path: str
    items: tuple
    convert: Callable
    size: int | None
    sources: tuple
    fatal: frozenset = frozenset()  # names of items that ended a worker's process

    @property
    def file(self):
        """Where the records go."""
        return Path(f"{self.path}.array_record")

    @property
    def summary(self):
        """Where the summary goes, after the records."""
        return Path(f"{self.path}.json")

    @property
    def place(self):
        """Where a worker notes which item it is at; gone when the shard is done."""
        return Path(f"{self.path}.place")


def task(folder, items, convert, size, sources):
    """The task of these items, named by all its bytes depend on, files' dates too."""
    stats = []
    for item in items:
        paths = (item.path, item.pair, item.mask, item.parsing)
        stats += [_stat(path) for path in paths]
    # Sets that exist are known by this text: it must not change with the code.
    identity = repr((records.VERSION, items, stats, _words(convert), size, sources))
    digest = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    return Task(f"{folder}/{digest}", items, convert, size, sources)


def read(task):
    """The summary of a finished shard."""
    return json.loads(task.summary.read_text())


def make(task, *, tick=lambda: None):
    """Convert the items, write the shard and, last, its summary."""
    shard = writing.Shard(task.file)
    failures = []
    place = os.open(task.place, os.O_CREAT | os.O_WRONLY)
    try:
        for number, item in enumerate(task.items):
            # Not fsynced: a process that dies leaves it, and no other death matters.
            os.pwrite(place, b"%9d" % number, 0)
            item_records, item_failures = _convert(task, item)
            source = task.sources.index(item.source)
            for record in item_records:
                shard.write(record._replace(source=source))
            failures += item_failures
            tick()
        summary = shard.close() | {"items": len(task.items), "failures": failures}
    except BaseException:
        shard.discard()
        raise
    finally:
        os.close(place)
    writing.write_json(task.summary, summary)
    task.place.unlink()


def run(tasks, *, workers, advance):
    """Make the shards that are not there yet; `advance(n)` hears of n items done.

    An item that kills its worker (a decoder's fault, not an exception) is found out by
    making the shards it may be in alone, and becomes a failure like any other.
    """
    if workers <= 1:
        for task in _missing(tasks):
            make(task, tick=lambda: advance(1))
        return
    while tasks := _missing(tasks):
        try:
            _in_pool(tasks, workers, advance)
        except BrokenProcessPool:
            # Whoever was at work when one died: the pool ends all workers then.
            suspects = [task for task in _missing(tasks) if task.place.exists()]
            if not suspects:
                raise RuntimeError(
                    "workers die as they start: call prepare from a script under "
                    "`if __name__ == '__main__':`, or with workers=1"
                ) from None
            for task in suspects:
                _alone(task, advance)


def _missing(tasks):
    return [task for task in tasks if not task.summary.exists()]


def _convert(task, item):
    """([Record], [Failure]) of an item: one of the two has an entry at least."""
    if item.name in task.fatal:
        return [], [Failure(item.name, "crash", "its decoder ended the process")]
    try:
        item_records, item_failures = task.convert(item, size=task.size)
    except Exception as error:
        error.add_note(f"while converting {item.path}")
        raise
    if not item_records and not item_failures:
        raise ValueError(f"{task.convert} gave neither record nor failure: {item.path}")
    return item_records, item_failures


def _alone(task, advance):
    """Make a shard in a process of its own, without the items that end it."""
    while not task.summary.exists():
        try:
            _in_pool([task], 1, advance)
        except BrokenProcessPool:
            name = task.items[int(task.place.read_text())].name
            if name in task.fatal:  # it was left out, and the process died all the same
                raise
            task = task._replace(fatal=task.fatal | {name})


def _in_pool(tasks, workers, advance):
    """Make shards in `workers` processes; the first error stops all of them."""
    # Progress is counted in shared memory, a wait of 0.2 s shows it.
    # Spawned, not forked: the caller may have threads (JAX's among them).
    context = multiprocessing.get_context("spawn")
    count = context.Value("Q", 0)
    stop = context.Event()
    workers = min(workers, len(tasks))
    reported = 0
    with ProcessPoolExecutor(workers, context, _begin, (count, stop)) as pool:
        waiting = {pool.submit(_work, task) for task in tasks}
        try:
            while waiting:
                finished, waiting = wait(waiting, 0.2, return_when=FIRST_COMPLETED)
                converted = count.value
                advance(converted - reported)
                reported = converted
                for future in finished:
                    future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(count, stop):
    """In a worker: what it shares with the others."""
    global _count, _stop
    _count = count
    _stop = stop
    follow_parent()


def _work(task):
    def tick():
        if _stop.is_set():
            raise InterruptedError("the other workers stopped")
        with _count.get_lock():
            _count.value += 1

    make(task, tick=tick)


def _words(convert):
    """A function, or one with settings bound, in words that stay the same.

    A function that has a `fixed_name` keeps it wherever its code moves to, so that
    what was prepared with it before stays valid.
    """
    if isinstance(convert, functools.partial):
        bound = {name: _words(value) for name, value in convert.keywords.items()}
        return _words(convert.func), [_words(value) for value in convert.args], bound
    if callable(convert):
        here = f"{convert.__module__}.{convert.__qualname__}"
        return getattr(convert, "fixed_name", here)
    return repr(convert)


def _stat(path):
    """Size and date of a file; None where there is none, or no path."""
    try:
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    except (OSError, ValueError):
        return None
