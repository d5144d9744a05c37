"""Reads a file or a range of it from the web, within a time limit."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from functools import cache
from typing import Any, NamedTuple

from datajob.media.errors import MediaError

CONNECT_SECONDS = 10.0
"""Maximum time without any answer."""
TOTAL_SECONDS, BYTES_PER_SECOND = 30.0, 100_000
"""Maximum time of a download: 30 seconds, and a second for each 100 kB."""
BLOCK = 1 << 16
_REASONS = {401: "denied", 403: "denied", 404: "notFound", 410: "notFound", 416: "truncated"}


def read(url: str, start: int, wanted: int | None, limit: int) -> bytes:
    """`wanted` bytes from `start` on (None: to the end). Raises MediaError."""
    if wanted == 0:
        return b""
    data = _answer(url, start, wanted, limit)[0]
    if wanted is None and len(data) > limit:
        raise MediaError("tooLarge", f"{url}: more than {limit:,} bytes")
    return data


class Beginning(NamedTuple):
    """Bytes of a file, and what the server states about the file."""

    data: bytes
    size: int | None
    """Bytes of the whole file; None if the server does not state them."""
    ranges: bool
    """Whether the server sends ranges of the file."""


def beginning(url: str, start: int, wanted: int) -> Beginning:
    """Up to `wanted` bytes from `start` on, in one request. Raises MediaError."""
    data, status, headers = _answer(url, start, wanted, wanted)
    total = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length", "")
    return Beginning(data, int(total) if total.isascii() and total.isdigit() else None, status == 206)


def _answer(url: str, start: int, wanted: int | None, limit: int) -> tuple[bytes, int, Any]:
    """The bytes, at most one more than the limit; the HTTP status, and the headers of the answer."""
    headers = {"User-Agent": "datajob", "Accept-Encoding": "identity"}
    whole = not start and wanted is None
    if not whole:
        headers["Range"] = f"bytes={start}-{'' if wanted is None else start + wanted - 1}"
    began = time.monotonic()
    try:
        with _opener().open(urllib.request.Request(url, headers=headers), timeout=CONNECT_SECONDS) as response:  # noqa: S310
            skipped = 0 if whole or response.status == 206 else start  # a server that does not support ranges
            end = limit + 1 if wanted is None else wanted
            data = _body(url, response, skipped + end, began)[skipped:]
            return data[:wanted], response.status, response.headers
    except MediaError:
        raise
    except http.client.IncompleteRead as error:
        raise MediaError("truncated", f"{url}: the connection ended early") from error
    except urllib.error.HTTPError as error:
        raise MediaError(_REASONS.get(error.code, "unreadable"), f"{url}: HTTP status {error.code}") from error
    except TimeoutError as error:
        raise MediaError("tooSlow", f"{url}: no answer within {CONNECT_SECONDS:.0f} seconds") from error
    except urllib.error.URLError as error:
        slow = isinstance(error.reason, TimeoutError)
        raise MediaError("tooSlow" if slow else "unreachable", f"{url}: {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MediaError("unreadable", f"{url}: {type(error).__name__} {error}".strip()) from error


def _body(url: str, response: Any, size: int, began: float) -> bytes:
    """Up to `size` bytes. A server that sends them too slowly does not hold up the job."""
    declared = response.headers.get("Content-Length")
    parts: list[bytes] = []
    held = 0
    while held < size and (part := response.read1(min(BLOCK, size - held))):
        parts.append(part)
        held += len(part)
        if time.monotonic() - began > TOTAL_SECONDS + held / BYTES_PER_SECOND:
            raise MediaError("tooSlow", f"{url}: {held:,} bytes after {time.monotonic() - began:.0f} seconds")
    if declared is not None and declared.isdigit() and held < min(size, int(declared)):
        raise MediaError("truncated", f"{url}: the connection ended after {held:,} of {int(declared):,} bytes")
    return b"".join(parts)


@cache
def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS only: a redirect cannot lead to a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
