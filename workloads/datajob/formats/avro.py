"""Avro: files of blocks, as Kafka and Hadoop programs write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._avro_blocks import decoded, opened_blocks
from datajob.formats._avro_types import UnsupportedError, arrow_fields, stored_schema, stored_type
from datajob.formats._columns import ColumnsReader, conform, plain_schema, unite
from datajob.formats.base import Fragment, InputFile, OnBadRecord

if TYPE_CHECKING:
    import pyarrow as pa

MAX_HEADERS = 1000
"""Maximum number of files whose header is read for the schema, evenly spread."""
THREADS = 16


class AvroReader(ColumnsReader):
    """Avro files of records.

    Times, dates and decimals have their types, and enumerations are text. A union of null and one type is a column that
    can be null. Columns of other unions, and types that contain themselves, are refused unless `columns` excludes them.
    """

    suffixes = (".avro",)
    cutting_reads = True

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of whole blocks of about `target` bytes."""
        cuts = [0]
        if file.size > target * 3 // 2:
            try:
                with opened_blocks(file.path) as blocks:
                    for position, _ in blocks.positions(0, -1):
                        if position - cuts[-1] >= target:
                            cuts.append(position)
            except InputError:  # damaged: reported when the rest is read
                pass
        ends = [*cuts[1:], -1]
        return [Fragment(file, a, b, (file.size if b < 0 else b) - a) for a, b in zip(cuts, ends, strict=True)]

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The union of the files' schemas. A file outside the sample with another column fails when it is read."""
        step = max(1.0, len(files) / MAX_HEADERS)
        chosen = [files[int(i * step)] for i in range(min(len(files), MAX_HEADERS))]
        with ThreadPoolExecutor(THREADS) as pool:
            schemas = pool.map(lambda file: plain_schema(self._schema_of(file.path)), chosen)
            found = dict(zip((file.path for file in chosen), schemas, strict=True))
        return self._all_columns(unite(found), files)

    def _schema_of(self, path: str) -> pa.Schema:
        with opened_blocks(path) as blocks:
            return self._columns_of(path, blocks.header.schema)

    def _columns_of(self, path: str, schema: Any) -> pa.Schema:
        """The columns of a file that are read."""
        import pyarrow as pa

        try:
            fields = arrow_fields(schema)
        except (UnsupportedError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: the Avro schema cannot be read: {error}.") from error
        wanted = [(name, kind) for name, kind in fields if self.columns is None or name in self.columns]
        for name, kind in wanted:
            if isinstance(kind, UnsupportedError):
                raise InputError(f"{path}: column {name} contains {kind}, which is not supported. Exclude it with `columns`.")
        return pa.schema(wanted)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Block by block, in slices."""
        path = fragment.file.path
        with opened_blocks(path) as blocks:
            of_file = self._columns_of(path, blocks.header.schema)
            if extra := [name for name in of_file.names if name not in schema.names]:
                raise InputError(
                    f"{path}: has a column {extra[0]} that none of the sampled files has; "
                    "list the columns to read in `columns`."
                )
            parse = _decoder(blocks.header.schema)
            for position, _ in blocks.positions(fragment.start, fragment.end):
                count, data = blocks.block(position)
                table = _table(parse(data, count), of_file)
                rows = max(1, table.num_rows * batch_bytes // max(1, table.nbytes))
                for start in range(0, table.num_rows, rows):
                    yield conform(table.slice(start, rows), schema, fragment, self)


def _decoder(schema: Any) -> Callable[[bytes, int], list[Any]]:
    """A function that decodes the rows of a block. Raises OSError for data that does not fit the schema."""
    from fastavro import parse_schema

    parsed = parse_schema({"type": "array", "items": stored_schema(schema)})

    def rows(data: bytes, count: int) -> list[Any]:
        try:
            return decoded(data, count, parsed)
        except (EOFError, IndexError, KeyError, ValueError, OverflowError, MemoryError, StopIteration) as error:
            raise OSError(f"a block does not fit the schema ({error}), so it is damaged") from error

    return rows


def _table(rows: list[Any], schema: pa.Schema) -> pa.Table:
    """Rows as they are stored, with their types."""
    import pyarrow as pa

    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_nested(field.type):
            values = [_pairs(value, field.type) for value in values]
        stored = pa.array(values, stored_type(field.type))
        columns.append(stored if stored.type.equals(field.type) else stored.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _pairs(value: Any, kind: Any) -> Any:
    """A value with maps as lists of pairs, which Arrow requires."""
    import pyarrow.types as t

    if value is None or not t.is_nested(kind):
        return value
    if t.is_map(kind):
        return [(key, _pairs(item, kind.item_type)) for key, item in value.items()]
    if t.is_struct(kind):
        return {field.name: _pairs(value[field.name], field.type) for field in kind}
    return [_pairs(item, kind.value_type) for item in value]
