"""The house rules that a reader relies on, read off the source.

Each rule yields (line, complaint) for one parsed file; beside the whole tree each is
shown a few lines that break it, so that no rule passes by having become blind.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "jaxforensics"
LIBRARY = sorted((ROOT / PACKAGE).rglob("*.py"))
LAUNCH = sorted((ROOT / "launch").rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.py"))

# What each part of the package may import besides itself; methods only from below.
GENERAL = {"settings", "files", "ops", "data", "training", "evaluation", "reporting"}
MAY_IMPORT = {
    "settings": set(),
    "files": set(),
    "provenance": {"settings"},
    "kernels": {"settings"},
    "ops": {"settings", "kernels"},
    "progress": set(),
    "workers": set(),
    "data": {"settings", "files"},
    "prepare": {"settings", "files", "progress", "workers", "data", "ops"},
    "audit": {"settings", "progress", "data", "prepare", "evaluation", "reporting"},
    "training": {"settings", "files", "progress", "ops", "evaluation"},
    "evaluation": GENERAL | {"kernels"},
    "reporting": GENERAL,
    "store": {"files"},
    "workspace": GENERAL | {"provenance", "store"},
    "models": {"settings", "files", "kernels", "ops"},
    "attacks": {"settings", "ops", "models"},
    "methods": {"settings", "kernels", "ops", "models", "attacks", "training"}
    | {"evaluation"},
    "synthfaces": {"settings", "files", "kernels", "ops", "models", "data", "training"}
    | {"progress", "workers"},
    "commands": GENERAL
    | {"prepare", "audit", "models", "synthfaces", "workspace", "experiments"},
    "experiments": GENERAL
    | {"provenance", "workspace", "models", "attacks", "methods", "synthfaces"},
}
# Heavy or unsafe: absent from a plain installation, or able to run what they read.
FORBIDDEN = {"torch", "tensorflow", "cv2", "pickle", "cPickle", "dill", "joblib"}
LAZY = {(f"{PACKAGE}/models/weights.py", "torch")}
# Names that the caller chooses, or settings whose names are checked where they land.
TAKES_ANY_NAME = {
    ("configs/common.py", "config"),
    ("configs/common.py", "preset"),
    (f"{PACKAGE}/attacks/__init__.py", "build"),
    (f"{PACKAGE}/data/corpus.py", "_digest"),
    (f"{PACKAGE}/commands/data_sets.py", "open_data"),
    (f"{PACKAGE}/models/__init__.py", "build"),
    (f"{PACKAGE}/training/nets.py", "new_state"),
}
# What tells the backend, and who asks outside of `kernels`: the embedded benchmark, how
# many pictures to draw at a time.
BACKEND = {"default_backend", "get_backend", "jax_default_device", "platform"}
ASKS_FOR_BACKEND = {f"{PACKAGE}/synthfaces/photos.py"}
MOST_LINES, MOST_FUNCTION_LINES, MOST_LAUNCH_LINES = 600, 90, 79


def imports(tree):
    """(node, dotted name) of every import; `from a import b` is a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node, f"{module}.{alias.name}") for alias in node.names)


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def public_functions(tree):
    """Functions of the module and methods of its classes that users may call."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or node.name in ("__init__", "__call__"):
                yield node


def part(path):
    """The part of the package that a file is: ops, models, …, workspace."""
    return Path(path).parts[1].removesuffix(".py")


def imports_run_one_way(tree, path):
    for node, name in imports(tree):
        root, target = (*name.split("."), "")[:2]
        allowed = MAY_IMPORT.get(part(path), set())
        if part(path) != "methods":
            allowed = allowed | {part(path)}
        if name.startswith("."):
            yield node.lineno, "relative import: write the full name"
        elif root in ("launch", "configs"):
            yield node.lineno, f"the package imports {root}"
        elif root == PACKAGE and target in MAY_IMPORT and target not in allowed:
            yield node.lineno, f"{part(path)} imports {target}"


def studies_stand_alone(tree, path):
    """A study may use `experiments.common`, and no other study."""
    own = Path(path).parts[2].removesuffix(".py")
    for node, name in imports(tree):
        if name.startswith(f"{PACKAGE}.experiments."):
            target = name.split(".")[2]
            if target not in ("common", own):
                yield node.lineno, f"{own} imports the study {target}"


def parts_have_a_place(tree, path):
    if part(path) not in {*MAY_IMPORT, "__init__"}:
        yield 1, f"say in MAY_IMPORT what {part(path)} may import"


def libraries(tree):
    """(node, library), also where the name is handed over: import_module("torch")."""
    for node, name in imports(tree):
        yield node, name.split(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names = (a.value for a in node.args if isinstance(a, ast.Constant))
            yield from ((node, name) for name in names if name in FORBIDDEN)


def no_forbidden_imports(tree, path):
    at_import = {id(node) for node in tree.body}
    for node, library in libraries(tree):
        lazy = (path, library) in LAZY and id(node) not in at_import
        if library in FORBIDDEN and not lazy:
            yield node.lineno, f"imports {library}"


def no_pickles(tree, path):
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                yield node.value.lineno, "allow_pickle"


def keys_come_first(tree, path):
    for node in public_functions(tree):
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        if names[:1] == ["self"]:
            names = names[1:]
        keyword = [a.arg for a in node.args.kwonlyargs]
        if "key" in keyword or "key" in names[1:]:
            yield node.lineno, f"{node.name}: key is not the first argument"


def keys_are_not_called_rng(tree, path):
    for node in functions(tree):
        arguments = node.args
        for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            if a.arg in ("rng", "prng", "rng_key"):
                yield node.lineno, f"{node.name}: {a.arg} should be key"


def options_are_keyword_only(tree, path):
    for node in public_functions(tree):
        method = node not in tree.body and node.name != "__call__"
        if node.args.defaults and not method:  # methods follow their protocol
            yield node.lineno, f"{node.name}: optional arguments go behind a *"


def public_functions_are_documented(tree, path):
    for node in public_functions(tree):
        if not node.name.startswith("__") and not ast.get_docstring(node):
            yield node.lineno, f"{node.name}: no docstring"


def settings_are_not_passed_through(tree, path):
    for node in functions(tree):
        if node.args.kwarg and (path, node.name) not in TAKES_ANY_NAME:
            yield node.lineno, f"{node.name}: **{node.args.kwarg.arg}"


def configs_have_no_hidden_defaults(tree, path):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = getattr(owner, "attr", getattr(owner, "id", ""))
            if node.func.attr == "get" and name.split("_")[-1] in ("config", "cfg"):
                yield node.lineno, f"{name}.get"


def backend_questions(tree):
    """(node, name) of whatever tells the backend or a device's platform."""
    ours = f"{PACKAGE}.kernels.fusion.backend"
    for node, name in imports(tree):
        asks_jax = name.startswith("jax.") and name.rpartition(".")[2] in BACKEND
        if name == ours or asks_jax:
            yield node, name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", "")
            is_ours = (owner, node.attr) == ("fusion", "backend")
            if is_ours or (node.attr in BACKEND and owner != "sys"):
                yield node, node.attr


