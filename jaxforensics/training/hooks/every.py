"""When a hook acts: every so many steps, every so many seconds, and at the end."""

import time

import jax
import numpy as np

# Of several processes the first decides by its clock, and telling the others costs a
# round trip: it is asked only every so many steps.
STEPS_PER_LOOK = 16


class Every:
    """True at each multiple of `steps`, after each `seconds`, and at the last step.

    Zero means never, the last step apart.
    """

    def __init__(self, *, steps=0, seconds=0.0):
        self._steps = steps
        self._seconds = seconds
        self._last_time = time.monotonic()

    def __call__(self, moment):
        """Whether it is time at this moment."""
        if self.counted(moment):
            return True
        return self._seconds > 0 and self._waited(moment)

    def counted(self, moment):
        """Whether it is time by the count of steps, whatever the clock says.

        That is the same in every run; what the clock decides is not.
        """
        if moment.step == moment.total:
            return True
        return self._steps > 0 and moment.step % self._steps == 0

    def _waited(self, moment):
        """Whether `seconds` have passed since this was last true."""
        late = time.monotonic() - self._last_time >= self._seconds
        if jax.process_count() > 1:
            # Clocks differ, and all processes have to act at the same step.
            if moment.step % STEPS_PER_LOOK:
                return False
            from jax.experimental import multihost_utils

            late = bool(multihost_utils.broadcast_one_to_all(np.asarray(late)))
        if late:
            self._last_time = time.monotonic()
        return late
