"""Running a study: what `launch/main.py` calls."""

from contextlib import closing
from functools import partial
from importlib import import_module
from pkgutil import iter_modules

from jaxforensics import experiments
from jaxforensics.commands import data_sets
from jaxforensics.experiments.common import checks, jobs, study
from jaxforensics.settings import call, nearest
from jaxforensics.training import mesh, team
from jaxforensics.workspace import Workspace


def run(config, workdir, *, processes=1, data_dir=None, accept=()):
    """Check a config, open its data, make what its study needs, and report.

    With several `processes` this one starts the others, which run the same command.
    """
    accepted = checks.accepted(accept)
    chosen = find(config.experiment.name)
    settings = checks.check(config, chosen.Settings)
    mesh.start()
    shares, role = team.begin(processes)
    data = data_sets.open_all(config, data_dir)
    run_settings = {**config.run, **role, "accept": accepted}
    with closing(call(Workspace, run_settings, workdir, where="run")) as workspace:
        workspace.describe(config, data=data_sets.digests(data))
        execute = jobs.in_turn
        if shares or workspace.helper:
            execute = partial(jobs.shared, backwards=workspace.helper)
        with team.helped(shares):
            page = study.run(chosen, workspace, settings, data, execute=execute)
    if page:
        print(f"report: {page}", flush=True)


def find(name):
    """The study of this name, a module or package of `experiments`.

    A dotted name is that of any other module: a study that is kept elsewhere.
    """
    if "." in name:
        return import_module(name)
    try:
        return import_module(f"{experiments.__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{experiments.__name__}.{name}":
            raise
        studies = [module.name for module in iter_modules(experiments.__path__)]
        studies.remove("common")
        raise ValueError(
            f"experiment.name: there is no study {name!r}{nearest(name, studies)}. "
            f"Valid: {', '.join(studies)}"
        ) from None
