"""Where files live: local disks, S3 and whatever fsspec knows, behind one face, with errors a person can act on.

Nothing here knows a file format. Credentials come from the environment (`AWS_*`) or the provider's default chain.
"""

from __future__ import annotations

import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workloads.errors import DataJobError, InputError, SinkError, StorageUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

BOOKKEEPING = "_datajob"
"""Folder below a sink that holds commits, statistics and files on their way."""
ATOMIC_UPLOADS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory")
"""Schemes whose objects appear whole when their upload ends; elsewhere a temporary name and a rename do it."""
ONE_REQUEST_BYTES = 4 << 20
"""Up to this size an object of S3 is written by one PUT (below the size of a part, 10 MB in pyarrow)."""
DELETE_THREADS = 16

_UNAVAILABLE = (
    r"NETWORK_CONNECTION|Couldn't connect|Could not connect|Connection (refused|reset)|curlCode|resolve host|timed out"
    r"|SLOW_DOWN|SlowDown|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|HTTP status 50\d"
)
_REASONS = (
    (r"No space left|Errno 28\b|disk quota|Errno 122\b", "the disk is full"),
    (r"NO_SUCH_BUCKET|NoSuchBucket|Bucket '[^']*' not found", "the bucket does not exist"),
    (r"ACCESS_DENIED|AccessDenied|Forbidden|FORBIDDEN|Permission denied|Errno 13\b|HTTP status 403", "permission denied"),
    (r"INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT|InvalidAccessKey|UNRECOGNIZED_CLIENT|EXPIRED_TOKEN|ExpiredToken|UserNotFound",
     "the credentials are refused; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"),
    (_UNAVAILABLE, "the store cannot be reached; check the network and AWS_ENDPOINT_URL"),
    (r"Read-only file system|Errno 30\b", "the file system is read-only"),
    (r"not found|does not exist|No such file|NO_SUCH_KEY|RESOURCE_NOT_FOUND|HTTP status 404", "it does not exist"),
)  # fmt: skip


def scheme_of(path: str) -> str:
    """`s3` of `s3://bucket/key`; empty for a local path."""
    if "://" not in path:
        return ""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", path)
    found = match.group(1).lower() if match else ""
    return "" if found == "file" else found


def resolve(path: str) -> tuple[FileSystem, str]:
    """The file system that holds `path`, and the path in it. Raises InputError for a scheme nobody knows."""
    from pyarrow.fs import LocalFileSystem

    scheme = scheme_of(path)
    if not scheme:
        return LocalFileSystem(), str(Path(path.removeprefix("file://")).expanduser().absolute())
    inner = path.split("://", 1)[1]
    if scheme in ("s3", "s3a"):
        return _s3(inner.split("/", 1)[0], _s3_environment()), inner.rstrip("/")
    return _fsspec(scheme, path)


def join(path: str, *names: str) -> str:
    """`path` with `names` below it."""
    return "/".join((path.rstrip("/"), *names))


def _s3_environment() -> tuple[str | None, ...]:
    where = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")
    who = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    return tuple(os.environ.get(name) for name in (*where, *who))


@cache
def _s3(bucket: str, environment: tuple[str | None, ...], in_one_request: bool = False) -> FileSystem:
    """One client per bucket (buckets live in different regions) and per set of AWS_* variables.

    `in_one_request`: an upload is one PUT instead of the three requests of a multipart upload. Only for what fits in one:
    of a larger one that fails at its start pyarrow 26 uploads the rest as if it were the whole, or waits forever.
    """
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
        raise InputError(
            f"{path}: cannot use the scheme {scheme}:// ({error}); install its fsspec package in the image."
        ) from error
    fs: Any = pyarrow.fs
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), str(inner).rstrip("/")


def explain(error: BaseException) -> str:
    """Why a storage operation failed, in words of a person, with the original message behind."""
    text = " ".join(str(error).split())
    reason = next((words for pattern, words in _REASONS if re.search(pattern, text)), None)
    if isinstance(error, FileNotFoundError):
        reason = reason or "it does not exist"
    return f"{reason} ({text[:500]})" if reason else text[:1000]


@contextmanager
def storage_errors(path: str, kind: type[DataJobError], doing: str) -> Iterator[None]:
    """Turn an OSError into `kind`, or StorageUnavailable, that says which path, while `doing` what, and why."""
    try:
        yield
    except OSError as error:
        raise _kind(error, kind)(f"{path}: cannot {doing}: {explain(error)}.") from error


def _kind(error: BaseException, kind: type[DataJobError]) -> type[DataJobError]:
    """StorageUnavailable where another try may help, else `kind`."""
    return StorageUnavailable if re.search(_UNAVAILABLE, str(error)) else kind


@contextmanager
def readable(path: str, what: str = "") -> Iterator[None]:
    """Turn whatever goes wrong while the content of `path` is read (`as Parquet`, say) into InputError."""
    import pyarrow as pa

    try:
        yield
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        raise _kind(error, InputError)(f"{path}: cannot be read{' ' if what else ''}{what}: {explain(error)}.") from error


