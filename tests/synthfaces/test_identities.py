"""What prepared sets and trained forgers are recognised by stays as it is.

Folders on users' disks carry these values.  A change here means that their pictures or
weights have changed, and that sets are made and nets are trained again: then, and only
then, new values belong here.
"""

import pytest

from jaxforensics.settings import digest
from jaxforensics.synthfaces import clips, sources, views
from jaxforensics.synthfaces.forgers import streams

WEIGHTS = {
    "deconv": "da2cf598dd5b",
    "nearest": "d0e7de4432e2",
    "bilinear": "de09da1537b4",
    "shuffle": "5da125d135d9",
    "deconv_r": "4bbe4d579c11",
    "deconv_a": "3679e9d38f02",
    "edit_deconv": "1ff972583294",
    "edit_skip": "8cf20e5556e5",
    "swap_neural": "f87a076005a8",
    "reenact_neural": "a9f4090dc495",
}
STREAMS = {
    "portraits": ("825b73ad289232ee", "6fd8dfc328448f6d"),
    "edits": ("a8ad049d388d9862", "7e7a34d5dde3e2d2"),
    "swaps": ("168a40b7d877433d", "2a09b9ee3a0c8039"),
    "reenactments": ("b2af75456173d56a", "e3a06c4987afb9a6"),
}
BLOCKS = {
    "pairs": "ba9c9935a2e1130f",
    "hybrid": "d1de1b7395fa1c08",
    "generators": "0cab8842e4ffd3b2",
    "edits": "8e1c3187b4b1de99",
}
WITHOUT_WEIGHTS = {  # the same blocks, whichever weights they are made with
    "pairs": "a8fd54c969e3f89f",
    "hybrid": "e55f7d50ede9eb56",
    "generators": "f687d69286c4ceab",
    "edits": "37ad34e826041087",
}
# Of sets that are as they were before there were pictures of 128 pixels of their own:
# sources beside them, and weights for that size, change nothing.
UNCHANGED = {
    ("pairs", "nearest bilinear swap_neural swap_graphic"): "18efc195b6b701be",
    ("hybrid", "nearest bilinear shuffle clip_reenact_graphic"): "38017a42df7efcba",
    ("generators", "deconv nearest bilinear shuffle"): "e0d5937acb48f2a9",
}


def test_revisions():
    assert views.REVISION == 3
    assert clips.revision() == "2508e1e"


def test_the_converter_has_its_name():
    """It is part of a prepared set's identity, and the code has stayed there, too."""
    name = f"{views.convert.__module__}.{views.convert.__qualname__}"
    assert views.convert.fixed_name == name == "jaxforensics.synthfaces.views.convert"


def test_digests_of_weights():
    digests = {
        (source, size): sources.digest(source, size=size)
        for source in sources.SOURCES
        for size in views.SIZES
    }
    by_property = {
        about: digests.pop(about)
        for about in [*digests]
        if about[0] in sources.EDITOR_OF
    }
    assert {about: made for about, made in digests.items() if made} == WEIGHTS
    assert by_property == {
        (source, size): WEIGHTS[editor, size]
        for source, editor in sources.EDITOR_OF.items()
        for size in views.SIZES
    }


@pytest.mark.parametrize("view", views.VIEWS)
def test_blocks_of_views(view):
    items = views.items(view, faces=120, seed=3)
    blocks = [
        [item.path, item.label, item.source, item.split, item.attributes]
        for item in items
    ]
    assert digest(blocks) == BLOCKS[view]
    for *_, recipe in blocks:
        del recipe["made"]
    assert digest(blocks) == WITHOUT_WEIGHTS[view]


@pytest.mark.parametrize("view, fakes", UNCHANGED)
def test_blocks_of_sets_that_have_not_changed(view, fakes):
    blocks = [tuple(x) for x in views.items(view, faces=120, fakes=fakes.split())]
    assert digest(blocks) == UNCHANGED[view, fakes]


@pytest.mark.parametrize("kind", streams.KINDS)
def test_streams_that_forgers_are_trained_on(kind):
    data = streams.open(batch_size=4, scenes=8, held_out=4, kind=kind)
    assert (data.train.digest, data.test.digest) == STREAMS[kind]
