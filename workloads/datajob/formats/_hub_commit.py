"""Make files a part of a data set of Hugging Face in one commit, exactly once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, SinkError
from datajob.formats._hub_card import CardUpdate, SplitResult
from datajob.formats._hub_configs import DEFAULT, card_parts, config_entries, split_files
from datajob.formats._hub_features import features_of
from datajob.formats._hub_patterns import formats_of
from datajob.formats._hub_places import ChangedError, Content
from datajob.formats.base import OutputFile

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.formats.huggingface import HuggingfaceWriter

ATTEMPTS = 20
"""Number of commits that are tried while other writers change the data set."""


def existing_schema(content: Content, config: str, shown: str) -> pa.Schema | None:
    """The columns of a configuration, from the first file of each split, or None if it has no files.

    Raises SinkError if its files are not Parquet.
    """
    from datajob.formats.parquet import ParquetReader

    try:
        card, _ = card_parts(content.card or "")
        entries = config_entries(card) or {DEFAULT: {}}
        splits = split_files(entries[config], content.paths) if config in entries else {}
    except ValueError as error:
        raise SinkError(f"{shown}: the card of the data set cannot be used: {error}.") from error
    files = {file.stable: file for file in content.files}
    first = [files[some[0]] for some in splits.values()]
    if not first:
        return None
    if other := [file.stable for file in first if "parquet" not in formats_of(file.stable)]:
        raise SinkError(f"{shown}: the data set has files of another format ({other[0]}). Choose another `config` or place.")
    return ParquetReader(paths=tuple(file.path for file in first)).schema(first)


@dataclass(frozen=True)
class Publication:
    """The result of a run that becomes a part of a data set."""

    writer: HuggingfaceWriter
    run_id: str
    files: Sequence[OutputFile]
    schema: pa.Schema | None
    """The columns of the result, or None if it has no rows and they are unknown."""

    def commit(self) -> str:
        """Commit the files unless the data set contains them. If it changes at the same time, this is repeated."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once()
            except ChangedError:
                time.sleep(0.05 * attempt)
        raise SinkError(
            f"{self._shown}: the data set changes all the time, so the result cannot be committed. Run the job again."
        )

    @property
    def _shown(self) -> str:
        return self.writer.repository or self.writer.path

    def _once(self) -> str:
        place = self.writer.place
        if place.has(self.run_id):
            return f"{self._shown} contains the result of the run already."
        content = place.content()
        existing = self.writer.existing_schema()
        if self.writer.mode == "error" and existing is not None:
            raise SinkError(f"{self._shown}: another writer has created the data set in the meantime. Choose another place.")
        files = self.files or ([] if existing is not None else self.writer.empty(self.schema))
        features = features_of(self._columns(existing), _features(files))
        name = self._shown.rstrip("/").rpartition("/")[2]
        update = CardUpdate(name, self.writer.config, self._splits(files), features, self._replaces())
        try:
            card, removed = update.apply(content.card, content.paths)
        except ValueError as error:
            raise SinkError(f"{self._shown}: the card of the data set cannot be used: {error}.") from error
        return place.change(content, self.run_id, card, [file.path for file in files], removed)

    def _replaces(self) -> str:
        if self.writer.mode != "overwrite":
            return "nothing"
        return "config" if self.writer.overwrite == "table" else "splits"

    def _columns(self, existing: pa.Schema | None) -> pa.Schema:
        """The columns of the data set with the result. Raises SinkError if a type has changed."""
        import pyarrow as pa

        keys = self.writer.partition_by or ()
        fields = {field.name: field for field in existing or ()}
        for field in self.schema or ():
            known = fields.setdefault(field.name, field)
            if field.name not in keys and not known.type.equals(field.type):
                raise SinkError(
                    f"{self._shown}: column {field.name} of the data set is {known.type} now, but the files of the run contain "
                    f"{field.type}. Run the job again with `--fresh`."
                )
        return pa.schema([field for name, field in fields.items() if name not in keys])

    def _splits(self, files: Sequence[OutputFile]) -> Mapping[str, SplitResult]:
        found: dict[str, list[OutputFile]] = {}
        for file in files:
            folder = file.path.rpartition("/")[0]
            found.setdefault(folder, []).append(file)
        return {self._split(folder): _result(folder, files) for folder, files in found.items()}

    def _split(self, folder: str) -> str:
        """The name of the split of a folder, such as `data-0123/split=train`."""
        return folder.rpartition("/")[2].partition("=")[2] if "=" in folder else self.writer.split


def _features(files: Sequence[OutputFile]) -> dict[str, Any]:
    """Features that types do not state. Raises InvalidJob if files have different ones."""
    found: dict[str, Any] = {}
    for file in files:
        for name, feature in ((file.stats or {}).get("features") or {}).items():
            if found.setdefault(name, feature) != feature:
                raise InvalidJob(
                    f"sink.huggingface: column {name} contains media of several kinds. State its kind in `features`."
                )
    return found


def _result(folder: str, files: Sequence[OutputFile]) -> SplitResult:
    return SplitResult(
        folder,
        [file.path for file in files],
        sum(file.rows for file in files),
        sum(file.size for file in files),
        sum((file.stats or {}).get("bytes", 0) for file in files),
    )
