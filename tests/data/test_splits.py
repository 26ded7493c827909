import collections

import numpy as np
import pytest

from jaxforensics.data import splits
from jaxforensics.data.items import Item


def items(groups, split=""):
    return [Item(f"{g}.png", 0, "real", g, split, name=f"{g}.png") for g in groups]


def test_hashed_splits_have_the_wanted_shares():
    drawn = splits.assign(items(map(str, range(20_000))), fractions=(0.7, 0.1, 0.2))
    counts = collections.Counter(item.split for item in drawn)
    shares = [counts[name] / 20_000 for name in splits.NAMES]
    np.testing.assert_allclose(shares, (0.7, 0.1, 0.2), atol=0.01)


def test_a_group_keeps_its_split_whatever_else_is_there():
    few, many = items("abc"), items(map(chr, range(97, 122)))
    drawn = {item.group: item.split for item in splits.assign(many, seed=3)}
    assert all(drawn[i.group] == i.split for i in splits.assign(few, seed=3))
    other = {item.group: item.split for item in splits.assign(many, seed=4)}
    assert drawn != other


def test_the_hash_is_the_same_on_every_machine():
    # Computed once with hashlib; a change would move every data set's pictures.
    assert splits.uniform("face", 0) == 0.32878982243733257
    assert splits.uniform("face", 0) != splits.uniform("face", 1)
    values = [splits.uniform(str(i), 0) for i in range(5000)]
    histogram = np.histogram(values, 10, (0, 1))[0]
    assert np.abs(histogram - 500).max() < 5 * np.sqrt(500)


def test_members_of_a_group_stay_together():
    given = items(["clip"], "test")
    drawn = splits.assign(given + items(["clip"] * 5 + ["other"]))
    assert {item.split for item in drawn if item.group == "clip"} == {"test"}
    splits.check(drawn)


def test_a_group_in_two_splits_is_named():
    mixed = items(["clip7", "a"], "train") + items(["clip7", "b"], "test")
    with pytest.raises(ValueError, match=r"1 groups .*'clip7' \(train: .*test: clip7"):
        splits.check(mixed)


def test_wrong_splits_and_fractions_are_refused():
    with pytest.raises(ValueError, match="no split 'dev'"):
        splits.check(items("a", "dev"))
    for fractions in ((0.5, 0.5, 0.5), (1.5, -0.5, 0)):
        with pytest.raises(ValueError, match="not shares of one"):
            splits.assign(items("a"), fractions=fractions)
    everything = splits.assign(items("abcdef"), fractions=(1, 0, 0))
    assert {item.split for item in everything} == {"train"}
