"""Examples of several frames of a video, and groups that several corpora share."""

import io
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jaxforensics.data import corpus, records
from jaxforensics.data.frames import Videos, middles
from jaxforensics.data.items import Item
from jaxforensics.data.records import Record
from jaxforensics.prepare.dataset import prepare
from jaxforensics.prepare.videos import spread

SIDE = 10
LENGTHS = {"a": 7, "b": 1, "c": 4, "d": 12, "e": 2}  # frames, by the name of a clip
SPLITS = {"train": "abcd", "validation": "abe", "test": "acde"}


def png(*pixels):
    """A picture whose pixels say which frame of which clip it is."""
    stream = io.BytesIO()
    picture = np.tile(np.uint8(pixels), (SIDE, SIDE, 1))
    picture[0, 0] = 255 - picture[0, 0]  # so that mirroring shows
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def frames_of(item, *, size):
    """The records of a clip, or the one of a picture."""
    number = item.attributes["number"]
    if item.attributes["picture"]:
        record = Record(png(number, 0, 0), item.label, group=item.group, name=item.name)
        return [record], []
    return [
        Record(
            png(number, frame, 9),
            item.label,
            group=item.group,
            pair=png(number, frame, 99) if item.label else b"",
            attributes=json.dumps({"frame": frame}),
            name=f"{item.name}#{frame:06d}",
        )
        for frame in range(LENGTHS[item.attributes["clip"]])
    ], []


def clips(*, splits=SPLITS, prefix="", pictures=True):
    """Items of a real and a fake clip for each name, and of a picture in each split."""
    items = []
    for split, names in splits.items():
        for name, label in itertools.product(names, (0, 1)):
            about = {"number": len(items), "clip": name, "picture": False}
            items.append(
                Item(
                    f"nowhere/{prefix}{split}/{name}{label}.mp4",
                    label,
                    ("real", "swap")[label],
                    group=f"{split} {name}",
                    split=split,
                    attributes=about,
                )
            )
        if pictures:
            about = {"number": len(items), "clip": "", "picture": True}
            name = f"nowhere/{prefix}{split}.png"
            items.append(Item(name, 0, "real", split=split, attributes=about))
    return items


def prepared(folder, items, name="clips"):
    settings = {"workers": 1, "progress": False, "convert": frames_of, "per_shard": 3}
    return Path(prepare(items, folder, name=name, **settings).root)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("frames"), clips())


def opened(root, *, frames=3, **settings):
    settings = {"size": SIDE, "batch_size": 4, "threads": 0} | settings
    return corpus.open(root, frames=frames, **settings)


