"""FakeLocator's printed numbers: identities that they satisfy."""

import pytest

from configs import fakelocator as config
from jaxforensics.experiments.fakelocator import paper, paper_tables
from jaxforensics.experiments.fakelocator.settings import GROUPS


def test_patches_on_stargan_are_a_map_of_ones():
    """IoU = PBCA, IINC = (1 - IoU) / 2: what a map of ones has."""
    row = paper.SETS["StarGAN"]["Patch"]
    assert row.iou == row.pbca == 0.3887
    assert row.iinc == pytest.approx((1 - row.iou) / 2, abs=2e-4)


@pytest.mark.parametrize("name", paper.AUGMENTED)
def test_accuracies_are_means_of_reals_and_fakes(name):
    row = paper.AUGMENTED[name]
    assert row.accuracy == pytest.approx((row.real + row.fake) / 2, abs=6e-4)


@pytest.mark.parametrize("cell", paper.PROPERTIES)
def test_so_are_those_of_table_viii(cell):
    for row in paper.PROPERTIES[cell].values():
        assert row.accuracy == pytest.approx((row.real + row.fake) / 2, abs=6e-4)


def test_every_printed_loss_is_a_row():
    assert set(paper.LOSSES) <= set(config.ROWS)
    assert set(paper.AUGMENTED) - {"itself", "none"} <= set(config.ROWS)


def test_every_group_has_a_printed_table_of_one_form():
    assert set(paper_tables.ROWS) == set(GROUPS) == set(config.GROUPS)
    for rows in paper_tables.ROWS.values():
        assert len({tuple(row) for row in rows()}) == 1


def test_table_i_has_every_pair_of_types():
    types = {name for pair in paper.TYPES for name in pair}
    assert len(types) == len(config.TYPES)
    assert len(paper.TYPES) == len(types) * (len(types) - 1)
