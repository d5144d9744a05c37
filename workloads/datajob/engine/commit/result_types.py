"""Checks that the files of a result can be read together: types of a column that no reader can unite end the job."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import RunState
from datajob.errors import InvalidJob
from datajob.formats._columns import plain_schema
from datajob.formats._exact import common_type
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2**53
"""A double represents all integers up to this one."""
ADVICE = "Set one type for the column, in `types` of the step that adds it or with a `cast` step."


def refuse_mixed_types(sink: Folder, writer: Writer, state: RunState, records: Collection[Record]) -> None:
    """Raises InvalidJob if a column has types in the files of the result that no reader can unite, such as text and numbers.

    All columns of CSV files can be read as text, and readers of WebDataset do not parse JSON.
    """
    import pyarrow as pa

    if writer.key not in ("parquet", "json"):
        return
    common = common_type if writer.key == "parquet" else _common_in_json
    prior = _prior_schemas(sink, state) if writer.key == "parquet" else ()
    schemas = sorted({record.schema for record in records if record.schema and record.files})
    kinds: dict[str, pa.DataType] = {}
    doubles: set[str] = set()
    for schema in [*prior, *(pa.ipc.read_schema(pa.py_buffer(b64decode(s))) for s in schemas)]:
        for field in schema:
            known = kinds.setdefault(field.name, field.type)
            try:
                kinds[field.name] = common(known, field.type)
            except pa.ArrowException as error:
                raise InvalidJob(
                    f"Column `{field.name}` is {known} in some files of the result and {field.type} in others, so the files "
                    f"cannot be read together. {ADVICE}"
                ) from error
            if pa.types.is_floating(kinds[field.name]) and (pa.types.is_integer(known) or pa.types.is_integer(field.type)):
                doubles.add(field.name)
    if writer.key == "parquet" and doubles:
        _refuse_large_integers(sink, doubles, [*state.prior, *(file for record in records for file in record.files)])


def _prior_schemas(sink: Folder, state: RunState) -> Iterator[pa.Schema]:
    """The schema of the last Parquet file that the run appends to: the earlier ones were compared when it was written."""
    import pyarrow.parquet as pq

    for file in [file for file in state.prior if file.rows][-1:]:
        with sink.open_input(file.path) as source:
            yield plain_schema(pq.read_schema(source))


def _refuse_large_integers(sink: Folder, doubles: Collection[str], files: Iterable[OutputFile]) -> None:
    """Raises InvalidJob if a column with doubles in other files has an integer that a double may not represent."""
    import pyarrow.parquet as pq

    for file in files:
        with sink.open_input(file.path) as source:
            footer = pq.read_metadata(source)
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for column in (group.column(i) for i in range(group.num_columns)):
                ends = column.statistics
                if column.path_in_schema not in doubles or ends is None or not ends.has_min_max or isinstance(ends.min, float):
                    continue
                if (largest := max(-ends.min, ends.max)) > EXACT:
                    raise InvalidJob(
                        f"Column `{column.path_in_schema}` has fractions in some files of the result and integers in others, "
                        f"up to {largest}, which a double may not represent exactly. {ADVICE}"
                    )


def _common_in_json(a: Any, b: Any) -> Any:
    """A type of both as JSON has it: times and bytes are text. Raises ArrowTypeError for text with numbers or booleans."""
    import pyarrow as pa

    known, found = _json_class(a), _json_class(b)
    if "null" in (known, found):
        return b if known == "null" else a
    if known != found and "any" not in (known, found):
        raise pa.ArrowTypeError(f"{known} and {found}")
    return b if found == "any" else a


def _json_class(kind: Any) -> str:
    """How JSON represents a type. Readers keep nested values, if their types differ, as JSON text."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_null(kind):
        return "null"
    if isinstance(kind, pa.JsonType) or t.is_nested(kind):
        return "any"
    if t.is_boolean(kind):
        return "boolean"
    return "number" if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind) or t.is_duration(kind) else "text"
