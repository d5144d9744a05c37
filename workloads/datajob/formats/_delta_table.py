"""Open Delta tables with delta-rs. Tables with features that are not supported are refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError, InputError, InvalidJob, StorageUnavailable
from datajob.formats._table_packages import package
from datajob.formats.folder import Folder
from datajob.formats.storage import (
    address,
    explain,
    is_unavailable,
    join,
    resolve,
    s3_endpoint,
    s3_region,
    scheme_of,
    storage_errors,
)

if TYPE_CHECKING:
    from deltalake import DeltaTable

READABLE = {"deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck"}
"""Features of tables that are read correctly."""
WRITABLE = READABLE | {
    "appendOnly", "changeDataFeed", "checkConstraints", "columnMapping", "domainMetadata", "generatedColumns",
    "identityColumns", "invariants",
}  # fmt: skip
"""Features of tables that are written correctly as long as `check_writable` finds no use of those that are not supported."""
_FIELD_RULES = {
    "delta.generationExpression": "generated columns",
    "delta.identity.start": "identity columns",
    "delta.invariants": "invariants",
}
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_RETRIES = {"max_retries": "4", "retry_timeout": "30s"}


def table_uri(path: str) -> str:
    """The address of a table for delta-rs. Raises InvalidJob for a path that delta-rs confuses with another one."""
    if found := _ESCAPE.search(path):
        raise InvalidJob(
            f"{path}: delta-rs reads `{found[0]}` in the path of a table as another character. Choose a path without `%`."
        )
    return address(path)


def storage_options(path: str) -> dict[str, str] | None:
    """Options of delta-rs in addition to the environment. None for local tables."""
    if scheme_of(path) not in ("s3", "s3a"):
        return dict(_RETRIES) if scheme_of(path) else None
    options = {**_RETRIES, "aws_conditional_put": "etag"}
    if endpoint := s3_endpoint():
        options |= {"aws_endpoint_url": endpoint, "aws_allow_http": "true", "aws_region": s3_region() or "us-east-1"}
    return options


def table_exists(path: str) -> bool:
    """Whether there is a Delta table."""
    deltalake = package("deltalake", "delta")
    with delta_errors(path, InputError):
        return bool(deltalake.DeltaTable.is_deltatable(table_uri(path), storage_options(path)))


def open_table(path: str, version: int | None = None, at: datetime | None = None) -> DeltaTable:
    """A version of a table, by default the latest. Raises InputError if it does not exist or cannot be read."""
    deltalake = package("deltalake", "delta")
    with delta_errors(path, InputError):
        table: DeltaTable = deltalake.DeltaTable(table_uri(path), storage_options=storage_options(path))
    if version is not None and version > table.version():
        raise InputError(f"{path}: the Delta table has no version {version}; the latest is {table.version()}.")
    if at is not None and _configuration(table).get("delta.enableInCommitTimestamps") == "true":
        version, at = _by_commit_times(path, table.version(), at), None
    with delta_errors(path, InputError):
        if version is not None:
            table.load_as_version(version)
        if at is not None:
            table.load_as_version(at)
    if at is not None and _is_later(path, table.version(), at):
        raise _no_version(path, at)
    return table


def _no_version(path: str, at: datetime) -> InputError:
    return InputError(f"{path}: the Delta table has no version at {at.isoformat()}: its first available one is later.")


def _by_commit_times(path: str, latest: int, at: datetime) -> int:
    """The last version at a time, by the times in the commits, which delta-rs does not use."""
    folder = Folder(path)
    for version in range(latest, -1, -1):
        name = f"_delta_log/{version:020}.json"
        if not folder.exists(name):
            break
        first = json.loads(folder.read(name).partition(b"\n")[0])
        committed = first.get("commitInfo", {}).get("inCommitTimestamp")
        if committed is None:
            raise InputError(
                f"{path}: version {version} of the Delta table has no time of its commit (inCommitTimestamp). Set `version` "
                "instead of `timestamp`."
            )
        if committed <= at.timestamp() * 1000:
            return version
    raise _no_version(path, at)


def _is_later(path: str, version: int, at: datetime) -> bool:
    """Whether a version was committed after a time: delta-rs returns the first version if none is early enough."""
    filesystem, inner = resolve(path)
    with storage_errors(path, InputError, "read it"):
        committed = filesystem.get_file_info(join(inner, "_delta_log", f"{version:020}.json")).mtime
    return bool(committed is not None and committed > at)


@contextmanager
def delta_errors(path: str, kind: type[DataJobError]) -> Iterator[None]:
    """Convert the errors of delta-rs to `kind` or StorageUnavailable."""
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        yield
    except TableNotFoundError as error:
        raise kind(f"{path}: is not a Delta table, or its log does not contain the version: {_short(error)}.") from error
    except (DeltaError, OSError, ValueError, RuntimeError) as error:
        found = StorageUnavailable if is_unavailable(error) else kind
        raise found(f"{path}: cannot use the Delta table: {explain(type(error)(_short(error)))}.") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3 does not export it
            raise
        raise kind(f"{path}: delta-rs cannot read the log of the table: {_short(error)}.") from error


def _short(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error))
    return re.sub(r" 0: <unknown>.*", "", text).rstrip(".")[:500]


def check_readable(path: str, table: DeltaTable) -> None:
    """Raise InputError if the table uses a feature that is not supported."""
    _refuse(path, table.protocol().reader_features, READABLE | {"columnMapping"}, "read", InputError)
    _check_mapping(path, table, InputError)


def check_writable(path: str, table: DeltaTable) -> None:
    """Raise InvalidJob if finished files cannot be added because of a feature of the table."""
    _refuse(path, table.protocol().reader_features, WRITABLE, "written", InvalidJob)
    _refuse(path, table.protocol().writer_features, WRITABLE, "written", InvalidJob)
    _check_mapping(path, table, InvalidJob)
    used = [name for name in _configuration(table) if name.startswith("delta.constraints.")]
    if used:
        raise InvalidJob(f"{path}: the Delta table has the constraint {used[0]}, which is not checked, so it is not written.")
    for field in table.schema().fields:
        for key, what in _FIELD_RULES.items():
            if key in field.metadata:
                raise InvalidJob(f"{path}: column {field.name} of the Delta table uses {what}, which are not supported.")


def _refuse(path: str, features: list[str] | None, known: set[str], verb: str, kind: type[DataJobError]) -> None:
    unknown = [name for name in features or () if name not in known]
    if unknown:
        raise kind(
            f"{path}: the Delta table uses the feature {unknown[0]}, which is not supported, so it cannot be {verb}. Remove "
            "the feature from the table, or convert the table with the engine that wrote it."
        )


def _check_mapping(path: str, table: DeltaTable, kind: type[DataJobError]) -> None:
    mode = _configuration(table).get("delta.columnMapping.mode") or "none"
    if mode != "none":
        raise kind(
            f"{path}: the Delta table uses the feature columnMapping (delta.columnMapping.mode: {mode}), which is not "
            "supported. Export the rows with the engine that wrote them."
        )


def _configuration(table: DeltaTable) -> Mapping[str, Any]:
    return table.metadata().configuration
