"""Processes that share out tasks, and end with the one that started them."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool


def each(function, tasks, *, workers, begin):
    """Yield `function(task)` of every task as it is done, by so many processes.

    One worker is this process.  Others are spawned, import both functions by their
    names, and call `begin()` first.  The first error is raised once what the others are
    at is done.
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        yield from map(function, tasks)
        return
    # Spawned, not forked: the caller may have threads (JAX's among them).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (begin,)) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker's process has ended: there may be too little memory; a "
                "script has to start its work under `if __name__ == '__main__':`; or "
                "set workers=1"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def follow_parent():
    """In a worker: end with the parent, whatever ends it; leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)  # without a farewell to a parent that is gone

    threading.Thread(target=follow, daemon=True).start()


def _begin(begin):
    follow_parent()
    begin()
