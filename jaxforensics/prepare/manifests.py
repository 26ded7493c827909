"""Pictures listed in a CSV or JSON-lines file."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

from jaxforensics.data.items import Item, Listing
from jaxforensics.data.splits import ALIASES
from jaxforensics.settings import nearest

LABELS = {"0": 0, "real": 0, "1": 1, "fake": 1}
REQUIRED = ("path", "label")
# What else a row may say; of other columns, a misspelt name would go unnoticed.
COLUMNS = (*REQUIRED, "source", "group", "split", "pair", "mask", "parsing", "name")


def manifest(path):
    """A CSV file with a header, or JSON lines, one picture a row.

    Columns: `path` and `label` (0 or real, 1 or fake); optionally `source` (forger;
    'fake' if absent), `group`, `split`, `pair`, `mask`, `parsing`, `name`, and
    `attributes.<anything>`; JSON lines may hold an object `attributes` instead.  Paths
    are relative to the manifest's folder.
    """
    path = Path(path)
    items = []
    lines = {}  # {what must not repeat: the line where it came first}
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        item = _item(row, path.parent, where)
        # Two rows of one file would be two pictures, perhaps in two splits.
        for unique in (("name", item.name), ("file", os.path.normpath(item.path))):
            first = lines.setdefault(unique, number)
            if first != number:
                raise ValueError(f"{where}: {unique[1]} is already on line {first}")
        items.append(item)
    if not items:
        raise ValueError(f"{path} lists no picture")
    return Listing(items, [])


def _rows(path):
    """Yield (line number, {column: text})."""
    if path.suffix not in (".csv", ".jsonl", ".json", ".ndjson"):
        raise ValueError(f"{path}: a manifest is .csv or .jsonl")
    rows = _json_rows
    if path.suffix == ".csv":
        rows = _csv_rows
    # Spreadsheets begin a file with a byte order mark; "utf-8-sig" takes it or not.
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from rows(file, path)
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not UTF-8: {error}") from None


def _csv_rows(file, path):
    """Rows of a CSV file; strict, so that an unclosed quote does not eat the rest."""
    reader = csv.DictReader(file, strict=True)
    for name, count in Counter(reader.fieldnames or ()).items():
        _check_column(name, f"{path}, line 1")
        if count > 1:
            raise ValueError(f"{path}, line 1: {count} columns are called {name!r}")
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            # What DictReader makes of a row that is too long, or too short.
            if None in row or None in row.values():
                count = len(reader.fieldnames)
                raise ValueError(f"{where}: the header has {count} columns, not so it")
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.reader.line_num}: {error}") from None


def _json_rows(file, path):
    """Rows of JSON lines; empty ones are passed over."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                text = f"{where}: {error.msg}; expected a JSON object on every line"
                raise ValueError(text) from None
            if not isinstance(row, dict):
                raise ValueError(f"{where}: expected an object, got {line.strip():.40}")
            for name in row:
                if name != "attributes":
                    _check_column(name, where)
            yield number, row


def _check_column(name, where):
    if name not in COLUMNS and not name.startswith("attributes."):
        raise ValueError(
            f"{where}: there is no column {name!r}{nearest(name, COLUMNS)}; columns "
            f"are {', '.join(COLUMNS)} and attributes.<anything>"
        )


def _item(row, folder, where):
    """The Item of a row {column: text}; `where` names its line in errors."""
    for name in REQUIRED:
        if row.get(name) in (None, ""):
            raise ValueError(f"{where}: no {name}")
    # JSON may hold numbers, as groups for instance: they are the texts they print as.
    text = {name: str(row.get(name) or "") for name in COLUMNS}
    label = LABELS.get(str(row["label"]).lower())
    if label is None:
        raise ValueError(
            f"{where}: label {row['label']!r}; it is 0 or real, 1 or fake"
            f"{nearest(row['label'], LABELS)}"
        )
    if (split := ALIASES.get(text["split"].lower(), "")) == "" and text["split"]:
        raise ValueError(
            f"{where}: split {text['split']!r}{nearest(text['split'], ALIASES)}; "
            f"splits are {', '.join(ALIASES)}"
        )
    if label and text["source"].lower() == "real":
        raise ValueError(f"{where}: a fake from the source 'real'")
    attributes = row.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise ValueError(f"{where}: attributes {attributes!r} are not an object")
    single = [name for name in row if name.startswith("attributes.")]
    attributes |= {name.removeprefix("attributes."): row[name] for name in single}
    parts = ("pair", "mask", "parsing")
    paths = {part: str(folder / text[part]) for part in parts if text[part]}
    source = "real"
    if label:
        source = text["source"].lower() or "fake"
    return Item(
        str(folder / text["path"]),
        label,
        source,
        group=text["group"],
        split=split,
        attributes=attributes,
        name=text["name"] or text["path"],
        **paths,
    )