def only_kernels_ask_for_the_backend(tree, path):
    if part(path) != "kernels" and path not in ASKS_FOR_BACKEND:
        for node, name in backend_questions(tree):
            yield node.lineno, f"asks for the backend by {name}: put it into kernels"


def functions_are_short(tree, path):
    for node in functions(tree):
        length = node.end_lineno - node.lineno + 1
        if length > MOST_FUNCTION_LINES:
            yield node.lineno, f"{node.name}: {length} lines"


EVERYWHERE = [*LIBRARY, *LAUNCH, *CONFIGS]
RANDOM = [p for p in LIBRARY if part(p.relative_to(ROOT)) in ("ops", "attacks")]
# Data code on the host draws from numpy generators, which are not keys.
DEVICE = [p for p in LIBRARY if part(p.relative_to(ROOT)) != "data"]
# Rule, the files it holds for, and lines that break it if they stood in such a file.
RULES = [
    (
        imports_run_one_way,
        LIBRARY,
        "ops/a.py",
        [
            "from jaxforensics.models import meso",
            "from jaxforensics import models",
            "def f():\n    import jaxforensics.training.loop",
            "import configs.common",
            "from launch.main import main",
            "from .color import to_gray",
        ],
    ),
    (
        imports_run_one_way,
        [],
        "methods/trnet.py",
        [
            "from jaxforensics.methods import classifier",
            "from jaxforensics.experiments import detection",
        ],
    ),
    (
        studies_stand_alone,
        sorted((ROOT / PACKAGE / "experiments").rglob("*.py")),
        "experiments/trnet/plan.py",
        [
            "from jaxforensics.experiments import detection",
            "from jaxforensics.experiments.amten.measure import measure",
        ],
    ),
    (parts_have_a_place, LIBRARY, "utils.py", ["x = 1"]),
    (
        no_forbidden_imports,
        EVERYWHERE,
        "models/weights.py",
        [
            "import torch",
            "from tensorflow.io import gfile",
            "def f():\n    import cv2",
            "import pickle as p",
            "cv2 = importlib.import_module('cv2')",
        ],
    ),
    (no_pickles, EVERYWHERE, "a.py", ["np.load(path, allow_pickle=True)"]),
    (
        keys_come_first,
        RANDOM,
        "ops/a.py",
        [
            "def noise(image, key): ...",
            "def noise(image, *, key): ...",
            "class A:\n    def noise(self, image, key): ...",
        ],
    ),
    (keys_are_not_called_rng, DEVICE, "a.py", ["def f(rng): ..."]),
    (
        options_are_keyword_only,
        LIBRARY,
        "a.py",
        ["def f(x, y=1): ...", "class A:\n    def __call__(self, x, train=False): ..."],
    ),
    (public_functions_are_documented, LIBRARY, "a.py", ["def f(): ..."]),
    (
        settings_are_not_passed_through,
        EVERYWHERE,
        "models/meso.py",
        ["def build(name, **settings): ..."],
    ),
    (
        configs_have_no_hidden_defaults,
        EVERYWHERE,
        "a.py",
        ["config.get('steps', 3)", "self.data_config.model.config.get('a')"],
    ),
    (
        only_kernels_ask_for_the_backend,
        LIBRARY,
        "ops/a.py",
        [
            "jax.default_backend()",
            "from jax import default_backend",
            "jax.devices()[0].platform",
            "jax.config.jax_default_device",
            "fusion.backend()",
            "from jaxforensics.kernels.fusion import backend",
        ],
    ),
    (
        functions_are_short,
        [*LIBRARY, *LAUNCH],
        "a.py",
        ["def f():\n" + "    x = 1\n" * MOST_FUNCTION_LINES],
    ),
]
NAMES = [f"{rule.__name__}-{example}" for rule, _, example, _ in RULES]


