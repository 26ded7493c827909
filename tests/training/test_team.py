"""Processes that share a run: their cores, and how they end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from jaxforensics.training import team

LEADER = """
import sys, time
from types import SimpleNamespace
from jaxforensics.training import team
others, place = team.begin(2)
if "helper" in place:
    print("helper", flush=True)
    time.sleep(60)
with team.helped(others, SimpleNamespace(SHARED=True)):
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def cores():
    """Those of this process, given back afterwards, as is what SIGTERM does."""
    before, handler = os.sched_getaffinity(0), signal.getsignal(signal.SIGTERM)
    yield sorted(before)
    os.sched_setaffinity(0, before)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def two_cores(cores):
    """At least."""
    if len(cores) < 2:
        pytest.skip("there is one core")
    return cores


def test_cores_are_divided(two_cores):
    others, place = team.begin(2)
    own = os.sched_getaffinity(0)
    rest = {int(core) for core in others[0].split(",")}
    assert place == {"helpers": 1}
    assert own | rest == set(two_cores) and not own & rest
    assert abs(len(own) - len(rest)) <= 1


def test_one_process_keeps_all_cores(cores):
    assert team.begin(1) == ([], {})
    assert sorted(os.sched_getaffinity(0)) == cores


@pytest.mark.parametrize("processes", [-1, 0, 100_000])
def test_more_processes_than_cores_are_refused(cores, processes):
    with pytest.raises(ValueError, match=f"--processes={processes}: there are"):
        team.begin(processes)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="builds on each other"):
        with team.helped(["0"], SimpleNamespace(SHARED=False)):
            pass


@contextmanager
def lead(tmp_path, seconds):
    script = tmp_path / "leader.py"
    script.write_text(LEADER)
    command = [sys.executable, str(script), seconds]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "helper\n"
        yield process


def test_helpers_leave_when_their_leader_is_done(tmp_path, two_cores):
    with lead(tmp_path, "1") as process:
        assert process.stdout.read() == ""  # closed by both
    assert process.returncode == 0


def test_helpers_leave_when_their_leader_is_killed(tmp_path, two_cores):
    with lead(tmp_path, "60") as process:
        process.kill()
        start = time.monotonic()
        process.stdout.read()  # ends when the helper does
        assert time.monotonic() - start < 30
