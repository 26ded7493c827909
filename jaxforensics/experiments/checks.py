"""What experiments look for in their data before they train."""

from jaxforensics.data.items import is_real_source


def fakes(counts):
    """Names of the kinds of fakes that {source: number of pictures} has."""
    return tuple(k for k, n in counts.items() if n and not is_real_source(k))


def have_both_labels(splits, *, of=""):
    """Refuse {split: {source: number of pictures}} without reals, or without fakes."""
    for split, counts in splits.items():
        reals = sum(n for source, n in counts.items() if is_real_source(source))
        if not 0 < reals < sum(counts.values()):
            where = f"split {split} of {of}" if of else f"split {split}"
            raise ValueError(
                f"{where} needs reals and fakes: it has {counts}; prepare.py shares "
                "pictures out with --fractions, and names splits with --rename"
            )