class Folder:
    """A folder for bookkeeping: small files, each written atomically. Names are relative, with `/` between."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or path
        self._filesystem, self._inner = resolve(path)
        self._local = not scheme_of(path)

    def join(self, name: str) -> str:
        """The full path of `name`."""
        return join(self.path, name)

    def _at(self, name: str) -> str:
        return join(self._inner, name) if name else self._inner

    def exists(self, name: str) -> bool:
        """Whether `name` is there, as a file or a folder."""
        from pyarrow.fs import FileType

        with storage_errors(self.join(name), InputError, "look at it"):
            return bool(self._filesystem.get_file_info(self._at(name)).type != FileType.NotFound)

    def read(self, name: str) -> bytes:
        """All of a file. Raises InputError when it is not there."""
        with (
            storage_errors(self.join(name), InputError, "read it"),
            self._filesystem.open_input_stream(self._at(name)) as stream,
        ):
            return bytes(stream.read())

    def open_input(self, name: str) -> pa.NativeFile:
        """A file for random access."""
        with storage_errors(self.join(name), InputError, "open it"):
            return self._filesystem.open_input_file(self._at(name))

    def write(self, name: str, data: bytes) -> None:
        """Replace a file: a reader sees the old or the new one, never a part."""
        with storage_errors(self.join(name), SinkError, "write it"):
            if not self._local:
                return _put(self.path, self.join(name), data)
            final = Path(self._at(name))
            final.parent.mkdir(parents=True, exist_ok=True)
            waiting = final.with_name(f".{uuid.uuid4().hex}.tmp")
            try:
                waiting.write_bytes(data)
                waiting.replace(final)
            finally:
                waiting.unlink(missing_ok=True)

    def list(self, sub: str = "", recursive: bool = False) -> dict[str, int]:
        """Size in bytes of each file below `sub`, by name relative to this folder, sorted; empty when `sub` is not there."""
        from pyarrow.fs import FileSelector, FileType

        with storage_errors(self.join(sub), InputError, "list it"):
            found = self._filesystem.get_file_info(FileSelector(self._at(sub), allow_not_found=True, recursive=recursive))
        prefix = len(self._inner.rstrip("/")) + 1
        return {f.path[prefix:]: f.size for f in sorted(found, key=lambda f: str(f.path)) if f.type == FileType.File}

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; one that is not there is no error."""

        def one(name: str) -> None:
            with storage_errors(self.join(name), SinkError, "delete it"), suppress(FileNotFoundError):
                self._filesystem.delete_file(self._at(name))

        with ThreadPoolExecutor(1 if self._local else DELETE_THREADS) as pool:
            list(pool.map(one, names))

    def delete_tree(self, sub: str = "") -> None:
        """Delete a folder and all below it; not there is no error."""
        with storage_errors(self.join(sub), SinkError, "delete it"):
            if not self._local:  # in one request, a store whose folders are objects comes to a folder before what is in it
                self.delete(self.list(sub, recursive=True))
            for folder in [*([] if self._local else self._folders(sub)), *([self._at(sub)] if self.exists(sub) else [])]:
                with suppress(FileNotFoundError):
                    self._filesystem.delete_dir(folder)

    def _folders(self, sub: str) -> Iterable[str]:
        """Folders below a folder, the deepest first; most stores have none once their files are gone."""
        import pyarrow.fs as pafs

        found = self._filesystem.get_file_info(pafs.FileSelector(self._at(sub), recursive=True, allow_not_found=True))
        return sorted((i.path for i in found if i.type == pafs.FileType.Directory), key=len, reverse=True)


class AtomicFile:
    """A file on its way: `stream` takes its bytes, `commit` gives it its name, `abort` leaves nothing.

    Locally the bytes wait in `<root>/_datajob/tmp/` and are renamed. No fsync: what must be survived is the death of
    processes, and what they wrote outlives them in the kernel's cache. For other stores they wait in a local temporary
    file and go up in one call at the commit, because pyarrow's destructor completes an upload that an error cut in half.
    """

    def __init__(self, root: str, name: str) -> None:
        import pyarrow as pa

        self.path = join(root, name)
        self.size = 0
        """Bytes; known after the commit."""
        self._root = root
        with storage_errors(self.path, SinkError, "write it"):
            self._waiting = _waiting_place(root, name)
            self.stream: pa.NativeFile = pa.OSFile(str(self._waiting), "wb")

    def commit(self) -> None:
        """Make the file visible under its final name, replacing what was there; sets `size`."""
        try:
            with storage_errors(self.path, SinkError, "write it"):
                self.stream.close()
                self.size = self._waiting.stat().st_size
                if scheme_of(self.path):
                    _upload(self._root, self.path, self._waiting)
                else:
                    final = Path(resolve(self.path)[1])
                    final.parent.mkdir(parents=True, exist_ok=True)
                    self._waiting.replace(final)
        finally:
            self.abort()

    def abort(self) -> None:
        """Forget the bytes; never raises."""
        with suppress(OSError, ValueError):
            self.stream.close()
        with suppress(OSError):
            self._waiting.unlink(missing_ok=True)


def _waiting_place(root: str, name: str) -> Path:
    unique = f"{uuid.uuid4().hex}-{name.rsplit('/', 1)[-1]}"
    if scheme_of(root):
        return Path(tempfile.gettempdir()) / f"datajob-{unique}"
    folder = Path(resolve(root)[1]) / BOOKKEEPING / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / unique


def _upload(root: str, path: str, waiting: Path) -> None:
    import pyarrow as pa

    with pa.memory_map(str(waiting)) as source:
        _put(root, path, source.read_buffer())


def _put(root: str, path: str, data: pa.Buffer | bytes) -> None:
    """Put a whole object below `root`: one write call, so that no exception of Python can come between two halves."""
    filesystem, final = resolve(path)
    if scheme_of(path) in ("s3", "s3a") and len(data) <= ONE_REQUEST_BYTES:
        filesystem = _s3(final.split("/", 1)[0], _s3_environment(), in_one_request=True)
    if scheme_of(path) in ATOMIC_UPLOADS:
        with filesystem.open_output_stream(final) as upload:
            upload.write(data)
        return
    target = resolve(join(root, BOOKKEEPING, "tmp", uuid.uuid4().hex))[1]
    for file in (target, final):
        filesystem.create_dir(file.rsplit("/", 1)[0], recursive=True)
    with filesystem.open_output_stream(target) as upload:
        upload.write(data)
    filesystem.move(target, final)
