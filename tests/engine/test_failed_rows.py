"""`Batch.fail`: an operator fails single rows without a second call, whatever its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.engine.plan.steps import Step
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.chain import Chain
from datajob.engine.worker.isolate import isolate
from datajob.engine.worker.rejects import RejectFolders
from datajob.errors import InvalidJob, RowsFailed
from datajob.operators.base import Batch, Map, Operator
from datajob.operators.table.map_batches import MapBatches
from tests.support import failing_operators as failing
from tests.support.failing_operators import CALLS

TABLE = pa.table({"n": [0, 1, -2, 4, -3, 6]})
BAD = [-2, -3]
KINDS: dict[str, tuple[Operator, list[int]]] = {
    "Filter": (failing.FailingFilter(), [0, 4, 6]),
    "infallible Filter": (failing.FailingInfallibleFilter(), [0, 4, 6]),
    "Map": (failing.FailingMap(), [0, 1, 4, 6]),
    "FlatMap": (failing.FailingFlatMap(), [0, 0, 1, 1, 4, 4, 6, 6]),
    "Observe": (failing.FailingObserve(), [0, 1, 4, 6]),
    "Model": (failing.FailingModel(), [0, 1, 4, 6]),
}


def apply(operator: Operator, table: pa.Table, accounting: Accounting) -> pa.Table:
    CALLS.clear()
    return Chain([Step("step", operator)], accounting).apply(table)


@pytest.mark.parametrize("kind", KINDS)
def test_failed_rows_are_counted_and_stored_after_a_single_call(kind: str, tmp_path: Path) -> None:
    operator, expected = KINDS[kind]
    rejects = RejectFolders(None, str(tmp_path), "job").open("shard")
    accounting = Accounting("quarantine", rejects)
    passed = apply(operator, TABLE, accounting)
    assert passed.column("n").to_pylist() == expected
    assert CALLS == [6]
    if "half" in passed.column_names:
        assert passed.column("half").to_pylist() == [n // 2 for n in expected]
    counts = accounting.step("step")
    assert (counts.rows_in, counts.failed, counts.error.strip("\x02\x03")) == (6, 2, "negative: the number is -2")
    assert kind == "FlatMap" or counts.missing == 0
    [file] = rejects.close()
    stored = pq.read_table(file).to_pylist()
    assert [(row["n"], row["_error"]) for row in stored] == [(n, f"negative: the number is {n}") for n in BAD]


@pytest.mark.parametrize("kind", KINDS)
def test_under_fail_the_first_failed_row_stops_the_job(kind: str) -> None:
    with pytest.raises(RowsFailed, match=r"Step step failed on a row: negative: the number is -2\..* The row is {'n': '-2'}"):
        apply(KINDS[kind][0], TABLE, Accounting("fail"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [[], [-1, -2]], ids=["no row", "all rows fail"])
def test_a_batch_of_which_no_row_remains_has_its_columns(kind: str, values: list[int]) -> None:
    operator, _ = KINDS[kind]
    whole = apply(operator, TABLE, Accounting("drop"))
    accounting = Accounting("drop")
    none = apply(operator, pa.table({"n": pa.array(values, pa.int64())}), accounting)
    assert (none.num_rows, none.schema, accounting.step("step").failed) == (0, whole.schema, len(values))


def test_measures_of_failed_rows_are_not_observed() -> None:
    accounting = Accounting("drop")
    apply(failing.FailingObserve(), TABLE, accounting)
    sketch = accounting.tally.measures["step", "numbers", "n"]
    assert (sketch.count, sketch.lowest) == (4, 0)


def test_a_row_that_a_filter_rejected_before_does_not_fail() -> None:
    accounting = Accounting("drop")
    batch = Batch(TABLE, np.array([True, True, False, True, True, True]))
    batch.fail(2, "too late")
    batch.fail(4, "negative")
    assert accounting.mark_failed("step", batch).alive.tolist() == [True, True, False, True, False, True]
    assert accounting.step("step").failed == 1


@pytest.mark.parametrize("row", [-1, 6, 1 << 40], ids=str)
def test_a_position_outside_the_batch_is_an_error(row: int) -> None:
    with pytest.raises(IndexError, match=f"row {row} cannot fail: the batch has 6 rows"):
        Batch(TABLE).fail(row, "reason")


def test_no_row_of_an_empty_batch_can_fail() -> None:
    with pytest.raises(IndexError, match="the batch has 0 rows"):
        Batch(TABLE.slice(0, 0)).fail(0, "reason")


@pytest.mark.parametrize(("row", "reason", "error"), [(0, "", ValueError), ("0", "x", TypeError), (0.0, "x", TypeError)])
def test_a_reason_is_required_and_a_position_is_an_integer(row: Any, reason: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Batch(TABLE).fail(row, reason)


def test_the_first_reason_of_a_row_that_fails_twice_counts() -> None:
    batch = Batch(TABLE)
    batch.fail(np.int64(1), "first")
    batch.fail(1, "second")
    assert batch.failures == {1: "first"}


def test_rows_fail_once_although_the_operator_then_raises_for_another_row() -> None:
    def fail_and_raise(batch: Batch, _: int) -> list[int]:
        found = failing.numbers(batch).tolist()
        if 4 in found:
            raise KeyError("four")
        return [n for n in found if n >= 0]

    pieces, bad = isolate(fail_and_raise, Batch(TABLE))
    assert [n for piece in pieces for n in piece.result] == [0, 1, 6]
    assert [(b.row, b.error.partition(":")[0].strip("\x02")) for b in bad] == [
        (2, "negative"),
        (3, "KeyError"),
        (4, "negative"),
    ]


def test_an_error_for_a_batch_without_rows_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        isolate(lambda rows, _: 1 // len(rows), Batch(TABLE.slice(0, 0)))


def test_a_map_that_returns_another_number_of_rows_is_refused() -> None:
    class Halves(Map):
        def apply(self, batch: Batch) -> pa.Table:
            return batch.table.slice(0, len(batch) // 2)

    with pytest.raises(InvalidJob, match="Step step returned 3 rows for 6"):
        apply(Halves(), TABLE, Accounting("drop"))


def fail_negative(batch: pa.Table, fail: Callable[[int, str], None]) -> pa.Table:
    """A user's function that fails rows."""
    CALLS.append(len(batch))
    found = batch.column("n").to_numpy()
    for row in np.flatnonzero(found < 0):
        fail(row, "negative")
    return batch.filter(pa.array(found >= 0))


