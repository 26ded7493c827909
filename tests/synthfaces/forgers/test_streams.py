"""Training streams: batches are functions of their step, parts share no scene."""

import itertools

import numpy as np
import pytest

from jaxforensics.synthfaces import photos
from jaxforensics.synthfaces.forgers import streams


@pytest.fixture
def drawn(monkeypatch):
    """Streams of scenes that are numbers, and which numbers were drawn."""
    asked = []

    def numbers(indices):
        asked.extend(indices.tolist())
        return {"image_64": indices[:, None]}

    monkeypatch.setitem(streams.KINDS, "numbers", numbers)
    streams._pool.cache_clear()
    yield streams.open(batch_size=4, scenes=12, held_out=8, kind="numbers"), asked
    streams._pool.cache_clear()


def test_a_batch_is_a_function_of_its_step(drawn):
    stream = drawn[0].train
    several = list(itertools.islice(stream.batches(), 9))
    for step in (0, 2, 3, 8):
        again = next(stream.batches(step))
        for name, column in several[step].items():
            assert np.array_equal(column, again[name])


def test_an_epoch_shows_every_scene_once_in_an_order_of_its_own(drawn):
    stream = drawn[0].train
    shown = [b["image_64"][:, 0] for b in itertools.islice(stream.batches(), 6)]
    epochs = np.concatenate(shown[:3]), np.concatenate(shown[3:])
    assert all(np.array_equal(np.sort(e), np.arange(12)) for e in epochs)
    assert not np.array_equal(*epochs)


def test_parts_share_no_scene_and_validation_is_fixed(drawn):
    data, _ = drawn
    train = {i for b in itertools.islice(data.train.batches(), 3) for i in b["index"]}
    validation, test = (
        [i for b in part.validation() for i in b["index"]]
        for part in (data.train, data.test)
    )
    assert len(validation) == len(test) == 8
    assert not train & set(validation) and not set(validation) & set(test)
    assert validation == [i for b in data.train.validation() for i in b["index"]]


def test_scenes_are_drawn_once(drawn):
    data, asked = drawn
    for _ in range(2):
        list(itertools.islice(data.train.batches(), 5))
    assert sorted(asked) == list(range(12))


def test_the_digest_tells_streams_apart():
    common = {"batch_size": 4, "scenes": 8, "held_out": 4}
    settings = [{}, {"seed": 1}, {"scenes": 12}, {"kind": "edits"}, {"batch_size": 2}]
    opened = [streams.open(**common | s).train for s in settings]
    marks = [stream.digest for stream in opened]
    assert len(set(marks)) == len(marks)
    assert opened[0].showing("edits").digest == opened[3].digest


def test_portraits_are_the_photographs_of_a_seed_of_their_own():
    found = streams.portraits(np.array([3, 5]))
    expected, _, _ = photos.portraits(
        streams.SEED, np.array([3, 5]), domain="studio", size=64
    )
    assert np.array_equal(found["image_64"], expected)
    assert found["image_128"].shape == (2, 128, 128, 3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"scenes": 10}, "10 train scenes do not fill batches of 4"),
        ({"held_out": 2}, "2 validation scenes"),
        ({"kind": "portrait"}, "did you mean 'portraits'"),
    ],
)
def test_odd_requests_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        streams.open(**{"batch_size": 4, "scenes": 8, "held_out": 4} | settings)
