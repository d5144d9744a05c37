"""Data sets of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, field_validator, model_validator

from datajob.errors import InputError, InvalidJob
from datajob.formats._columns import empty_table, plain_schema
from datajob.formats._features import media_columns, with_features
from datajob.formats._hub import MAIN, Hub, parse_name
from datajob.formats._hub_commit import Publication, existing_schema
from datajob.formats._hub_configs import CARD, DEFAULT, Config, choose_splits, resolve
from datajob.formats._hub_features import features_of, wide_decimals
from datajob.formats._hub_patterns import SPLIT, TRAIN
from datajob.formats._hub_places import FolderPlace, Place, RepositoryPlace
from datajob.formats._hub_reader import reader_of
from datajob.formats._hub_write import FeaturesEncoder, SplitsWriter, with_splits
from datajob.formats._parquet_portable import check_portable, portable_schema
from datajob.formats._parquet_write import ParquetEncoder
from datajob.formats._table_sink import ParquetTableWriter
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord, OutputFile, Reader, ShardWriter
from datajob.media.signatures import Kind

if TYPE_CHECKING:
    import pyarrow as pa


class HuggingfaceReader(Reader):
    """A data set of the Hugging Face Hub.

    Its card and the names of its files determine the configurations, splits and files, as in the library `datasets`. Files of
    Parquet, JSON, CSV, text and WebDataset are read by the sources of these formats. All attempts at a run read the commit that
    the first attempt found. The token of a private or gated data set is read from the environment variable `HF_TOKEN`.
    """

    chooses_files: ClassVar[frozenset[str]] = frozenset({"path", "config", "split", "revision"})

    path: str = Field(
        min_length=1,
        description="Name of the data set: `org/name`, `hf://datasets/org/name`, or one of these followed by `@revision`.",
    )
    config: str | None = Field(
        default=None, min_length=1, description="Configuration to read. By default, the only one or the default one."
    )
    split: str | None = Field(
        default=None,
        min_length=1,
        description="Split to read, several such as `train+test`, or `all`. Required if there is more than one split.",
    )
    revision: str | None = Field(
        default=None, min_length=1, description="Branch, tag or commit to read. By default, the branch `main`."
    )
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns to read, in this order. By default, all."
    )
    _commit: str | None = PrivateAttr(default=None)
    _config: Config | None = PrivateAttr(default=None)
    _reader: FileReader | None = PrivateAttr(default=None)

    @field_validator("path")
    @classmethod
    def _known_form(cls, path: str) -> str:
        parse_name(path)
        return path

    @property
    def hub(self) -> Hub:
        """The repository."""
        return Hub(parse_name(self.path)[0])

    def _wanted(self) -> str:
        in_path = parse_name(self.path)[1]
        if in_path and self.revision:
            raise InvalidJob("huggingface: set the revision in `path` or in `revision`, not in both.")
        return in_path or self.revision or MAIN

    def places(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """None: the data set is not a folder."""
        return ()

    def name(self) -> str:
        """The address of the data set."""
        return self.hub.url

    def described(self) -> str:
        """The address, with what is read of it."""
        chosen = " ".join(part for part in (self.config, self.split) if part)
        return f"{self.hub.url}@{self._wanted()}{f' ({chosen})' if chosen else ''}"

    def pin(self, versions: dict[str, str]) -> None:
        """Read the commit that is stored for the revision, or store the current one."""
        key = f"{self.hub.url}@{self._wanted()}"
        if key not in versions:
            versions[key] = self.hub.commit_of(self._wanted())
        self._commit = versions[key]

    def known_columns(self) -> tuple[str, ...] | None:
        """`columns` and `includePath` if `columns` is set."""
        return (*self.columns, *((self.include_path,) if self.include_path else ())) if self.columns else None

    def files(self) -> list[InputFile]:
        """The files of the splits. Raises InputError or StorageUnavailable."""
        self._commit = self._commit or self.hub.commit_of(self._wanted())
        listed = {file.path: file for file in self.hub.files(self._commit)}
        card = self.hub.read(self._commit, CARD) if CARD in listed else ""
        self._config = resolve(card, list(listed), self.config, self.hub.url)
        files = [listed[path] for path in choose_splits(self._config.splits, self.split, self.hub.url)]
        found = [
            InputFile(self.hub.file_url(self._commit, file.path), file.size, file.content, stable=f"{self.hub.url}/{file.path}")
            for file in files
        ]
        self._reader = reader_of(self._config, found, self.columns, self.include_path, self.hub.url)
        return found

    def _chosen(self) -> FileReader:
        if self._reader is None:
            self.files()
        assert self._reader is not None
        return self._reader

    def identity(self) -> list[Any]:
        """That of the reader of the files."""
        return [self.key, self._chosen().identity()]

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """As the reader of the files cuts them, if it does not have to read them for it."""
        reader = self._chosen()
        return [Fragment(file, 0, -1, file.size)] if reader.cutting_reads else reader.fragments(file, target)

    def row_bytes(self, files: Sequence[InputFile]) -> int | None:
        """As the reader of the files estimates it."""
        return self._chosen().row_bytes(files)

    def count(self, fragment: Fragment) -> int | None:
        """As the reader of the files counts them."""
        return self._chosen().count(fragment)

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns of the files."""
        return self._chosen().schema(files)

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """Those in the card, and those in the files."""
        of_card = dict(self._config.features) if self._config else {}
        return {**self._chosen().features(files), **of_card}

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """The rows, as the reader of the files reads them."""
        return self._chosen().read(fragment, schema, batch_bytes, on_bad)


