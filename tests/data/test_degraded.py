"""A corpus as if its pictures had been saved after an operation."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxforensics.data import corpus
from jaxforensics.data.items import Item
from jaxforensics.prepare.dataset import prepare

SIDE, COUNT = 16, 40
JPEGS, GAMMAS = ("jpeg", (20, 50, 90)), ("gamma", (0.5, 2.0))
SPLITS = ("train", "train", "validation", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("degraded")
    draw = np.random.default_rng(0)
    items = []
    for i in range(COUNT):
        path = folder / f"{i}.png"
        Image.fromarray(draw.integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(path)
        source, split = ("real", "fake")[i % 2], SPLITS[i // 2 % 4]
        label = int(source == "fake")
        items.append(
            Item(str(path), label, source, group=str(i), split=split, name=path.name)
        )
    return Path(prepare(items, folder / "out", name="d", progress=False).root)


def opened(root, **settings):
    return corpus.open(root, size=SIDE, batch_size=10, **settings)


def seen(stream, batches):
    """{record: the different pictures that were shown of it}."""
    found = {}
    for batch in itertools.islice(stream, batches):
        for i in np.flatnonzero(batch["valid"]):
            found.setdefault(int(batch["index"][i]), set()).add(
                batch["image"][i].tobytes()
            )
    return found


def saved(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(file))


def test_each_picture_has_one_of_the_values_once_and_for_all(root):
    """Against Pillow, on all three splits; whatever the seed of the order."""
    plain, sets = opened(root), opened(root, seed=5)
    after = corpus.Corpus(*(side.degraded(JPEGS) for side in sets))
    for stream in (
        lambda sides: sides.train.batches(),
        lambda sides: sides.train.validation(),
        lambda sides: sides.test.batches(),
    ):
        originals, degraded = (seen(stream(sides), 8) for sides in (plain, after))
        assert originals.keys() == degraded.keys() and len(originals) >= 10
        values = set()
        for index, shown in degraded.items():
            assert len(shown) == 1
            picture = np.frombuffer(next(iter(originals[index])), np.uint8)
            picture = picture.reshape(SIDE, SIDE, 3)
            made = {saved(picture, q).tobytes(): q for q in JPEGS[1]}
            values.add(made[next(iter(shown))])
        assert len(values) > 1


@pytest.mark.parametrize("copies, least, most", [(1, 1, 1), (2, 2, 2), (3, 3, 3)])
def test_copies_are_what_training_draws_among(root, copies, least, most):
    degraded = opened(root).train.degraded(None, JPEGS, GAMMAS, copies=copies)
    numbers = [len(shown) for shown in seen(degraded.batches(), 60).values()]
    assert min(numbers) >= least and max(numbers) <= most


def test_a_fraction_of_a_copy_is_that_of_pictures_with_one_more(root):
    degraded = opened(root).train.degraded(None, JPEGS, GAMMAS, copies=1.5)
    numbers = [len(shown) for shown in seen(degraded.batches(), 60).values()]
    assert set(numbers) == {1, 2}


def test_degraded_sets_have_digests_of_their_own(root):
    sets = opened(root)
    for side in sets:
        marks = {
            side.digest,
            side.degraded(JPEGS).digest,
            side.degraded(GAMMAS).digest,
            side.degraded(("jpeg", (20,))).digest,
        }
        assert len(marks) == 4
    some = [sets.train.degraded(None, JPEGS, copies=c).digest for c in (1, 2)]
    assert len(set(some)) == 2


def test_sources_may_be_chosen_of_a_degraded_set(root):
    chosen = opened(root).train.degraded(GAMMAS).only(["fake"])
    assert chosen.digest != opened(root).train.only(["fake"]).digest
    assert seen(chosen.batches(), 1)


@pytest.mark.parametrize(
    "alternatives, copies, message",
    [((("jpg", (60,)),), 1, "jpeg"), ((JPEGS,), 2, "2 copies of 1 alternatives")],
)
def test_what_cannot_be_made_is_refused(root, alternatives, copies, message):
    with pytest.raises(ValueError, match=message):
        opened(root).train.degraded(*alternatives, copies=copies)
