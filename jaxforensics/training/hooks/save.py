"""The hook that writes checkpoints, and ends a training well when it is told to stop.

Whoever wants a process to end sends SIGTERM: `kill`, a batch system whose time is up, a
cloud that takes a machine back.  Python would die at once and lose what was trained
since the last checkpoint.  Here the signal is only remembered while a training runs;
after the step that is under way its state is saved, and the process ends with status 0.
"""

import signal
import sys
import threading

import jax


class Save:
    """Writes checkpoints when due; after SIGTERM writes one more and ends the process.

    While it is open (`with`), SIGTERM is remembered; when it closes, whoever listened
    before listens again, and hears a signal that came too late to be acted upon here.
    """

    def __init__(self, checkpoints, *, every, guard, note, name=""):
        self._checkpoints = checkpoints
        self._every = every
        self._guard = guard
        self._note = note
        self._name = name
        self._terminated = threading.Event()
        self._previous_handler = None

    def __enter__(self):
        """Start to listen for SIGTERM.

        Python allows that in the main thread only.  Among several processes JAX
        itself listens, and lets all of them stop at the same step.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and jax.process_count() == 1:
            self._previous_handler = signal.signal(
                signal.SIGTERM, lambda *_: self._terminated.set()
            )
        return self

    def __exit__(self, error_type, *_):
        """Give SIGTERM back to whoever listened before.

        If it came but no step followed in which to act on it, as when the training
        diverged meanwhile, it is sent again: the process has still been told to end.
        """
        if self._previous_handler is None:
            return
        signal.signal(signal.SIGTERM, self._previous_handler)
        if self._terminated.is_set() and error_type is not SystemExit:
            signal.raise_signal(signal.SIGTERM)

    def __call__(self, moment):
        """Save if it is time or the process has to end; then end it."""
        # Asked at every step, as all processes have to ask together.
        stopping = self._is_stopping(moment.step)
        if not (self._every(moment) or stopping):
            return
        saved = self._save(moment)
        if stopping:
            self._stop(moment.step, saved)

    def _save(self, moment):
        """Save a finite state; returns whether it was.

        A state that is not finite ends the training where steps are counted, so that
        every run ends there; when the clock or SIGTERM decides, it is left out.
        """
        if self._every.counted(moment):
            self._guard.settle(moment)
        elif not self._guard.sound(moment):
            return False
        self._checkpoints.save(moment.state, dict(self._note))
        return True

    def _is_stopping(self, step):
        """Whether this is the step after which the process ends."""
        if jax.process_count() == 1:
            return self._terminated.is_set()
        from jax.experimental import multihost_utils

        return multihost_utils.reached_preemption_sync_point(step)

    def _stop(self, step, saved):
        if jax.process_index() == 0:
            state = "saved" if saved else "not saved, as it is not finite"
            print(
                f"{self._name} stopped at step {step}, {state}: "
                "resume with the same command",
                flush=True,
            )
        sys.exit(0)


def leave(*_):
    """End the process on SIGTERM outside of training, where nothing is unsaved."""
    print("stopped: resume with the same command", flush=True)
    sys.exit(0)
