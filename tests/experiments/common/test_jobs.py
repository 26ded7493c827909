"""A graph of jobs: its order, its errors, and several processes that share it."""

import random
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxforensics.experiments.common import jobs
from jaxforensics.experiments.common.jobs import Job, Made, in_order, in_turn, shared
from jaxforensics.store import Store


@pytest.fixture
def workspace(tmp_path):
    """What a job may need of a workspace: a store with claims."""
    return SimpleNamespace(store=Store(tmp_path))


def adding(name, *needs, log=None, title=""):
    """A job whose result is its name and the results of what it needs."""

    def make(workspace, made):
        if log is not None:
            log.append(name)
        return f"{name}({' '.join(made[need] for need in needs)})"

    return Job(name, make, needs, title)


CHAIN = [adding("c", "b"), adding("b", "a"), adding("a"), adding("d")]


def test_jobs_come_after_what_they_need_else_as_listed():
    assert [job.name for job in in_order(CHAIN)] == ["a", "b", "c", "d"]


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_graph_is_ordered(count, rng):
    """Edges from later to earlier numbers, listed in any order."""
    graph = [
        adding(str(i), *(str(j) for j in range(i) if rng.random() < 0.4))
        for i in range(count)
    ]
    rng.shuffle(graph)
    order = [job.name for job in in_order(graph)]
    assert sorted(order) == sorted(str(i) for i in range(count))
    for job in graph:
        assert all(order.index(need) < order.index(job.name) for need in job.needs)


def test_a_circle_is_named():
    circle = [adding("a", "c"), adding("b", "a"), adding("c", "b")]
    with pytest.raises(ValueError, match="each other: a → c → b → a"):
        in_order(circle)


def test_a_need_that_nobody_makes_is_named():
    with pytest.raises(ValueError, match="'b' needs 'aa'.*did you mean 'a'"):
        in_order([adding("a"), adding("b", "aa")])


def test_the_same_job_may_be_listed_twice_but_not_two_of_a_name():
    assert len(in_order([*CHAIN, adding("b", "a")])) == 4
    with pytest.raises(ValueError, match="two jobs are called 'b'"):
        in_order([*CHAIN, adding("b")])


def test_each_job_is_made_once_with_the_results_of_its_needs(workspace):
    log = []
    graph = [
        adding("c", "b", "a", log=log),
        adding("b", "a", log=log),
        adding("a", log=log),
    ]
    made = in_turn(graph, workspace)
    assert log == ["a", "b", "c"]
    assert made["c"] == "c(b(a()) a())"
    assert "c" in made and "d" not in made and list(made) == ["c", "b", "a"]
    with pytest.raises(KeyError, match="no job is called 'cc'"):
        made["cc"]
    assert log == ["a", "b", "c"]


def test_titles_follow_from_what_jobs_need(workspace):
    graph = [
        adding("net", title="Net"),
        adding("net/test", "net", title="Net"),
        adding("attack", "net", title="Attack"),
        adding("other", title="Other"),
        adding("other/after", "other", "attack", title="Other"),
        adding("untitled", "net"),
    ]
    made = Made(graph, workspace)
    assert made.titles_needing(["net"]) == {"Net", "Attack", "Other"}
    assert made.titles_needing(["other"]) == {"Other"}
    assert made.titles_needing([]) == set()


def test_processes_share_from_both_ends(tmp_path):
    """Here threads: claims are those of open files, which threads have of their own.

    The first job of each waits for that of the other, so neither can do all alone.
    """
    graph, stored, begun = [], {}, threading.Barrier(2)
    order = {"leader": [], "helper": []}

    def job(name, *needs):
        def make(workspace, made):
            if name in ("a", "f") and name not in stored:
                begun.wait(timeout=20)
            if name not in stored:
                order[workspace.who].append(name)
                stored[name] = [made[need] for need in needs] and name or name
            return stored[name]

        return Job(name, make, needs)

    graph = [job("a"), job("b"), job("c", "a"), job("d", "b"), job("e"), job("f")]
    results = {}

    def work(who):
        space = SimpleNamespace(store=Store(tmp_path), who=who)
        results[who] = shared(graph, space, backwards=who == "helper")

    threads = [threading.Thread(target=work, args=(who,)) for who in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(order["leader"] + order["helper"]) == list("abcdef")
    assert order["leader"][0] == "a" and order["helper"][0] == "f"
    for made in results.values():
        assert [made[name] for name in "abcdef"] == list("abcdef")


def test_a_job_in_the_hands_of_another_is_left_for_later(workspace):
    """Its claim is held elsewhere; all that needs it waits, the rest goes on."""
    order, store = [], workspace.store
    graph = [
        adding("a", log=order),
        adding("b", "a", log=order),
        adding("c", log=order),
    ]
    release, held = threading.Event(), threading.Event()

    def another():
        with store.claim("jobs/a") as ours:
            assert ours
            held.set()
            release.wait(timeout=20)

    waiting_for = []
    original = store.wait

    def wait(name):
        waiting_for.append(name)
        release.set()
        original(name)

    store.wait = wait
    thread = threading.Thread(target=another)
    thread.start()
    held.wait(timeout=20)
    made = shared(graph, workspace)
    thread.join()
    assert order == ["c", "a", "b"] and waiting_for == ["jobs/a"]
    assert made["b"] == "b(a())"


def test_an_error_of_a_job_is_that_of_the_run(workspace):
    def fail(workspace, made):
        raise ValueError("no such thing")

    for execute in (in_turn, shared):
        with pytest.raises(ValueError, match="no such thing"):
            execute([Job("a", fail)], workspace)
        with workspace.store.claim("jobs/a") as ours:
            assert ours  # the claim is given back


def test_order_does_not_depend_on_chance():
    graph = [adding(str(i), *map(str, range(0, i, 3))) for i in range(9)]
    first = [job.name for job in in_order(graph)]
    shuffled = [job.name for job in in_order(random.Random(0).sample(graph, 9))]
    assert first == [job.name for job in in_order(graph)]
    assert jobs.by_name(graph).keys() == set(shuffled)
