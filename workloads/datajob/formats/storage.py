"""File systems behind one interface: local disks, S3 and all file systems of fsspec, with actionable errors.

This module is independent of file formats and does not write. Credentials come from the environment (`AWS_*`) or the default
chain of the provider.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.errors import DataJobError, InputError, StorageUnavailable, private
from datajob.formats._local_files import unreadable

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

BOOKKEEPING = "_datajob"
"""Folder in a sink for commit records, the report and temporary files."""

_UNAVAILABLE = (
    r"NETWORK_CONNECTION|Couldn't connect|Could not connect|Connection (refused|reset)|curlCode|resolve host|timed out"
    r"|error sending request|SLOW_DOWN|SlowDown|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|HTTP status 50\d"
    r"|Response checksums mismatch"
)
_WITHOUT_REASON = re.compile(r"ACCESS_DENIED during Head\w+ operation")
_REASONS = (
    (r"No space left|Errno 28\b|disk quota|Errno 122\b", "the disk is full"),
    (r"NO_SUCH_BUCKET|NoSuchBucket|Bucket '[^']*' not found", "the bucket does not exist"),
    (r"ACCESS_DENIED|AccessDenied|Forbidden|FORBIDDEN|Permission denied|Errno 13\b|HTTP status 403", "permission denied"),
    (r"INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT|InvalidAccessKey|UNRECOGNIZED_CLIENT|EXPIRED_TOKEN|ExpiredToken|UserNotFound",
     "the credentials are invalid; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"),
    (_UNAVAILABLE, "the storage cannot be reached; check the network and AWS_ENDPOINT_URL"),
    (r"Read-only file system|Errno 30\b", "the file system is read-only"),
    (r"not a zip file|central directory", "it is truncated or not a zip archive"),
    (r"magic bytes not found|Couldn't deserialize thrift|Parquet file size is",
     "it is truncated or not a Parquet file"),
    (r"Truncated compressed stream|Truncated|end-of-stream marker|unexpected end of|premature end",
     "it is truncated; the download or copy may be incomplete"),
    (r"zlib inflate failed|ZSTD decompress failed|bz2 decompress failed|LZ4 decompress failed|Corrupt input data"
     r"|CRC check failed|Bad CRC-32",
     "its compressed data is corrupt, or its extension does not match its compression"),
    (r"not found|does not exist|No such file|NO_SUCH_KEY|RESOURCE_NOT_FOUND|HTTP status 404", "it does not exist"),
)  # fmt: skip


def scheme_of(path: str) -> str:
    """`s3` of `s3://bucket/key`; empty for a local path."""
    if "://" not in path:
        return ""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", path)
    found = match.group(1).lower() if match else ""
    return "" if found == "file" else found


def resolve(path: str, in_one_request: bool = False) -> tuple[FileSystem, str]:
    """The file system of `path`, and the path within it. Raises InputError for an unknown scheme.

    With `in_one_request`, an upload to S3 is one PUT instead of the three requests of a multipart upload. Only for data that
    fits into one request: if a larger upload fails at its start, pyarrow 26 uploads the rest as the whole object, or waits
    forever.
    """
    from pyarrow.fs import LocalFileSystem

    scheme = scheme_of(path)
    if not scheme:
        return LocalFileSystem(), str(Path(path.removeprefix("file://")).expanduser().absolute())
    inner = path.split("://", 1)[1]
    if scheme in ("s3", "s3a"):
        return _s3(inner.split("/", 1)[0], _s3_environment(), in_one_request), inner.rstrip("/")
    if scheme == "hf":
        from datajob.formats._hub_files import hub_filesystem

        return hub_filesystem(), inner.rstrip("/")
    return _fsspec(scheme, path)


def join(path: str, *names: str) -> str:
    """`path` followed by `names`."""
    return "/".join((path.rstrip("/"), *names))


def s3_endpoint() -> str | None:
    """The address of the S3 server that the environment states; None for AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def s3_region() -> str | None:
    """The region that the environment states."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def address(path: str) -> str:
    """A path for libraries that support `s3://` but not `s3a://`, and only absolute local paths."""
    scheme = scheme_of(path)
    if not scheme:
        return resolve(path)[1]
    return f"s3://{path.split('://', 1)[1]}" if scheme == "s3a" else path


def _s3_environment() -> tuple[str | None, ...]:
    where = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")
    who = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    return tuple(os.environ.get(name) for name in (*where, *who))


@cache
def _s3(bucket: str, environment: tuple[str | None, ...], in_one_request: bool) -> FileSystem:
    """One client per bucket (buckets can be in different regions), set of AWS_* variables and upload mode."""
    import pyarrow.fs

    fs: Any = pyarrow.fs
    endpoint = environment[0] or environment[1]
    region = environment[2] or environment[3]
    if not region and endpoint:
        region = "us-east-1"
    if not region:
        with suppress(OSError):
            region = fs.resolve_s3_region(bucket)
    client: FileSystem = fs.S3FileSystem(
        region=region,
        endpoint_override=endpoint or None,
        scheme="http" if (endpoint or "").startswith("http://") else "https",
        connect_timeout=5,
        request_timeout=60,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=5),
        allow_delayed_open=in_one_request,
    )
    return client


def _fsspec(scheme: str, path: str) -> tuple[FileSystem, str]:
    import fsspec
    import pyarrow.fs

    try:
        filesystem, inner = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise InputError(f"{path}: cannot use the scheme {scheme}:// ({error}); install the fsspec package for it.") from error
    fs: Any = pyarrow.fs
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), str(inner).rstrip("/")


def explain(error: BaseException) -> str:
    """The reason why a storage operation failed, followed by the original message."""
    text = " ".join(str(error).split())
    reason = next((words for pattern, words in _REASONS if re.search(pattern, text)), None)
    if isinstance(error, FileNotFoundError):
        reason = reason or "it does not exist"
    return f"{reason} ({text[:500]})" if reason else text[:1000]


@contextmanager
def storage_errors(path: str, kind: type[DataJobError], doing: str) -> Iterator[None]:
    """Convert an OSError to `kind` or StorageUnavailable, with the path, the operation (`doing`) and the reason."""
    try:
        yield
    except OSError as error:
        cause = _denied(path, error)
        raise _kind(cause, kind)(f"{path}: cannot {doing}: {explain(cause)}.") from error


def _denied(path: str, error: OSError) -> OSError:
    """The error itself or, for a HEAD request that S3 denied without saying why, the error of a request that states it.

    S3 answers HEAD requests without a body, so a wrong key looks like a missing permission.
    """
    import pyarrow.fs as pafs

    if scheme_of(path) not in ("s3", "s3a") or not _WITHOUT_REASON.search(str(error)):
        return error
    filesystem, inner = resolve(path)
    nothing = join(inner.split("/", 1)[0], f"{BOOKKEEPING}-{uuid.uuid4().hex}")
    try:
        filesystem.get_file_info(pafs.FileSelector(nothing, allow_not_found=True))
    except OSError as stated:
        return stated
    return error


def _kind(error: BaseException, kind: type[DataJobError]) -> type[DataJobError]:
    """StorageUnavailable if a retry can help, otherwise `kind`."""
    return StorageUnavailable if is_unavailable(error) else kind


def is_unavailable(error: BaseException) -> bool:
    """Whether a retry can help."""
    return re.search(_UNAVAILABLE, str(error)) is not None


@contextmanager
def readable(path: str, what: str = "") -> Iterator[None]:
    """Convert errors while reading the content of `path` (for example `as Parquet`) to InputError."""
    import pyarrow as pa

    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        reason = (None if scheme_of(path) else unreadable(path.removeprefix("file://"))) or explain(error)
        stated = private(f": {reason}") if isinstance(error, pa.ArrowInvalid) and what == "as CSV" else f": {reason}"
        raise _kind(error, InputError)(f"{path}: cannot be read{' ' if what else ''}{what}{stated}.") from error
