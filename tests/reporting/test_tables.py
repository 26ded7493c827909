"""Tables: read back by the csv module and by a small Markdown reader."""

import csv
import io
import statistics

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxforensics.reporting import tables

ROWS = [
    {"model": "Meso-4", "paper": 0.95, "ours": (0.9534, 0.941, 0.964), "n": 2065},
    {"model": "AMTENnet", "paper": None, "ours": (1.0, 1.0, 1.0), "n": 3},
]

quick = settings(max_examples=100, deadline=None, derandomize=True)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12
)


def read_markdown(text):
    """Cells, each unescaped, of every line; a pipe counts unless it is escaped."""
    rows = []
    for line in text.splitlines():
        cells, escaped = [""], False
        for character in line:
            if character == "|" and not escaped:
                cells.append("")
            elif character == "\\" and not escaped:
                escaped = True
                continue
            else:
                cells[-1] += character
            escaped = False
        assert cells[0] == cells[-1] == ""
        rows.append([cell.strip() for cell in cells[1:-1]])
    return rows


def test_markdown_looks_like_this():
    assert tables.markdown(ROWS) == (
        "| model    | paper |                 ours |    n |\n"
        "| -------- | ----: | -------------------: | ---: |\n"
        "| Meso-4   | 0.950 | 0.953 [0.941, 0.964] | 2065 |\n"
        "| AMTENnet |     – | 1.000 [1.000, 1.000] |    3 |\n"
    )


def test_a_spread_is_mean_and_sample_deviation():
    values = [0.5, 0.75, 1.0]
    assert tables.spread(values) == f"0.750 ± {statistics.stdev(values):.3f}"
    assert tables.spread(np.array(values), digits=1) == "0.8 ± 0.2"
    assert tables.spread([0.25]) == "0.250"


def test_columns_select_and_order():
    assert read_markdown(tables.markdown(ROWS, columns=["n", "model"]))[0] == [
        "n",
        "model",
    ]
    assert tables.csv(ROWS, columns=["n"]) == "n\n2065\n3\n"
    for function in (tables.markdown, tables.csv):
        with pytest.raises(ValueError, match="no row has .*'auc'"):
            function(ROWS, columns=["auc"])


def test_no_rows():
    assert tables.markdown([]) == ""
    assert tables.markdown([], columns=["a"]) == "| a   |\n| --- |\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.95349, "0.953"),
        (0.0, "0.000"),
        (-0.5, "-0.500"),
        (1.234e-5, "1.23e-05"),
        (12345.678, "12345.678"),
        (1.5e9, "1.5e+09"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (27977, "27977"),
        (np.int64(3), "3"),
        (np.float32(0.25), "0.250"),
        (jnp.float32(0.25), "0.250"),
        (np.array(7), "7"),
        (True, "True"),
        ("text", "text"),
        ((0.5, 0.25, 0.75), "0.500 [0.250, 0.750]"),
        ((2e-5, 1e-5, 3e-5), "2e-05 [1e-05, 3e-05]"),
        ((np.float32(1), jnp.float32(0), 2), "1.000 [0.000, 2.000]"),
        ((1, 2), "(1, 2)"),
        (("a", "b", "c"), "('a', 'b', 'c')"),
    ],
)
def test_cells(value, text):
    assert tables.cell(value) == text


def test_digits():
    assert tables.cell(0.95349, digits=1) == "1.0"
    assert "0.95 [0.94, 0.96]" in tables.markdown(ROWS, digits=2)


@quick
@given(st.lists(st.tuples(lines, lines), min_size=1), lines)
def test_markdown_escapes_any_text(pairs, name):
    columns = [f"a{name}", f"b{name}"]
    rows = [dict(zip(columns, pair, strict=True)) for pair in pairs]
    header, rule, *cells = read_markdown(tables.markdown(rows))
    assert header == columns
    assert all(set(part) <= set("-:") for part in rule)
    assert cells == [list(pair) for pair in pairs]


def test_markdown_stays_on_one_line():
    text = tables.markdown([{"a": "x\ny\r\nz\u2028w"}])
    assert read_markdown(text)[2] == ["x y z w"]


