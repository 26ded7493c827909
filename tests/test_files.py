"""Files are replaced whole, or not at all."""

import errno
import threading
from pathlib import Path

import pytest

from jaxforensics.files import alone, replacing


def test_a_file_is_replaced_once_it_is_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("first", "second"):
        with replacing(path) as partial:
            partial.write_text(text)
            assert partial.parent == path.parent and partial != path
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="disk full"), replacing(path) as partial:
        partial.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_turn_is_waited_for(tmp_path, capsys):
    path, order = tmp_path / "new" / ".lock", []

    def second():
        with alone(path, waiting="waiting for the first"):
            order.append("second")

    with alone(path, waiting="there is nobody"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert capsys.readouterr().out == "waiting for the first\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_nobody_is_waited_for_where_nothing_may_be_written(
    tmp_path, monkeypatch, number
):
    def refused(*args):
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "open", refused)
    reached = False
    try:
        with alone(tmp_path / ".lock", waiting="there is nobody"):
            reached = True
    except OSError as error:
        assert error.errno == number
    assert reached == (number != errno.ENOSPC)
