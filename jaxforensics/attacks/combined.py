"""Blur and then noise, each to the detector's harm: the game's Combined adversary."""

from functools import partial

from jaxforensics.attacks.blur import blur
from jaxforensics.attacks.gradient import fgsm
from jaxforensics.attacks.redraw import redraw_by_class
from jaxforensics.ops.color import widened
from jaxforensics.settings import call


def combined(predict, *, network=None, blurring=(), epsilon=0.5 / 255):
    """A blur, and one step of FGSM up the detector's loss on what comes out (Fig. 3).

    The blur is that of `network`, see `redraw_by_class`, or without one that of the
    attack `blur`, whose settings are `blurring`.
    """
    if network is None:
        first = call(blur, dict(blurring), predict, where="blurring of combined")
    elif blurring:
        raise ValueError(
            f"blurring {dict(blurring)} is of combined without a network: the network "
            "blurs by itself"
        )
    else:
        first = redraw_by_class(predict, network=network)
    second = fgsm(predict, epsilon=epsilon)
    return partial(_one_after_the_other, first, second)


def _one_after_the_other(first, second, key, image, label):
    blurred = first(key, widened(image), label)
    return second(key, blurred, label).astype(image.dtype)
