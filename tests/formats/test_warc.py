"""WARC files: records, HTTP messages, text of WET files, shards and damage."""

import datetime as dt
import gzip
import io
import random
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import fastwarc.warc
import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats import _warc_records
from datajob.formats.warc import WarcReader
from tests.support.local_jobs import make_job, read_manifest, run
from tests.support.rows import Bad, read
from tests.support.warcs import http, members, page, warc_record

INFO = warc_record("warcinfo", b"software: test\r\n", "application/warc-fields")
REQUEST = warc_record("request", b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "application/http; msgtype=request")
TEXT = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"
"""A record within a page."""


def reader(path: Path, **parameters: Any) -> WarcReader:
    return WarcReader(paths=(str(path),), **parameters)


def rows(path: Path, bad: Bad | None = None, **parameters: Any) -> list[dict[str, Any]]:
    return read(reader(path, **parameters), bad).to_pylist()


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.warc.zst"])
def test_responses_are_rows(tmp_path: Path, name: str) -> None:
    records = [
        INFO,
        REQUEST,
        page(1, b"<p>one"),
        warc_record("response", http(b"", "404 Not Found", Content_Type="text/plain")),
    ]
    data = members(records) if name.endswith("gz") else b"".join(records)
    (tmp_path / name).write_bytes(bytes(pa.compress(data, "zstd")) if name.endswith("zst") else data)
    first, second = rows(tmp_path)
    assert first == {
        "id": "urn:uuid:0",
        "type": "response",
        "url": "http://example.org/1",
        "date": dt.datetime(2024, 2, 29, 12, 30, 15, tzinfo=dt.UTC),
        "status": 200,
        "contentType": "text/html; charset=utf-8",
        "truncated": None,
        "content": b"<p>one",
    }
    assert (second["status"], second["contentType"], second["content"]) == (404, "text/plain", b"")
    assert [row["type"] for row in rows(tmp_path, records=("request", "warcinfo"))] == ["warcinfo", "request"]
    assert rows(tmp_path, records=("request",))[0]["status"] is None


BODY = "<p>中文</p>".encode()
packed = partial(gzip.compress, mtime=0)
"""The same bytes in every process, for the names of tests."""
CHUNKED = b"4;x=y\r\n" + BODY[:4] + b"\r\n%x\r\n" % (len(BODY) - 4) + BODY[4:] + b"\r\n0\r\n\r\n"
RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (CHUNKED, {"Transfer_Encoding": "chunked"}),
        (BODY, {"Transfer_Encoding": "chunked"}),  # already without chunks
        (packed(BODY), {"Content_Encoding": "gzip"}),
        (BODY, {"content_encoding": "GZip"}),  # already decompressed
        (zlib.compress(BODY), {"Content_Encoding": "deflate"}),
        (RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush(), {"Content_Encoding": "deflate"}),
        (bytes(pa.compress(BODY, "brotli")), {"Content_Encoding": "br"}),
        (bytes(pa.compress(BODY, "zstd")), {"Content_Encoding": "zstd"}),
        (BODY, {"Content_Encoding": "identity", "X_Crawl_Content_Encoding": "br"}),
    ],
)
def test_bodies_are_decoded(tmp_path: Path, body: bytes, headers: dict[str, str]) -> None:
    (tmp_path / "a.warc").write_bytes(warc_record("response", http(body, **headers)))
    assert rows(tmp_path)[0]["content"] == BODY


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (warc_record("response", b"no http"), "the record is not an HTTP message"),
        (warc_record("response", http(CHUNKED[:12], Transfer_Encoding="chunked")), "whose chunks are incomplete"),
        (
            warc_record("response", http(packed(BODY)[:-9], Content_Encoding="gzip")),
            "compressed body that is incomplete",
        ),
        (warc_record("response", http(b"\x1f\x8bxxxx", Content_Encoding="gzip")), "cannot be decompressed"),
        (warc_record("response", http(BODY, Content_Encoding="br")), r"cannot be decompressed \(br\)"),
        (warc_record("response", http(BODY, Content_Encoding="x-odd")), "unknown Content-Encoding 'x-odd'"),
        (page(1, BODY).replace(b"WARC-Type: response\r\n", b""), "the record has no WARC-Type"),
        (page(1, BODY, WARC_Date="yesterday"), "has the date 'yesterday', which is not a time in UTC"),
        (page(1, BODY, WARC_Date="2024-01-01T00:00:00.123456789Z"), "not a time in UTC with microseconds"),
    ],
)
def test_a_record_that_cannot_be_decoded_is_a_failed_row(tmp_path: Path, record: bytes, reason: str) -> None:
    (tmp_path / "a.warc").write_bytes(page(1, b"a") + record + page(2, b"b"))
    bad = Bad()
    assert [row["content"] for row in rows(tmp_path, bad)] == [b"a", b"b"]
    (found,) = bad.reasons
    assert f"a.warc:byte {len(page(1, b'a'))}: " in found
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found)


def test_content_that_the_crawler_truncated_is_kept_and_marked(tmp_path: Path) -> None:
    body = http(packed(b"x" * 5000, 0)[:900], Content_Encoding="gzip")
    (tmp_path / "a.warc").write_bytes(warc_record("response", body, WARC_Truncated="length"))
    (row,) = rows(tmp_path)
    assert row["truncated"] == "length"
    assert set(row["content"]) == {ord("x")}


