import dataclasses
import functools
import itertools
import shutil
import threading
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from PIL import Image
from tiny_set import SIDE, opened, pictures, prepare_in

from jaxforensics.data import batches, corpus, records
from jaxforensics.data.items import Item
from jaxforensics.data.order import Order
from jaxforensics.prepare.dataset import prepare


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A prepared data set of 35 pictures: 21 to train, 7 and 7."""
    folder = tmp_path_factory.mktemp("corpus")
    return prepare_in(folder, pictures(folder))


@pytest.fixture(scope="module")
def paired(tmp_path_factory):
    """The same with originals and masks of the fakes."""
    folder = tmp_path_factory.mktemp("paired")
    return prepare_in(folder, pictures(folder, parts=True))


def take(root, count, start=0, **settings):
    stream = opened(root, **settings).train.batches(start)
    return list(itertools.islice(stream, count))


def assert_equal(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].dtype.kind == b[name].dtype.kind
            np.testing.assert_array_equal(a[name], b[name])


def originals(root):
    """Pictures by name, read by Pillow from the files that were prepared."""
    return {
        path.name: np.asarray(Image.open(path))
        for path in root.parents[2].glob("*_*.png")
    }


# What a batch is


def test_a_batch_has_the_agreed_arrays(root):
    (batch,) = take(root, 1)
    layout = {name: (array.shape, array.dtype) for name, array in batch.items()}
    assert layout == {
        "image": ((8, SIDE, SIDE, 3), np.uint8),
        "label": ((8,), np.int32),
        "source": ((8,), np.int32),
        "valid": ((8,), np.float32),
        "index": ((8,), np.int64),
    }
    assert batch["valid"].all()


def test_pictures_labels_and_sources_belong_together(root):
    files, stored = originals(root), records.open(root, "train")
    train = opened(root).train
    assert (train.num_train, train.num_validation) == (21, 7)
    for batch in itertools.islice(train.batches(), 3):
        for row, index in enumerate(batch["index"]):
            name = stored[index].name
            np.testing.assert_array_equal(batch["image"][row], files[name])
            assert train.sources[batch["source"][row]] == name.split("_")[0]
            assert batch["label"][row] == (batch["source"][row] > 0)


def test_every_record_comes_once_an_epoch(root):
    numbers = np.concatenate([batch["index"] for batch in take(root, 63)])
    epochs = numbers.reshape(-1, 21)
    assert (np.sort(epochs) == np.arange(21)).all()
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == len(epochs)
    other = np.concatenate([b["index"] for b in take(root, 63, seed=1)])
    assert (numbers != other).any()


# A function of (seed, step)


RANDOM = {"size": 9, "crop": SIDE, "flip": True, "balance": "source"}


def test_threads_change_nothing(root):
    expected = take(root, 12, threads=0, **RANDOM)
    for threads in (1, 2, 4):
        assert_equal(take(root, 12, threads=threads, **RANDOM), expected)


@pytest.mark.parametrize("start", [1, 5, 11])
def test_any_step_can_be_the_first(root, start):
    expected = take(root, 12, **RANDOM)[start:]
    assert_equal(take(root, 12 - start, start=start, **RANDOM), expected)
    far = take(root, 2, start=10**9 + start, **RANDOM)
    assert_equal(far[1:], take(root, 1, start=10**9 + start + 1, **RANDOM))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_processes_share_a_batch_in_order(paired, count):
    def shares(read):
        parts = [
            read(opened(paired, process_index=i, process_count=count, **RANDOM))
            for i in range(count)
        ]
        return [
            {name: np.concatenate([part[name] for part in row]) for name in row[0]}
            for row in zip(*parts, strict=True)
        ]

    for read in (
        lambda opened: list(itertools.islice(opened.train.batches(3), 4)),
        lambda opened: list(opened.train.validation()),
        lambda opened: list(opened.test.batches()),
    ):
        assert_equal(shares(read), read(opened(paired, **RANDOM)))


# Balance


def test_balance_gives_every_source_its_share_of_every_batch(root):
    for batch in take(root, 20, batch_size=9, balance="source"):
        assert np.bincount(batch["source"]).tolist() == [3, 3, 3]
    for batch in take(root, 20, balance="label"):
        assert np.bincount(batch["label"]).tolist() == [4, 4]
    for batch in take(root, 20, balance="source"):
        assert sorted(np.bincount(batch["source"])) == [2, 3, 3]


def test_balance_leaves_nobody_out(root):
    batches_ = take(root, 24, batch_size=9, balance="source")
    numbers = np.concatenate([batch["index"] for batch in batches_])
    labels = np.concatenate([batch["source"] for batch in batches_])
    for source, size in ((0, 12), (1, 6), (2, 3)):
        drawn = numbers[labels == source]
        assert set(Counter(drawn.tolist()).values()) == {72 // size}
        epochs = drawn.reshape(-1, size)
        assert all(len(set(epoch)) == size for epoch in epochs.tolist())


def test_what_cannot_be_balanced_is_refused():
    sources, names = np.array([1, 1, 2]), {0: "real", 1: "a", 2: "b"}
    for balance, lacking in (("label", "real picture"), ("source", "real")):
        with pytest.raises(ValueError, match=f"split train has no {lacking}"):
            Order(sources, names, seed=0, balance=balance)
    with pytest.raises(ValueError, match="not 'labels'"):
        Order(sources, names, seed=0, balance="labels")


# Some of the sources


def test_left_out_sources_are_in_no_split_and_the_others_keep_their_ids(root):
    some = opened(root, sources=["pggan"])
    assert some.train.sources == some.test.sources == ("real", "began", "pggan")
    assert some.train.counts["train"] == {"real": 12, "began": 0, "pggan": 3}
    assert some.train.counts["validation"] == {"real": 4, "began": 0, "pggan": 1}
    assert some.test.counts["test"] == {"real": 4, "began": 0, "pggan": 1}
    assert (some.train.num_train, some.test.num_test) == (15, 5)
    stored, drawn = records.open(root, "train"), []
    for batch in itertools.islice(some.train.batches(), 15):
        drawn += batch["source"].tolist()
        numbers = [stored[index].source for index in batch["index"]]
        assert batch["source"].tolist() == numbers  # `index` counts all records
    assert np.bincount(drawn).tolist() == [8 * 12, 0, 8 * 3]
    for stream in (some.train.validation(), some.test.batches()):
        (batch,) = stream
        names = [name.split("_")[0] for name in batch["name"][batch["valid"] > 0]]
        assert names == [some.test.sources[s] for s in batch["source"][:5]]
        assert sorted(names) == ["pggan", *["real"] * 4]


def test_sources_may_be_chosen_later(root):
    some, whole = opened(root, sources=["pggan"]), opened(root)
    for early, late in (
        (some.train, whole.train.only(["pggan"])),
        (some.test, whole.test.only(["pggan"])),
    ):
        assert early.digest == late.digest
        assert early.counts == late.counts
    early, late = (
        next(data.batches()) for data in (some.train, whole.train.only(["pggan"]))
    )
    np.testing.assert_array_equal(early["index"], late["index"])
    np.testing.assert_array_equal(early["image"], late["image"])
    with pytest.raises(ValueError, match="pggam.*pggan"):
        whole.test.only(["pggam"])


def test_balance_does_not_ask_for_left_out_sources(root):
    for batch in take(root, 20, sources=("pggan",), balance="source"):
        assert np.bincount(batch["source"]).tolist() == [4, 0, 4]
    with pytest.raises(ValueError, match="split train has no fake picture"):
        opened(root, sources=(), balance="label")


def test_several_kinds_of_reals(tmp_path):
    """They keep ids of their own, are no fakes, and stay when fakes are chosen."""
    kinds = ("real", "real/phone", "real/scan", "gan", "began")
    for i in range(100):
        gray = np.full((8, 8, 3), i, np.uint8)
        Image.fromarray(gray).save(tmp_path / f"{i}.png")
    items = [
        Item(
            path=str(tmp_path / f"{i}.png"),
            label=int(not kinds[i % 5].startswith("real")),
            source=kinds[i % 5],
            split=("train", "test")[i // 5 % 2],
            name=str(i),
        )
        for i in range(100)
    ]
    report = prepare(items, tmp_path / "out", name="kinds", workers=1, progress=False)
    assert report.sources == ("real", "real/phone", "real/scan", "began", "gan")
    reading = {"size": 8, "batch_size": 20, "threads": 0}
    data = corpus.open(report.root, **reading, sources=("gan",), balance="label")
    batch = next(data.train.batches())
    assert sorted(set(batch["source"])) == [0, 1, 2, 4]
    np.testing.assert_array_equal(batch["label"], batch["source"] > 2)
    assert batch["label"].sum() == 10
    for batch in corpus.open(report.root, **reading).test.batches():
        kind = batch["image"][:, 0, 0, 0] % 5
        ids = [report.sources.index(kinds[k]) for k in kind]
        np.testing.assert_array_equal(batch["source"], ids)
        np.testing.assert_array_equal(batch["label"], kind > 2)


def test_a_choice_of_sources_changes_the_digest(root):
    choices = None, ["pggan"], ["began"], []
    some = [opened(root, sources=names) for names in choices]
    assert len({both.train.digest for both in some}) == len(choices)
    assert len({both.test.digest for both in some}) == len(choices)
    every = opened(root, sources=["pggan", "real", "began"])
    assert every.train.digest == some[0].train.digest
    with_real = opened(root, sources=["real", "pggan"])
    assert with_real.train.digest == some[1].train.digest


def test_parts_need_be_complete_for_the_chosen_sources_only(paired, tmp_path):
    items = [
        i._replace(mask="") if i.source == "began" else i
        for i in pictures(tmp_path, parts=True)
    ]
    root = prepare_in(tmp_path, items)
    assert "mask" not in take(root, 1)[0]
    assert "mask" in take(root, 1, sources=["pggan"])[0]


# Crops and mirrors


def window_of(picture, window):
    """All (row, column, mirrored) at which a window equals part of a picture."""
    side = len(window)
    return [
        (row, column, mirrored)
        for mirrored in (False, True)
        for row in range(len(picture) - side + 1)
        for column in range(len(picture) - side + 1)
        if (
            picture[row : row + side, column : column + side]
            == (window[:, ::-1] if mirrored else window)
        ).all()
    ]


def test_training_takes_random_windows_of_the_picture(root):
    files, stored = originals(root), records.open(root, "train")
    found = Counter()
    for batch in take(root, 30, size=10, crop=SIDE, flip=True):
        for index, image in zip(batch["index"], batch["image"], strict=True):
            (place,) = window_of(files[stored[index].name], image)
            found[place] += 1
    assert len(found) == 3 * 3 * 2
    assert scipy.stats.chisquare(list(found.values())).pvalue > 1e-3


def test_validation_and_test_take_the_middle(root):
    files, both = originals(root), opened(root, size=9, crop=SIDE, flip=True)
    for stream in (both.train.validation(), both.test.batches()):
        for batch in stream:
            for name, image in zip(batch["name"], batch["image"], strict=True):
                if name:
                    np.testing.assert_array_equal(image, files[name][1:10, 1:10])


def test_other_sizes_are_resized_by_pillow(root):
    files = originals(root)
    (batch,) = opened(root, size=5).test.batches()
    for name, image in zip(batch["name"][:7], batch["image"], strict=False):
        small = Image.fromarray(files[name]).resize((5, 5), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(image, small)


def test_parts_share_window_and_mirror(paired):
    files, stored = originals(paired), records.open(paired, "train")
    seen = set()
    for batch in take(paired, 6, size=9, crop=SIDE, flip=True):
        assert batch["real"].shape == (8, 9, 9, 3) and batch["real"].dtype == np.uint8
        assert batch["mask"].shape == (8, 9, 9)
        for row, index in enumerate(batch["index"]):
            name = stored[index].name
            seen.add(name.split("_")[0])
            if name.startswith("real"):
                np.testing.assert_array_equal(batch["real"][row], batch["image"][row])
                assert not batch["mask"][row].any()
                continue
            (place,) = window_of(files[name], batch["image"][row])
            assert window_of(files[f"pair_{name}"], batch["real"][row]) == [place]
            assert window_of(files[f"mask_{name}"], batch["mask"][row]) == [place]
    assert seen == {"real", "began", "pggan"}


def test_only_complete_and_wanted_parts_are_read(paired, tmp_path):
    assert "mask" not in take(paired, 1, parts=("pair",))[0]
    items = pictures(tmp_path, parts=True)
    partial = [i._replace(mask="") if i.name == "began_1.png" else i for i in items]
    root = prepare_in(tmp_path, partial)
    (batch,) = take(root, 1)
    assert "real" in batch and "mask" not in batch
    assert "mask" in next(opened(root).test.batches())


# Validation and test


def test_evaluation_sees_every_record_once_then_padding(root):
    both = opened(root, batch_size=4)
    for stream, split in (
        (both.train.validation(), "validation"),
        (both.test.batches(), "test"),
    ):
        stored = list(records.open(root, split))
        first, last = stream
        assert last["image"].shape == first["image"].shape == (4, SIDE, SIDE, 3)
        np.testing.assert_array_equal(last["valid"], [1, 1, 1, 0])
        np.testing.assert_array_equal(last["index"], [4, 5, 6, -1])
        assert not last["image"][3].any() and last["name"][3] == ""
        names = [*first["name"], *last["name"][:3]]
        assert names == [record.name for record in stored]
        groups = [*first["group"], *last["group"][:3]]
        assert groups == [record.group for record in stored]
        labels = [*first["label"], *last["label"][:3]]
        assert labels == [record.label for record in stored]


def test_an_empty_split_has_no_batches(tmp_path):
    items = [item._replace(split="train") for item in pictures(tmp_path)]
    both = opened(prepare_in(tmp_path, items))
    assert list(both.train.validation()) == list(both.test.batches()) == []
    assert next(both.train.batches())["valid"].all()


# Honesty


def reachable(start):
    """Everything that attributes, containers and closures of an object lead to."""
    seen, stack = {}, [start]
    while stack:
        here = stack.pop()
        if id(here) in seen or isinstance(here, (type, types.ModuleType)):
            continue
        seen[id(here)] = here
        if isinstance(here, dict):
            stack += [*here.keys(), *here.values()]
        elif isinstance(here, (list, tuple, set, frozenset)):
            stack += here
        elif isinstance(here, functools.partial):
            stack += [here.func, here.args, here.keywords]
        if isinstance(here, types.FunctionType):
            stack += [cell.cell_contents for cell in here.__closure__ or ()]
        stack += list(getattr(here, "__dict__", {}).values())
        stack += [
            getattr(here, name)
            for name in ("__self__", "__func__", "__wrapped__", "_records")
            if hasattr(here, name)
        ]
        if dataclasses.is_dataclass(here):
            stack += [getattr(here, f.name, None) for f in dataclasses.fields(here)]
    return list(seen.values())


def leads_to_test(start):
    texts = [str(x) for x in reachable(start) if isinstance(x, (str, bytes, Path))]
    return any("tiny-test.array_record" in text for text in texts)


def test_what_trains_cannot_reach_the_test_split(root):
    both = opened(root, balance="label", flip=True)
    assert leads_to_test(both) and leads_to_test(both.test)  # the walk finds it there
    train = both.train
    assert not leads_to_test(train) and not leads_to_test(train.only(["pggan"]))
    assert not leads_to_test(train.batches()) and not leads_to_test(train.validation())
    held = [x for x in reachable(train) if isinstance(x, records.Records)]
    assert sorted(map(len, held)) == [7, 21]
    names = {record.name for part in held for record in part}
    assert not names & {record.name for record in records.open(root, "test")}
    assert {n for n in dir(train) if n[0] != "_"} == {
        *("batches", "validation", "digest", "sources", "only", "degraded"),
        *("num_train", "num_validation", "batch_size", "counts", "size", "parts"),
        *("labels_in_turn",),
        *("share", "labelled", "shown_as", "once", "plain", "frames", "namespace"),
    }


def test_training_does_not_need_the_test_files(root, tmp_path):
    shutil.copytree(root, tmp_path / "set")
    train = opened(tmp_path / "set").train
    for path in (tmp_path / "set").glob("*test*"):
        path.unlink()
    assert next(train.batches())["valid"].all()
    assert len(list(train.validation())) == 1


def test_shared_groups_are_refused_when_opened(root, tmp_path):
    shutil.copytree(root, tmp_path / "set")
    path = tmp_path / "set/index-test.npy"
    index = np.load(path)
    index["group"][3] = records.open(root, "train").index["group"][5]
    np.save(path, index)
    name = records.open(root, "train")[5].group
    message = f"1 groups are both in train and in test, among them '{name}'"
    with pytest.raises(ValueError, match=message):
        opened(tmp_path / "set")


def test_the_digest_follows_content_and_settings(root, tmp_path):
    base = opened(root).train.digest
    assert opened(root).train.digest == base
    neutral = {"threads": 0, "process_index": 1, "process_count": 2}
    assert opened(root, **neutral).train.digest == base
    settings = [{"size": 8}, {"batch_size": 4}, {"seed": 1}, {"flip": True}]
    settings += [{"crop": 16}, {"balance": "label"}]
    others = {opened(root, **changed).train.digest for changed in settings}
    assert len(others | {base}) == 7
    examination = opened(root).test.digest
    assert opened(root, seed=1, batch_size=4).test.digest == examination

    items = pictures(tmp_path)
    train, test = (next(i for i in items if i.split == s) for s in ("train", "test"))
    same = opened(prepare_in(tmp_path / "same", items))
    assert (same.train.digest, same.test.digest) == (base, examination)
    Image.new("RGB", (SIDE, SIDE)).save(test.path)
    fewer = opened(prepare_in(tmp_path / "test", items))
    assert fewer.train.digest == base  # it knows nothing of the test split
    assert fewer.test.digest != examination
    Image.new("RGB", (SIDE, SIDE)).save(train.path)
    changed = opened(prepare_in(tmp_path / "train", items))
    assert changed.train.digest != base


# Errors


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"crop": SIDE - 1}, "crop 11 is smaller than size 12"),
        ({"process_index": 2, "process_count": 2}, "process 2 of 2"),
        ({"batch_size": 1, "process_count": 2}, "process 0 of 2, batch_size 1"),
        ({"parts": ("masks",)}, "no parts {'masks'}"),
        ({"balance": "sauce"}, "not 'sauce'"),
        ({"sources": ["pgan"]}, "no source 'pgan'.*did you mean 'pggan'"),
    ],
)
def test_wrong_settings_are_named(root, settings, message):
    with pytest.raises(ValueError, match=message):
        opened(root, **settings)


def test_a_raw_folder_is_answered_with_the_command(tmp_path):
    pictures(tmp_path)
    with pytest.raises(ValueError, match=f"launch/prepare.py folder {tmp_path} --out"):
        opened(tmp_path)


def test_a_data_set_without_training_pictures_is_a_test_alone(tmp_path):
    items = [item._replace(split="test") for item in pictures(tmp_path)]
    data = opened(prepare_in(tmp_path, items), balance="label")
    assert data.train.num_train == 0 and not list(data.train.validation())
    assert (
        data.test.num_test
        == len(items)
        == sum(int(batch["valid"].sum()) for batch in data.test.batches())
    )
    with pytest.raises(ValueError, match="has no training picture"):
        data.train.batches()


def test_a_data_set_with_validation_alone_is_refused(tmp_path):
    items = [item._replace(split="validation") for item in pictures(tmp_path)]
    with pytest.raises(ValueError, match="has no training picture"):
        opened(prepare_in(tmp_path, items))


@pytest.mark.parametrize("threads", [0, 2])
def test_a_record_damaged_later_is_named(root, threads):
    class Damaged(list):
        labels = records.open(root, "test").labels
        index = records.open(root, "test").index
        rows = np.arange(7)
        place = records.open(root, "test").place

    stored = Damaged(records.open(root, "test"))
    stored[2] = stored[2]._replace(image=stored[2].image[:60])
    reading = opened(root, threads=threads).test._reading
    message = f"record 2 of .*-test.array_record-.*{stored[2].name}. is damaged.*again"
    with pytest.raises(ValueError, match=message):
        list(batches.in_order(stored, reading))


def test_a_stream_left_early_leaves_no_thread(root):
    before = threading.active_count()
    for _ in range(5):
        next(opened(root, threads=2).train.batches())
    for _ in range(200):
        if threading.active_count() <= before:
            break
        threading.Event().wait(0.02)
    assert threading.active_count() <= before
