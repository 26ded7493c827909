"""The files of a run: written whole or not at all, by one process at a time."""

import fcntl
import json
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from absl import logging

from jaxforensics.files import locked, replacing

DAMAGED = "%s is damaged and will be made again"


class Store:
    """Files below one directory, named by their relative path.

    A name can be claimed: only one process of the machine holds a claim, and the system
    gives it back when that process ends, however it ends.  Of several hosts that work
    as one, the first alone claims and writes (`writes`).
    """

    def __init__(self, directory, *, writes=True):
        self.directory = Path(directory)
        self.writes = writes
        self.directory.mkdir(parents=True, exist_ok=True)

    def folder(self, name):
        """The path of a folder, which exists afterwards."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def read(self, name):
        """The JSON value of a file; None if there is none or it is damaged."""
        path = self.directory / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError:
            logging.warning(DAMAGED, path)
            return None

    def write(self, name, value):
        """Store a JSON value."""
        if self.writes:
            with replacing(self.directory / name) as partial:
                partial.write_text(json.dumps(value, indent=1) + "\n")

    def read_arrays(self, name, digest):
        """{name: array} stored under this digest; None if there is nothing of it."""
        path = self.directory / name
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = dict(stored)
            arrays.pop("notice", None)
            stored_digest = str(arrays.pop("digest"))
        except (EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile):
            logging.warning(DAMAGED, path)
            return None
        return arrays if stored_digest == digest else None

    def write_arrays(self, name, arrays, digest, *, notice=""):
        """Store {name: array} with the digest of what they were made from.

        `notice` is a text for whoever opens the file: the mark of attacked pictures.
        """
        if not self.writes:
            return
        fields = {"digest": digest} | ({"notice": notice} if notice else {})
        with replacing(self.directory / name) as partial, partial.open("wb") as file:
            np.savez(file, **fields, **arrays)

    @contextmanager
    def claimed(self, name):
        """Hold the claim on a name; wait for the process that has it."""
        if not self.writes:
            yield
            return
        with self._claim_file(name).open("w") as file:
            if not locked(file):
                print(f"waiting for {name}, which another process is at", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def claim(self, name):
        """Try to hold the claim on a name: whether it is held."""
        with self._claim_file(name).open("w") as file:
            yield locked(file)

    def wait(self, name):
        """Return once no process holds the claim on a name."""
        with self._claim_file(name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    def lock(self):
        """Reserve the directory for one run: an open file, to be closed at its end."""
        file = (self.directory / ".lock").open("w")
        if not locked(file):
            file.close()
            raise SystemExit(
                f"another run is using {self.directory}: wait for it, or set another "
                "--workdir"
            )
        return file

    def _claim_file(self, name):
        return self.folder(".claims") / name.replace("/", "~")
