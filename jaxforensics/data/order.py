"""Which records a batch holds: a function of (seed, position), for any position."""

import functools

import numpy as np

from jaxforensics.data.items import is_real_source

BALANCES = (None, "label", "source")


class Order:
    """An endless shuffled order of records, epoch after epoch, in equal shares.

    `sources` holds the id of every record, `names` {id: name} of those to balance.

    Positions go round the classes in turn (all records are one class without `balance`,
    real and fake with 'label', every source with 'source'); within a class, every
    record comes once before any comes again.  So each batch holds equal shares, up to
    one record where the batch size does not divide.
    """

    def __init__(self, sources, names, *, seed, balance=None):
        if balance not in BALANCES:
            raise ValueError(f"balance is one of {BALANCES}, not {balance!r}")
        fakes = [number for number, name in names.items() if not is_real_source(name)]
        fake = np.isin(sources, fakes)
        classes = {
            None: {"picture": np.ones(len(sources), bool)},
            "label": {"real picture": ~fake, "fake picture": fake},
            "source": {name: sources == i for i, name in names.items()},
        }[balance]
        self._members = [np.flatnonzero(chosen) for chosen in classes.values()]
        for name, members in zip(classes, self._members, strict=True):
            if not len(members):
                raise ValueError(f"balance={balance!r}: split train has no {name}")
        # A batch touches at most two epochs of a class, unless it is larger than one.
        self._epoch = functools.lru_cache(4 * len(classes))(self._shuffle)
        self._seed = seed

    def __call__(self, positions):
        """Record numbers at these positions (int array)."""
        turns, columns = np.divmod(positions, len(self._members))
        numbers = np.empty(len(positions), np.int64)
        for column, members in enumerate(self._members):
            epochs, places = np.divmod(turns, len(members))
            mine = columns == column
            for epoch in np.unique(epochs[mine]):
                here = mine & (epochs == epoch)
                numbers[here] = self._epoch(column, int(epoch))[places[here]]
        return numbers

    def _shuffle(self, column, epoch):
        rng = np.random.default_rng([self._seed, 0, column, epoch])
        return rng.permutation(self._members[column])