def middle(batch):
    """The clip and the frame that every picture of a batch shows, (b, frames, 2)."""
    return batch["image"][:, :, SIDE // 2, SIDE // 2, :2].astype(int)


def gathered(batches):
    batches = list(batches)
    whole = {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}
    return {k: column[whole["valid"] > 0] for k, column in whole.items()}


@pytest.mark.parametrize("frames", [1, 3, 8])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_sees_every_video_once_in_evenly_spaced_frames(root, split, frames):
    data = opened(root, frames=frames)
    if split == "validation":
        seen, count = gathered(data.train.validation()), data.train.num_validation
    else:
        seen, count = gathered(data.test.batches()), data.test.num_test
    items = [item for item in clips() if item.split == split]
    assert seen["image"].shape == (count, frames, SIDE, SIDE, 3)
    assert count == len(items) == len(set(seen["video"]))
    by_name = {item.path: item for item in items}
    for row, name in enumerate(seen["video"]):
        item = by_name[name]
        assert seen["group"][row] == (item.group or name)
        assert seen["label"][row] == item.label
        length = LENGTHS.get(item.attributes["clip"], 1)
        expected = (np.arange(frames) * 2 + 1) * length // (2 * frames)
        shown = middle({"image": seen["image"][row : row + 1]})[0]
        assert (shown[:, 0] == item.attributes["number"]).all()
        if item.attributes["picture"]:
            assert seen["name"][row].tolist() == [name] * frames
            continue
        np.testing.assert_array_equal(shown[:, 1], expected)
        if frames <= length:  # as frames are chosen when a clip is prepared
            np.testing.assert_array_equal(expected, spread(length, frames))
        names = [f"{name}#{frame:06d}" for frame in expected]
        assert seen["name"][row].tolist() == names


def test_frames_of_one_video_are_never_in_two_examples(root):
    data = opened(root, frames=2, batch_size=3)
    steps = itertools.islice(data.train.batches(), 6)
    shown = np.concatenate([middle(batch) for batch in steps])
    assert (shown[:, :1, 0] == shown[..., 0]).all()
    # An epoch, of nine videos, shows each of them once.
    assert data.train.num_train == 9
    for epoch in (shown[:9, 0, 0], shown[9:, 0, 0]):
        assert len(set(epoch.tolist())) == 9


def test_training_draws_a_frame_of_every_part_anew_each_time(root):
    data = opened(root, frames=3)
    steps = [middle(batch) for batch in itertools.islice(data.train.batches(), 60)]
    numbers = {item.attributes["number"]: item for item in clips()}
    seen = {}
    for row in np.concatenate(steps):
        number = int(row[0, 0])
        frames = row[:, 1].tolist()
        assert frames == sorted(frames)
        length = LENGTHS.get(numbers[number].attributes["clip"], 1)
        for part, frame in enumerate(frames):
            assert int(part * length / 3) <= frame <= (part + 1) * length / 3
        seen.setdefault(number, set()).add(tuple(frames))
    longest = [n for n, item in numbers.items() if item.attributes["clip"] == "d"]
    assert all(len(seen[number]) > 8 for number in longest if number in seen)


def test_a_batch_of_frames_is_a_function_of_seed_and_step(root):
    settings = {"flip": True, "crop": SIDE + 2}
    steps = list(itertools.islice(opened(root, **settings).train.batches(), 5))
    later = opened(root, threads=2, **settings).train.batches(start=3)
    for expected, batch in zip(steps[3:], later, strict=False):
        assert batch.keys() == expected.keys()
        for name in batch:
            np.testing.assert_array_equal(batch[name], expected[name])
    other = next(opened(root, seed=1, **settings).train.batches())
    assert not np.array_equal(other["image"], steps[0]["image"])
    parts = [
        next(opened(root, process_index=i, process_count=2, **settings).train.batches())
        for i in range(2)
    ]
    joined = np.concatenate([part["image"] for part in parts])
    np.testing.assert_array_equal(joined, steps[0]["image"])


def test_frames_of_a_video_are_placed_alike(root):
    batch = next(opened(root, frames=4, flip=True, batch_size=8).train.batches())
    pictures = batch["image"]
    marked = pictures[:, :, 0, 0] != pictures[:, :, 5, 5]
    mirrored = pictures[:, :, 0, -1] != pictures[:, :, 5, 5]
    assert (marked.any(-1) != mirrored.any(-1)).all()
    assert (marked.any(-1) == marked.any(-1)[:, :1]).all()
    assert mirrored.any() and marked.any()


def test_parts_and_columns_have_the_shape_of_their_unit(root):
    data = opened(root, parts=("pair",))
    batch = next(data.test.batches())
    assert batch["real"].shape == batch["image"].shape == (4, 3, SIDE, SIDE, 3)
    assert batch["index"].shape == batch["name"].shape == (4, 3)
    for name in ("label", "source", "valid", "group", "video"):
        assert batch[name].shape == (4,)
    *_, last = data.test.batches()  # nine videos: one, and three rows of padding
    assert last["valid"].tolist() == [1, 0, 0, 0]
    assert (last["index"][1:] == -1).all() and not last["image"][1:].any()
    assert (last["video"][1:] == "").all()
    whole = list(records.open(root, "test"))
    for row, indices in enumerate(batch["index"]):
        assert [whole[i].name for i in indices] == batch["name"][row].tolist()


def test_frames_of_a_video_are_degraded_alike(root):
    """Whatever is drawn is the same for all frames, and others for other videos."""
    powers = tuple(np.linspace(0.4, 2.5, 40))
    data = opened(root, frames=4).test.degraded(("gamma", powers))
    plain = gathered(opened(root, frames=4).test.batches())
    seen = gathered(data.batches())
    blue = seen["image"][:, :, 5, 5, 2]  # 9 in all frames of clips, before
    clip = plain["image"][:, 0, 5, 5, 2] == 9
    assert (blue[clip] == blue[clip][:, :1]).all()
    assert len(set(blue[clip][:, 0].tolist())) > 3


def test_views_keep_videos_whole(root):
    data = opened(root)
    assert data.train.frames == data.test.frames == 3
    assert data.train.counts == {
        "train": {"real": 5, "swap": 4},
        "validation": {"real": 4, "swap": 3},
    }
    assert data.test.counts == {"test": {"real": 5, "swap": 4}}
    fakes = data.train.labelled(1)
    assert fakes.num_train == 4 and fakes.frames == 3
    assert gathered(fakes.once())["label"].tolist() == [1] * 4
    some = data.train.share(0.5)
    assert some.num_train < data.train.num_train
    balanced = opened(root, balance="label").train
    assert next(balanced.batches())["label"].sum() == 2


def test_without_frames_nothing_changes_but_the_name_of_the_video(root):
    single = opened(root, frames=None)
    assert single.train.frames is None
    assert single.train.num_train == len(records.open(root, "train"))
    digests = {opened(root, frames=n).train.digest for n in (None, 1, 2)}
    assert len(digests) == 3
    batch = next(single.test.batches())
    assert batch["image"].shape == (4, SIDE, SIDE, 3)
    videos = [name.partition("#")[0] for name in batch["name"]]
    assert batch["video"].tolist() == videos


def test_sets_made_before_videos_were_stored_open_too(root, tmp_path):
    copied = tmp_path / "clips"
    shutil.copytree(root, copied)
    notes = json.loads((copied / "prepared.json").read_text())
    del notes["files"]
    (copied / "prepared.json").write_text(json.dumps(notes))
    for path in copied.glob("videos-*.npy"):
        path.unlink()
    assert opened(copied, frames=None).train.num_train
    assert not list(copied.glob("videos-*.npy"))
    expected = gathered(opened(root).test.batches())
    for _ in range(2):
        found = gathered(opened(copied).test.batches())
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
    stored = np.load(copied / "videos-test.npy")
    np.testing.assert_array_equal(stored, np.load(root / "videos-test.npy"))


def test_damaged_videos_are_named(root, tmp_path):
    copied = tmp_path / "clips"
    shutil.copytree(root, copied)
    path = copied / "videos-train.npy"
    np.save(path, np.load(path)[1:])
    with pytest.raises(ValueError, match="videos-train.npy has .*prepare the data set"):
        opened(copied)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.integers(1, 6),
    st.floats(0, 1, exclude_max=True),
)
def test_any_moments_choose_frames_of_the_video_in_order(videos, frames, moment):
    examples = Videos(Listed(np.array(videos, np.uint64)), frames)
    numbers = np.array([*range(len(examples)), -1])
    chosen = examples.at(numbers, np.full((len(numbers), frames), moment))
    assert (chosen[-1] == -1).all()
    assert len(examples) == len(set(videos))
    for row in chosen[:-1]:
        assert (np.diff(row) >= 0).all()
        assert len({videos[i] for i in row}) == 1
    firsts = [videos.index(videos[row[0]]) for row in chosen[:-1]]
    assert firsts == sorted(firsts)
    even = examples.at(numbers[:-1], middles(len(examples), frames))
    for row in even:
        members = [i for i, name in enumerate(videos) if name == videos[row[0]]]
        places = (2 * np.arange(frames) + 1) * len(members) // (2 * frames)
        assert row.tolist() == [members[place] for place in places]


