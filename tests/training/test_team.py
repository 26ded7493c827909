"""Processes that share a run: their cores, and how they end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from jaxforensics.training import team

LEADER = """
import sys, time
from jaxforensics.training import team
shares, role = team.begin(2)
if "helper" in role:
    print("helper", flush=True)
    time.sleep(float(sys.argv[2]))
with team.helped(shares):
    sys.stdin.readline()
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def cores():
    """Those of this process, given back afterwards, as is what SIGTERM does."""
    before = os.sched_getaffinity(0)
    handler = signal.getsignal(signal.SIGTERM)
    yield sorted(before)
    os.sched_setaffinity(0, before)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def two_cores(cores):
    """At least."""
    if len(cores) < 2:
        pytest.skip("there is one core")
    return cores


@pytest.fixture
def bare(monkeypatch):
    """A machine without accelerators, in no cluster."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")


def test_cores_are_divided_equally(two_cores, bare):
    others, role = team.begin(2)
    own = os.sched_getaffinity(0)
    rest = {int(core) for core in others[0].split(",")}
    assert role == {"processes": 2}
    assert own | rest <= set(two_cores) and not own & rest
    assert len(own) == len(rest) == len(two_cores) // 2


def test_one_process_keeps_all_cores(cores):
    assert team.begin(1) == ([], {})
    assert sorted(os.sched_getaffinity(0)) == cores


@pytest.mark.parametrize("processes", [-1, 0, 100_000])
def test_more_processes_than_cores_are_refused(cores, bare, processes):
    with pytest.raises(ValueError, match=f"--processes={processes}: there are"):
        team.begin(processes)


def test_hosts_are_not_divided(cores, monkeypatch):
    monkeypatch.setattr("jax.distributed.is_initialized", lambda: True)
    with pytest.raises(ValueError, match="of one machine"):
        team.begin(2)


def test_beside_an_accelerator_one_process_does_it_all(cores, monkeypatch, capsys):
    monkeypatch.setattr(team, "_alone", lambda: "there is an accelerator")
    assert team.begin(2) == ([], {})
    assert sorted(os.sched_getaffinity(0)) == cores
    assert "there is an accelerator" in capsys.readouterr().out


@contextmanager
def lead(tmp_path, *seconds):
    """A leader and a helper that sleep for so long, from when both have begun."""
    script = tmp_path / "leader.py"
    script.write_text(LEADER)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, str(script), *seconds]
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout.readline() == "helper\n"
        print(file=process.stdin, flush=True)
        yield process


@pytest.mark.parametrize("seconds", [("1", "60"), ("3", "0")])
def test_whoever_ends_first_both_end_well(tmp_path, two_cores, bare, seconds):
    with lead(tmp_path, *seconds) as process:
        out, errors = process.communicate()  # until both have closed them
    assert process.returncode == 0
    assert out == errors == ""


def test_helpers_leave_when_their_leader_is_killed(tmp_path, two_cores, bare):
    with lead(tmp_path, "60", "60") as process:
        process.kill()
        start = time.monotonic()
        process.communicate()
        assert time.monotonic() - start < 30


def test_a_helper_that_failed_is_told_of(tmp_path, two_cores, bare):
    with lead(tmp_path, "3", "what") as process:
        assert "a helper had ended early, with 1" in process.communicate()[0]
