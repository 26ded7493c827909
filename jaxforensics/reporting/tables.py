"""Rows of results as Markdown and as CSV.

Rows are dicts.  A value is a text, a number, None where there is none, or the triple
(point, low, high) of an estimate and its interval.
"""

import csv as csv_module
import io
import re

import numpy as np

MISSING = "–"
DAGGER = " †"  # behind the first cell of a row that has a remark

# How a text begins that a spreadsheet takes for a formula (OWASP, "CSV injection"),
# full-width signs included.
_FORMULA = re.compile(r"[=+\-@＝＋－＠\t\r\n]")
# Texts that begin so and are harmless: numbers, and means with a spread.
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?( ± \d+(\.\d*)?)?")


def markdown(rows, *, columns=None, digits=3, remarks=None):
    """A Markdown table for people: rounded numbers, aligned in the source too.

    `columns` selects and orders; by default they come as the rows first name them.
    `remarks` {name: text} are those of `remarked`: a dagger, and the text below.
    """
    columns = columns_of(rows, columns)
    if not columns:
        return ""
    lines = [[_escape(str(column)) for column in columns]]
    signs = daggers(rows, columns=columns, remarks=remarks)
    for row, dagger in zip(rows, signs, strict=True):
        cells = [_escape(cell(row.get(c), digits=digits)) for c in columns]
        cells[0] += dagger
        lines.append(cells)

    # Markdown asks for three dashes below a header.
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    to_the_right = [numeric(rows, column) for column in columns]
    # The rule below the header: "---", or "--:" above numbers.
    rule = []
    for width, right in zip(widths, to_the_right, strict=True):
        end = ":" if right else "-"
        rule.append(end.rjust(width, "-"))
    lines.insert(1, rule)

    text = ""
    for line in lines:
        cells = []
        for content, width, right in zip(line, widths, to_the_right, strict=True):
            cells.append(content.rjust(width) if right else content.ljust(width))
        text += f"| {' | '.join(cells)} |\n"
    for note in notes(rows, columns=columns, remarks=remarks):
        text += f"\n{note}\n"
    return text


def csv(rows, *, columns=None, remarks=None):
    """CSV for programs: full precision, an interval as NAME, NAME_low and NAME_high.

    Texts that a spreadsheet would run as a formula begin with an apostrophe.  Where a
    row is `remarked`, a last column `remark` has the text.
    """
    columns = columns_of(rows, columns)
    header = []
    fields = []  # (column, which part of its value) of every field of a row
    for column in columns:
        suffixes = [""]
        if any(is_interval(row.get(column)) for row in rows):
            suffixes += ["_low", "_high"]
        header += [_csv_text(f"{column}{suffix}") for suffix in suffixes]
        fields += [(column, index) for index in range(len(suffixes))]

    lines = [
        [_part(row.get(column), index) for column, index in fields] for row in rows
    ]
    names = remarked(rows, columns=columns, remarks=remarks)
    if any(names):
        header.append("remark")
        texts = {"": ""} | remarks
        for line, name in zip(lines, names, strict=True):
            line.append(_csv_text(texts[name]))
    # "auc_low" may be a column of its own, or the lower end of "auc".
    if len(set(header)) < len(header):
        raise ValueError(f"columns of the same name: {header}")

    file = io.StringIO()
    writer = csv_module.writer(file, lineterminator="\n")
    writer.writerows([header, *lines])
    return file.getvalue()


def remarked(rows, *, columns=None, remarks=None):
    """The name in `remarks` {name: text} that each row's first cell has, or ''.

    A cell has a name that it equals or begins with, the longest of several: "trnet" and
    "trnet, seed 1" have "trnet", but "trnet2", "trnet_b" and "trnet-b" are other names.
    """
    columns = columns_of(rows, columns)
    if not (columns and remarks):
        return ["" for _ in rows]
    # Of "trnet" and "trnet raw", a row "trnet raw" has the second.
    longest_first = sorted(remarks, key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in longest_first)
    pattern = re.compile(rf"({alternatives})(?![\w.-])")
    matches = [pattern.match(cell(row.get(columns[0]))) for row in rows]
    return [match[1] if match else "" for match in matches]


def daggers(rows, *, columns=None, remarks=None):
    """What stands behind the first cell of every row: `DAGGER` or nothing."""
    names = remarked(rows, columns=columns, remarks=remarks)
    return [DAGGER if name else "" for name in names]


def notes(rows, *, columns=None, remarks=None):
    """The lines below a table that has remarks, those of the same text together."""
    names_of_text = {}
    for name in filter(None, remarked(rows, columns=columns, remarks=remarks)):
        names = names_of_text.setdefault(remarks[name], [])
        if name not in names:
            names.append(name)
    return [
        f"{DAGGER.strip()} {', '.join(names)}: {text}"
        for text, names in names_of_text.items()
    ]


def columns_of(rows, columns):
    """The columns asked for, or else all, in the order in which rows name them."""
    named = list(dict.fromkeys(column for row in rows for column in row))
    # Without rows nothing can be said about the columns asked for.
    unknown = [column for column in columns or () if rows and column not in named]
    if unknown:
        raise ValueError(f"no row has {unknown}; columns are {named}")
    if columns is None:
        return named
    return list(columns)


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
        # Where the point would be rounded to zero, all three show what there is.
        if point and abs(point) < 10**-digits:
            return f"{point:.{digits}g} [{low:.{digits}g}, {high:.{digits}g}]"
        return f"{point:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    if not _is_number(value):
        return str(value)
    value = np.asarray(value).item()  # a scalar of numpy or jax as Python's own
    if isinstance(value, int):
        return str(value)
    ordinary = value == 0 or 10**-digits <= abs(value) < 1e7 or not np.isfinite(value)
    if ordinary:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}g}"  # 1.23e-05: no rounding to nothing, no row of zeros


def spread(values, *, digits=3):
    """Mean of one value per seed, ± their standard deviation if there are several."""
    values = np.asarray(values)
    text = f"{values.mean():.{digits}f}"
    if len(values) > 1:
        text += f" ± {values.std(ddof=1):.{digits}f}"
    return text


def is_interval(value):
    """Whether a value is (point, low, high)."""
    is_triple = isinstance(value, tuple | list) and len(value) == 3
    return is_triple and all(map(_is_number, value))


def _is_number(value):
    # Arrays without axes count; True and False, of kind "b", are words.
    scalar = isinstance(value, int | float) or getattr(value, "ndim", None) == 0
    return scalar and np.asarray(value).dtype.kind in "iuf"


def _part(value, index):
    """The text of a CSV field; `index` 1 and 2 are the ends of an interval."""
    if is_interval(value):
        value = value[index]
    elif index:
        value = None
    if value is None:
        return ""
    if _is_number(value):
        return np.asarray(value).item()
    return _csv_text(value)


def _csv_text(text):
    r"""Text with \n at its line ends that no spreadsheet runs as a formula."""
    # The csv module does not quote a lone \r.
    text = str(text).replace("\r\n", "\n").replace("\r", "\n")
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _escape(text):
    """Cells are text, not markup, and stay on one line."""
    return re.sub(r"([\\|`*<])", r"\\\1", " ".join(text.splitlines()))
