"""Parquet files of pandas and of programs with the type VARIANT."""

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InputError
from tests.formats.test_parquet_portable import read


@pytest.mark.parametrize("value", ["42::VARIANT", "{'a': 1, 'b': [1, 2]}::VARIANT"])
def test_a_variant_is_refused_unless_it_is_excluded(value: str, tmp_path: Path) -> None:
    duckdb.sql(f"COPY (SELECT {value} AS v, 1 AS id) TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    with pytest.raises(InputError, match=r"a\.parquet: column v is of the type VARIANT, .* exclude it with `columns`"):
        read(tmp_path)
    assert read(tmp_path, columns=("id",)).to_pydict() == {"id": [1]}


def test_a_struct_with_the_members_of_a_variant_is_read(tmp_path: Path) -> None:
    table = pa.table({"v": [{"metadata": b"a", "value": b"b"}]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path) == table


FRAME = pd.DataFrame({"a": [1, 2, 3]}, index=[7, 8, 9])


@pytest.mark.parametrize(
    ("frame", "columns", "expected"),
    [
        (FRAME, None, {"a": [1, 2, 3]}),
        (FRAME, ("a", "__index_level_0__"), {"a": [1, 2, 3], "__index_level_0__": [7, 8, 9]}),
        (FRAME.rename_axis("id"), None, {"a": [1, 2, 3], "id": [7, 8, 9]}),
        (FRAME[[]], None, {"__index_level_0__": [7, 8, 9]}),
        (FRAME.reset_index(drop=True), None, {"a": [1, 2, 3]}),
    ],
    ids=["without a name", "requested", "with a name", "without columns", "a range"],
)
def test_an_index_of_pandas_is_a_column_only_if_it_has_a_name(
    frame: pd.DataFrame, columns: Any, expected: dict[str, list[int]], tmp_path: Path
) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path, **({"columns": columns} if columns else {})).to_pydict() == expected


def test_files_with_and_without_such_an_index_are_one_table(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME.reset_index(drop=True).to_parquet(tmp_path / "b.parquet")
    assert read(tmp_path).to_pydict() == {"a": [1, 2, 3, 1, 2, 3]}


def test_a_column_of_that_name_that_is_no_index_is_read(tmp_path: Path) -> None:
    table = pa.table({"__index_level_0__": [1], "b": [2]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path) == table
