"""How long a user waits before anything happens: imports and `--help`."""

import subprocess
import sys

from harness import compare, save

EVERYTHING = (
    "import jaxforensics, jaxforensics.models, jaxforensics.ops.degrade, "
    "jaxforensics.methods.classifier, jaxforensics.evaluation.metrics"
)


def python(*arguments):
    # Not checked: absl exits with 1 after --help.
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=False, stdout=subprocess.DEVNULL
    )


def main():
    """Print whole-process times; the goals are 1.5 × `import jax, flax` and 3 s."""
    bare = python("-c", "import jax, flax")
    rows = [
        compare(name, ours, bare, peer_name="import jax, flax", goal=goal)
        for name, ours, goal in (
            ("import jaxforensics", python("-c", "import jaxforensics"), 1 / 1.5),
            ("import models, ops, methods", python("-c", EVERYTHING), 1 / 2),
            ("launch/main.py --help", python("launch/main.py", "--help"), 0),
            ("launch/prepare.py --help", python("launch/prepare.py", "--help"), 0),
        )
    ]
    slow = [row["name"] for row in rows[2:] if row["ours_ms"] > 3000]
    print(f"--help within 3 s: {'MISSED by ' + ', '.join(slow) if slow else 'ok'}")
    save(rows, "startup")


if __name__ == "__main__":
    main()
