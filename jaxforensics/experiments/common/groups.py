"""Groups of experiments: each names what it combines, and how many seeds that takes."""


def seeds_of(settings, group, *names):
    """The seeds that a group takes of what some names stand for: the first of all.

    `settings.GROUP` has its 'seeds' and, in 'fewer' {name: seeds}, what takes fewer.
    """
    chosen = getattr(settings, group)
    fewer = dict(chosen["fewer"])
    limits = [fewer[name] for name in names if name in fewer]
    most = min([chosen["seeds"], *limits])
    return tuple(settings.seeds)[:most]