class HuggingfaceWriter(ParquetTableWriter):
    """A data set of Hugging Face: Parquet files with features, and a card that describes configurations, splits and columns.

    It is written to the folder `path`. With `repository`, its files are uploaded from there to the Hub, and each result becomes
    one commit. The token is read from the environment variable `HF_TOKEN`.
    """

    repository: str | None = Field(
        default=None, min_length=1, description="Repository on the Hub, as `org/name`. It is created if it does not exist."
    )
    revision: str = Field(
        default=MAIN, min_length=1, description="Branch of the repository. It is created if it does not exist."
    )
    private: bool = Field(default=True, description="Whether a repository that does not exist is created as a private one.")
    config: str = Field(default=DEFAULT, min_length=1, description="Configuration that the rows belong to.")
    split: str = Field(
        default=TRAIN,
        pattern=rf"^{SPLIT.pattern}$",
        description="Split that all rows belong to, unless `partitionBy` names a column with the names of their splits.",
    )
    features: dict[str, Kind] = Field(
        default={},
        description="Columns of media by their kind (`image`, `audio` or `video`), such as `jpg: image`. They can contain "
        "bytes, paths, structs of both, or lists of these. By default, columns of structs with `bytes` and `path`.",
    )
    _known: Mapping[str, Any] = PrivateAttr(default={})
    """Features of columns of the sources."""

    @model_validator(mode="after")
    def _one_column_of_splits(self) -> HuggingfaceWriter:
        if len(self.partition_by or ()) > 1:
            raise ValueError("`partitionBy` can contain only one column, which contains the names of splits")
        return self

    @field_validator("repository")
    @classmethod
    def _known_form(cls, repository: str | None) -> str | None:
        if repository is not None and parse_name(repository) != (repository, None):
            raise ValueError(f"{repository!r} is not the name of a repository, such as `org/name`")
        return repository

    @property
    def place(self) -> Place:
        """The place of the data set."""
        if self.repository is None:
            return FolderPlace(self.path)
        return RepositoryPlace(self.path, self.repository, self.revision, self.private)

    def for_run(self, run_id: str) -> HuggingfaceWriter:
        """The writer of a run. Creates the repository. Raises SinkError or InvalidJob if the data set cannot be written."""
        self.place.prepare()
        writer = super().for_run(run_id)
        assert isinstance(writer, HuggingfaceWriter)
        writer._existing = with_splits(writer._existing, self.partition_by)
        return writer

    def with_features(self, features: Mapping[str, Any]) -> HuggingfaceWriter:
        """Stores the features with the columns that have them."""
        writer = self.model_copy()
        writer._known = features
        return writer

    def existing_schema(self) -> pa.Schema | None:
        """The columns of the configuration that remain, or None if there are none."""
        if self.mode == "overwrite" and self.overwrite == "table":
            return None
        return existing_schema(self.place.content(), self.config, self.path if self.repository is None else self.repository)

    def existing_partitions(self) -> None:
        """Unknown: splits need no partition column."""

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media."""
        return media_columns(schema, self.features, "sink.huggingface") if self.media == "embed" else ()

    def table_types(self, schema: pa.Schema) -> pa.Schema:
        """Portable types that Hugging Face has."""
        check_portable(schema)
        stored = wide_decimals(plain_schema(portable_schema(schema)))
        features_of(stored, {})
        return stored

    def check_partition(self, name: str, kind: pa.DataType) -> None:
        """Only texts."""
        import pyarrow as pa

        if not pa.types.is_string(kind):
            raise InvalidJob(f"sink.huggingface: column {name} in `partitionBy` is {kind}, but names of splits are texts.")

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files in the folder of the run, and below it in one per split."""
        return SplitsWriter(super().open(root, prefix, schema), (self.partition_by or (None,))[0])

    def _encoder(self, stream: pa.NativeFile, schema: pa.Schema, stem: str) -> ParquetEncoder:
        level = self.compression_level or 1 if self.compression == "zstd" else None

        def described(schema: pa.Schema, first: pa.Table) -> pa.Schema:
            return with_features(schema, self._known, self.features, first)

        return FeaturesEncoder(stream, schema, self.compression, level, self.row_group_bytes, described)

    def published(self, run_id: str) -> bool:
        """Whether the card of the folder or the history of the repository contains the run."""
        return self.place.has(run_id)

    def publish(self, files: Sequence[OutputFile], schema: pa.Schema | None) -> str:
        """Make the files a part of the data set in one commit."""
        return Publication(self, self._run, files, schema).commit()

    def empty(self, schema: pa.Schema | None) -> list[OutputFile]:
        """A file without rows, for a configuration without any rows."""
        import pyarrow as pa

        if schema is None or not schema.names:
            raise InputError(
                f"{self.path}: the result has no rows and its columns are unknown, so it cannot be written as a data set."
            )
        columns = pa.schema([field for field in schema if field.name not in (self.partition_by or ())])
        writer = self.model_copy(update={"partition_by": None}).open(self.path, "part-00000-empty", columns)
        writer.write(empty_table(columns))
        return writer.close()
