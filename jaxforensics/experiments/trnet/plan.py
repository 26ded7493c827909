"""The jobs of TR-Net's study."""

from jaxforensics.experiments.trnet import settings as rows
from jaxforensics.experiments.trnet.checks import check


def jobs(settings, data):
    """Networks, victims, attacked sets and answers for all tables and figures."""
    check(settings, data.main)
    arena = rows.arena(settings, data.main)
    # A net that several tables need is one job, so it is trained once.
    graph = arena.jobs(rows.all_cells(settings, data.main))
    return [*graph, *_trace_jobs(settings, arena)]


def _trace_jobs(settings, arena):
    """What traces are drawn from: undefended victims and attacked sets."""
    selection = settings.traces
    for seed in rows.seeds_of(settings, selection):
        for title in selection["attacks"]:
            yield from arena.attack_jobs(title, seed)
        for victim in selection["victims"]:
            yield arena.undefended_job(victim, seed)