def test_odd_headers_are_read(tmp_path: Path) -> None:
    folded = (
        b"WARC/1.1\nwarc-type : response\nWARC-Target-URI: <http://example.org/\xe9>\nX: a\n b\nContent-Length: 2\n\nhi\n\n"
    )
    dns = warc_record(
        "response", b"20240229123015\r\nexample.org. 1 IN A 1.2.3.4\r\n", "text/dns", WARC_Target_URI="dns:example.org"
    )
    (tmp_path / "a.warc").write_bytes(folded + dns)
    first, second = rows(tmp_path)
    assert (first["url"], first["date"], first["content"]) == ("http://example.org/é", None, b"hi")
    assert (second["url"], second["status"], second["contentType"]) == ("dns:example.org", None, "text/dns")


def test_wet_files_are_text(tmp_path: Path) -> None:
    texts = ["中文\nline", "", "\ufefftext"]
    records = [INFO, *(warc_record("conversion", text.encode(), "text/plain") for text in texts)]
    (tmp_path / "a.warc.wet.gz").write_bytes(members([*records, warc_record("conversion", b"\xff", "text/plain")]))
    bad = Bad()
    assert [row["text"] for row in rows(tmp_path, bad, content="text")] == ["中文\nline", "", "text"]
    assert [reason.split(": ", 1)[1] for reason in bad.reasons] == ["the record has text that is not valid UTF-8 at its byte 0"]


def crawl(count: int = 60) -> list[bytes]:
    chance = random.Random(18)
    pages = [TEXT, members([page(7, b"nested")]), b"", b"\r\n\r\n", "<p>中".encode("gb18030"), b"x" * 3000]
    return [INFO, *(page(i, chance.choice(pages) * chance.randint(1, 2)) for i in range(count))]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_shards_have_each_record_once(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_warc_records, "READ", 1000)
    data = members(crawl()) if name.endswith("gz") else b"".join(crawl())
    (tmp_path / name).write_bytes(data)
    whole = rows(tmp_path)
    assert len(whole) == 60
    expected = fastwarc.warc.ArchiveIterator(io.BytesIO(data), fastwarc.warc.WarcRecordType.response)
    assert [row["content"] for row in whole] == [record.reader.read() for record in expected]
    source = reader(tmp_path)
    (file,) = source.files()
    for target in (1, 500, 5000):
        parts = source.fragments(file, target)
        assert len(parts) > 2
        assert read(source, target=target, batch_bytes=700).to_pylist() == whole


def test_a_file_of_one_gzip_member_is_not_split(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(packed(b"".join(crawl())))
    source = reader(tmp_path)
    assert len(source.fragments(source.files()[0], 100)) == 1
    assert len(rows(tmp_path)) == 60


@pytest.mark.parametrize("compressed", [False, True])
def test_records_before_damage_are_read_and_the_damage_is_an_error(tmp_path: Path, compressed: bool) -> None:
    records = crawl(5)
    data = members(records) if compressed else b"".join(records)
    start = len(members(records[:-1]) if compressed else b"".join(records[:-1]))
    cases = {
        "truncated": data[: start + 20],
        "truncated at its end": data[:-6],
        "no record begins at byte": data[:start] + (packed(b"garbage") if compressed else b"garbage"),
        "no valid Content-Length": data[:start] + members([page(1, b"", Content_Length="x")])
        if compressed
        else data[:start] + page(1, b"", Content_Length="x"),
    }
    if compressed:
        cases["corrupt"] = data[:start] + data[start : start + 15] + b"\xff" * 20 + data[start + 35 :]
    for number, (reason, damaged) in enumerate(cases.items()):
        path = tmp_path / f"{number}.warc{'.gz' if compressed else ''}"
        path.write_bytes(damaged)
        source = reader(path)
        found: list[pa.Table] = []
        with pytest.raises(InputError, match=f"cannot be read as WARC: .*{reason.removesuffix(' at its end')}"):
            found.extend(source.read(source.fragments(source.files()[0], 1 << 30)[0], source.schema(source.files()), 1, Bad()))
        assert sum(map(len, found)) == (5 if compressed and "at its end" in reason else 4)


def test_a_compressed_file_without_its_ending_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(members(crawl(2)))
    with pytest.raises(InputError, match=r"compressed with gzip, but the name does not end in \.gz"):
        rows(tmp_path)


def test_the_main_text_of_pages_in_any_encoding(tmp_path: Path) -> None:
    text = "这是一个用于测试的段落，它包含足够多的文字。" * 5
    html = f"<html><body><article><p>{text}</p></article></body></html>"
    pages = [page(1, html.encode("gb18030"), "text/html; charset=gb18030"), page(2, html.encode("utf-16"), "text/html")]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.warc.gz").write_bytes(members([INFO, *pages]))
    steps = [
        {"filter": {"where": "status = 200 AND contentType LIKE 'text/html%'"}},
        {"extractHtml": {"column": "content", "contentType": "contentType", "output": "text"}},
    ]
    job = make_job(tmp_path, tmp_path / "out", steps, sources=[{"warc": {"paths": [str(tmp_path / "in")]}}])
    run(job, shard_bytes=300)
    assert [row["text"] for row in read_manifest(tmp_path / "out")] == [text, text]
