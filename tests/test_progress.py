import io
import sys

import pytest

from jaxforensics.progress import UNWATCHED, bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def updates(stream, monkeypatch, *, seconds):
    """How often a bar of 400 steps, `seconds` in all, was drawn on the stream."""
    now = iter(range(10**6))
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(None, total=400, desc="prepare faces", unit="item") as shown:
        shown._time = lambda: next(now) * seconds / 400
        shown.start_t = shown.last_print_t = 0.0
        for _ in range(400):
            shown.update(1)
    drawn = stream.getvalue().split("\r")[1:]
    assert all(text.startswith("prepare faces: ") for text in drawn if text.strip())
    assert "400/400" in drawn[-1]
    return len(drawn)


@pytest.mark.parametrize("seconds", [5, 60])
def test_a_log_file_hears_of_progress_every_ten_seconds(monkeypatch, seconds):
    assert UNWATCHED == 10
    count = updates(io.StringIO(), monkeypatch, seconds=seconds)
    assert count <= 2 + seconds / UNWATCHED  # the first, the last, and between
    assert updates(Terminal(), monkeypatch, seconds=seconds) > 3 * count


def test_a_bar_may_be_hidden(capsys):
    assert list(bar(range(3), desc="x", unit="y", shown=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
