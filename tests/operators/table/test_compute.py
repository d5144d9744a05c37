import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Thread

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.compute import Compute

ROWS = pa.table(
    {
        "text": ["naïve", "", None, "🤦🏼‍♂️"],
        "n": pa.array([1, 0, None, -3], pa.int32()),
        "x": [0.5, float("nan"), None, 2.0],
        "xs": [[1, 2], [], None, [None]],
        "s": [{"a": 1}, {"a": None}, None, {"a": 2}],
    }
)


def compute(table, **columns):
    return Compute(columns=columns).apply(Batch(table))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("length(text)", [5, 0, None, 5]),
        ("length_grapheme(text)", [5, 0, None, 1]),
        ("strlen(text)", [6, 0, None, 17]),
        ("upper(text)", ["NAÏVE", "", None, "🤦🏼‍♂️"]),
        ("n + 1", [2, 1, None, -2]),
        ("10 / n", [10.0, float("inf"), None, 10 / -3]),
        ("try(10 // n)", [10, None, None, -3]),
        ("n IS NULL", [False, False, True, False]),
        ("coalesce(n, 7)", [1, 0, 7, -3]),
        ("try_cast(text AS INTEGER)", [None] * 4),
        ("list_sum(xs)", [3, None, None, None]),
        ("[x * 2 for x in xs]", [[2, 4], [], None, [None]]),
        ("s.a", [1, None, None, 2]),
        ("{'k': n}", [{"k": 1}, {"k": 0}, {"k": None}, {"k": -3}]),
        ("'constant'", ["constant"] * 4),
        ("n", [1, 0, None, -3]),
        ("text -- comment", ["naïve", "", None, "🤦🏼‍♂️"]),
    ],
)
def test_an_expression_gives_one_value_per_row(expression, expected):
    assert compute(ROWS, out=expression).column("out").to_pylist() == expected


@given(st.lists(st.none() | st.text()))
@settings(deadline=None)
def test_length_counts_characters_as_python_does(texts):
    table = pa.table({"text": pa.array(texts, pa.string())})
    assert compute(table, n="length(text)").column("n").to_pylist() == [None if t is None else len(t) for t in texts]


def test_expressions_see_the_row_as_it_was_and_may_replace_columns():
    out = compute(ROWS, n="n * 10", m="n", text="length(text)")
    assert out.column_names == ["text", "n", "x", "xs", "s", "m"]
    assert out.column("n").to_pylist() == [10, 0, None, -30]
    assert out.column("m").to_pylist() == [1, 0, None, -3]
    assert out.column("text").to_pylist() == [5, 0, None, 5]


@pytest.mark.parametrize("table", [ROWS.slice(0, 0), ROWS.slice(1, 2), pa.concat_tables([ROWS, ROWS.slice(2)])])
def test_slices_chunks_and_empty_tables_are_computed(table):
    out = compute(table, n="length(text)", k="1", m="n + 1")
    expected = [None if t is None else len(t) for t in table.column("text").to_pylist()]
    assert out.column("n").to_pylist() == expected
    assert out.column("k").to_pylist() == [1] * len(table)
    assert out.schema.field("m").type == compute(ROWS, m="n + 1").schema.field("m").type


VALUES = [
    (pa.string(), ["a", "long enough not to be inlined"]),
    (pa.large_string(), ["a", "b"]),
    (pa.binary(), [b"\x00\xff", b""]),
    (pa.large_binary(), [b"a", b"b"]),
    (pa.int8(), [1, -1]),
    (pa.uint64(), [1, 2**64 - 1]),
    (pa.float32(), [0.5, 1.5]),
    (pa.bool_(), [True, False]),
    (pa.date32(), [date(2020, 1, 1), date(1960, 5, 5)]),
    (pa.timestamp("us"), [datetime(2020, 1, 1, 1), datetime(1960, 1, 1)]),
    (pa.timestamp("s"), [datetime(2020, 1, 1, 1), datetime(1960, 1, 1)]),
    (pa.timestamp("us", "UTC"), [datetime(2020, 1, 1, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC)]),
    (pa.decimal128(10, 2), [Decimal("1.25"), Decimal("-3.50")]),
    (pa.list_(pa.string()), [["a", None], []]),
    (pa.struct([("a", pa.int64()), ("b", pa.string())]), [{"a": 1, "b": "x"}, {"a": None, "b": None}]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1)], []]),
    (pa.dictionary(pa.int32(), pa.string()), ["a", "b"]),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=[str(kind) for kind, _ in VALUES])
