"""Rows of an arena: victims, attacks, the networks that attacks use, and cells."""

from collections.abc import Callable
from typing import Any, NamedTuple

UNDEFENDED = "none"  # the defence of victims that are trained on pictures as they are
HARDENED = "strong"  # of victims that learn from fakes which the attack has changed

# What an attack follows: the very victim that it attacks, undefended or defended.
ITSELF = "itself"

# How a victim decides that a picture is fake.
LIKELIEST = "likeliest class"
THRESHOLD = "equal-error threshold of validation"


class Victim(NamedTuple):
    """A detector to be attacked: how it is trained and how it decides."""

    # (operations) -> Method: trained on pictures after these operations of `degrade`.
    method: Callable
    # Which of its states is chosen, by what is measured on validation; None: the last.
    watch: Any = None
    # LIKELIEST or THRESHOLD.
    decides: str = LIKELIEST
    # All by which it could decide.
    rules: tuple = (LIKELIEST, THRESHOLD)
    # Whether it is trained on every picture once, neither mirrored nor balanced.
    plain: bool = False


class Network(NamedTuple):
    """A network that redraws pictures, for attacks that use one."""

    # (share) -> Method, whose predictions have an 'image'.  `share`, in (0, 1], is how
    # many of all examples it learns from: for a part it may train a part of the steps.
    method: Callable
    label: int  # it learns from reals (0) or from fakes with their originals (1)
    # {role: file of weights} that its nets begin with; None: all start at random.
    start: dict | None = None


class Attack(NamedTuple):
    """What changes fakes before victims see them.

    `build(predict, **settings)` returns attack(key, image, label) -> image.  `predict`
    is the logit of P(fake) of the victim that it follows, (b, h, w, 3) -> (b, 1), None
    if it follows none.  One with a network gets it as the setting `network`,
    (b, h, w, 3) -> (b, h, w, 3), and one that equals another gets the PSNR of that
    one's pictures as the setting `psnr`, (b,).
    """

    name: str  # of `build` among all attacks: attacked sets are stored under it
    build: Callable
    settings: dict
    # The victim whose gradients it follows, undefended; or ITSELF.
    follows: str = ""
    network: str = ""  # the network that it redraws pictures with
    equals: str = ""  # the attack whose PSNR it takes over, picture by picture


class Cell(NamedTuple):
    """One number of a table: a victim's accuracy, after an attack, under a defence."""

    victim: str
    attack: str
    seed: int
    defence: str = UNDEFENDED
    knowledge: str = ""  # what the attack's network has learnt from; '': all of it

    @property
    def hardened_against(self):
        """The attack that the victim has been trained on, or ''."""
        if self.defence == HARDENED:
            return self.attack
        return ""
