"""Choose the files of a table by SQL over its partition values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import pyarrow as pa


def matching(where: str, partitions: pa.Table, name: str) -> list[bool]:
    """For each row, whether its partition values satisfy the condition. Raises InvalidJob for an invalid condition."""
    import duckdb

    if not partitions.num_columns:
        raise InvalidJob(f"where: {name} has no partitions, so no file can be left out. Use a `filter` step.")
    try:
        with duckdb.connect(
            ":memory:", config={"enable_external_access": "false", "python_enable_replacements": "false"}
        ) as con:
            con.execute("SET TimeZone = 'UTC'")
            con.register("partitions", partitions)
            found = con.sql(f"SELECT coalesce(({where}), false) AS chosen FROM partitions").to_arrow_table()  # noqa: S608
    except duckdb.Error as error:
        raise InvalidJob(
            f"where: {' '.join(str(error).split())} The condition can use only partition columns: "
            f"{', '.join(partitions.column_names)}. Use a `filter` step for other columns."
        ) from error
    chosen: list[bool] = found.column("chosen").to_pylist()
    if len(chosen) != partitions.num_rows or not all(isinstance(one, bool) for one in chosen):
        raise InvalidJob(f"where: `{where}` is not a condition.")
    return chosen
