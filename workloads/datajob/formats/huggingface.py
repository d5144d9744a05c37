"""Data sets of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from datajob.errors import InvalidJob
from datajob.formats._hub import MAIN, Hub, parse_name
from datajob.formats._hub_configs import CARD, Config, choose_splits, resolve
from datajob.formats._hub_reader import reader_of
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord, Reader

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
