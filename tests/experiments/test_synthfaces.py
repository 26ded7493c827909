"""Room to measure: which areas count as seen, unseen, and of another set."""

import numpy as np

from configs import synthfaces as config
from jaxforensics.experiments import synthfaces
from jaxforensics.settings import call


def settings_of(**changed):
    settings = config.get_config("quick").experiment.to_dict() | changed
    del settings["name"]
    return call(synthfaces.Settings, settings, where="experiment")


def test_parts_of_the_areas_are_those_picked_by_hand():
    settings = settings_of(
        generators={"a": ("a",), "b": ("b",)},
        unseen={"edits": ("c",)},
        together={"whole": ("generators", "street")},
    )
    #           a     b     c     street: d, e
    areas = np.array([[[0.99, 0.90, 0.60, 0.70, 0.50], [0.80, 0.95, 0.50, 0.60, 0.40]]])
    nothing = np.zeros((1, 2))
    room = synthfaces._room(settings, areas, nothing, nothing, {"street": 2})
    expected = {
        "generators": [0.90, 0.80],
        "edits": [0.60, 0.50],
        "street": [0.70, 0.50, 0.60, 0.40],
        "whole": [0.90, 0.80, 0.70, 0.50, 0.60, 0.40],
    }
    assert room.by_kind.keys() == expected.keys()
    for kind, values in expected.items():
        np.testing.assert_array_equal(room.by_kind[kind], [values])
    np.testing.assert_array_equal(room.seen, [[0.99, 0.95]])
    np.testing.assert_array_equal(room.unseen, [[0.90, 0.60, 0.80, 0.50]])
    lost = synthfaces._lost(room, room.by_kind["whole"])
    np.testing.assert_allclose(lost, [100 * (0.97 - 3.9 / 6)])


def test_an_area_is_that_of_all_pairs_of_reals_and_chosen_fakes():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 4, 61)
    test = {"label": np.int32(source > 0), "source": source}
    test["score"] = rng.integers(0, 9, 61).astype(float)  # ties, too
    for chosen in ([1], [3, 1]):
        real = test["score"][source == 0][:, None]
        fake = test["score"][np.isin(source, chosen)][None]
        expected = np.mean((fake > real) + 0.5 * (fake == real))
        np.testing.assert_allclose(synthfaces._auc(test, chosen), expected)
    names = ("real", "x", "y", "z")
    assert synthfaces._fakes(test, names) == {"x": 1, "y": 2, "z": 3}


def test_larger_pictures_are_seen_in_parts_and_not_reduced():
    large = config.get_config("large")
    for section in (large.data, *large.others.values()):
        assert (section.view["size"], section.crop, section.size) == (128, 128, 64)
    clips = config.get_config("compression")
    assert clips.data.view["compression"] == "c23"
    assert clips.others.c40.view["compression"] == "c40"
