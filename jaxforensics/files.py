"""Files that are whole or not there, and whose turn it is to write them."""

import errno
import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import Path

READ_ONLY = errno.EACCES, errno.EPERM, errno.EROFS


@contextmanager
def replacing(path):
    """A path to write to, which takes the place of `path` once its bytes are on disk.

    If the writing fails, what was there before stays; what a kill leaves is overwritten
    the next time.  Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def alone(path, *, waiting):
    """Meanwhile no other process of this machine holds the file at `path`.

    `waiting` is printed before waiting for one.  Where nothing may be written nobody is
    waited for: what is there already can still be used.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        yield
        return
    with file:
        if not locked(file):
            print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def locked(file):
    """Whether the lock of an open file is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sha256(path):
    """What identifies a file's content, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
