"""WARC: archives of web crawls, such as Common Crawl."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.errors import InputError
from datajob.formats._columns import conform, with_file_columns
from datajob.formats._compression import codec_of
from datajob.formats._lines import BAD_TEXT
from datajob.formats._warc_http import RecordError, parse_message
from datajob.formats._warc_records import Record, opened_records
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord

if TYPE_CHECKING:
    import pyarrow as pa

RecordType = Literal["response", "resource", "conversion", "request", "metadata", "revisit", "warcinfo", "continuation"]
MAX_CONTENT = (1 << 31) - 1
"""The maximum size of a value of the Arrow types `binary` and `string`."""
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})0*)?Z")


class WarcReader(FileReader):
    """WARC files of web crawls (`.warc`, `.wet`, `.wat`), plain or compressed, one row per record.

    Columns: `id`, `type`, `url`, `date`, `status` and `contentType` of the HTTP response, `truncated` (why the crawler did not
    store all of the content) and `content`, the body of the response without chunks and compression. `extractHtml` reads it
    with `column: content` and `contentType: contentType`. A record that cannot be decoded is a failed row.
    """

    suffixes = tuple(f"{name}{ending}" for name in (".warc", ".wet", ".wat") for ending in ("", ".gz", ".zst"))
    cutting_reads = True
    records: tuple[RecordType, ...] = Field(
        default=("response", "resource", "conversion"), min_length=1, description="Types of records to read."
    )
    content: Literal["bytes", "text"] = Field(
        default="bytes",
        description="Type of the content: `bytes` in a column `content`, or `text` (UTF-8) in a column `text`, for WET files.",
    )

    def known_columns(self) -> tuple[str, ...]:
        """All columns, without hive partitions."""
        return (*self._kinds(), *((self.include_path,) if self.include_path else ()))

    def _kinds(self) -> dict[str, Any]:
        texts = dict.fromkeys(("id", "type", "url"), "string")
        last = {"text": "string"} if self.content == "text" else {"content": "binary"}
        return {**texts, "date": "time", "status": "int32", "contentType": "string", "truncated": "string", **last}

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns of every WARC file."""
        import pyarrow as pa

        kinds = {
            name: pa.timestamp("us", "UTC") if kind == "time" else getattr(pa, kind)() for name, kind in self._kinds().items()
        }
        return with_file_columns(pa.schema(kinds.items()), self, files)

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of whole records of about `target` bytes. Files with several records per gzip member are not split."""
        cuts = [0]
        if file.size > target * 3 // 2 and codec_of(file.path) in (None, "gzip"):
            try:
                with opened_records(file.path) as records:
                    for record in records:
                        if record.position is not None and record.position - cuts[-1] >= target:
                            cuts.append(record.position)
            except InputError:  # damaged: reported when the rest is read
                pass
        ends = [*cuts[1:], -1]
        return [Fragment(file, a, b, (file.size if b < 0 else b) - a) for a, b in zip(cuts, ends, strict=True)]

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Record by record. If the file is damaged, the records before the damage are read first."""
        rows: list[dict[str, Any]] = []
        size = 0
        try:
            with opened_records(fragment.file.path, fragment.start) as records:
                for record in records:
                    if 0 <= fragment.end <= (record.position if record.position is not None else -1):
                        break
                    if record.headers.get("warc-type", self.records[0]).lower() not in self.records:
                        continue
                    if (row := self._row(record, fragment, on_bad)) is not None:
                        rows.append(row)
                        size += len(row[self._last])
                    if size >= batch_bytes:
                        yield self._table(rows, schema, fragment)
                        rows, size = [], 0
        except InputError:
            if rows:
                yield self._table(rows, schema, fragment)
            raise
        if rows:
            yield self._table(rows, schema, fragment)

    @property
    def _last(self) -> str:
        return "text" if self.content == "text" else "content"

    def _row(self, record: Record, fragment: Fragment, on_bad: OnBadRecord) -> dict[str, Any] | None:
        """The values of a record. A record that cannot be decoded is a bad record and the result is None."""
        try:
            return self._values(record)
        except RecordError as error:
            shown = record.block[:BAD_TEXT].decode("utf-8", "backslashreplace")
            start = f" after byte {fragment.start}" if fragment.start else ""
            on_bad(shown, f"{fragment.file.path}:byte {record.offset}{start}: the record {error}")
        return None

    def _values(self, record: Record) -> dict[str, Any]:
        headers, body = record.headers, record.block
        if "warc-type" not in headers:
            raise RecordError("has no WARC-Type")
        kind, status = headers.get("content-type"), None
        if (kind or "").lower().replace(" ", "").startswith("application/http"):
            message = parse_message(record.block, "warc-truncated" in headers)
            body, status = message.body, message.status
            kind = message.headers.get("content-type")
        if len(body) > MAX_CONTENT:
            raise RecordError("has content larger than 2 GiB, the maximum size of a value")
        values = {
            "id": headers.get("warc-record-id", "").strip("<>") or None,
            "type": headers["warc-type"].lower(),
            "url": headers.get("warc-target-uri", "").strip("<>") or None,
            "date": _date(headers.get("warc-date")),
            "status": status,
            "contentType": kind,
            "truncated": headers.get("warc-truncated"),
        }
        return {**values, self._last: _text(body) if self.content == "text" else body}

    def _table(self, rows: list[dict[str, Any]], schema: pa.Schema, fragment: Fragment) -> pa.Table:
        import pyarrow as pa

        columns = {name: pa.array([row[name] for row in rows], schema.field(name).type) for name in self._kinds()}
        return conform(pa.table(columns), schema, fragment, self)


def _date(text: str | None) -> datetime | None:
    """The time of a record. Raises RecordError if it is not a time, or has nanoseconds."""
    if not text:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return datetime.fromisoformat(f"{match[1]}.{match[2] or '0':0<6}").replace(tzinfo=UTC)
    except ValueError as error:
        raise RecordError(f"has the date {text[:40]!r}, which is not a time in UTC with microseconds") from error


def _text(body: bytes) -> str:
    try:
        return body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise RecordError(f"has text that is not valid UTF-8 at its byte {error.start}") from error
