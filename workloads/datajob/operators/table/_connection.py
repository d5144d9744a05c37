"""One locked-down, in-memory DuckDB per thread, for SQL over Arrow.

It has no access to files, the network, extensions or Python variables, only to the tables that are passed to it.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_local = threading.local()

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # parallelism belongs to the engine, one batch per core
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


def connection() -> duckdb.DuckDBPyConnection:
    """This thread's connection."""
    con: duckdb.DuckDBPyConnection | None = getattr(_local, "connection", None)
    if con is None:
        import duckdb

        # reusing a prepared statement saves more than the copy it warns of costs
        warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)
        con = duckdb.connect(":memory:", config=_SETTINGS)
        con.execute("SET TimeZone = 'UTC'")  # by default that of the machine, so that results would depend on it
        con.execute("SET lock_configuration = true")
        _local.connection = con
    return con


def query(sql: str, **tables: pa.Table) -> pa.Table:
    """The result of trusted `sql` over `tables`, each visible under its name."""
    con = connection()
    try:
        for name, table in tables.items():
            con.register(name, table)
        result: pa.Table = con.sql(sql).to_arrow_table()
        return result
    finally:
        for name in tables:
            con.unregister(name)


def quoted(identifier: str) -> str:
    """`identifier` quoted for SQL."""
    return '"' + identifier.replace('"', '""') + '"'
