"""Four CPU devices, no silent broadcasting, no ignored warnings, a warm compiler."""

import gc
import os
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Set before jax is imported.  Most of the suite's time is compilation, and what is
# tested does not depend on LLVM's effort, nor on which of XLA's two emitters writes
# fusions: the older one, which later versions no longer have, takes half as long.  Slow
# tests run without these flags.
QUICK = "--xla_backend_optimization_level=0"
# In TR-Net's game this pass and the algebraic simplifier undo each other's work, 25
# times: a quarter of the compilation.
QUICK += " --xla_disable_hlo_passes=reshape-mover"
if version("jaxlib").startswith("0.10."):
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
on_cpu = os.environ["JAX_PLATFORMS"] == "cpu"
if on_cpu and os.environ.get("JAXFORENSICS_TEST_OPTIMISE") != "1":
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}".strip()
# Each core has a worker: threads of scikit-learn would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax-tests"))

os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax  # noqa: E402

gc.set_threshold(200_000, 50, 100)  # a tenth of what tracing takes is its garbage
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


# Of these files each takes a core for minutes, the longest first.
LONG = (
    "tests/launch/test_main.py",
    "tests/synthfaces/test_views.py",
    "tests/methods/test_trnet.py",
    "tests/kernels/test_convolution.py",
    "tests/models/test_trnet.py",
)


def pytest_collection_modifyitems(items):
    """What takes longest first, so that parallel workers end together."""
    place = {file: number for number, file in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONG)))


@pytest.fixture
def key():
    """A fixed random key."""
    return jax.random.key(0)


@pytest.fixture
def four_devices():
    """A test of batches spread over four, which a GPU machine may not have."""
    if jax.device_count() < 4:
        pytest.skip("there are fewer than four devices")


@pytest.fixture
def only_cpu():
    """A test of what XLA:CPU makes of a program."""
    if jax.default_backend() != "cpu":
        pytest.skip("this is about XLA for CPUs")


@pytest.fixture(scope="session")
def real_images():
    """The folder of real image sets, or a skip that says how to provide it."""
    default = ROOT.parent / "shared" / "real"
    folder = Path(os.environ.get("JAXFORENSICS_REAL", default))
    if not folder.is_dir():
        pytest.skip("real image sets absent: point JAXFORENSICS_REAL at their folder")
    return folder
