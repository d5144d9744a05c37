"""Checks that the files of a result can be read together: types of a column that no reader can unite end the job."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import RunState
from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import plain_schema
from datajob.formats._exact import EXACT, Common, TypeConflictError, common_type, unite_types
from datajob.formats.base import InputFile, OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.json import types_of_files
from datajob.formats.parquet import ParquetReader, columns_of_nulls

if TYPE_CHECKING:
    import pyarrow as pa

ADVICE = "Set one type for the column, in `types` of the step that adds it or with a `cast` step."


def refuse_mixed_types(sink: Folder, writer: Writer, state: RunState, records: Collection[Record]) -> None:
    """Raises InvalidJob if a column has types in the files of the result that no reader can unite, such as text and numbers.

    All columns of CSV files can be read as text, and readers of WebDataset do not parse JSON.
    """
    if writer.key not in ("parquet", "json"):
        return
    parquet = writer.key == "parquet"
    common = common_type if parquet else _common_in_json
    parts = [*_prior(sink, state, parquet), *_written(sink, writer, records)]
    try:
        kinds = _united(parts, common)
    except TypeConflictError:
        try:
            kinds = _united([part.with_nulls(parquet) for part in parts], common)
        except TypeConflictError as conflict:
            raise InvalidJob(
                f"Column `{conflict.column}` is {conflict.known} in some files of the result and {conflict.found} in others, "
                f"so the files cannot be read together. {ADVICE}"
            ) from conflict
    if parquet and (doubles := _mixed_numbers(kinds, parts)):
        _refuse_large_integers(sink, doubles, [*state.prior, *(file for record in records for file in record.files)])


def _prior(sink: Folder, state: RunState, parquet: bool) -> list[Part]:
    """The files that the run appends to. Files that cannot be read, or not together, are not compared."""
    files = tuple(_as_input(sink, file) for file in state.prior if file.rows)
    try:
        return [Part(ParquetReader(paths=(sink.path,)).schema(files) if parquet else types_of_files(files), files)]
    except InputError:
        return []


def _written(sink: Folder, writer: Writer, records: Collection[Record]) -> list[Part]:
    """The files of the run, by their columns."""
    import pyarrow as pa

    files: dict[str, list[InputFile]] = {}
    for record in records:
        if record.schema and record.files:
            files.setdefault(record.schema, []).extend(_as_input(sink, file) for file in record.files if file.rows)
    return [
        Part(writer.written_schema(plain_schema(pa.ipc.read_schema(pa.py_buffer(b64decode(schema))))), tuple(some))
        for schema, some in sorted(files.items())
    ]


def _as_input(sink: Folder, file: OutputFile) -> InputFile:
    return InputFile(sink.join(file.path), file.size, "")


@dataclass(frozen=True)
class Part:
    """Files with the same columns."""

    schema: pa.Schema
    files: tuple[InputFile, ...]

    def with_nulls(self, parquet: bool) -> Part:
        """The type null for columns of text that are null in all files: so far, their type is unknown."""
        import pyarrow as pa

        texts = {field.name for field in self.schema if pa.types.is_string(field.type)}
        empty = self._nulls(texts, parquet) if texts else set()
        return replace(self, schema=pa.schema([f.with_type(pa.null()) if f.name in empty else f for f in self.schema]))

    def _nulls(self, texts: set[str], parquet: bool) -> set[str]:
        import pyarrow as pa

        try:
            if not parquet:
                types = types_of_files(self.files)
                return {field.name for field in types if pa.types.is_null(field.type)} & texts
            for file in self.files:
                texts = texts & columns_of_nulls(file.path) if texts else texts
        except InputError:
            return set()
        return texts


def _united(parts: Iterable[Part], common: Common) -> dict[str, Any]:
    return unite_types(((None, part.schema) for part in parts), common)


def _mixed_numbers(kinds: dict[str, Any], parts: Iterable[Part]) -> set[str]:
    """The columns of doubles that are integers in some files."""
    import pyarrow as pa

    integers = {field.name for part in parts for field in part.schema if pa.types.is_integer(field.type)}
    return {name for name in integers if pa.types.is_floating(kinds[name])}


def _refuse_large_integers(sink: Folder, doubles: Collection[str], files: Iterable[OutputFile]) -> None:
    """Raises InvalidJob if a column with doubles in other files has an integer that a double may not represent."""
    import pyarrow.parquet as pq

    for file in files:
        with sink.open_input(file.path) as source:
            footer = pq.read_metadata(source)
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for column in (group.column(i) for i in range(group.num_columns)):
                ends = column.statistics
                if (
                    column.path_in_schema not in doubles
                    or ends is None
                    or not ends.has_min_max
                    or not isinstance(ends.min, int)
                ):
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
