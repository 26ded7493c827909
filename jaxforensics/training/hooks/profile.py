"""The hook that records a profile of a few steps."""

import jax


class Profile:
    """Records a profiler trace of `steps` steps after step `first`."""

    def __init__(self, directory, first, steps):
        self._directory = directory
        self._first = first
        self._last = first + steps
        self._is_open = False

    def __call__(self, moment):
        """Open or close the window."""
        if moment.step == self._first:
            jax.profiler.start_trace(str(self._directory))
            self._is_open = True
        if moment.step == min(self._last, moment.total) and self._is_open:
            # Steps run behind the host: without waiting the trace would end early.
            jax.block_until_ready(moment.state)
            self._stop()
            print(f"profile of steps up to {moment.step}: {self._directory}")

    def __enter__(self):
        """Nothing is open before the first step."""
        return self

    def __exit__(self, *_):
        """Close the window that a training which ended early leaves open."""
        if self._is_open:
            self._stop()

    def _stop(self):
        jax.profiler.stop_trace()
        self._is_open = False
