"""Checkpoints that survive a kill, and say so when one of them did not."""

import hashlib
import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from jax.experimental import multihost_utils

from jaxforensics.training.mesh import fetch, place


class Damaged(ValueError):
    """A checkpoint that cannot be read back as it was written."""


def no_best():
    """The note of a training in which no state has been chosen yet.

    'best' is {'stage', 'step', 'name', 'value'} of the state that would be returned or
    handed to the next stage, or None; 'bests' the same per label of `Checkpoints`.
    """
    return {"best": None, "bests": {}}


class Checkpoints:
    """The last `keep` states of a run, and the best ones, under one directory.

    Every checkpoint is written beside its final name and renamed, holds a digest of
    its arrays and a small JSON note, see `no_best`.  `labels` name the bests that are
    kept side by side: one per watched stage, or one of the whole run, ''.
    """

    def __init__(self, directory, *, keep=2, labels=("",)):
        if keep < 1:
            raise ValueError(f"keep={keep}: at least one checkpoint has to be kept")
        self.directory = Path(directory).resolve()
        # A manager each: Orbax's own best-or-last rule can drop the newest state.
        self._last = _manager(self.directory / "last", keep)
        self._bests = {
            label: _manager(self.directory / _best_folder(label), 1) for label in labels
        }

    def save(self, state, note):
        """Keep `state` as the newest; returns its step."""
        return self._write(self._last, state, note)

    def save_best(self, state, note, *, label=""):
        """Keep `state` as the best so far, instead of the former best."""
        return self._write(self._bests[label], state, note)

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
                return state, self._rewind_bests(step, note)
            except Damaged as error:
                logging.warning("%s; falling back to the one before", error)
                _set_aside(self.directory / "last" / str(step))
                self._last.reload()
        # Nothing to go on from: the run begins anew, and so do its bests.
        self._rewind_bests(-1, no_best())
        return None

    def restore_best(self, template, *, label=""):
        """(state, note) of the best checkpoint, or None if none was kept."""
        manager = self._bests[label]
        step = manager.latest_step()
        if step is None:
            return None
        try:
            return _read(manager, step, template)
        except Damaged as error:
            raise Damaged(f"{error}; delete {self.directory} to train again") from None

    def __enter__(self):
        """The managers are open already."""
        return self

    def __exit__(self, *_):
        """Close all managers."""
        self._last.close()
        for manager in self._bests.values():
            manager.close()

    def _rewind_bests(self, step, note):
        """Forget bests from after `step`: the run will meet them again.

        Returns the note without those that are no longer there.
        """
        for manager in self._bests.values():
            for best_step in manager.all_steps():
                if best_step > step:
                    manager.delete(best_step)
        # A best that a later one had replaced is gone.  That later one was better, and
        # will be met again.
        kept = {
            label: best
            for label, best in note["bests"].items()
            if label in self._bests and best["step"] in self._bests[label].all_steps()
        }
        best = note["best"]
        if best not in kept.values():
            best = None
        return note | {"best": best, "bests": kept}

    def _write(self, manager, state, note):
        step = int(state.step)
        if step in manager.all_steps():  # by a run that ended right after
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
            newest = self.newest()
            last_good = "none" if newest is None else f"step {newest}"
            raise SystemExit(
                f"disk full while saving step {step} under {self.directory}: the last "
                f"good checkpoint is {last_good}. "
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
        # As bytes and not copied: bfloat16 has no buffer that hashlib takes.
        total.update(leaf.view(np.uint8).data)
    return total.hexdigest()


def _best_folder(label):
    """best, or best-LABEL."""
    return "-".join(filter(None, ("best", label)))


def _manager(directory, keep):
    return ocp.CheckpointManager(
        directory,
        item_names=("state", "note"),
        options=ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=True,
            # A state is reused by the next step: it has to be on disk before that.
            enable_async_checkpointing=False,
        ),
    )


def _read(manager, step, template):
    """One checkpoint, checked against its digest, with the template's placement."""
    abstract = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
    try:
        restored = manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(abstract),
                note=ocp.args.JsonRestore(),
            ),
        )
        note = restored["note"]
        intact = note.pop("digest") == digest(restored["state"])
    except Exception as error:  # whatever a damaged file makes the readers raise
        where = Path(manager.directory) / str(step)
        raise Damaged(f"checkpoint {where} cannot be read ({error})") from error
    if not intact:
        raise Damaged(f"checkpoint {manager.directory}/{step} was altered on disk")
    return jax.tree.map(place, restored["state"], template), note


def _set_aside(folder):
    """Rename a damaged checkpoint: nobody restores it again, but one can look at it."""
    if jax.process_index() == 0 and folder.exists():
        target = folder.with_name(f"damaged-{folder.name}")
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    multihost_utils.sync_global_devices(f"set aside {folder}")


def _is_full(error):
    # No type tells: a full disk and a used-up quota come as text of other errors.
    text = f"{error} {error.__cause__}".lower()
    return "no space left" in text or "enospc" in text or "quota" in text
