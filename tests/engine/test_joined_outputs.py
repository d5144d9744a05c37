"""Outputs of a model for the pieces of a table become those of the table, or an error."""

import pyarrow as pa
import pytest

from datajob.engine.worker.model_calls import joined
from datajob.errors import InvalidJob
from datajob.operators.base import Inferred


def pieces(*columns: dict[str, list[object]]) -> tuple[list[Inferred], list[int]]:
    found = [Inferred({name: pa.array(values) for name, values in each.items()}) for each in columns]
    return found, [2] * len(columns)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "b"], ["c", None], ["a", "b", "c", None]),
        ([None, None], ["c", "d"], [None, None, "c", "d"]),
        (["a", "b"], [None, None], ["a", "b", None, None]),
        ([1, 2], [0.5, None], [1.0, 2.0, 0.5, None]),
        ([[1], []], [[0.5], None], [[1.0], [], [0.5], None]),
    ],
)
def test_pieces_of_different_types_have_the_type_of_all_values(
    first: list[object], second: list[object], expected: list[object]
) -> None:
    assert joined(*pieces({"out": first}, {"out": second})).columns["out"].to_pylist() == expected


@pytest.mark.parametrize("first", [["a", "b"], [2**53 + 1, 2]])
def test_values_without_an_exact_common_type_are_an_error(first: list[object]) -> None:
    with pytest.raises(InvalidJob, match="the outputs of the model have several types"):
        joined(*pieces({"out": first}, {"out": [0.5, 1.5]}))


@pytest.mark.parametrize("first", [{}, {"out": [1, 2]}, {"out": [1, 2], "more": [1, 2], "most": [1, 2]}])
def test_columns_that_only_some_pieces_have_are_an_error(first: dict[str, list[object]]) -> None:
    with pytest.raises(InvalidJob, match="the model returned columns"):
        joined(*pieces(first, {"out": [3, 4], "more": [3, 4]}))


def test_failed_rows_are_numbered_within_the_table_even_without_columns() -> None:
    found = joined([Inferred({}, {0: "bad"}), Inferred({}, {1: "worse"}, reused=1)], [2, 2])
    assert (found.failed, found.reused) == ({0: "bad", 3: "worse"}, 1)
