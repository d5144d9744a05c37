"""Fetching media: from files, ranges of files, the web and object stores; everything that can be wrong has a reason."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from datajob.formats import _web
from datajob.formats.media_files import fetch, fetch_all
from datajob.media.errors import MediaError
from datajob.media.values import MediaValue

CONTENT = bytes(range(256)) * 40


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.gate.wait(600)  # type: ignore[attr-defined]
        if self.path == "/drip":
            return self._drip()
        if self.path == "/short":
            return self._answer(200, CONTENT[:100], len(CONTENT))
        if self.path == "/escape":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return None
        status = {"/missing": 404, "/secret": 403, "/broken": 500}.get(self.path)
        if status:
            return self._answer(status, b"no", 2)
        asked = self.headers.get("Range")
        if asked and self.path == "/ranges":
            start, _, end = asked.removeprefix("bytes=").partition("-")
            if int(start) >= len(CONTENT):
                return self._answer(416, b"", 0)
            part = CONTENT[int(start) : int(end) + 1 if end else None]
            return self._answer(206, part, len(part))
        return self._answer(200, b"" if self.path == "/empty" else CONTENT, 0 if self.path == "/empty" else len(CONTENT))

    def _answer(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.gate.wait(0.02):  # type: ignore[attr-defined]
            self.wfile.write(b"x")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.gate = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.gate.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def reason(value: MediaValue, folder: str | None = None) -> str:
    with pytest.raises(MediaError) as error:
        fetch(value, folder)
    assert str(error.value).startswith(error.value.reason)
    return error.value.reason


def test_bytes_files_and_ranges_are_fetched(tmp_path: Path) -> None:
    (tmp_path / "a#1.bin").write_bytes(CONTENT)
    path = str(tmp_path / "a#1.bin")
    assert fetch(MediaValue(b"abc", "anywhere")) == b"abc"
    assert fetch(MediaValue(b"abc"), first=2) == b"ab"
    assert fetch(MediaValue(path=path)) == CONTENT
    assert fetch(MediaValue(path=f"file://{path}")) == CONTENT
    assert fetch(MediaValue(path=path), first=10) == CONTENT[:10]
    assert fetch(MediaValue(path=path, byte_range=(5, 7))) == CONTENT[5:12]
    assert fetch(MediaValue(path=path, byte_range=(5, 7)), first=3) == CONTENT[5:8]
    assert fetch(MediaValue(path="a#1.bin"), str(tmp_path)) == CONTENT
    assert fetch(MediaValue(path="x/../a#1.bin"), str(tmp_path)) == CONTENT


def test_every_broken_reference_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    folder = str(tmp_path)
    cases = {
        "noMedia": [MediaValue(), MediaValue(path="")],
        "empty": [MediaValue(b""), MediaValue(path="empty"), MediaValue(path="a", byte_range=(3, 0))],
        "notFound": [MediaValue(path="b"), MediaValue(path="a/b"), MediaValue(path="b", byte_range=(0, 1))],
        "notAFile": [MediaValue(path="pipe"), MediaValue(path=".")],
        "badReference": [MediaValue(path="a\0"), MediaValue(path="a#t=x", problem="badReference: a#t=x")],
        "truncated": [MediaValue(path="a", byte_range=(len(CONTENT), 1)), MediaValue(path="a", byte_range=(0, 1 << 20))],
        "tooLarge": [MediaValue(path="a", byte_range=(0, 1 << 31))],
        "outsideFolder": [
            MediaValue(path=p) for p in ("../a", "x/../../a", "/etc/passwd", f"{folder}/../a", "file:///etc/passwd")
        ]
        + [MediaValue(path="..")],
    }
    for expected, values in cases.items():
        assert [reason(value, folder) for value in values] == [expected] * len(values)
    with pytest.raises(MediaError, match="tooLarge"):
        fetch(MediaValue(path="a"), folder, limit=100)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_denied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    (tmp_path / "a").chmod(0)
    assert reason(MediaValue(path=str(tmp_path / "a"))) == "denied"


def test_ten_thousand_references_that_point_nowhere_have_a_reason_each(tmp_path: Path) -> None:
    values = [MediaValue(path=f"nowhere/{i}.jpg") for i in range(10_000)]
    found = list(fetch_all(values, str(tmp_path)))
    assert len(found) == 10_000
    assert {getattr(error, "reason", None) for error in found} == {"notFound"}


def test_many_files_are_fetched_in_order(tmp_path: Path) -> None:
    for i in range(50):
        (tmp_path / str(i)).write_bytes(b"x%d" % i)
    assert list(fetch_all((MediaValue(path=str(i)) for i in range(50)), str(tmp_path))) == [b"x%d" % i for i in range(50)]


def test_the_web_is_read_whole_and_in_ranges(web: str) -> None:
    assert fetch(MediaValue(path=f"{web}/file")) == CONTENT
    assert fetch(MediaValue(path=f"{web}/ranges", byte_range=(100, 50))) == CONTENT[100:150]
    assert fetch(MediaValue(path=f"{web}/ranges"), first=20) == CONTENT[:20]
    assert fetch(MediaValue(path=f"{web}/noranges", byte_range=(100, 50))) == CONTENT[100:150]
    assert fetch(MediaValue(path=f"{web}/noranges"), first=20) == CONTENT[:20]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        *[("missing", "notFound"), ("secret", "denied"), ("broken", "unreadable"), ("short", "truncated")],
        *[("empty", "empty"), ("escape", "unreadable")],
    ],
)
def test_every_failure_of_the_web_has_a_reason(web: str, page: str, expected: str) -> None:
    assert reason(MediaValue(path=f"{web}/{page}")) == expected


@pytest.mark.parametrize("page", ["slow", "drip"])
def test_a_server_that_does_not_answer_or_sends_too_slowly_has_a_reason(
    web: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_web, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(_web, "TOTAL_SECONDS", 0.5)
    assert reason(MediaValue(path=f"{web}/{page}")) == "tooSlow"


def test_ranges_of_the_web_that_are_too_long_have_a_reason(web: str) -> None:
    assert reason(MediaValue(path=f"{web}/ranges", byte_range=(0, 1 << 20))) == "truncated"
    assert reason(MediaValue(path=f"{web}/ranges", byte_range=(1 << 20, 5))) == "truncated"
    assert reason(MediaValue(path=f"{web}/noranges", byte_range=(0, 1 << 20))) == "truncated"
    with pytest.raises(MediaError, match="tooLarge"):
        fetch(MediaValue(path=f"{web}/file"), limit=100)


def test_a_host_that_cannot_be_reached_has_a_reason() -> None:
    assert reason(MediaValue(path="http://127.0.0.1:1/a.jpg")) == "unreachable"
    assert reason(MediaValue(path="http://")) in ("unreadable", "unreachable")
    assert reason(MediaValue(path="http://[bad/a.jpg")) in ("unreadable", "unreachable")
    assert reason(MediaValue(path="http://127.0.0.1:1/a b\n.jpg")) in ("unreadable", "unreachable")
