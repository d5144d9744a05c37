"""What a reader and a writer are. They turn files into Arrow tables and back; shards and commits belong to the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from datajob.parameters import Columns, Parameters

if TYPE_CHECKING:
    import pyarrow as pa

OnBadRecord = Callable[[str, str], None]
"""Called with a record that cannot be read (as text, shortened to 64 KiB) and the reason.

It raises under `errors.policy: fail`."""

Paths = Annotated[
    tuple[str, ...],
    Field(
        min_length=1,
        description="Files, folders (read recursively; names that start with `_` or `.` are skipped) or globs; "
        "local, `s3://` or any fsspec URL.",
    ),
]


@dataclass(frozen=True)
class InputFile:
    """A file of the input, as listed."""

    path: str
    """As a person would write it, with its scheme."""
    size: int
    """Bytes."""
    version: str
    """Changes when the content may have changed: modification time in ns, or ETag."""
    partition: tuple[tuple[str, str], ...] = ()
    """Hive partition values from the folders of its path (`lang=de/`)."""


@dataclass(frozen=True)
class Fragment:
    """A piece of one file that can be read on its own; the unit of which shards are made."""

    file: InputFile
    start: int
    end: int
    """Half-open range; of bytes or of row groups, as the reader likes; (0, -1) is the whole file."""
    weight: int
    """Estimated bytes of input, to balance shards."""


class Reader(Parameters):
    """Base of all readers: where the rows come from."""

    key: ClassVar[str] = ""
    abstract: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = ()
    """File name endings that are read from a folder; empty: all. A file named outright is read whatever its name."""
    cutting_reads: ClassVar[bool] = False
    """True when `fragments` has to look through the whole file; it is then asked only where there are few files."""

    paths: Paths
    include_path: str | None = Field(
        default=None, min_length=1, description="Name of a column that gets the path of the file each row comes from."
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        finish_class(cls, "Reader")

    def files(self) -> list[InputFile]:
        """The input in the order of `paths`. Raises InputError when a path does not exist, cannot be read or holds no file."""
        from datajob.formats.listing import list_inputs

        return list_inputs(self.paths, self.suffixes)

    def known_columns(self) -> tuple[str, ...] | None:
        """The columns that rows will have as far as the parameters tell without opening a file; None: unknown."""
        return None

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Cut a file in pieces of about `target` bytes where the format allows it; deterministic."""
        return [Fragment(file, 0, -1, file.size)]

    def row_bytes(self, files: Sequence[InputFile]) -> int | None:
        """About how many bytes a row has where rows are lines, which may be worth much more work than their size tells."""
        return None

    def count(self, fragment: Fragment) -> int | None:
        """How many rows a fragment has, where the format tells without reading them. Raises InputError."""
        return None

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """One schema for all files (union of columns, missing ones are null).

        Raises InputError naming two files, the column and both types when types cannot be united.
        """
        raise NotImplementedError

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """The rows of `fragment`, in file order, as tables of `schema` of about `batch_bytes` each (bounded memory).

        Raises InputError when the file itself cannot be read (truncated, not of this format).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class OutputFile:
    """A file that a shard wrote."""

    path: str
    """Relative to the sink."""
    rows: int
    size: int
    """Bytes."""


class ShardWriter(Protocol):
    """Writes the rows of one shard. No file has its final name before `close`."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""

    def close(self) -> list[OutputFile]:
        """Finish the files, give each its final name atomically, and say what was written (nothing for no rows)."""

    def abort(self) -> None:
        """Leave nothing behind. Called instead of `close`; never raises."""


Mode = Literal["error", "append", "overwrite"]


class Writer(Parameters):
    """Base of all writers: where the result goes."""

    key: ClassVar[str] = ""
    abstract: ClassVar[bool] = True
    extension: ClassVar[str | tuple[str, ...]] = ""
    """Of the files it writes, with the dot (all, where there are several); `overwrite` replaces files of this ending."""

    path: str = Field(
        min_length=1,
        description="Folder of the result; local, `s3://` or any fsspec URL. Bookkeeping lives below it in `_datajob/`.",
    )
    mode: Mode = Field(
        default="error", description="What to do when the folder already holds data: stop, add to it, or replace it."
    )
    partition_by: Columns | None = Field(
        default=None, description="Columns whose values become folders (`lang=de/`), as in Hive."
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        finish_class(cls, "Writer")

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """A writer for one shard below `root`, whose file names all begin with `prefix` and sort in row order."""
        raise NotImplementedError


def finish_class(cls: Any, ending: str) -> None:
    """Fill in `key` and `abstract` of a new reader or writer class: `ParquetReader` -> `parquet`."""
    cls.abstract = cls.__dict__.get("abstract") is True
    if "key" not in cls.__dict__:
        name = cls.__name__.removesuffix(ending)
        cls.key = name[:1].lower() + name[1:]
