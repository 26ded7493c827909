"""Victims × attacks × defences: what is trained, attacked and asked, and what it shows.

`rows` says what a victim, an attack and a network are, `graph` which jobs a cell of
the table needs, `results` what the finished jobs say.  No paper is named here: a study
adds rows.
"""

from jaxforensics.experiments.common.arena.graph import Arena
from jaxforensics.experiments.common.arena.results import Accuracy, Results, likeness
from jaxforensics.experiments.common.arena.rows import (
    HARDENED,
    ITSELF,
    LIKELIEST,
    THRESHOLD,
    UNDEFENDED,
    Attack,
    Cell,
    Network,
    Victim,
)

__all__ = [
    "HARDENED",
    "ITSELF",
    "LIKELIEST",
    "THRESHOLD",
    "UNDEFENDED",
    "Accuracy",
    "Arena",
    "Attack",
    "Cell",
    "Network",
    "Results",
    "Victim",
    "likeness",
]
