"""User code: what map, flatMap and mapBatches have in common."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob, plain
from datajob.operators.base import Batch
from datajob.operators.table.flat_map import FlatMap
from datajob.operators.table.map import Map
from datajob.operators.table.map_batches import MapBatches
from tests.support.functions import HERE, ROWS, TYPES, batch_mapped, flat_mapped, mapped


@pytest.mark.parametrize("call", [mapped, flat_mapped], ids=["map", "flatMap"])
def test_columns_that_a_row_function_does_not_change_keep_their_type(call):
    table = pa.table(TYPES)
    name = "same" if call is mapped else "twice"
    out = call(name, table)
    assert out.schema == table.schema
    assert out.take([0, -1 % len(out)]).to_pylist() == table.to_pylist()


def test_types_of_new_columns_can_be_fixed():
    assert mapped("add_length", types={"length": "int8"}).schema.field("length").type == pa.int8()
    assert mapped("add_length", ROWS.slice(0, 0), types={"length": "int8"}).schema.field("length").type == pa.int8()
    assert batch_mapped("numpy_double", batch_format="numpy", types={"n": "float64"}).column("n").to_pylist() == [2.0, 4.0, 6.0]


def test_no_function_is_called_for_no_rows():
    empty = ROWS.slice(0, 0)
    assert mapped("needs_digits", empty).schema == ROWS.schema
    assert flat_mapped("words", empty).num_rows == 0
    assert batch_mapped("wrong_type", empty).schema == ROWS.schema


@pytest.mark.parametrize(
    ("step", "function", "message"),
    [
        (Map, "needs_digits", "ValueError: invalid literal"),
        (Map, "forgets_to_return", "TypeError: the function returned None, not a dict; is `return row` missing"),
        (FlatMap, "add_length", "TypeError: the function returned a value of type str, not a dict"),
    ],
)
def test_a_row_fails_with_the_error_of_the_function(step, function, message):
    batch = Batch(ROWS)
    found = step(function=f"{HERE}:{function}")
    found.apply(batch) if isinstance(found, Map) else found.expand(batch)
    assert all(plain(reason).startswith(message) for reason in batch.failures.values())
    assert batch.failures


def test_an_error_of_a_function_on_batches_is_raised_so_that_its_rows_can_be_found():
    with pytest.raises(TypeError, match="returned a value of type int, not a data frame"):
        batch_mapped("wrong_type")


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
def test_a_missing_function_is_an_error_of_the_job(step, reference, message):
    with pytest.raises(InvalidJob, match=message):
        step(function=reference).resolved()


@pytest.mark.parametrize(
    "code, message", [("import no_such_package", "needs `no_such_package`"), ("1 / 0", "ZeroDivisionError")]
)
def test_the_error_about_a_module_that_cannot_be_imported_has_the_reason(tmp_path, monkeypatch, code, message):
    name = f"broken_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(f"{code}\ndef f(row): return row\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidJob, match=message):
        Map(function=f"{name}:f").resolved()


def test_changed_code_changes_the_identity(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    step = Map(function="job_functions:f")
    assert step.identity() == step.identity()
    before = step.identity()
    (tmp_path / "job_functions.py").write_text("def f(row): return row\n")
    between = step.identity()
    (tmp_path / "job_functions.py").write_text("def f(row): return {**row}\n")
    assert len({repr(before), repr(between), repr(step.identity())}) == 3


@pytest.mark.parametrize("reference", ["words", "a.b", "a:b:c", "a:", "a b:c", "a:b.c"])
def test_a_reference_names_a_module_and_a_function(reference):
    with pytest.raises(ValidationError, match="pattern"):
        Map(function=reference)


def test_the_columns_of_a_function_are_unknown_before_it_runs():
    for step in (Map, FlatMap, MapBatches):
        assert step(function=f"{HERE}:words").outputs(("id",)) is None
        assert step(function=f"{HERE}:words").inputs() == ()
