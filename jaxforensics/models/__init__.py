"""Architectures by the names of their papers."""

from jaxforensics.models import by_name, front_ends, tsn

NAMES = by_name.PICTURES | {"tsn": tsn.TSN}

# params -> params, after every update, of whichever model: the identity for most.
project = front_ends.project


def build(name, **settings):
    """The linen module called `name`: module(image, train=False) -> logits, or more."""
    return by_name.build(NAMES, name, settings)
