"""Pairs of fakes and originals, and how they came about."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_arena
from tiny_set import opened, pictures, prepare_in

from jaxforensics.experiments.trnet import pairs
from jaxforensics.prepare.pairing import pair


class Page:
    """Remembers figures."""

    def figure(self, name, figure, *, caption):
        self.name = name
        self.labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
        self.caption = caption


def test_fakes_stand_above_what_they_were_made_from(tmp_path):
    test = tiny_arena.pairs(tmp_path).test
    (batch,) = test.labelled(1).batches()
    found = pairs.examples(test, shown=1)
    assert [*found] == ["began", "pggan"]
    for source, part in found.items():
        row = np.flatnonzero(batch["source"] == test.sources.index(source))[0]
        np.testing.assert_array_equal(part.fakes, batch["image"][row : row + 1])
        np.testing.assert_array_equal(part.originals, batch["real"][row : row + 1])
    assert [(part.count, part.found) for part in found.values()] == [(2, 0), (1, 0)]


def test_reals_that_pairing_found_are_called_so(tmp_path):
    root = prepare_in(tmp_path, pictures(tmp_path, side=16))
    pair(root, progress=False)
    found = pairs.examples(opened(root, size=16).test)
    assert [(part.count, part.found) for part in found.values()] == [(2, 2), (1, 1)]
    page = Page()
    pairs.report(found, page)
    assert page.name == "pairs"
    assert page.labels == ["began", "nearest real", "pggan", "nearest real"]
    assert "pggan: the real picture of the split that pairing found" in page.caption


@pytest.mark.parametrize(
    ("found", "way", "words"),
    [
        (0, "original", "began: the picture that it was made from"),
        (
            1,
            "original",
            "most alike for 1 of 4, else the picture that it was made from",
        ),
        (4, "nearest real", "began: the real picture of the split"),
    ],
)
def test_captions_say_how_pairs_came_about(found, way, words):
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    page = Page()
    part = pairs.Pairs(picture, picture, count=4, found=found)
    pairs.report({"began": part}, page)
    assert part.way == way and words in page.caption


def test_a_real_of_the_same_person_is_no_finding():
    """The picture that an edit began with may be in the set too."""
    portrait, edited, stranger = np.arange(3 * 8 * 8 * 3).reshape(3, 8, 8, 3)
    reals = {"image": [portrait, stranger], "real": [portrait, stranger]}
    fakes = {"image": [edited, edited], "real": [portrait, stranger]}
    sides = []
    for part, groups in ((reals, ["a", "b"]), (fakes, ["a", "a"])):
        sides.append({"source": [1, 1], "group": groups, "valid": [1, 1]} | part)
    columns = [
        {name: np.array(values) for name, values in side.items()} for side in sides
    ]
    test = SimpleNamespace(
        sources=("real", "edit"),
        labelled=lambda label: SimpleNamespace(batches=lambda: [columns[label]]),
    )
    (part,) = pairs.examples(test).values()
    assert (part.count, part.found) == (2, 1)
