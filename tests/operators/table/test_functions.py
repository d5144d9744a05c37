"""map, flatMap, mapBatches, custom: the code that users bring."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Filter
from datajob.operators.table.custom import Custom
from datajob.operators.table.flat_map import FlatMap
from datajob.operators.table.map import Map
from datajob.operators.table.map_batches import MapBatches
from tests.support import table_functions

HERE = "tests.support.table_functions"
ROWS = pa.table({"id": [1, 2, 3], "text": ["a b", "c", "dd"]})


def mapped(name, table=ROWS, **parameters):
    return Map(function=f"{HERE}:{name}", **parameters).apply(Batch(table))


def flat_mapped(name, table=ROWS, **parameters):
    return FlatMap(function=f"{HERE}:{name}", **parameters).expand(Batch(table))


def batch_mapped(name, table=ROWS, **parameters):
    return MapBatches(function=f"{HERE}:{name}", **parameters).expand(Batch(table))


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("add_length", {}, {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "length": [3, 1, 2]}),
        ("only", {"column": "id", "times": 10}, {"id": [10, 20, 30]}),
        ("Counter", {"start": 10}, {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "n": [13, 11, 12]}),
    ],
)
def test_a_function_is_called_for_each_row(name, params, expected):
    assert mapped(name, params=params).to_pydict() == expected


def test_a_class_is_made_once_in_a_process():
    table_functions.Counter.made = 0
    step = Map(function=f"{HERE}:Counter", params={"start": 77})
    for _ in range(3):
        step.apply(Batch(ROWS))
    assert table_functions.Counter.made == 1


TYPES = {
    "i": pa.array([1, None], pa.int16()),
    "f": pa.array([1.5, None], pa.float32()),
    "s": pa.array(["a", None], pa.large_string()),
    "b": pa.array([b"a", None], pa.binary()),
    "d": pa.array([date(2020, 1, 1), None]),
    "t": pa.array([datetime(2020, 1, 1, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
    "m": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
    "l": pa.array([["a", None], None], pa.list_(pa.string())),
    "r": pa.array([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int8()), ("b", pa.string())])),
    "z": pa.array([True, None]),
    "nothing": pa.nulls(2, pa.int64()),
}


@pytest.mark.parametrize("call", [mapped, flat_mapped], ids=["map", "flatMap"])
def test_columns_that_a_row_function_leaves_alone_keep_their_type(call):
    table = pa.table(TYPES)
    name = "same" if call is mapped else "twice"
    out = call(name, table)
    assert out.schema == table.schema
    assert out.take([0, -1 % len(out)]).to_pylist() == table.to_pylist()


@pytest.mark.parametrize("batch_format", ["pandas", "pyarrow", "polars"])
def test_columns_that_a_batch_function_leaves_alone_keep_their_type(batch_format):
    table = pa.table(TYPES)
    out = batch_mapped("same", table, batch_format=batch_format)
    assert out.to_pylist() == table.to_pylist()
    assert out.schema == table.schema


def test_numpy_gets_numbers_and_strings():
    table = pa.table({"id": [1, 2], "n": [1, None], "s": ["a", None], "x": [0.5, 1.5]})
    out = batch_mapped("same", table, batch_format="numpy")
    assert out.to_pylist() == table.to_pylist()
    assert out.schema == table.schema


def test_types_of_new_columns_can_be_fixed():
    assert mapped("add_length", types={"length": "int8"}).schema.field("length").type == pa.int8()
    assert mapped("add_length", ROWS.slice(0, 0), types={"length": "int8"}).schema.field("length").type == pa.int8()
    assert batch_mapped("numpy_double", batch_format="numpy", types={"n": "float64"}).column("n").to_pylist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("words", [{"id": 1, "word": "a"}, {"id": 1, "word": "b"}, {"id": 2, "word": "c"}, {"id": 3, "word": "dd"}]),
        ("twice", [row for row in ROWS.to_pylist() for _ in range(2)]),
        ("no_rows", []),
    ],
)
def test_a_row_becomes_as_many_as_the_function_gives(name, expected):
    assert flat_mapped(name).to_pylist() == expected


@pytest.mark.parametrize(
    ("name", "batch_format", "expected"),
    [
        ("pandas_upper", "pandas", {"id": [1, 3], "text": ["A B", "DD"]}),
        ("polars_length", "polars", {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "length": [3, 1, 2]}),
        ("arrow_reverse", "pyarrow", {"id": [3, 2, 1], "text": ["dd", "c", "a b"]}),
        (
            "numpy_double",
            "numpy",
            {"id": [1, 2, 3], "text": ["a b", "c", "dd"], "n": [2, 4, 6], "pairs": [[1, 1], [2, 2], [3, 3]]},
        ),
    ],
)
def test_a_batch_function_works_in_its_format(name, batch_format, expected):
    out = batch_mapped(name, batch_format=batch_format)
    assert out.to_pydict() == expected
    assert out.schema.field("text").type == pa.string()


def test_batches_are_no_larger_than_asked():
    assert batch_mapped("batch_sizes", batch_format="pyarrow", batch_size=2).to_pydict() == {"size": [2, -1, 1, -1]}
    assert batch_mapped("batch_sizes", batch_format="pyarrow").to_pydict() == {"size": [3, -1]}


def test_no_function_is_called_for_no_rows():
    empty = ROWS.slice(0, 0)
    assert mapped("needs_digits", empty).schema == ROWS.schema
    assert flat_mapped("words", empty).num_rows == 0
    assert batch_mapped("wrong_type", empty).schema == ROWS.schema


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mapped("needs_digits"), ValueError, "invalid literal"),
        (lambda: mapped("forgets_to_return"), TypeError, "gave None, not a dict; does it lack `return row`"),
        (lambda: flat_mapped("add_length"), TypeError, "gave a str, not a dict"),
        (lambda: batch_mapped("wrong_type"), TypeError, "returned a int, not a data frame"),
    ],
)
def test_an_error_of_the_function_is_raised_so_that_its_row_can_be_found(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("tests.operators.table.functoins:words", "no module `tests.operators.table.functoins`"),
        ("no_such_module_at_all:words", "no module `no_such_module_at_all`"),
        ("jsn:loads", "did you mean `json`"),
        (f"{HERE}:add_lenght", "has no `add_lenght`; did you mean `add_length`"),
        (f"{HERE}:CONSTANT", "is a int, not a function"),
        (f"{HERE}:NotCallable", "no method `__call__`"),
    ],
)
@pytest.mark.parametrize("step", [Map, FlatMap, MapBatches])
def test_a_function_that_does_not_exist_is_the_jobs_fault(step, reference, message):
    with pytest.raises(InvalidJob, match=message):
        step(function=reference).resolved()


@pytest.mark.parametrize(
    "code, message", [("import no_such_package", "needs `no_such_package`"), ("1 / 0", "ZeroDivisionError")]
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path, monkeypatch, code, message):
    name = f"broken_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(f"{code}\ndef f(row): return row\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidJob, match=message):
        Map(function=f"{name}:f").resolved()


def test_a_change_of_the_code_makes_it_other_work(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    step = Map(function="job_functions:f")
    assert step.identity() == step.identity()
    before = step.identity()
    (tmp_path / "job_functions.py").write_text("def f(row): return row\n")
    between = step.identity()
    (tmp_path / "job_functions.py").write_text("def f(row): return {**row}\n")
    assert len({repr(before), repr(between), repr(step.identity())}) == 3


def test_a_change_of_a_users_operator_makes_it_other_work(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "from datajob.operators.base import Map\nclass Same(Map):\n    def apply(self, batch): return batch.table\n"
    (tmp_path / "job_operators.py").write_text(source)
    operator = Custom(operator="job_operators:Same").resolved()
    before = operator.identity()
    (tmp_path / "job_operators.py").write_text(f"{source}# changed\n")
    assert before[:2] == ["same", {}]
    assert operator.identity() != before


@pytest.mark.parametrize("reference", ["words", "a.b", "a:b:c", "a:", "a b:c", "a:b.c"])
def test_a_reference_names_a_module_and_a_function(reference):
    with pytest.raises(ValidationError, match="pattern"):
        Map(function=reference)


def test_only_the_function_knows_its_columns():
    for step in (Map, FlatMap, MapBatches):
        assert step(function=f"{HERE}:words").outputs(("id",)) is None
        assert step(function=f"{HERE}:words").inputs() == ()


def test_a_users_operator_takes_the_place_of_custom():
    step = Custom(operator=f"{HERE}:LongerThan", params={"column": "text", "characters": 2})
    operator = step.resolved()
    assert isinstance(operator, Filter)
    assert [code == 0 for code in operator.keep(Batch(ROWS)).codes] == [True, False, False]
    assert step.inputs() == ("text",)
    assert step.outputs(("id", "text")) == ("id", "text")


@pytest.mark.parametrize(
    ("operator", "params", "message"),
    [
        (f"{HERE}:LongThan", {}, "did you mean `LongerThan`"),
        (f"{HERE}:words", {}, "is not an operator"),
        (f"{HERE}:Counter", {}, "is not an operator"),
        ("datajob.operators.base:Filter", {}, "is not an operator"),
        (f"{HERE}:LongerThan", {}, "`column`: Field required"),
        (f"{HERE}:LongerThan", {"column": "text", "charactres": 3}, "`charactres`: Extra inputs"),
    ],
)
def test_a_custom_operator_that_does_not_work_is_the_jobs_fault(operator, params, message):
    step = Custom(operator=operator, params=params)
    with pytest.raises(InvalidJob, match=message):
        step.resolved()
    assert step.inputs() == ()
    assert step.outputs(("a",)) is None
