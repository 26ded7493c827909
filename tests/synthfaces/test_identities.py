"""What prepared sets and trained forgers are recognised by stays as it is.

Folders on users' disks carry these values.  A change here means that their pictures or
weights have changed, and that sets are made and nets are trained again: then, and only
then, new values belong here.
"""

import pytest

from jaxforensics.settings import digest
from jaxforensics.synthfaces import clips, sources, views
from jaxforensics.synthfaces.forgers import streams

WEIGHTS = {  # by source and size
    ("deconv", 64): "da2cf598dd5b",
    ("deconv", 128): "b30d2d657036",
    ("nearest", 64): "d0e7de4432e2",
    ("nearest", 128): "75650411b42f",
    ("bilinear", 64): "de09da1537b4",
    ("bilinear", 128): "68314c7cd717",
    ("shuffle", 64): "5da125d135d9",
    ("shuffle", 128): "f61012985dad",
    ("deconv_r", 64): "5b046c78f3d5",
    ("deconv_r", 128): "2e5be9e851ef",
    ("deconv_a", 64): "78bff7ecea66",
    ("deconv_a", 128): "ccac2eee8077",
    ("nearest_r", 64): "9ac089e80529",
    ("nearest_r", 128): "98e8dc84fa30",
    ("nearest_a", 64): "aa722b04a087",
    ("nearest_a", 128): "7964fca8cf16",
    ("bilinear_r", 64): "df350080397a",
    ("bilinear_r", 128): "3be05138d18f",
    ("bilinear_a", 64): "81ac27436fb2",
    ("bilinear_a", 128): "92c4c27fe75c",
    ("street_nearest", 64): "ea04f84738ae",
    ("street_nearest", 128): "38d747117bcf",
    ("street_bilinear", 64): "cfd3cbccac67",
    ("street_bilinear", 128): "7e5113cc19da",
    ("scenes_nearest", 64): "89bd46619d76",
    ("scenes_nearest", 128): "aa9e967cfd29",
    ("scenes_bilinear", 64): "c04a48b69d9c",
    ("scenes_bilinear", 128): "b4f6599d7d30",
    ("street_bilinear_truncated", 64): "cfd3cbccac67",
    ("street_bilinear_truncated", 128): "7e5113cc19da",
    ("edit_deconv", 64): "1ff972583294",
    ("edit_deconv", 128): "1ff972583294",
    ("edit_skip", 64): "8cf20e5556e5",
    ("edit_skip", 128): "8cf20e5556e5",
    ("swap_neural", 64): "f87a076005a8",
    ("swap_neural", 128): "f87a076005a8",
    ("reenact_neural", 64): "a9f4090dc495",
    ("reenact_neural", 128): "a9f4090dc495",
}
STREAMS = {
    "portraits": ("825b73ad289232ee", "6fd8dfc328448f6d"),
    "street": ("8386984c3bda7474", "ed8fe3118f8749c9"),
    "scenes": ("2ecff72f3c531772", "8583dae9eb16e807"),
    "edits": ("a8ad049d388d9862", "7e7a34d5dde3e2d2"),
    "swaps": ("168a40b7d877433d", "2a09b9ee3a0c8039"),
    "reenactments": ("b2af75456173d56a", "e3a06c4987afb9a6"),
}
BLOCKS = {
    "pairs": "ba9c9935a2e1130f",
    "hybrid": "d1de1b7395fa1c08",
    "generators": "cbe79c97f71a37d7",
    "domain2": "77c9ea6199bb9862",
    "scenes": "212afc9bda6d3f6a",
    "edits": "8e1c3187b4b1de99",
}
WITHOUT_WEIGHTS = {  # the same blocks, whichever weights they are made with
    "pairs": "a8fd54c969e3f89f",
    "hybrid": "e55f7d50ede9eb56",
    "generators": "3a32d38f4a10708a",
    "domain2": "aecb57214d18b04a",
    "scenes": "80cc1bd07e6d5e45",
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
