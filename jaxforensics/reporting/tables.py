"""Rows of results as Markdown and as CSV.

Rows are dicts.  A value is a text, a number, None where there is none, or the triple
(point, low, high) of an estimate and its interval.
"""

import csv as csv_module
import io
import re

import numpy as np

MISSING = "–"


def markdown(rows, *, columns=None, digits=3):
    """A Markdown table for people: rounded numbers, aligned in the source too.

    `columns` selects and orders; by default they come as the rows first name them.
    """
    columns = columns_of(rows, columns)
    if not columns:
        return ""
    lines = [[_escape(str(column)) for column in columns]]
    for row in rows:
        lines.append([_escape(cell(row.get(c), digits=digits)) for c in columns])
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    pads = [str.rjust if numeric(rows, c) else str.ljust for c in columns]
    ends = [":" if pad is str.rjust else "-" for pad in pads]
    lines.insert(1, [end.rjust(w, "-") for end, w in zip(ends, widths, strict=True)])
    text = ""
    for line in lines:
        cells = [p(c, w) for p, c, w in zip(pads, line, widths, strict=True)]
        text += f"| {' | '.join(cells)} |\n"
    return text


def csv(rows, *, columns=None):
    """CSV for programs: full precision, an interval as NAME, NAME_low and NAME_high."""
    columns = columns_of(rows, columns)
    header, fields = [], []
    for column in columns:
        suffixes = ("", "_low", "_high") if _any_interval(rows, column) else ("",)
        header += [_lines(f"{column}{suffix}") for suffix in suffixes]
        fields += [(column, index) for index in range(len(suffixes))]
    if len(set(header)) < len(header):
        raise ValueError(f"columns of the same name: {header}")
    file = io.StringIO()
    writer = csv_module.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_part(row.get(column), index) for column, index in fields])
    return file.getvalue()


def columns_of(rows, columns):
    """The columns asked for, or else all, in the order in which rows name them."""
    named = list(dict.fromkeys(column for row in rows for column in row))
    unknown = [column for column in columns or () if rows and column not in named]
    if unknown:
        raise ValueError(f"no row has {unknown}; columns are {named}")
    return named if columns is None else list(columns)


def numeric(rows, column):
    """Whether a column holds numbers and nothing else, and so aligns to the right."""
    values = [row[column] for row in rows if row.get(column) is not None]
    return bool(values) and all(_is_number(v) or is_interval(v) for v in values)


def cell(value, *, digits=3):
    """A value as people read it: 0.953, or 0.953 [0.941, 0.964] with its interval."""
    if value is None:
        return MISSING
    if is_interval(value):
        point, low, high = (float(part) for part in value)
        if point and abs(point) < 10**-digits:
            return f"{point:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]"
        return f"{point:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if not _is_number(value):
        return str(value)
    value = np.asarray(value).item()
    if isinstance(value, int):
        return str(value)
    ordinary = value == 0 or 10**-digits <= abs(value) < 1e7 or not np.isfinite(value)
    return f"{value:.{digits}{'f' if ordinary else 'g'}}"


def spread(values, *, digits=3):
    """Mean of one value per seed, ± their standard deviation if there are several."""
    values = np.asarray(values)
    text = f"{values.mean():.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {values.std(ddof=1):.{digits}f}"


def is_interval(value):
    """Whether a value is (point, low, high)."""
    is_triple = isinstance(value, tuple | list) and len(value) == 3
    return is_triple and all(map(_is_number, value))


def _is_number(value):
    scalar = isinstance(value, int | float) or getattr(value, "ndim", None) == 0
    return scalar and np.asarray(value).dtype.kind in "iuf"


def _any_interval(rows, column):
    return any(is_interval(row.get(column)) for row in rows)


def _part(value, index):
    """The text of a CSV field; `index` 1 and 2 are the ends of an interval."""
    if is_interval(value):
        value = value[index]
    elif index:
        value = None
    if value is None:
        return ""
    return np.asarray(value).item() if _is_number(value) else _lines(value)


def _lines(text):
    """Text with \\n at its line ends: csv does not quote a lone \\r."""
    return str(text).replace("\r\n", "\n").replace("\r", "\n")


def _escape(text):
    """Cells are text, not markup, and stay on one line."""
    return re.sub(r"([\\|`*<])", r"\\\1", " ".join(text.splitlines()))
