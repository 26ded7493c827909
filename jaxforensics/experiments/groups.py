"""Groups of a paper's experiments: each names its own seeds, and what it is about."""


def of_group(bench, settings):
    """The bench with as many seeds as a group asks for, and its other settings."""
    settings = dict(settings)
    return bench.first(settings.pop("seeds")), settings
