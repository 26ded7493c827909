"""Files of a run: whole, under a digest, claimed by one at a time."""

import threading

import numpy as np
import pytest

from jaxforensics.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_json_comes_back_and_damage_is_nothing(store, caplog):
    assert store.read("a/b.json") is None
    store.write("a/b.json", {"x": [1, 2.5, None]})
    assert store.read("a/b.json") == {"x": [1, 2.5, None]}
    (store.directory / "a/b.json").write_text("{ cut")
    assert store.read("a/b.json") is None
    assert "b.json is damaged" in caplog.text


def test_arrays_come_back_under_their_digest_alone(store):
    arrays = {"score": np.arange(3.0), "name": np.array(["a", "bc", "d"])}
    store.write_arrays("m/x.npz", arrays, "digest", notice="attacked")
    stored = store.read_arrays("m/x.npz", "digest")
    assert stored.keys() == arrays.keys()
    assert all(np.array_equal(stored[name], arrays[name]) for name in arrays)
    assert store.read_arrays("m/x.npz", "other") is None
    assert str(np.load(store.directory / "m/x.npz")["notice"]) == "attacked"


def test_of_several_hosts_one_writes(tmp_path):
    store = Store(tmp_path, writes=False)
    store.write("a.json", 1)
    store.write_arrays("a.npz", {}, "digest")
    with store.claimed("anything"):
        assert list(tmp_path.iterdir()) == []


def test_what_one_process_is_at_no_other_begins(store, capsys):
    with store.claim("job") as ours:
        assert ours
        with store.claim("job") as again, store.claim("another") as other:
            assert not again and other

        finished = []

        def wait():
            with store.claimed("job"):
                finished.append("waited")

        waiting = threading.Thread(target=wait)
        waiting.start()
        printed = ""
        while "waiting for job" not in printed:
            printed += capsys.readouterr().out
        assert not finished
    waiting.join()
    assert finished == ["waited"]
    store.wait("job")  # nobody is at it


def test_two_runs_cannot_share_a_directory(store):
    lock = store.lock()
    with pytest.raises(SystemExit, match="another run is using"):
        store.lock()
    lock.close()
    store.lock().close()
