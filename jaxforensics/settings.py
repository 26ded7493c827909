"""Settings as data: call functions with them, name the typo, compare and store them."""

import difflib
import hashlib
import inspect
import json


def call(function, settings, *args, where=""):
    """function(*args, **settings), with typos named before anything runs.

    A setting that `function` does not take, or one that it needs and does not get, is
    an error that names it, its nearest valid spelling and all valid names.
    """
    parameters = inspect.signature(function).parameters.values()
    valid = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    where = where or f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    for name in settings:
        if name not in valid:
            raise ValueError(
                f"{where} has no setting {name!r}{nearest(name, valid)}. "
                f"Valid: {', '.join(sorted(valid))}"
            )
    missing = [
        name
        for name, parameter in valid.items()
        if parameter.default is parameter.empty and name not in settings
    ]
    if missing:
        raise ValueError(f"{where} needs {', '.join(missing)}")
    return function(*args, **settings)


def choose(table, name, what):
    """table[name], or an error that says what there is not and the nearest name."""
    if name not in table:
        raise ValueError(
            f"there is no {what} {name!r}{nearest(name, table)}. "
            f"Valid: {', '.join(sorted(map(str, table)))}"
        )
    return table[name]


def misspelt(argv, load):
    """What is wrong with the first --config.PATH=… that has a wrong name, or ''.

    `load` turns the value of --config=… into the config.
    """
    flags = [argument.lstrip("-").partition("=") for argument in argv]
    files = [value for name, _, value in flags if name == "config" and value]
    if not files:
        return ""
    config = {"config": load(files[-1])}
    for path in (name for name, _, _ in flags if name.startswith("config.")):
        section = config
        for name in path.partition("[")[0].split("."):
            if name not in section:
                return (
                    f"--{path}: there is no {name!r}{nearest(name, section)}. "
                    f"Valid: {', '.join(sorted(section))}"
                )
            # ml_collections reads what stands between dots as Python names.
            if not name.isidentifier():
                spelt = path.replace(f".{name}", f"['{name}']")
                return f'--{path}: write "--{spelt}=..."'
            section = section[name]
            if not hasattr(section, "keys"):
                break
    return ""


def nearest(name, names):
    """' (did you mean …?)', or nothing when no name is close."""
    close = nearest_name(name, names, least=0.5)
    return f" (did you mean {close!r}?)" if close else ""


def nearest_name(name, names, *, least=0.0):
    """The name that is spelt most alike; None if it is below `least` in [0, 1]."""
    candidates = [str(candidate) for candidate in names]
    close = difflib.get_close_matches(str(name), candidates, n=1, cutoff=least)
    return close[0] if close else None


def plain(value):
    """Settings as JSON types: tuples become lists, keys strings; others are refused."""
    return json.loads(json.dumps(value, default=_items, sort_keys=True))


def digest(value):
    """A short hash of settings."""
    text = json.dumps(plain(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(old, new, *, prefix=""):
    """Lines 'name: old → new' for every setting that differs."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        a = old.get(name, "absent")
        b = new.get(name, "absent")
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, prefix=f"{prefix}{name}.")
        elif a != b:
            lines.append(f"{prefix}{name}: {a} → {b}")
    return lines


def _items(value):
    if hasattr(value, "items"):
        return dict(value.items())
    raise TypeError(f"a setting of type {type(value).__name__} cannot be stored")
