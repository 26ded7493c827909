"""Where a number comes from: code, versions, devices, machine."""

import ast
import functools
import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
import types
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

PACKAGE = Path(__file__).resolve().parent
NAME = PACKAGE.name
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "pillow", "grain")
# Packages that only list what can be chosen by name.  What was chosen is reached from
# the functions themselves, so that a new model leaves the digests of others alone.
TABLES = {f"{NAME}.models", f"{NAME}.attacks"}
# Modules whose objects hold results and compute none: nothing is looked for in them.
HOLDERS = {f"{NAME}.workspace", f"{NAME}.store", f"{NAME}.experiments.common.jobs"}
KINDS = ("code", "versions", "devices")  # of surroundings, as `--accept` names them


@functools.cache
def environment():
    """What a report states about the run's surroundings, as JSON types.

    Looked up once: what counts is the code that this process started with.
    """
    devices = jax.devices()
    return {
        "code": code_digest(),
        "git": git_state(),
        "python": platform.python_version(),
        "libraries": versions(),
        "devices": f"{len(devices)} × {devices[0].device_kind}",
        "processes": jax.process_count(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def surroundings(*objects):
    """{'code', 'versions', 'devices'}: all that sums may depend on besides settings.

    `code` is the digest of the modules that the objects (functions, methods, data
    sets) refer to, see `code_digest`.
    """
    return {
        "code": code_digest(*objects),
        "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        "devices": devices(),
    }


def devices():
    """Kind and number of devices; of CPUs also the cores, which sums depend on too."""
    all_devices = jax.devices()
    model = all_devices[0].device_kind
    text = f"{len(all_devices)} × {model}"
    # XLA divides sums among the cores of a CPU, so that their number matters too.
    if model == "cpu":
        text += f" with {_cores()} cores"
    if jax.process_count() > 1:
        text += f" of {jax.process_count()} processes"
    return text


@functools.cache
def versions():
    """{library: version} of those that compute; asked for beside every net."""
    return {name: _version(name) for name in LIBRARIES}


def code_digest(*objects):
    """A short hash of this package's code that the objects can run; of all without any.

    That is the source of every module in which one of the objects, or anything that
    they hold (closures, arguments of partials, fields), is defined, and of all modules
    that those import, directly or not.  Of somebody's own modules outside of this
    package, which are no installed library either, it is the module itself.
    """
    sources = _sources()
    modules = sources.keys()
    if objects:
        named = modules_of(*objects)
        modules = closure(named)
        sources = sources | {name: _own_source(name) for name in named - modules}
        modules = {name for name in modules | named if sources[name]}
    total = hashlib.sha256()
    for module in sorted(modules):
        total.update(module.encode())
        total.update(sources[module].encode())
    return total.hexdigest()[:16]


def closure(modules):
    """The modules of this package that these import, directly or not, and they."""
    reached = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module not in reached and module in _sources():
            reached.add(module)
            pending += _imports(module)
    return reached


def modules_of(*objects):
    """Names of the modules that define the objects or what they hold."""
    modules = set()
    visited = set()  # objects may hold each other
    pending = list(objects)
    while pending:
        item = pending.pop()
        if id(item) in visited:
            continue
        visited.add(id(item))
        if type(item).__module__ in HOLDERS:
            continue
        if isinstance(item, types.ModuleType):
            modules.add(item.__name__)
            continue
        for owner in (item, *type(item).__mro__):
            modules.add(getattr(owner, "__module__", None) or "")
        pending += _held(item)
    return modules - TABLES - {""}


@functools.cache
def _own_source(module):
    """The source of a module that is no library; '' of any other."""
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    libraries = (sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
    if not path.endswith(".py") or any(path.startswith(each) for each in libraries):
        return ""
    return Path(path).read_text()


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


@functools.cache
def _sources():
    """{module: its source} of the whole package, read once."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        sources[".".join(parts)] = path.read_text()
    return sources


@functools.cache
def _imports(module):
    """Modules of this package that a module imports, also where it does so late."""
    names = set()
    for node in ast.walk(ast.parse(_sources()[module])):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from a.b import c` names the module a.b.c or the object c of a.b.
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                names.add(target if target in _sources() else node.module)
    return sorted((names & _sources().keys()) - TABLES)


def _held(item):
    """What functions close over, partials bind, containers hold and objects have."""
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if isinstance(item, dict):
        return list(item.values())
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    if isinstance(item, types.MethodType):
        return [item.__func__, item.__self__]
    if isinstance(item, types.FunctionType):
        defaults = [*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values()]
        return [*map(_content, item.__closure__ or ()), *defaults]
    held = [getattr(item, "__wrapped__", None)]  # of a compiled or cached function
    if callable(item):
        held.append(getattr(item, "fun", None))  # of what jax wraps to hash it
    if type(item).__module__.startswith(NAME) or hasattr(item, "defvjp"):
        held += vars(item).values() if hasattr(item, "__dict__") else ()
    return held


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
