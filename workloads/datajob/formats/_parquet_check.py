"""What a Parquet file can contain although its types do not allow it: from damaged pages, and from careless writers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.formats._cast import sound_cast
from datajob.formats._columns import leaves, plain_type, rebuilt, repeated_name
from datajob.formats._lines import BAD_TEXT
from datajob.formats.base import OnBadRecord

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def check_schema(path: str, schema: pa.Schema, columns: Sequence[str] | None) -> None:
    """Raise InputError for repeated names, and for lists of size 0 in `columns` (None: all), which end the process."""
    if twice := repeated_name(schema):
        raise InputError(
            f"{path}: two columns or fields have the name {twice!r}, so neither can be selected. "
            "Rename one in the tool that wrote the file."
        )
    for field in schema:
        if (columns is None or field.name in columns) and _has_empty_lists(field.type):
            raise InputError(
                f"{path}: column {field.name} is {field.type}, and pyarrow cannot read lists of the fixed size 0. "
                "Exclude it with `columns`, or write the file again without it."
            )


def _has_empty_lists(kind: Any) -> bool:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(kind, pa.BaseExtensionType):
        return _has_empty_lists(kind.storage_type)
    if t.is_fixed_size_list(kind) and not kind.list_size:
        return True
    return t.is_nested(kind) and any(_has_empty_lists(kind.field(i).type) for i in range(kind.num_fields))


def int96_columns(schema: pq.ParquetSchema, kinds: Sequence[pa.DataType]) -> list[str]:
    """The columns with timestamps of the type INT96. `kinds` are the types of the columns."""
    import pyarrow.types as t

    if not any(t.is_timestamp(kind) or t.is_nested(kind) for kind in kinds):
        return []
    columns = [schema.column(i) for i in range(len(schema))]
    return list(dict.fromkeys(column.path.split(".")[0] for column in columns if column.physical_type == "INT96"))


def check_int96(path: str, file: pq.ParquetFile, fine: pq.ParquetFile, groups: range, names: list[str]) -> None:
    """Raise InputError for nanoseconds that `file`, which has microseconds, rounds. `fine` is the file with nanoseconds.

    Nanoseconds beyond the year 2262 overflow as integers do, so they can be compared.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for group in groups:
        rounded, exact = (one.read_row_group(group, columns=names, use_threads=False) for one in (file, fine))
        for name in names:
            pairs = zip(_timestamps(rounded.column(name)), _timestamps(exact.column(name)), strict=True)
            for us, ns in pairs:
                if not pc.all(pc.equal(pc.multiply(us.view(pa.int64()), 1000), ns.view(pa.int64())), min_count=0).as_py():
                    raise InputError(
                        f"{path}: column {name} contains timestamps of the type INT96 with nanoseconds, which are read as "
                        "microseconds. Write the file again with the type TIMESTAMP, or exclude the column with `columns`."
                    )


def _timestamps(column: Any) -> list[Any]:
    import pyarrow as pa

    found = [leaf for chunk in column.chunks for leaf in leaves(chunk)]
    return [leaf for leaf in found if pa.types.is_timestamp(leaf.type)]


def good_rows(table: pa.Table, path: str, positions: Sequence[int], on_bad: OnBadRecord) -> pa.Table:
    """The rows whose values their types allow: text is UTF-8, a time within a day, a decimal within its precision.

    `positions` are the numbers of the rows within the file, from 0.
    """
    import numpy as np
    import pyarrow as pa

    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        return table
    reasons: dict[int, str] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            plain = sound_cast(column, plain_type(column.type))
            table = table.set_column(table.schema.get_field_index(name), name, plain)
            for row, reason in _bad_values(plain):
                reasons.setdefault(row, f"column {name}: {reason}")
    for row, reason in sorted(reasons.items()):
        on_bad(_shown(table.slice(row, 1))[:BAD_TEXT], f"{path}: row {positions[row]}: {reason}")
    keep = np.ones(table.num_rows, bool)
    keep[list(reasons)] = False
    return table.filter(pa.array(keep))


def _bad_values(column: Any) -> list[tuple[int, str]]:
    """The positions of values that their type does not allow, found by bisection, each with the reason."""
    import pyarrow as pa

    whole = pa.concat_arrays(column.chunks)
    found: list[tuple[int, str]] = []
    todo = [(0, len(whole))]
    while todo:
        start, stop = todo.pop()
        part = pa.concat_arrays([whole.slice(start, stop - start), whole.slice(0, 0)])  # copies the children
        try:
            part.validate(full=True)
        except pa.ArrowInvalid as error:
            if stop - start == 1:
                found.append((start, _reason(str(error))))
            else:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
    return found


def _reason(error: str) -> str:
    text = error.rsplit("Invalid: ", 1)[-1]
    return "not valid UTF-8" if "UTF8" in text else text


def _shown(row: pa.Table) -> str:
    """A row as JSON, with escapes for bytes that are not UTF-8, and plain numbers for times."""
    values = {name: _plain(column) for name, column in zip(row.column_names, row.columns, strict=True)}
    return json.dumps(values, ensure_ascii=False, default=_text)


def _plain(column: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.concat_arrays(column.chunks).view(rebuilt(column.type, _storage))[0].as_py()
    except (pa.ArrowException, ValueError, OverflowError):
        return f"<{column.type}>"


def _storage(kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_string(kind):
        return pa.binary()
    if t.is_temporal(kind):
        return pa.int32() if kind.bit_width == 32 else pa.int64()
    return kind


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
