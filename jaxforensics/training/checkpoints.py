"""Checkpoints that survive a kill, and say so when one of them did not."""

import hashlib
import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from jax.experimental import multihost_utils

from jaxforensics.training.mesh import fetch


class Damaged(ValueError):
    """A checkpoint that cannot be read back as it was written."""


class Checkpoints:
    """The last `keep` states of a run, and the best one, under one directory.

    Every checkpoint is written beside its final name and renamed, holds a digest of
    its arrays and a small JSON note (the best value so far).
    Orbax's own best-or-last rule can drop the newest state, so two managers are kept.
    """

    def __init__(self, directory, *, keep=2):
        if keep < 1:
            raise ValueError(f"keep={keep}: at least one checkpoint has to be kept")
        self.directory = Path(directory).resolve()
        self._last = _manager(self.directory / "last", keep)
        self._best = _manager(self.directory / "best", 1)

    def save(self, state, note):
        """Keep `state` as the newest; returns its step."""
        return self._write(self._last, state, note)

    def save_best(self, state, note):
        """Keep `state` as the best so far, instead of the former best."""
        return self._write(self._best, state, note)

    def newest(self):
        """The step of the newest checkpoint, or None."""
        return self._last.latest_step()

    def restore(self, template):
        """(state, note) of the newest sound checkpoint, or None if there is none.

        A damaged checkpoint is named, set aside and passed over.
        """
        for step in sorted(self._last.all_steps(), reverse=True):
            try:
                state, note = _read(self._last, step, template)
                return state, self._rewind_best(step, note)
            except Damaged as error:
                logging.warning("%s; falling back to the one before", error)
                _set_aside(self.directory / "last" / str(step))
                self._last.reload()
        self._rewind_best(-1, {})
        return None

    def restore_best(self, template):
        """(state, note) of the best checkpoint, or None if none was kept."""
        step = self._best.latest_step()
        try:
            return None if step is None else _read(self._best, step, template)
        except Damaged as error:
            raise Damaged(f"{error}; delete {self.directory} to train again") from None

    def __enter__(self):
        """The managers are open already."""
        return self

    def __exit__(self, *_):
        """Close both managers."""
        self._last.close()
        self._best.close()

    def _rewind_best(self, step, note):
        """Forget bests from after `step`: the run will meet them again."""
        for later in [s for s in self._best.all_steps() if s > step]:
            self._best.delete(later)
        best = note.get("best")
        gone = best is not None and best["step"] not in self._best.all_steps()
        return note | {"best": None} if gone else note

    def _write(self, manager, state, note):
        step = int(state.step)
        if step in manager.all_steps():
            return step
        arrays = host_copy(state)
        try:
            manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(arrays),
                    note=ocp.args.JsonSave(note | {"digest": digest(arrays)}),
                ),
            )
            manager.wait_until_finished()
        except Exception as error:  # tensorstore wraps OSError in its own types
            if not _is_full(error):
                raise
            kept = self.newest()
            raise SystemExit(
                f"disk full while saving step {step} under {self.directory}: the last "
                f"good checkpoint is {'none' if kept is None else f'step {kept}'}. "
                "Free some space and run the same command again."
            ) from error
        return step


def host_copy(state):
    """The state as numpy arrays that do not share the devices' memory."""
    return jax.tree.map(lambda x: np.array(fetch(x)), state)


def digest(tree):
    """A hash of every array of a tree: names, types, shapes and bytes."""
    total = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        leaf = np.ascontiguousarray(leaf)
        total.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape}".encode())
        total.update(leaf.view(np.uint8).data if leaf.ndim else leaf.tobytes())
    return total.hexdigest()


def _manager(directory, keep):
    return ocp.CheckpointManager(
        directory,
        item_names=("state", "note"),
        options=ocp.CheckpointManagerOptions(
            max_to_keep=keep, create=True, enable_async_checkpointing=False
        ),
    )


def _read(manager, step, template):
    """One checkpoint, checked against its digest, with the template's placement."""
    abstract = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
    try:
        found = manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract),
                note=ocp.args.JsonRestore(),
            ),
        )
        note = found["note"]
        intact = note.pop("digest") == digest(found["state"])
    except Exception as error:  # whatever a damaged file makes the readers raise
        where = Path(manager.directory) / str(step)
        raise Damaged(f"checkpoint {where} cannot be read ({error})") from error
    if not intact:
        raise Damaged(f"checkpoint {manager.directory}/{step} was altered on disk")
    return jax.tree.map(_place, found["state"], template), note


def _place(array, like):
    """A host array where and as the template's array is."""
    sharding = getattr(like, "sharding", None)
    if sharding is None:
        return array
    return jax.make_array_from_callback(array.shape, sharding, lambda i: array[i])


def _set_aside(folder):
    if jax.process_index() == 0 and folder.exists():
        target = folder.with_name(f"damaged-{folder.name}")
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    multihost_utils.sync_global_devices(f"set aside {folder}")


def _is_full(error):
    text = f"{error} {error.__cause__}".lower()
    return "no space left" in text or "enospc" in text or "quota" in text
