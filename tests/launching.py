"""Running `launch/main.py` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import QUICK

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / "configs").glob("*.py") if p.stem != "common")


def command(config, *flags):
    return [sys.executable, "launch/main.py", f"--config={config}", *flags]


def environment(devices=1):
    settings = {
        "XLA_FLAGS": QUICK,
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache/jax-main"),
        "JAX_NUM_CPU_DEVICES": str(devices),
    }
    return os.environ | settings


def run(config, *flags, devices=1, root=ROOT):
    return subprocess.run(
        command(config, *flags),
        cwd=root,
        env=environment(devices),
        capture_output=True,
        text=True,
        timeout=600,
    )
