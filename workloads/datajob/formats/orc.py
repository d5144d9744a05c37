"""ORC: files of stripes, as Hive and Spark write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._columns import ColumnsReader, conform, leaves, plain_schema, unite
from datajob.formats.base import Fragment, InputFile, OnBadRecord
from datajob.formats.storage import readable, resolve

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FOOTERS = 1000
"""Maximum number of files whose footer is read for the schema, evenly spread."""
THREADS = 16
CPP_WRITER = "ORC_CPP"
FIRST_DATE = -141427
"""1582-10-15 in days. For earlier dates, Java programs use the Julian calendar, and pyarrow reads them as other days."""


class OrcReader(ColumnsReader):
    """ORC files.

    Timestamps outside of the years 1678 to 2262, dates before 1582-10-15 in files of Java programs, and unions are refused.
    """

    suffixes = (".orc",)

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of stripes of about `target` bytes, given that all stripes have the same size."""
        if file.size <= target * 3 // 2:
            return [Fragment(file, 0, -1, file.size)]
        with _opened(file.path) as orc:
            stripes = orc.nstripes
        pieces = max(1, min(stripes, round(file.size / target)))
        cuts = [stripes * i // pieces for i in range(pieces + 1)]
        return [Fragment(file, a, b, file.size // pieces) for a, b in pairwise(cuts)]

    def count(self, fragment: Fragment) -> int | None:
        """The rows of a whole file, from its footer."""
        if fragment.end >= 0:
            return None
        with _opened(fragment.file.path) as orc:
            return int(orc.nrows)

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The union of the files' schemas. A file outside the sample with another column fails when it is read."""
        step = max(1.0, len(files) / MAX_FOOTERS)
        chosen = [files[int(i * step)] for i in range(min(len(files), MAX_FOOTERS))]
        with ThreadPoolExecutor(THREADS) as pool:
            schemas = dict(
                zip((file.path for file in chosen), pool.map(lambda file: self._schema_of(file.path), chosen), strict=True)
            )
        return self._all_columns(unite(schemas), files)

    def _schema_of(self, path: str) -> pa.Schema:
        with _opened(path) as orc:
            schema = orc.schema
        return plain_schema(_checked(path, schema, self.columns))

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Stripe by stripe, in slices."""
        import pyarrow as pa

        path = fragment.file.path
        with _opened(path) as orc:
            here = _checked(path, orc.schema, self.columns).names
            names = [name for name in here if name in schema.names]
            if self.columns is None and len(names) < len(here):
                extra = next(name for name in here if name not in names)
                raise InputError(
                    f"{path}: has a column {extra} that none of the sampled files has; list the columns to read in `columns`."
                )
            for index in range(fragment.start, orc.nstripes if fragment.end < 0 else fragment.end):
                stripe = pa.Table.from_batches([orc.read_stripe(index, columns=names or here[:1])])
                if orc.writer != CPP_WRITER:
                    _check_dates(path, stripe)
                rows = max(1, stripe.num_rows * batch_bytes // max(1, stripe.nbytes))
                for start in range(0, stripe.num_rows, rows):
                    yield conform(stripe.slice(start, rows), schema, fragment, self)


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A file. Raises InputError for errors of the file inside the `with` block."""
    from pyarrow.orc import ORCFile

    with readable(path, "as ORC"):
        filesystem, inner = resolve(path)
        with filesystem.open_input_file(inner) as file:
            yield ORCFile(file)


def _check_dates(path: str, table: pa.Table) -> None:
    """Raise InputError for a date before 1582-10-15."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        dates = (leaf for chunk in column.chunks for leaf in leaves(chunk) if pa.types.is_date32(leaf.type))
        if any(pc.any(pc.less(leaf.cast(pa.int32()), FIRST_DATE), min_count=0).as_py() for leaf in dates):
            raise InputError(
                f"{path}: column {name} contains a date before 1582-10-15, which cannot be read from ORC files of Java "
                "programs such as Spark. Exclude the column with `columns`, or write the file as Parquet."
            )


def _checked(path: str, schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    """The schema. Raises InputError for a column to read whose type has no equivalent."""
    import pyarrow as pa

    for field in schema:
        if (columns is None or field.name in columns) and "union" in str(field.type):
            raise InputError(
                f"{path}: column {field.name} is a union ({field.type}), which is not supported. Exclude it with `columns`."
            )
    if len(set(schema.names)) < len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise InputError(f"{path}: two columns have the name {twice!r}; write the file again with unique names.")
    return pa.schema(list(schema))
