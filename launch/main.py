"""Train, evaluate and report one study.

  python launch/main.py --config=configs/trnet.py --processes=2
  python launch/main.py --config=configs/detection.py:quick --workdir=runs/quick
  python launch/main.py --config=configs/detection.py:folder --config.data.root=DIR

Any setting of a config may be overridden: --config.SECTION.NAME=VALUE.  The same
command, run again, goes on where it stopped.  It ends in WORKDIR/report/index.html.
Without a GPU, --processes=2 trains two nets at a time, on half of the cores each.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from absl import app, flags, logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not installed? also fine

from ml_collections import config_flags  # noqa: E402

from jaxforensics.settings import call, misspelt  # noqa: E402

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    "config", None, "The study: FILE or FILE:PRESET.", short_name="c"
)
flags.DEFINE_string("workdir", None, "Where the run lives: runs/<config>-<preset>.")
flags.DEFINE_integer("processes", 1, "So many nets at a time, on CPUs.")
flags.DEFINE_string("data_dir", None, "Embedded data ($JAXFORENSICS_DATA, a cache).")


def main(argv):
    """Open the data sets, run the experiment in its workspace, write the report."""
    if len(argv) > 1 or FLAGS.config is None:
        raise ValueError("give one --config=FILE[:PRESET]; see --help for examples")
    from jaxforensics.commands import data_sets
    from jaxforensics.training import mesh, team
    from jaxforensics.workspace import Workspace

    config, settings = FLAGS.config, dict(FLAGS.config.experiment)
    experiment = import_module(f"jaxforensics.experiments.{settings.pop('name')}")
    logging.set_verbosity(logging.WARNING)
    mesh.start()
    shares, role = team.begin(FLAGS.processes, experiment)
    data, others = data_sets.open_all(config, FLAGS.data_dir)
    settings |= {"others": others} if others else {}
    workspace = call(Workspace, {**config.run, **role}, FLAGS.workdir or home())
    workspace.describe(config, data=data_sets.digests(data, others))
    with team.helped(shares):
        call(experiment.run, settings, workspace, data, where="experiment")
        if not workspace.helper:
            print(f"report: {workspace.report(experiment.TITLE)}", flush=True)


def home():
    """runs/<config>-<preset>."""
    path, _, preset = FLAGS["config"].config_filename.partition(":")
    return Path("runs") / f"{Path(path).stem}-{preset or 'default'}"


def parse(argv):
    """Flags, with what is wrong in a config as one line."""
    try:
        return FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        named = isinstance(error, AttributeError | KeyError) or "malform" in str(error)
        wrong = named and misspelt(argv, FLAGS["config"].parser.parse)
        sys.exit(f"configuration: {wrong or str(error).strip().splitlines()[-1]}")


if __name__ == "__main__":
    try:
        app.run(main, flags_parser=parse)
    except (ArithmeticError, ImportError, OSError, ValueError) as error:
        if os.environ.get("JAXFORENSICS_TRACEBACK"):
            raise
        sys.exit(f"error: {error}\n(JAXFORENSICS_TRACEBACK=1 shows where)")
