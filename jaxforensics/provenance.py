"""Where a number comes from: code, versions, devices, machine."""

import functools
import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

PACKAGE = Path(__file__).resolve().parent
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pillow", "grain")


@functools.cache
def environment():
    """What a report states about the run's surroundings, as JSON types.

    Looked up once: what counts is the code that this process started with.
    """
    devices = jax.devices()
    return {
        "code": code_fingerprint(),
        "git": git_state(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "devices": f"{len(devices)} × {devices[0].device_kind}",
        "processes": jax.process_count(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def code_fingerprint():
    """A hash of the package's source files."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        total.update(path.relative_to(PACKAGE).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def git_state():
    """The commit, with '+' when files differ from it; 'unknown' outside a checkout."""
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(PACKAGE.parent), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for arguments in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain"),
            )
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("+" if changes else "")


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
