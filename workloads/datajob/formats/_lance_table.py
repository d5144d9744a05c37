"""Open Lance tables. Tables with features that the installed version of Lance does not support are refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError, InputError, StorageUnavailable
from datajob.formats._table_packages import package
from datajob.formats.folder import Folder
from datajob.formats.storage import address, explain, is_unavailable, s3_endpoint, s3_region, scheme_of

if TYPE_CHECKING:
    from lance import LanceDataset

_MANIFEST = re.compile(r"_versions/[^/]+\.manifest")
_PLACE_IN_SOURCE = re.compile(r", (/\S+|[a-z]:\S+)\.rs:\d+:\d+")
_WRAPPED = re.compile(r"^(External error: )?(LanceError\(\w+\): |Invalid user input: |Not supported: )+")


def lance() -> Any:
    """The module. Raises InvalidJob if it is not installed."""
    os.environ.setdefault("LANCE_LOG", "error")  # warnings are about tables that do not exist yet
    return package("lance", "lance", extra="lance")


def storage_options(path: str) -> dict[str, str] | None:
    """Options of Lance in addition to the environment. None for local tables."""
    if scheme_of(path) not in ("s3", "s3a"):
        return None
    options = {"client_max_retries": "4", "client_retry_timeout": "30"}
    if endpoint := s3_endpoint():
        options |= {"aws_endpoint": endpoint, "allow_http": "true", "aws_region": s3_region() or "us-east-1"}
    return options


def table_exists(path: str) -> bool:
    """Whether there is a Lance table."""
    return any(map(_MANIFEST.fullmatch, Folder(path).list("_versions")))


def open_table(path: str, version: int | str | None = None, at: datetime | None = None) -> LanceDataset:
    """A version of a table, given by its number, its tag or a time; by default the latest. Raises InputError."""
    module = lance()
    if not table_exists(path):
        raise InputError(f"{path}: is not a Lance table: it has no folder `_versions` with manifests.")
    with lance_errors(path, InputError):
        table: LanceDataset = module.dataset(address(path), storage_options=storage_options(path))
        found = _version_at(path, table, at) if at is not None else version
        if isinstance(found, str) and found not in (tags := table.tags.list()):
            raise InputError(f"{path}: the Lance table has no tag {found}; it has {', '.join(tags) or 'none'}.")
        if isinstance(found, int) and found not in (numbers := [one["version"] for one in table.version_refs()]):
            raise InputError(
                f"{path}: the Lance table has no version {found}; it has {numbers[0]} to {numbers[-1]}. Old versions are "
                "deleted by `cleanup_old_versions`."
            )
        return table if found is None else table.checkout_version(found)


def _version_at(path: str, table: LanceDataset, at: datetime) -> int:
    """The latest version at a time."""
    versions: list[Any] = table.versions()
    found: list[int] = [one["version"] for one in versions if one["timestamp"].astimezone() <= at]
    if not found:
        raise InputError(f"{path}: the Lance table has no version at {at.isoformat()}: its first available one is later.")
    return max(found)


@contextmanager
def lance_errors(path: str, kind: type[DataJobError]) -> Iterator[None]:
    """Convert the errors of Lance to `kind` or StorageUnavailable."""
    try:
        yield
    except (DataJobError, MemoryError, TypeError, AttributeError):
        raise
    except Exception as error:
        stated = type(error)(_short(error)) if type(error) in (OSError, ValueError, RuntimeError) else OSError(_short(error))
        found = StorageUnavailable if is_unavailable(stated) else kind
        raise found(f"{path}: cannot use the Lance table: {explain(stated)}.") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3 does not export it
            raise
        raise kind(f"{path}: Lance cannot read the table: {_short(error)}.") from error


def _short(error: BaseException) -> str:
    """The message without the places in the source code of Lance."""
    text = _PLACE_IN_SOURCE.sub("", re.sub(r"\s+", " ", str(error)))
    return _WRAPPED.sub("", text).rstrip(". ")[:500]
