"""Parts of a corpus: one label, some of the groups, other pictures in their place."""

import numpy as np
import pytest
from tiny_set import COUNTS, SIDE, opened, pictures, prepare_in


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """20 reals and 15 fakes with originals, of which 12 and 9 train."""
    folder = tmp_path_factory.mktemp("selections")
    return prepare_in(folder, pictures(folder, parts=True))


def gathered(batches):
    rows = [{k: v[b["valid"] > 0] for k, v in b.items()} for b in batches]
    return {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}


def first(training, steps):
    batches = training.batches()
    return gathered([next(batches) for _ in range(steps)])


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_alone(paired, label):
    both = opened(paired, balance="label", batch_size=3)
    some = both.train.labelled(label)
    kinds = [(name == "real") == (label == 0) for name in COUNTS]
    left = dict(zip(COUNTS, kinds, strict=True))
    for counts in some.counts.values():
        assert all((count > 0) == left[name] for name, count in counts.items())
    seen = first(some, some.num_train // 3)
    assert (seen["label"] == label).all()
    assert len(np.unique(seen["index"])) == some.num_train  # each once before any again
    assert ("real" in seen) == bool(label)
    assert (gathered(some.validation())["label"] == label).all()
    tested = gathered(both.test.labelled(label).batches())
    whole = gathered(both.test.batches())
    np.testing.assert_array_equal(
        tested["name"], whole["name"][whole["label"] == label]
    )
    prints = {both.train.digest, some.digest}
    assert len(prints | {both.train.labelled(1 - label).digest}) == 3


def test_plain_is_neither_mirrored_nor_balanced(paired):
    train = opened(paired, balance="label", flip=True, batch_size=3).train
    seen, whole = first(train.plain(), 7), gathered(train.once())
    assert sorted(seen["index"]) == sorted(whole["index"])  # all 21, each once
    order = np.argsort(seen["index"]), np.argsort(whole["index"])
    for name in ("image", "label"):
        np.testing.assert_array_equal(seen[name][order[0]], whole[name][order[1]])
    assert train.plain().digest != train.digest
    assert (train.size, train.plain().parts) == (SIDE, ("pair", "mask"))


def test_shares_are_of_groups_and_nested(paired):
    train = opened(paired).train
    groups = [
        set(gathered(train.share(part).once())["group"]) for part in (0.1, 0.3, 0.6, 1)
    ]
    assert [len(g) for g in groups] == [2, 6, 13, 21]
    assert all(a < b for a, b in zip(groups, groups[1:], strict=False))
    small = train.share(1e-6)
    assert small.num_train == 1 and small.num_validation == train.num_validation
    assert small.digest != train.digest == train.share(1).digest
    for wrong in (0, 1.1):
        with pytest.raises(ValueError, match="fraction of the groups is in"):
            train.share(wrong)


def test_once_is_every_training_record_as_it_is(paired):
    train = opened(paired, balance="source", flip=True).train
    seen = gathered(train.once())
    assert len(np.unique(seen["name"])) == len(seen["name"]) == train.num_train == 21
    plain = gathered(opened(paired).train.once())
    np.testing.assert_array_equal(seen["image"], plain["image"])


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_others_are_shown_in_training(paired, share):
    train = opened(paired, balance="label", batch_size=4, flip=True).train
    fakes = gathered(train.labelled(1).once())
    others = 255 - fakes["image"]
    shown = train.shown_as(others, fakes["index"], "negatives", share=share)
    plain, seen = first(train, 100), first(shown, 100)
    np.testing.assert_array_equal(plain["index"], seen["index"])
    np.testing.assert_array_equal(plain["real"], seen["real"])
    same = (plain["image"] == seen["image"]).all((1, 2, 3))
    negative = (plain["image"] == 255 - seen["image"]).all((1, 2, 3))
    assert (same ^ negative).all() and same[plain["label"] == 0].all()
    assert abs(negative[plain["label"] == 1].mean() - share) < 0.15
    for way in ("once", "validation"):
        a, b = (gathered(getattr(t, way)()) for t in (train, shown))
        np.testing.assert_array_equal(a["image"], b["image"])
    marks = train.shown_as(others, fakes["index"], "other", share=share)
    assert len({t.digest for t in (train, shown, marks)}) == 3


def test_others_are_shown_in_the_test(paired):
    test = opened(paired).test
    fakes = test.labelled(1)
    known = gathered(fakes.batches())
    others = np.roll(known["image"], 1, axis=0)
    shown = fakes.shown_as(others, known["index"], "rolled")
    found = gathered(shown.batches())
    np.testing.assert_array_equal(found["image"], others)
    np.testing.assert_array_equal(found["name"], known["name"])
    assert shown.digest != fakes.digest
    whole = gathered(test.shown_as(others, known["index"], "rolled").batches())
    np.testing.assert_array_equal(whole["image"][whole["label"] == 1], others)


def test_what_cannot_be_shown_is_refused(paired):
    train, rows = opened(paired).train, np.arange(2)
    fine = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    for wrong in (fine[:1], fine[:, 1:], fine.astype(np.float32)):
        with pytest.raises(ValueError, match="cannot be shown as"):
            train.shown_as(wrong, rows, "")
    with pytest.raises(ValueError, match="a share is in"):
        train.shown_as(fine, rows, "", share=2)
    with pytest.raises(ValueError, match="taken anew each time"):
        opened(paired, size=8, crop=SIDE).train.shown_as(fine, rows, "")
