"""The data sets that a config names: opened together, and apart where they must be."""

import shutil

import pytest
from ml_collections import ConfigDict
from tiny_set import SIDE, pictures, prepare_in

from jaxforensics.commands import data_sets
from jaxforensics.commands.flags import parser
from jaxforensics.data.corpus import Corpus


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """(a set, the same pictures in another size, the same with other splits)."""
    folder = tmp_path_factory.mktemp("sets")
    items = pictures(folder)
    moved = {"train": "test", "test": "train", "validation": "validation"}
    other = [item._replace(split=moved[item.split]) for item in items]
    return (
        prepare_in(folder / "a", items),
        prepare_in(folder / "b", items, size=SIDE - 2),
        prepare_in(folder / "c", other),
    )


def config(data, **others):
    reading = {"size": 8, "batch_size": 4}
    sections = {name: {"root": str(root)} | reading for name, root in others.items()}
    data = {"root": str(data)} | reading
    return ConfigDict({"data": data, "others": sections})


def test_all_data_sets_of_a_config_are_opened(roots):
    data = data_sets.open_all(config(roots[0], small=roots[1]), None)
    assert isinstance(data.main, Corpus) and data.others.keys() == {"small"}
    assert data_sets.digests(data) == {
        "training": data.main.train.digest,
        "test": data.main.test.digest,
        "small": data.others["small"].train.digest,
    }
    alone = config(roots[0])
    del alone.others
    assert data_sets.open_all(alone, None).others == {}


def test_a_set_that_is_a_test_alone_belongs_in_others(roots, tmp_path):
    items = [item._replace(split="test") for item in pictures(tmp_path)]
    alone = prepare_in(tmp_path, items)
    both = config(roots[0], unseen=alone)
    both.others.unseen.namespace = "other people"
    data = data_sets.open_all(both, None)
    found = data_sets.digests(data)["unseen"]
    assert found == data.others["unseen"].test.digest
    with pytest.raises(ValueError, match="a test alone belong in others"):
        data_sets.open_all(config(alone), None)


def test_sets_that_would_be_trained_and_tested_on_the_same_are_refused(roots):
    both = config(roots[0], other=roots[2])
    with pytest.raises(
        ValueError, match="in training of data and in the test split of"
    ):
        data_sets.open_all(both, None)
    both.others.other.namespace = "other people"
    assert data_sets.open_all(both, None)


def test_a_section_is_named_where_it_is_wrong(roots, tmp_path):
    with pytest.raises(ValueError, match=r"--config.others.small.root=DIR"):
        data_sets.open_all(config(roots[0], small=""), None)
    wrong = config(roots[0], small=roots[1])
    wrong.others.small.sise = 8
    with pytest.raises(ValueError, match="others.small has no setting 'sise'"):
        data_sets.open_all(wrong, None)


def test_damage_to_a_set_is_named_when_a_config_opens_it(roots, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(roots[0], root)
    lost = next(root.glob("*test.array_record*"))
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=f"{lost.name} is missing: prepare"):
        data_sets.open_all(config(root), None)


def test_properties_of_edits_are_named_in_one_flag(tmp_path):
    def flags(*given):
        settings = vars(parser("").parse_args(["synthfaces", *given]))
        return {k: x for k, x in settings.items() if x is not None and k != "command"}

    assert flags("--attribute=blond,bald")["attributes"] == ("blond", "bald")
    given = flags("--view=edits", "--attribute=blond,balt", f"--out={tmp_path}")
    with pytest.raises(ValueError, match="no attribute 'balt'.*did you mean 'bald'"):
        data_sets.run("synthfaces", given)
