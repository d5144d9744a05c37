"""Jobs that run a user's function: no row is lost, whatever it returns."""

from typing import Any

import pytest

from datajob.errors import InvalidJob, RowsFailed
from tests.support.functions import HERE
from tests.support.local_jobs import make_job, read_manifest, run, write_parts


def ids_after(tmp_path: Any, key: str, function: str, policy: str = "drop", **parameters: Any) -> list[int]:
    """The ids that a job over ten rows writes; every row is accounted for."""
    write_parts(tmp_path / "in", [{"id": i} for i in range(10)], 2)
    steps = [{key: {"function": f"{HERE}:{function}", **parameters}}]
    progress = run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": policy})).progress
    assert progress.rows_in == 10 == progress.rows_out + progress.rows_rejected + progress.rows_failed
    return [row["id"] for row in read_manifest(tmp_path / "out")]


@pytest.mark.parametrize(
    ("key", "function", "parameters"),
    [
        ("map", "empty_if_odd", {}),
        ("flatMap", "yields_an_empty_dict", {}),
        ("mapBatches", "no_columns", {"batchSize": 1}),
        ("mapBatches", "no_arrays", {"batchSize": 1, "batchFormat": "numpy"}),
    ],
)
def test_a_row_without_columns_fails_and_is_not_lost(tmp_path: Any, key: str, function: str, parameters: Any) -> None:
    assert ids_after(tmp_path, key, function, **parameters) == [0, 2, 4, 6, 8]


def test_a_row_without_columns_ends_a_job_that_fails_on_errors(tmp_path: Any) -> None:
    with pytest.raises(RowsFailed, match="the function returned an empty dict, which is not a row"):
        ids_after(tmp_path, "map", "empty_if_odd", policy="fail")


def test_rows_whose_values_have_another_type_than_most_fail(tmp_path: Any) -> None:
    assert ids_after(tmp_path, "map", "text_in_row_three") == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_the_type_of_most_rows_is_the_type_of_the_column(tmp_path: Any) -> None:
    assert ids_after(tmp_path, "map", "texts_from_row_three") == [3, 4, 5, 6, 7, 8, 9]


def test_numbers_of_two_types_become_one_type(tmp_path: Any) -> None:
    assert ids_after(tmp_path, "map", "half_in_row_three") == list(range(10))
    assert [row["x"] for row in read_manifest(tmp_path / "out")][2:5] == [2, 0.5, 4]


def test_the_step_is_named_when_values_have_two_types(tmp_path: Any) -> None:
    with pytest.raises(RowsFailed, match=r"Step map failed on a row: .*column x is int64 in some rows and string in others"):
        ids_after(tmp_path, "map", "text_in_row_three", policy="fail")


def test_a_column_that_changes_its_type_between_shards_is_refused(tmp_path: Any) -> None:
    write_parts(tmp_path / "in", [{"id": i, "pad": "x" * 200} for i in range(100)], 20)
    texts, halves = ({"map": {"function": f"{HERE}:{name}"}} for name in ("texts_from_row_fifty", "halves_from_row_fifty"))
    for steps in ([texts], [texts, {"exactDedup": {"columns": ["id"]}}]):
        with pytest.raises(InvalidJob, match=r"Column `x` is (int64|string) in some files of the result and (int64|string)"):
            run(make_job(tmp_path / "in", tmp_path / "out", steps))
    with pytest.raises(InvalidJob, match=r"Column x is int64 in some rows and string in others.*Set one type for the column"):
        run(make_job(tmp_path / "in", tmp_path / "out", [texts, {"sort": {"by": ["id"]}}]))
    run(make_job(tmp_path / "in", tmp_path / "halves", [halves]))
    assert sum(row["x"] for row in read_manifest(tmp_path / "halves")) == sum(range(50)) + 50 * 0.5