def test_every_type_is_preserved_by_an_expression(kind, values):
    table = pa.table({"v": pa.array([*values, None], kind)})
    assert compute(table, w="v", c="coalesce(v, v)").column("w").type == kind
    assert compute(table, c="coalesce(v, v)").column("c").to_pylist() == table.column("v").to_pylist()
    assert compute(table, c="v IS NULL").column("c").to_pylist() == [False, False, True]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("lenght", "needs a column `lenght`.*the available columns are `text`, `n`"),
        ("txt || 'a'", "did you mean `text`"),
        ("Text", "did you mean `text`"),
        ("current_date", "needs a column"),
        ("text + 1", "cannot be evaluated"),
        ("n + 'x'", "cannot be evaluated"),
        ("length(n)", "cannot be evaluated"),
    ],
)
def test_an_expression_that_does_not_suit_the_columns_is_an_error_of_the_job(expression, message):
    with pytest.raises(InvalidJob, match=message):
        compute(ROWS, out=expression)


def test_columns_that_differ_only_by_case_are_rejected():
    with pytest.raises(InvalidJob, match="distinguish the columns `a` and `A`"):
        compute(pa.table({"a": [1], "A": [2]}), b="a + A")


def test_a_value_that_does_not_fit_raises_so_that_its_row_can_be_found():
    with pytest.raises(duckdb.ConversionException, match="12x"):
        compute(pa.table({"t": ["1", "12x"]}), n="t::INTEGER")
    assert compute(pa.table({"t": ["1", "12"]}), n="t::INTEGER").column("n").to_pylist() == [1, 12]


def test_threads_do_not_share_a_connection():
    results = []
    threads = [
        Thread(target=lambda k=k: results.append(compute(pa.table({"a": [k]}), b="a + 1").column("b").to_pylist() == [k + 1]))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8


def test_more_expressions_than_the_cache_holds_still_work():
    for k in range(300):
        assert compute(ROWS, a=f"n + {k}").column("a")[0].as_py() == 1 + k
    assert compute(ROWS, a="n + 0").column("a")[0].as_py() == 1


def test_the_columns_before_and_after_are_known():
    step = Compute(columns={"n": "length(text)", "m": "n + k"})
    assert step.inputs() == ("text", "n", "k")
    assert step.outputs(("text", "n", "k")) == ("text", "n", "k", "m")


def test_nothing_is_printed_when_the_process_ends():
    code = (
        "import pyarrow as pa\n"
        "from datajob.operators.base import Batch\n"
        "from datajob.operators.table.compute import Compute\n"
        "print(Compute(columns={'n': 'length(t)'}).apply(Batch(pa.table({'t': ['abc']}))).to_pylist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[{'t': 'abc', 'n': 3}]", "")


def test_the_time_zone_of_the_machine_does_not_change_values():
    code = (
        "import pyarrow as pa\n"
        "from datajob.operators.base import Batch\n"
        "from datajob.operators.table.compute import Compute\n"
        "rows = pa.table({'z': pa.array([0], pa.timestamp('us', 'Europe/Berlin')), 't': ['2020-01-01 00:00:00']})\n"
        "columns = {'a': 'z::VARCHAR', 'b': 'hour(z)', 'c': 'epoch(t::TIMESTAMPTZ)'}\n"
        "print(Compute(columns=columns).apply(Batch(rows)).select(['a', 'b', 'c']).to_pylist())"
    )
    for zone in ("UTC", "Asia/Tokyo"):
        environment = os.environ | {"TZ": zone}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert done.stdout.strip() == "[{'a': '1970-01-01 00:00:00+00', 'b': 0, 'c': 1577836800.0}]"


def test_integers_of_128_bits_are_exact_or_refused():
    assert compute(ROWS, a=f"{10**38 - 1}::HUGEINT").column("a")[0].as_py() == 10**38 - 1
    with pytest.raises(pa.ArrowInvalid, match="does not fit in precision"):
        compute(ROWS, a=f"{10**38}::HUGEINT")
    with pytest.raises(InvalidJob, match="Arrow has no type for UHUGEINT"):
        compute(ROWS, a="md5_number('a')")


def test_durations_are_not_rounded_and_half_floats_are_read():
    rows = pa.table({"d": pa.array([1000], pa.duration("ns")), "h": pa.array([0.5], pa.float16())})
    assert compute(rows, a="epoch_us(d)", b="h + h").select(["a", "b"]).to_pylist() == [{"a": 1, "b": 1.0}]
    with pytest.raises(pa.ArrowInvalid, match="would lose data"):
        compute(pa.table({"d": pa.array([1], pa.duration("ns"))}), a="coalesce(d, d)")