@quick
@given(
    st.lists(st.tuples(texts, st.integers(), st.floats(allow_nan=False)), min_size=1)
)
def test_csv_round_trip(values):
    columns = ["text, with comma", 'a "number"', "x\ny"]
    rows = [dict(zip(columns, value, strict=True)) for value in values]
    file = io.StringIO(tables.csv(rows), newline="")
    header, *back = csv.reader(file)
    assert header == columns
    for (text, integer, real), row in zip(values, back, strict=True):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if row[0] != text:  # would be a formula
            assert row[0] == f"'{text}" and text[0] in "=+-@＝＋－＠\t\n"
            row[0] = text
        assert (row[0], int(row[1]), float(row[2])) == (text, integer, real)


def test_csv_gives_intervals_three_columns():
    back = list(csv.DictReader(io.StringIO(tables.csv(ROWS))))
    assert list(back[0]) == ["model", "paper", "ours", "ours_low", "ours_high", "n"]
    ends = [float(back[0][name]) for name in ("ours", "ours_low", "ours_high")]
    assert ends == [0.9534, 0.941, 0.964]
    assert back[1]["paper"] == ""
    mixed = tables.csv([{"a": 0.5}, {"a": (0.5, 0.25, 0.75)}])
    assert mixed == "a,a_low,a_high\n0.5,,\n0.5,0.25,0.75\n"
    with pytest.raises(ValueError, match="columns of the same name"):
        tables.csv([{"a": (1, 0, 2), "a_low": 3}])


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("evil")',
        "+cmd|' /C calc'!A0",
        "-2+3",
        "-",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "-1 ± x",
    ],
)
def test_no_text_of_a_csv_is_a_formula(text):
    """Sources' names come from folders of data: as cells, as columns, in remarks."""
    rows = [{"a": text, text: 1}]
    rows.append({"a": "net"})
    content = tables.csv(rows, remarks={"net": text})
    header, first, second = csv.reader(io.StringIO(content, newline=""))
    safe = "'" + text.replace("\r", "\n")
    assert header == ["a", safe, "remark"]
    assert first == [safe, "1", ""]
    assert second == ["net", "", safe]


@pytest.mark.parametrize(
    "value", [-0.5, -3, np.float32(-2.0), "-0.5", "+1e-05", "-0.036 ± 0.095", "a=b"]
)
def test_numbers_and_plain_texts_of_a_csv_stay(value):
    assert tables.csv([{"a": value}]) == f"a\n{value}\n"


REMARKED = [
    {"net": "trnet", "auc": 0.5},
    {"net": "trnet, seed 1", "auc": 0.5},
    {"net": "trnet2", "auc": 0.5},
    {"net": "amten", "auc": 0.5},
    {"net": "trnet raw", "auc": 0.5},
]


def test_remarks_mark_rows_that_begin_with_a_name():
    remarks = {"trnet": "by other code", "trnet raw": "on 4 devices"}
    names = tables.remarked(REMARKED, remarks=remarks)
    assert names == ["trnet", "trnet", "", "", "trnet raw"]
    assert (
        tables.remarked(REMARKED, columns=["auc", "net"], remarks=remarks) == [""] * 5
    )
    assert tables.markdown(REMARKED, remarks=remarks) == (
        "| net             |   auc |\n"
        "| --------------- | ----: |\n"
        "| trnet †         | 0.500 |\n"
        "| trnet, seed 1 † | 0.500 |\n"
        "| trnet2          | 0.500 |\n"
        "| amten           | 0.500 |\n"
        "| trnet raw †     | 0.500 |\n"
        "\n"
        "† trnet: by other code\n"
        "\n"
        "† trnet raw: on 4 devices\n"
    )
    assert tables.csv(REMARKED, remarks=remarks) == (
        "net,auc,remark\n"
        "trnet,0.5,by other code\n"
        '"trnet, seed 1",0.5,by other code\n'
        "trnet2,0.5,\n"
        "amten,0.5,\n"
        "trnet raw,0.5,on 4 devices\n"
    )


def test_names_of_one_remark_share_a_line():
    remarks = {"trnet": "by other code", "amten": "by other code", "x": "unused"}
    assert tables.notes(REMARKED, remarks=remarks) == ["† trnet, amten: by other code"]


def test_tables_without_a_remarked_row_are_as_without_remarks():
    remarks = {"meso": "by other code"}
    for function in (tables.markdown, tables.csv):
        assert function(REMARKED, remarks=remarks) == function(REMARKED)