@pytest.mark.parametrize("size", [None, 4])
def test_a_function_of_a_user_fails_rows_of_its_batch(size: int | None) -> None:
    step = MapBatches(function=f"{__name__}:fail_negative", batch_format="pyarrow", batch_size=size)
    accounting = Accounting("drop")
    assert apply(step, TABLE, accounting).column("n").to_pylist() == [0, 1, 4, 6]
    assert (accounting.step("step").failed, sum(CALLS)) == (2, 6)


def raise_for_negative(row: dict[str, Any]) -> dict[str, Any]:
    """A user's function that raises."""
    CALLS.append(1)
    if row["n"] < 0:
        raise ValueError("negative")
    return row


@pytest.mark.parametrize("kind", ["map", "flatMap"])
def test_a_function_that_raises_for_a_row_is_not_called_again_for_the_others(kind: str) -> None:
    from datajob.operators.registry import all_operators

    reference = f"{__name__}:raise_for_negative" if kind == "map" else f"{__name__}:rows_of"
    accounting = Accounting("drop")
    passed = apply(all_operators()[kind](function=reference), TABLE, accounting)
    assert (passed.column("n").to_pylist(), len(CALLS), accounting.step("step").failed) == ([0, 1, 4, 6], 6, 2)


def rows_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Like `raise_for_negative`, for flatMap."""
    return [raise_for_negative(row)]
