"""Digests of code: what a net can run, and nothing else."""

import ast
import subprocess
import sys
from functools import partial

import jax
import pytest
import tiny

from jaxforensics import provenance
from jaxforensics.attacks import build as build_attack
from jaxforensics.methods import classifier
from jaxforensics.training import fit

MESO = "jaxforensics.models.meso"
XCEPTION = "jaxforensics.models.xception"


@pytest.fixture
def changed(monkeypatch):
    """A function that pretends that the source of a module was changed."""
    original = provenance._sources()

    def change(module, text="# changed\n"):
        sources = original | {module: original.get(module, "") + text}
        monkeypatch.setattr(provenance, "_sources", lambda: sources)
        provenance._imports.cache_clear()

    yield change
    provenance._imports.cache_clear()


@pytest.fixture(scope="module")
def meso():
    return classifier.make(model="meso4", steps=1)


def test_the_closure_is_that_of_python(meso):
    """What python itself loads for the module that holds the model, tables aside."""
    script = f"import sys, {MESO}; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name for name in printed.stdout.split() if name in provenance._sources()}
    # A package's own module runs first: the table of models loads every model.
    packages = {name for name in loaded if name.count(".") < 2}
    reached = provenance.closure([MESO])
    assert reached - packages <= loaded
    for module in reached:
        tree = ast.parse(provenance._sources()[module])
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in loaded - packages:
                assert node.module in reached


def test_models_are_reached_through_what_a_method_holds(meso):
    modules = provenance.modules_of(meso)
    assert MESO in modules and XCEPTION not in modules
    assert "jaxforensics.methods.classifier" in modules
    network = jax.tree_util.Partial(partial(meso.predict, None))
    attack = build_attack("pgd", network)
    assert {MESO, "jaxforensics.attacks.gradient"} <= provenance.modules_of(attack)
    compiled = jax.jit(meso.stages[0].step)
    assert MESO in provenance.modules_of({"any": [compiled]})


@pytest.mark.parametrize(
    "module, affects",
    [
        (MESO, True),
        ("jaxforensics.ops.degrade", True),
        ("jaxforensics.training.loop", True),
        ("jaxforensics.training.checkpoints", True),
        (XCEPTION, False),
        ("jaxforensics.models", False),  # the table, where a new model has its row
        ("jaxforensics.reporting.report", False),
        ("jaxforensics.experiments.detection", False),
        ("jaxforensics.prepare.dataset", False),
        ("jaxforensics.models.entirely_new", False),
    ],
)
def test_only_code_that_can_affect_a_net_counts(meso, changed, module, affects):
    before = provenance.code_digest(meso, fit)
    changed(module)
    assert (provenance.code_digest(meso, fit) != before) == affects


def test_code_of_all_counts_every_module(changed):
    before = provenance.code_digest()
    changed("jaxforensics.reporting.report")
    assert provenance.code_digest() != before


def test_modules_of_ones_own_count(monkeypatch):
    """A study may live outside of the package; libraries are known by their version."""
    before = provenance.code_digest(tiny.method())
    original = provenance._own_source
    assert original("numpy") == original("json") == ""
    monkeypatch.setattr(provenance, "_own_source", lambda name: original(name) + "#")
    assert provenance.code_digest(tiny.method()) != before


def test_devices_say_what_sums_depend_on(monkeypatch):
    text = provenance.devices()
    assert text.startswith(f"{len(jax.devices())} × ")
    monkeypatch.setattr(provenance, "_cores", lambda: 7)
    if jax.default_backend() == "cpu":
        assert provenance.devices().endswith("with 7 cores")