class Listed:
    """What Videos needs of Records: 0 real source, one group."""

    labels = np.zeros(1, np.int32)
    sources = ("real",)
    kept = {0: "real"}

    def __init__(self, hashes):
        self.hashes = hashes
        self.index = np.zeros(len(hashes), records.INDEX)

    def videos(self):
        return self.hashes

    def __getitem__(self, number):
        return Record(b"", 0, name=f"frame {number}")


def test_frames_that_disagree_about_their_video_are_named():
    listed = Listed(np.array([1, 2, 1], np.uint64))
    listed.index["group"][2] = 5
    with pytest.raises(ValueError, match="differ in group: frame 0 and frame 2"):
        Videos(listed, 2)


@pytest.mark.parametrize("frames", [0, -1])
def test_an_example_has_a_frame(root, frames):
    with pytest.raises(ValueError, match=f"at least 1 frame, not {frames}"):
        opened(root, frames=frames)


def test_corpora_that_share_groups_within_splits_are_disjoint(root, tmp_path):
    """Two qualities of the same clips: the same groups in the same splits."""
    other = prepared(tmp_path, clips(prefix="c40/", pictures=False), name="c40")
    corpus.check_disjoint({"HQ": opened(root), "LQ": opened(other, frames=None)})
    corpus.check_disjoint({"HQ": opened(root)})
    corpus.check_disjoint({"twice": opened(root), "the same": opened(root)})


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_one_corpus_tests_another_must_not_learn(root, tmp_path, split, reverse):
    moved = [
        item._replace(split=split) if item.group == "test c" else item
        for item in clips(prefix="c40/", pictures=False)
    ]
    other = prepared(tmp_path, moved, name="c40")
    corpora = {"HQ": opened(root), "LQ": opened(other)}
    if reverse:
        corpora = dict(reversed(corpora.items()))
    with pytest.raises(ValueError) as caught:
        corpus.check_disjoint(corpora)
    learnt = {"train": "training"}.get(split, split)
    message = str(caught.value)
    assert f"1 groups are in {learnt} of LQ and in the test split of HQ" in message
    assert "'test c'" in message
    assert "nowhere/c40/test/c" in message and "(nowhere" in message
    # Names that agree by chance are told apart by a namespace.
    corpora["LQ"] = opened(other, namespace="others")
    corpus.check_disjoint(corpora)
    assert corpora["LQ"].train.only(["swap"]).namespace == "others"
    assert corpora["LQ"].test.labelled(1).namespace == "others"
