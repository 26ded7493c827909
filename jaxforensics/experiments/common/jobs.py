"""What a study has to make before it can measure: a graph of jobs, and who makes them.

A job is a name, the names of the jobs that it needs first, and a function.  A study
lists its jobs; an executor, chosen at launch, makes them: `in_turn` in this process,
`shared` among several processes of one machine.  A job's function trains, attacks or
predicts through a `Workspace`, which skips what is finished and resumes what is not:
whoever asks again gets the stored result.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxforensics.settings import nearest


class Job(NamedTuple):
    """Something to make once: a training, an attacked set, predictions."""

    name: str  # unique in its graph, a path below the run's directory
    make: Callable  # (workspace, made) -> result, where `made[name]` are needed ones
    needs: tuple[str, ...] = ()
    title: str = ""  # what tables call it: rows of that name rest on it


class Made:
    """Results of a graph's jobs by name."""

    def __init__(self, jobs, workspace):
        self._jobs = by_name(jobs)
        self.workspace = workspace
        self._results = {}

    def __getitem__(self, name):
        if name not in self._jobs:
            raise KeyError(f"no job is called {name!r}{nearest(name, self._jobs)}")
        return self._results[name]

    def add(self, name, result):
        """Keep the result of a job."""
        self._results[name] = result

    def __contains__(self, name):
        return name in self._jobs

    def __iter__(self):
        return iter(self._jobs)

    def titles_needing(self, names):
        """Titles of all jobs that make one of `names` or need one of them."""
        affected = set()
        for job in in_order(self._jobs.values()):
            if names and (job.name in names or affected.intersection(job.needs)):
                affected.add(job.name)
        return {self._jobs[name].title for name in affected} - {""}


def in_turn(jobs, workspace):
    """Make all jobs in this process, each after those that it needs: their `Made`."""
    made = Made(jobs, workspace)
    for job in in_order(jobs):
        with workspace.store.claimed(f"jobs/{job.name}"):
            made.add(job.name, job.make(workspace, made))
    return made


def shared(jobs, workspace, *, backwards=False):
    """Make all jobs together with other processes that do the same: their `Made`.

    A job is begun when those that it needs are finished and no other process is at it.
    One that another process has finished is read back.  Processes that go `backwards`
    begin with the last jobs, so that they meet the others late.
    """
    made = Made(jobs, workspace)
    waiting = in_order(jobs)
    if backwards:
        waiting.reverse()
    finished = set()
    while waiting:
        taken = []
        for job in waiting:
            if not finished.issuperset(job.needs):
                continue
            if _make_unless_taken(job, made, workspace):
                finished.add(job.name)
            else:
                taken.append(job)
        ready = [job for job in waiting if job.name in finished]
        if not ready:  # all that could be made is in the hands of others
            workspace.store.wait(f"jobs/{taken[0].name}")
        waiting = [job for job in waiting if job.name not in finished]
    return made


def in_order(jobs):
    """The jobs, each after those that it needs, else in the order given.

    Needs that no job has, and jobs that need each other, are errors with their names.
    """
    jobs = by_name(jobs)
    for job in jobs.values():
        for need in job.needs:
            if need not in jobs:
                raise ValueError(
                    f"job {job.name!r} needs {need!r}, which no job is called"
                    f"{nearest(need, jobs)}"
                )
    ordered = {}
    for job in jobs.values():
        _place(job, jobs, ordered, path=())
    return list(ordered.values())


def by_name(jobs):
    """{name: job}; two jobs of one name have to be the same wish, said twice."""
    named = {}
    for job in jobs:
        first = named.setdefault(job.name, job)
        if set(first.needs) != set(job.needs):
            raise ValueError(
                f"two jobs are called {job.name!r}, and need {first.needs} and "
                f"{job.needs}"
            )
    return named


def _place(job, jobs, ordered, *, path):
    """Add a job to `ordered` {name: job}, after those that it needs."""
    if job.name in ordered:
        return
    if job.name in path:
        circle = " → ".join([*path[path.index(job.name) :], job.name])
        raise ValueError(f"jobs that need each other: {circle}")
    for need in job.needs:
        _place(jobs[need], jobs, ordered, path=(*path, job.name))
    ordered[job.name] = job


def _make_unless_taken(job, made, workspace):
    """Make a job; False if another process is at it."""
    with workspace.store.claim(f"jobs/{job.name}") as ours:
        if ours:
            made.add(job.name, job.make(workspace, made))
        return ours
