"""Folders with one file per row and their metadata: the layouts ImageFolder and AudioFolder of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.errors import InvalidJob, SinkError
from datajob.formats._columns import did_you_mean
from datajob.formats._json_write import JsonEncoder
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import OutputFile, ShardWriter, Writer
from datajob.formats.storage import storage_errors
from datajob.media.signatures import ending_of
from datajob.media.values import is_list, is_media, media_values
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

METADATA, FILE_NAME = "metadata.jsonl", "file_name"
"""The file with the other columns, and its column that names the file of a row."""


class FolderWriter(Writer):
    """Base of the writers of such folders."""

    abstract: ClassVar[bool] = True
    stores_paths = False

    name: Column | None = Field(
        default=None, description="Column with the file names (without folder and extension). By default, files are numbered."
    )

    def media(self, columns: Sequence[str]) -> str:
        """The column with the media of rows with these columns."""
        raise NotImplementedError

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files `<prefix>/<name>.<ending of their format>` and `<prefix>/metadata.jsonl`."""
        import pyarrow as pa

        media, sink = self.media(schema.names), f"sink.{self.key}"
        if self.partition_by:
            raise InvalidJob(f"{sink}: `partitionBy` is not supported; use parquet, json or webdataset.")
        for column in filter(None, (media, self.name)):
            if column not in schema.names:
                raise InvalidJob(f"{sink}: the result has no column {column}{did_you_mean(column, schema.names)}.")
        if FILE_NAME in schema.names and FILE_NAME not in (self.name, media):
            raise InvalidJob(f"{sink}: {METADATA} contains a column {FILE_NAME}; `rename` or `drop` the column of the rows.")
        kind = schema.field(media).type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) and (not is_media(kind) or is_list(kind)):
            raise InvalidJob(f"{sink}: column {media} is {kind}, not encoded {self.key} (bytes, or structs of bytes and path).")
        return MediaFiles(root, prefix, media, self.name, [end for end in self.extension if end not in (".bin", ".jsonl")])

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """The column with the media."""
        media = self.media(schema.names)
        return (media,) if media in schema.names and is_media(schema.field(media).type) else ()


class MediaFiles:
    """A `ShardWriter`: files below `<prefix>/`, and their rows without the media in `<prefix>/metadata.jsonl`.

    The rows of the shard are counted for the metadata file. `file_name` is null for rows without media.
    """

    def __init__(self, root: str, prefix: str, media: str, name: str | None, endings: Sequence[str]) -> None:
        self._root, self._prefix, self._media, self._name = root, prefix, media, name
        self._ending = re.compile(rf"({'|'.join(map(re.escape, endings))})$", re.IGNORECASE)
        self._taken: set[str] = set()
        self._rows = 0
        self._files: list[tuple[str, AtomicFile]] = []
        self._metadata: tuple[AtomicFile, JsonEncoder] | None = None

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        import pyarrow as pa

        with storage_errors(self._root, SinkError, "write to it"):
            names = table.column(self._name).cast(pa.string()).to_pylist() if self._name else [None] * table.num_rows
            values: Any = media_values(table.column(self._media))
            written = [self._write_file(value.data, name) for value, name in zip(values, names, strict=True)]
            if self._metadata is None:
                file = AtomicFile(self._root, f"{self._prefix}/{METADATA}")
                self._metadata = file, JsonEncoder(file.stream, "none")
            rest = table.select([name for name in table.column_names if name not in (self._media, FILE_NAME)])
            self._metadata[1].write(rest.add_column(0, FILE_NAME, pa.array(written, pa.string())))

    def _write_file(self, data: bytes | memoryview | None, name: str | None) -> str | None:
        number = self._rows
        self._rows += 1
        if data is None:
            return None
        stem = re.sub(r"[^\w.-]+", "_", name.rsplit("/", 1)[-1]).strip("._")[:200] if name else ""
        stem = self._ending.sub("", stem) or f"{number:08}"
        while stem in self._taken:
            stem = f"{stem}-{number:08}"
        self._taken.add(stem)
        file_name = f"{stem}{ending_of(data)}"
        file = AtomicFile(self._root, f"{self._prefix}/{file_name}")
        self._files.append((file_name, file))
        file.stream.write(data)
        file.stream.close()
        return file_name

    def close(self) -> list[OutputFile]:
        """Rename the files, the metadata last."""
        if self._metadata is None:
            return []
        file, encoder = self._metadata
        try:
            encoder.finish()
            for _, written in self._files:
                written.commit()
            file.commit()
        except BaseException:
            self.abort()
            raise
        media = [OutputFile(f"{self._prefix}/{name}", 0, written.size) for name, written in self._files]
        return sorted([*media, OutputFile(f"{self._prefix}/{METADATA}", self._rows, file.size)], key=lambda f: f.path)

    def abort(self) -> None:
        """Delete all temporary files; never raises."""
        for _, written in self._files:
            written.abort()
        if self._metadata is not None:
            self._metadata[0].abort()
