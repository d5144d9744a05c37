"""The HTTP responses and requests in WARC records."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from datajob.formats._warc_records import parse_headers

MAX_BODY = 1 << 30
"""A body that is larger after decompression is not read."""
_STATUS = re.compile(rb"HTTP/[0-9.]+[ \t]+([0-9]{3})(?![0-9])")
_REQUEST = re.compile(rb"[A-Z]+ \S+ HTTP/[0-9.]+\s")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
_SIGNATURES = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
"""The first bytes of compressed bodies. Archives often contain bodies that are already decompressed, with the old header."""
_CODECS = {"br": "brotli", "zstd": "zstd"}


class RecordError(ValueError):
    """A record that cannot be decoded."""


@dataclass(frozen=True)
class Message:
    """A response or a request."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes


def parse_message(block: bytes, incomplete: bool) -> Message:
    """The message in a block, with the decoded body. `incomplete`: the crawler did not store all of it.

    Raises RecordError.
    """
    status = _STATUS.match(block)
    if not status and not _REQUEST.match(block):
        raise RecordError("is not an HTTP message")
    end = _END_OF_HEADER.search(block)
    lines = block[: end.start()] if end else block
    headers = parse_headers(lines.partition(b"\n")[2])
    body = block[end.end() :] if end else b""
    if "chunked" in headers.get("transfer-encoding", "").lower() and _CHUNK.match(body):
        body = _without_chunks(body, incomplete)
    codings = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
    for coding in reversed(codings):
        body = _decompressed(body, coding, incomplete)
    return Message(int(status[1]) if status else None, headers, body)


def _without_chunks(body: bytes, incomplete: bool) -> bytes:
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match[1], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size
        at += 2 if body.startswith(b"\r\n", at) else 1 if body.startswith(b"\n", at) else 0
    if not incomplete:
        raise RecordError("has a body whose chunks are incomplete")
    return b"".join(parts)


def _decompressed(body: bytes, coding: str, incomplete: bool) -> bytes:
    if coding in ("", "identity", "none") or not body or not body.startswith(_SIGNATURES.get(coding, b"")):
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflated(body, 31, incomplete)
    if coding == "deflate":  # some servers omit the header of zlib
        return _inflated(body, 15 if body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0 else -15, incomplete)
    if coding not in _CODECS:
        raise RecordError(f"has the unknown Content-Encoding {coding[:40]!r}")
    import pyarrow as pa

    parts: list[bytes] = []
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), _CODECS[coding]) as stream:
            while part := stream.read(1 << 20):
                parts.append(part)
                if sum(map(len, parts)) > MAX_BODY:
                    raise RecordError("has a body that is larger than 1 GiB after decompression")
    except OSError as error:
        if not incomplete:
            raise RecordError(f"has a body that cannot be decompressed ({coding})") from error
    return b"".join(parts)


def _inflated(body: bytes, wbits: int, incomplete: bool) -> bytes:
    stream = zlib.decompressobj(wbits)
    try:
        data = stream.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise RecordError("has a body that cannot be decompressed (gzip or deflate)") from error
    if stream.unconsumed_tail:
        raise RecordError("has a body that is larger than 1 GiB after decompression")
    if not stream.eof and not incomplete:
        raise RecordError("has a compressed body that is incomplete")
    return data
