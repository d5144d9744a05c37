"""JSON: one object per line, or one array of objects per file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.formats._columns import ColumnsReader, conform
from datajob.formats._compression import READ_ENDINGS
from datajob.formats._json_array import array_blocks, is_array
from datajob.formats._json_declared import form_of, has_map
from datajob.formats._json_parse import JsonParser
from datajob.formats._json_schema import learn_schema, learn_types
from datajob.formats._json_values import RawKind
from datajob.formats._json_write import ENDINGS, JsonEncoder
from datajob.formats._lines import BAD_TEXT, Block, line_blocks, line_bytes, line_fragments, until_damage
from datajob.formats._media_copies import MediaCopies, copied_schema
from datajob.formats._shards import FilesWriter
from datajob.formats.base import Fragment, InputFile, OnBadRecord, ShardWriter, Writer
from datajob.formats.types import TypeName, arrow_type
from datajob.media.values import is_media

if TYPE_CHECKING:
    import pyarrow as pa


class JsonReader(ColumnsReader):
    """JSON Lines (or arrays of objects), plain or compressed."""

    suffixes = tuple(f"{name}{ending}" for name in (".jsonl", ".json", ".ndjson") for ending in READ_ENDINGS)
    types: dict[str, RawKind | TypeName] = Field(
        default={},
        alias="schema",
        description="Types of columns, such as `score: double`, instead of the types inferred from a sample of the files. "
        "`json` accepts any value and preserves its text exactly, including the spelling of numbers and repeated keys; "
        "the JSON writer writes it back as the same value. `text` accepts any value as a string: strings as they are, other "
        "values as JSON text. Other types read what the JSON writer writes: dates and times as ISO 8601, durations as seconds, "
        "`binary` as base64 and `map` as an object. A value that does not fit its type exactly fails its row.",
    )
    surrogates: Literal["fail", "replace"] = Field(
        default="fail",
        description="Handling of a lone surrogate such as `\\ud83d`, half of a character that no valid text contains: "
        "`fail` fails the row, `replace` replaces it with U+FFFD.",
    )

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Byte ranges of about `target` bytes. Compressed files and arrays are not split."""
        cut = line_fragments(file, target)
        return cut if len(cut) == 1 or not is_array(file.path) else [Fragment(file, 0, -1, file.size)]

    def row_bytes(self, files: Sequence[InputFile]) -> int:
        """From the start of the first file."""
        return line_bytes(files[0])

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns in `schema`, then those in a sample of the files.

        A record with another field, or with an object that lacks a key of all objects in the sample, is bad: no data is lost
        silently, and no null is added.
        """
        import pyarrow as pa

        given = pa.schema([(name, _declared(kind)) for name, kind in self.types.items()])
        if self.columns is not None and set(self.columns) <= set(given.names):
            return self._all_columns(given, files)
        raw: dict[str, RawKind] = {name: kind for name, kind in self.types.items() if kind in ("json", "text")}
        raw |= {field.name: "json" for field in given if has_map(field.type)}
        forms = pa.schema([(f.name, pa.string() if f.name in raw else form_of(f.type)) for f in given])
        learned = learn_schema(files, JsonParser(forms, "infer", raw, self.surrogates == "replace"), _sample_blocks)
        rest = [field for field in learned if field.name not in given.names]
        return self._all_columns(pa.schema([*given, *rest]), files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Block by block. A bad line is passed to `on_bad` with its position; the other lines of its block are kept."""
        import pyarrow as pa

        path = fragment.file.path
        folders = {key for key, _ in fragment.file.partition}
        of_file = pa.schema([field for field in schema if field.name != self.include_path])
        replace = self.surrogates == "replace"
        parser = JsonParser(of_file, "ignore" if self.columns else "error", self._raw(of_file), replace, self.types)

        def bad(line: Block, reason: str) -> None:
            text = line.data[:BAD_TEXT].decode("utf-8", "backslashreplace").strip()
            on_bad(text, f"{path}:{line.unit} {line.offset}: {reason}")

        for block in _blocks(fragment.file, fragment.start, fragment.end, batch_bytes):
            if block.too_long:
                bad(block, "longer than 1 GiB")
                continue
            for table in parser.tables(block, bad):
                unset = [key for key in folders if key in table.column_names and table.column(key).null_count == len(table)]
                yield conform(table.drop_columns(unset), schema, fragment, self)

    def _raw(self, schema: pa.Schema) -> dict[str, RawKind]:
        """The columns that are kept as text."""
        import pyarrow as pa

        text: dict[str, RawKind] = {
            name: "text" for name, kind in self.types.items() if kind == "text" and name in schema.names
        }
        return text | {field.name: "json" for field in schema if isinstance(field.type, pa.JsonType)}


def _declared(kind: str) -> pa.DataType:
    import pyarrow as pa

    if kind == "text":
        return pa.string()
    return pa.json_(pa.string()) if kind == "json" else arrow_type(kind)


def _sample_blocks(file: InputFile, start: int, end: int, block_bytes: int) -> Iterator[Block]:
    return until_damage(_blocks(file, start, end, block_bytes))


def _blocks(file: InputFile, start: int, end: int, block_bytes: int) -> Iterator[Block]:
    if start == 0 and is_array(file.path):
        return array_blocks(file.path, block_bytes)
    return line_blocks(file.path, start, end, block_bytes)


def types_of_files(files: Sequence[InputFile]) -> pa.Schema:
    """The columns of files that were written before, with the type null if all values are null. Raises InputError."""
    import pyarrow as pa

    return learn_types(files, JsonParser(pa.schema([]), "infer", {}), _sample_blocks)


class JsonWriter(Writer):
    """JSON Lines: times as ISO 8601, bytes as base64, media as files, NaN and infinity as null; nested values are preserved."""

    extension = tuple(f".jsonl{ending}" for ending in ENDINGS.values())
    compression: Literal["none", "gzip", "zstd"] = Field(default="none", description="Compression of the files.")
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )

    media: Literal["copy", "embed", "reference"] = Field(
        default="copy",
        description="`copy` writes media as files into the folder of the result, `embed` as base64; `reference` leaves "
        "references to the original files. Media are columns of structs with `bytes` and `path`. With `copy`, rows have the "
        "paths of the copies, relative to the folder of the result.",
    )

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media, unless references remain."""
        return tuple(field.name for field in schema if is_media(field.type)) if self.media != "reference" else ()

    def written_schema(self, schema: pa.Schema) -> pa.Schema:
        """Paths of media that are copied."""
        return copied_schema(schema, self.embedded_columns(schema) if self.media == "copy" else ())

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.jsonl`, with `.gz` or `.zst` appended if compressed, and media in `<prefix>-media/`."""
        copied = self.embedded_columns(schema) if self.media == "copy" else ()
        extension = ".jsonl" + ENDINGS[self.compression]
        schema = self.written_schema(schema)
        rows = FilesWriter(root, prefix, extension, schema, self._encoder, self.file_bytes, self.partition_by)
        return MediaCopies(root, prefix, copied, rows) if copied else rows

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> JsonEncoder:
        return JsonEncoder(stream, self.compression)
