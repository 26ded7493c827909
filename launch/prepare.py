"""Turn pictures and videos into records, and look for what they give away.

A command that was stopped goes on where it was, when it is run again.  Examples:
  python launch/prepare.py folder DIR --size 128   # DIR/{real,fake}/…, DIR/test/real/…
  python launch/prepare.py folder ORIGINALS --edits attgan=DIR --masks attgan=DIR2
  python launch/prepare.py videos DIR --frames 20  # FaceForensics++, Celeb-DF, clips
  python launch/prepare.py audit DIR               # pictures, or what was prepared
  python launch/prepare.py check DIR               # is what was prepared still whole?
  python launch/prepare.py synthfaces --view=pairs --size=64   # the embedded set
"""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # not installed? also fine

from jaxforensics.commands.flags import MODULES, parser  # noqa: E402


def main():
    """Parse, call, print; what the user can put right is told in one line."""
    given = vars(parser(__doc__).parse_args())
    flags = {name: value for name, value in given.items() if value is not None}
    command = flags.pop("command")
    try:  # imports are slow: Ctrl-C may meet them
        module = import_module(f"jaxforensics.commands.{MODULES[command]}")
        print(module.run(command, flags))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here (an audit starts anew)")
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
