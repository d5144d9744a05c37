"""The interfaces of readers and writers, which convert files to Arrow tables and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from datajob.errors import InputError
from datajob.formats.types import TypeName
from datajob.parameters import Columns, Parameters, TokenColumns
from datajob.suggest import nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.formats.folder import Folder

OnBadRecord = Callable[[str, str], None]
"""Called with a record that cannot be read (as text, truncated to 64 KiB) and the reason.

Raises with `errors.policy: fail`."""

Paths = Annotated[
    tuple[str, ...],
    Field(
        min_length=1,
        description="Files, folders (read recursively, without hidden names) or globs: local, `s3://` or any fsspec URL. Names "
        "that start with `.` are hidden, and so are names that start with `_` unless they are partitions such as `_key=value`.",
    ),
]


@dataclass(frozen=True)
class InputFile:
    """An input file, as listed."""

    path: str
    """The path, including its scheme."""
    size: int
    """Bytes."""
    version: str
    """Changes when the content may have changed: modification time in ns, or ETag."""
    partition: tuple[tuple[str, str], ...] = ()
    """Hive partition values from the folders of its path (`lang=de/`), or those in the metadata of a table."""
    deletes: tuple[str, ...] = ()
    """Where a table lists the deleted rows of the file."""
    stable: str = ""
    """What identifies the file in place of a path that contains the version of its repository."""

    @property
    def identity(self) -> str:
        """What identifies the file in all runs."""
        return self.stable or self.path


@dataclass(frozen=True)
class Fragment:
    """A part of a file that can be read independently. Shards consist of fragments."""

    file: InputFile
    start: int
    end: int
    """Half-open range of bytes or row groups, depending on the reader. (0, -1) is the whole file."""
    weight: int
    """Estimated bytes of input, to balance shards."""


def finish_class(cls: Any, ending: str) -> None:
    """Set `key` and `abstract` of a new reader or writer class: `ParquetReader` -> `parquet`."""
    cls.abstract = cls.__dict__.get("abstract") is True
    if "key" not in cls.__dict__:
        name = cls.__name__.removesuffix(ending)
        cls.key = name[:1].lower() + name[1:]


class Reader(Parameters):
    """Base class of all readers."""

    key: ClassVar[str] = ""
    abstract: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Extensions of the files to read from folders; empty for all. Files that are named explicitly are always read."""
    cutting_reads: ClassVar[bool] = False
    """Whether `fragments` has to scan the whole file. It is then called only for inputs with few files."""
    chooses_files: ClassVar[frozenset[str]] = frozenset()
    """Parameters that choose the files and do not change how a file is read."""

    include_path: str | None = Field(
        default=None, min_length=1, description="Name of a column for the path of the file that each row comes from."
    )

    add_columns: dict[str, str] = Field(
        default={}, max_length=16, description="Columns to add to all rows, such as `source: web`."
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        finish_class(cls, "Reader")

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """The paths that are read, each with the parameter that contains it, such as `("paths", 0)`."""
        raise NotImplementedError

    def name(self) -> str:
        """What is read, for messages about all files."""
        return self.places()[0][1]

    def described(self) -> str:
        """What is read, in full."""
        return ", ".join(place for _, place in self.places())

    def pin(self, versions: dict[str, str]) -> None:
        """Make `files` list the version in `versions`, to which the first attempt at a run adds it. Called before `files`.

        Only for sources that can read a version after it has been replaced.
        """

    def files(self) -> list[InputFile]:
        """The input files in order. Raises InputError if they cannot be listed."""
        raise NotImplementedError

    def identity(self) -> list[Any]:
        """What determines the rows of a file: the format and all parameters except those that choose the files."""
        return [self.key, self.model_dump(mode="json", exclude=set(self.chooses_files))]

    def known_columns(self) -> tuple[str, ...] | None:
        """The columns that rows will have if they are known without opening a file, otherwise None."""
        return None

    def columns_of_job(self) -> tuple[str, ...]:
        """The columns that are not those of the files."""
        return (*((self.include_path,) if self.include_path else ()), *self.add_columns)

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Split a file into fragments of about `target` bytes if the format allows it. Deterministic."""
        return [Fragment(file, 0, -1, file.size)]

    def row_bytes(self, files: Sequence[InputFile]) -> int | None:
        """Approximate bytes per row for line formats, whose rows can require more work than their size indicates."""
        return None

    def count(self, fragment: Fragment) -> int | None:
        """The number of rows of a fragment if it is known without reading them. Raises InputError."""
        return None

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """One schema for all files (union of columns, missing ones are null).

        Raises InputError with two files, the column and both types if types are incompatible.
        """
        raise NotImplementedError

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """Features of Hugging Face that columns have but their types do not state, such as `{"image": {"_type": "Image"}}`."""
        return {}

    def check_names(self, schema: pa.Schema, files: Sequence[InputFile]) -> None:
        """Raise InputError if a parameter declares the type of a column or partition that the input does not have."""

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """The rows of `fragment`, in file order, as tables of `schema` of about `batch_bytes` each (bounded memory).

        Raises InputError if the file cannot be read (truncated, different format).
        """
        raise NotImplementedError


class _Paths(Parameters):
    paths: Paths


class FileReader(Reader, _Paths):
    """Base class of readers of files that are listed by their paths."""

    abstract: ClassVar[bool] = True
    chooses_files: ClassVar[frozenset[str]] = frozenset({"paths"})

    partition_types: dict[str, TypeName] = Field(
        default={}, description="Types of columns from hive folders, such as `year: int64`. By default, they are text."
    )

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Each of `paths`."""
        return tuple((("paths", number), path) for number, path in enumerate(self.paths))

    def files(self) -> list[InputFile]:
        """The input files in the order of `paths`. Raises InputError if a path is missing, unreadable or has no files."""
        from datajob.formats.listing import list_inputs

        return list_inputs(self.paths, self.suffixes)

    def check_names(self, schema: pa.Schema, files: Sequence[InputFile]) -> None:
        """Raise InputError if a parameter declares the type of a column or partition that the input does not have."""
        partitions = dict.fromkeys(key for file in files for key, _ in file.partition)
        for name in self.partition_types:
            if name not in partitions:
                near = nearest(name, partitions)
                hint = f"; did you mean {near}?" if near else "."
                raise InputError(f"partitionTypes: {self.name()} has no partition {name}{hint}")


@dataclass(frozen=True)
class OutputFile:
    """A file written by a shard."""

    path: str
    """Relative to the sink."""
    rows: int
    size: int
    """Bytes."""
    stats: dict[str, Any] | None = None
    """What the commit of a table needs to know about the columns, as JSON."""

    def entry(self) -> dict[str, Any]:
        """The file in a manifest."""
        return {"path": self.path, "rows": self.rows, "size": self.size}


class ShardWriter(Protocol):
    """Writes the rows of one shard. Files get their final names in `close`."""

    def write(self, table: pa.Table) -> None:
        """Append rows."""

    def close(self) -> list[OutputFile]:
        """Finish the files, rename them atomically and return what was written (nothing if there were no rows)."""

    def abort(self) -> None:
        """Delete all temporary files. Called instead of `close`; never raises."""


Mode = Literal["error", "append", "overwrite"]


class Writer(Parameters):
    """Base class of all writers."""

    key: ClassVar[str] = ""
    abstract: ClassVar[bool] = True
    extension: ClassVar[str | tuple[str, ...]] = ""
    """Extension of the files (or all extensions), with the dot. `overwrite` replaces files with this extension."""
    companions: ClassVar[tuple[str, ...]] = ()
    """Those of them that are not the extension of files with rows."""
    stores_paths: ClassVar[bool] = True
    """Whether the paths of embedded media are stored, which can refer to a part of a file (`#t=`)."""

    path: str = Field(
        min_length=1,
        description="Folder of the result: local, `s3://` or any fsspec URL. Metadata is stored in its subfolder `_datajob/`.",
    )
    mode: Mode = Field(
        default="error", description="What to do if the folder already holds data: fail, add to it, or replace it."
    )
    partition_by: Columns | None = Field(
        default=None, description="Columns whose values become folders (`lang=de/`), as in Hive."
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        finish_class(cls, "Writer")

    def for_columns(self, columns: Sequence[str]) -> Writer:
        """The writer for rows with these columns, on which defaults can depend."""
        return self

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """The columns whose references are replaced with the bytes that they refer to before `write`; none by default."""
        return ()

    def complete(self, sink: Folder, files: Sequence[OutputFile], run: str) -> None:
        """Write what describes the whole result, before its manifest is written. Can be repeated."""

    def counted_tokens(self) -> TokenColumns | None:
        """The columns by which the report counts the tokens that are written; None: it counts none."""
        return None

    def written_schema(self, schema: pa.Schema) -> pa.Schema:
        """The columns of the files for rows with these columns."""
        return schema

    def with_features(self, features: Mapping[str, Any]) -> Writer:
        """The writer for rows of which some columns have features of Hugging Face, by name."""
        return self

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """A writer for one shard below `root`. All file names begin with `prefix` and sort in row order."""
        raise NotImplementedError