@pytest.mark.parametrize("rule, paths, example, broken", RULES, ids=NAMES)
def test_rule(rule, paths, example, broken):
    for source in broken:
        assert list(rule(ast.parse(source), f"{PACKAGE}/{example}")), source
    complaints = [
        f"{name}:{line}: {complaint}"
        for path in paths
        for name in [path.relative_to(ROOT).as_posix()]
        for line, complaint in rule(ast.parse(path.read_text()), name)
    ]
    assert not complaints, "\n".join(["", *complaints])


def test_exceptions_are_needed():
    """A name leaves the lists of exceptions with the code that needed it."""
    for path, name in TAKES_ANY_NAME:
        found = functions(ast.parse((ROOT / path).read_text()))
        assert any(f.name == name and f.args.kwarg for f in found), (path, name)
    for path, library in LAZY:
        found = libraries(ast.parse((ROOT / path).read_text()))
        assert library in {name for _, name in found}, (path, library)
    for path in ASKS_FOR_BACKEND:
        assert list(backend_questions(ast.parse((ROOT / path).read_text()))), path


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in EVERYWHERE}
    long = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path, length in lengths.items()
        if length > (MOST_LAUNCH_LINES if path in LAUNCH else MOST_LINES)
    ]
    assert not long, "\n".join(["", *long])


def modules():
    """Dotted name -> path, packages by their own name."""
    names = (path.relative_to(ROOT).with_suffix("").parts for path in LIBRARY)
    names = (n[:-1] if n[-1] == "__init__" else n for n in names)
    return dict(zip((".".join(n) for n in names), LIBRARY, strict=True))


def test_no_import_cycles():
    """Lazy imports and a package's __init__ count too."""
    paths = modules()
    edges = {}
    for name, path in paths.items():
        targets = {target for _, target in imports(ast.parse(path.read_text()))}
        # `from a.b import c` names the module a.b.c or the object c of a.b.
        targets = {t if t in paths else t.rpartition(".")[0] for t in targets}
        edges[name] = (targets & set(paths)) - {name}
    assert sum(map(len, edges.values())) > 10
    free = {name for name, targets in edges.items() if not targets}
    while len(free) < len(edges):
        more = {name for name, targets in edges.items() if targets <= free} - free
        assert more, f"a cycle among {sorted(set(edges) - free)}"
        free |= more
