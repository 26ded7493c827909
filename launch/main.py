"""Train, measure and report one study.

  python launch/main.py --config=configs/trnet.py --processes=2
  python launch/main.py --config=configs/detection.py:quick --workdir=runs/quick
  python launch/main.py --config=configs/detection.py:folder --config.data.root=DIR

The head of each file in configs/ lists its presets.  Any setting may be overridden:
--config.SECTION.NAME=VALUE.  The same command, run again, goes on where it stopped.  It
ends in WORKDIR/report/index.html.
"""

import os
import sys
from pathlib import Path

from absl import app, flags, logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not installed? also fine

from ml_collections import config_flags  # noqa: E402

from jaxforensics.settings import misspelt  # noqa: E402

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    "config", None, "The study: FILE or FILE:PRESET.", short_name="c"
)
flags.DEFINE_string("workdir", None, "Where the run lives: runs/<config>-<preset>.")
flags.DEFINE_integer("processes", 1, "Without a GPU: train so many nets at a time.")
flags.DEFINE_string(
    "data_dir", None, "Folder of embedded data, else $JAXFORENSICS_DATA or a cache."
)
flags.DEFINE_list(
    "accept",
    [],
    "Go on with nets that other code, versions or devices trained: a list of those.",
)


def main(argv):
    """Run the study that the config names."""
    if len(argv) > 1 or FLAGS.config is None:
        raise ValueError("give one --config=FILE[:PRESET]; see --help for examples")
    from jaxforensics.commands import studies

    logging.set_verbosity(logging.WARNING)
    studies.run(
        FLAGS.config,
        FLAGS.workdir or home(),
        processes=FLAGS.processes,
        data_dir=FLAGS.data_dir,
        accept=FLAGS.accept,
    )


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
