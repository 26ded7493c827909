"""Degradations of FakeLocator's Fig. 15, by the names of its axes."""

from jaxforensics.experiments.fakelocator.views import UNDEGRADED
from jaxforensics.ops import degrade

OPERATIONS = {
    "JPEG quality": lambda quality: degrade.jpeg(values=(quality,)),
    "blur size": lambda size: degrade.blur(sizes=(size,)),
    # The paper's variance is of pictures in [0, 1].
    "noise variance": lambda variance: degrade.noise(
        variance=(variance * 255**2, variance * 255**2)
    ),
    "reduction": lambda factor: degrade.scale(
        low=1 / factor, high=1 / factor, method="bilinear"
    ),
}


def operation(name, severity):
    """An operation of `degrade` by what Fig. 15 calls it."""
    return OPERATIONS[name](severity)


def of(settings):
    """{name: (operation's name, severity)} of the curves of Fig. 15."""
    return {
        f"{name} {severity:g}": (name, severity)
        for name, severities in settings.looks["degradations"].items()
        for severity in severities
    }


def view_name(name, *, own_target):
    """The name of a view of fakes after a degradation."""
    if own_target:
        return f"{name}, {UNDEGRADED}"
    return name
