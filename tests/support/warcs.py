"""WARC files as crawlers write them."""

import gzip
from collections.abc import Iterable

DATE = "2024-02-29T12:30:15Z"


def warc_record(kind: str, block: bytes, content_type: str = "application/http; msgtype=response", **headers: str) -> bytes:
    """A record; `headers` with `_` in place of `-`, such as `WARC_Date`."""
    values = {
        "WARC-Type": kind,
        "WARC-Record-ID": "<urn:uuid:0>",
        "WARC-Target-URI": "http://example.org/",
        "WARC-Date": DATE,
        "Content-Type": content_type,
        "Content-Length": str(len(block)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    return b"WARC/1.0\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A response."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def page(number: int, body: bytes, content_type: str = "text/html; charset=utf-8", **headers: str) -> bytes:
    """A record with a page."""
    url = f"http://example.org/{number}"
    return warc_record("response", http(body, Content_Type=content_type), WARC_Target_URI=url, **headers)


def members(records: Iterable[bytes]) -> bytes:
    """A gzip file with a member per record, as in Common Crawl."""
    return b"".join(gzip.compress(record, 1, mtime=0) for record in records)
