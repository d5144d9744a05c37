"""Reads the files of a result with the reader of the format that wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from datajob.errors import InputError
from datajob.formats._columns import empty_table
from datajob.formats._lance_files import LanceFilesReader
from datajob.formats._media_folder import FILE_NAME, METADATA, FolderWriter
from datajob.formats._table_sink import TableWriter
from datajob.formats.base import FileReader, Fragment, InputFile, OutputFile, Reader, Writer
from datajob.formats.csv import CsvWriter
from datajob.formats.lance import LanceWriter
from datajob.formats.registry import all_readers
from datajob.formats.storage import join

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 16 << 20
THREADS = 8


@dataclass(frozen=True)
class ResultReader:
    """Reads files of one format with one schema, each on its own."""

    reader: Reader
    files: tuple[InputFile, ...]
    schema: pa.Schema
    media: str | None = None
    """Column of the media that lie next to each file, if any."""

    def read(self, file: InputFile) -> Iterator[pa.Table]:
        """The rows of one file. Raises InputError."""
        for table in self.reader.read(Fragment(file, 0, -1, file.size), self.schema, BATCH_BYTES, _fail):
            yield table if self.media is None else _with_media(table, self.media, file.path.rpartition("/")[0])

    def read_all(self) -> pa.Table:
        """The rows of all files, in order. Raises InputError."""
        import pyarrow as pa

        with ThreadPoolExecutor(THREADS) as pool:
            tables = list(chain.from_iterable(pool.map(lambda file: list(self.read(file)), self.files)))
        return pa.concat_tables(tables) if tables else self.empty()

    def empty(self) -> pa.Table:
        """A table without rows."""
        table: pa.Table = empty_table(self.schema)
        return table if self.media is None else _with_media(table, self.media, "")


def result_reader(writer: Writer, files: Sequence[OutputFile]) -> ResultReader | None:
    """What reads the files of a result; None if there are none, and so no columns. Raises InputError."""
    media = writer.media(()) if isinstance(writer, FolderWriter) else None
    if media is not None:
        files = [file for file in files if file.path.endswith(METADATA)]
    else:  # media lie next to the rows
        files = [file for file in files if file.path.endswith(writer.extension) and not file.path.endswith(writer.companions)]
    if not files:
        return None
    found = tuple(InputFile(join(writer.path, file.path), file.size, "", _partition(file.path)) for file in files)
    options: dict[str, Any] = {"delimiter": writer.delimiter} if isinstance(writer, CsvWriter) else {}
    reader = _reader_class(writer)(paths=tuple(file.path for file in found), **options)
    return ResultReader(reader, found, reader.schema(found), media)


def _reader_class(writer: Writer) -> type[FileReader]:
    if isinstance(writer, LanceWriter):
        return LanceFilesReader
    key = "json" if isinstance(writer, FolderWriter) else "parquet" if isinstance(writer, TableWriter) else writer.key
    found = all_readers()[key]
    assert issubclass(found, FileReader)
    return found


def _partition(path: str) -> tuple[tuple[str, str], ...]:
    pairs = (folder.split("=", 1) for folder in path.split("/")[:-1] if "=" in folder[1:])
    return tuple((unquote(key), unquote(value)) for key, value in pairs)


def _fail(record: str, reason: str) -> None:
    raise InputError(f"The result cannot be read back: {reason}")


def _with_media(table: pa.Table, column: str, folder: str) -> pa.Table:
    import pyarrow as pa

    from datajob.formats.folder import Folder

    names = table.column(FILE_NAME).to_pylist()
    files = [None if name is None else Folder(folder).read(name) for name in names]
    return table.append_column(column, pa.array(files, pa.binary()))
