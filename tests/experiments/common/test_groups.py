"""How many seeds groups of experiments take."""

from types import SimpleNamespace

from jaxforensics.experiments.common.groups import seeds_of


def test_the_least_of_all_that_names_ask_for_counts():
    settings = SimpleNamespace(
        seeds=(7, 3, 5, 1),
        design={"seeds": 3, "fewer": {"slow": 2, "LQ": 1, "many": 9}},
    )
    assert seeds_of(settings, "design") == (7, 3, 5)
    assert seeds_of(settings, "design", "quick", "Raw") == (7, 3, 5)
    assert seeds_of(settings, "design", "slow", "Raw") == (7, 3)
    assert seeds_of(settings, "design", "slow", "LQ") == (7,)
    assert seeds_of(settings, "design", "many", "Raw") == (7, 3, 5)
